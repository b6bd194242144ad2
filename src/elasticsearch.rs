//! One Elasticsearch cluster: how it is reached, who we are there, and one request with its answer. Works with 8 and 9.
//!
//! Leaves what is asked to the log source, to the chain-state documents and to `hopkeeper setup`, and retries to them too.

pub mod error;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Certificate, Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use error::{ElasticsearchError, reason};

const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(60);
/// A longer answer is an error.
pub const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// Who we are.
#[derive(Clone)]
pub enum Credentials {
    /// Security is switched off.
    None,
    /// An API key, in the encoded form that Elasticsearch prints.
    ApiKey(SecretString),
    /// A user and a password.
    Password(String, SecretString),
}

/// How to reach Elasticsearch.
#[derive(Clone)]
pub struct Connection {
    /// One URL or more, of nodes of one cluster.
    pub urls: Vec<String>,
    /// Who we are.
    pub credentials: Credentials,
    /// CA certificates (PEM) besides the system's.
    pub ca: Option<PathBuf>,
}

/// What to do about a refusal, by its HTTP status: the end of a sentence, or nothing.
pub type Remedies = fn(u16) -> &'static str;

/// A client of one cluster.
pub struct Elasticsearch {
    http: reqwest::Client,
    urls: Vec<Url>,
    /// The node that is asked.
    node: AtomicUsize,
    credentials: Credentials,
    remedies: Remedies,
}

impl fmt::Debug for Elasticsearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elasticsearch").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// What is sent along with a request.
pub enum Body {
    /// Nothing.
    None,
    /// One JSON value.
    Json(Value),
    /// JSON values, one a line.
    Lines(String),
}

impl Elasticsearch {
    /// A client that has not asked anything yet.
    ///
    /// # Errors
    /// When a URL or the CA file can't be used.
    pub fn new(connection: Connection, remedies: Remedies) -> Result<Self, ElasticsearchError> {
        let urls: Vec<Url> = connection.urls.iter().map(|text| url(text)).collect::<Result<_, _>>()?;
        if urls.is_empty() {
            return Err(ElasticsearchError::Settings("no URL is given, for example https://elasticsearch:9200".into()));
        }
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("hopkeeper/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(ANSWER);
        if let Some(path) = &connection.ca {
            let refused = |why: String| ElasticsearchError::Settings(format!("CA file {}: {why}", path.display()));
            let pem = std::fs::read(path).map_err(|e| refused(e.to_string()))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|e| refused(e.to_string()))?;
            if certificates.is_empty() {
                return Err(refused("no PEM certificate in it".into()));
            }
            http = http.tls_certs_merge(certificates);
        }
        let http = http.build().map_err(|e| ElasticsearchError::Settings(e.to_string()))?;
        Ok(Self { http, urls, node: AtomicUsize::new(0), credentials: connection.credentials, remedies })
    }

    /// Asks one thing; `what` completes "failed to …". The next request goes to another node where this one's did not
    /// answer.
    ///
    /// # Errors
    /// When Elasticsearch does not answer or refuses.
    pub async fn send<T: DeserializeOwned>(
        &self,
        what: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Body,
    ) -> Result<T, ElasticsearchError> {
        let node = self.node.load(Ordering::Relaxed);
        let mut url = self.urls[node % self.urls.len()].clone();
        // A URL that can be a base has path segments; `url()` lets no other one in.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.authorized(self.http.request(method, url));
        let request = match body {
            Body::None => request,
            Body::Json(value) => request.header("content-type", "application/json").body(value.to_string()),
            Body::Lines(lines) => request.header("content-type", "application/x-ndjson").body(lines),
        };
        let result = self.answer(what, request).await;
        if result.as_ref().is_err_and(ElasticsearchError::is_passing) {
            self.node.store(node.wrapping_add(1), Ordering::Relaxed);
        }
        serde_json::from_slice(&result?).map_err(|source| ElasticsearchError::Answer { what, source })
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.credentials {
            Credentials::None => request,
            Credentials::ApiKey(key) => request.header("authorization", format!("ApiKey {}", key.expose_secret())),
            Credentials::Password(user, password) => request.basic_auth(user, Some(password.expose_secret())),
        }
    }

    async fn answer(&self, what: &'static str, request: RequestBuilder) -> Result<Vec<u8>, ElasticsearchError> {
        let unreachable =
            |source: reqwest::Error| ElasticsearchError::Unreachable { what, source: source.without_url() };
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(ElasticsearchError::TooLarge { what });
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(body);
        }
        let answer = String::from_utf8_lossy(&body);
        if status == StatusCode::NOT_FOUND && answer.contains("search_context_missing_exception") {
            return Err(ElasticsearchError::Expired { what });
        }
        let remedy = match status.as_u16() {
            401 => "; check the API key, or user and password",
            status => (self.remedies)(status),
        };
        let retry_after = retry_after.map(Duration::from_secs);
        Err(ElasticsearchError::Refused { what, status: status.as_u16(), reason: reason(&answer), remedy, retry_after })
    }
}

fn url(text: &str) -> Result<Url, ElasticsearchError> {
    let refused = |why: &str| ElasticsearchError::Settings(format!("{why}, for example https://elasticsearch:9200"));
    let url = Url::parse(text.trim()).map_err(|_| refused("the URL can't be read"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(refused("the URL must begin with https:// or http:// and name a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("user and password must not be in the URL, which is logged: use --elasticsearch-user"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests;
