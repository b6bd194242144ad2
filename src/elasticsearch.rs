//! One Elasticsearch cluster: how it is reached, who we are there, and one request with its answer. Works with 8 and 9.
//!
//! Leaves what is asked to the log source, to the chain-state documents and to `hopkeeper setup`, and retries to them too.

pub mod error;
pub(crate) mod http;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use error::{ElasticsearchError, reason};

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
        let refused = |why| ElasticsearchError::Settings(format!("{why}, for example https://elasticsearch:9200"));
        let urls: Result<Vec<Url>, _> = connection.urls.iter().map(|text| http::url(text).map_err(refused)).collect();
        let urls = urls?;
        if urls.is_empty() {
            return Err(ElasticsearchError::Settings("no URL is given, for example https://elasticsearch:9200".into()));
        }
        let http = http::client(connection.ca.as_deref()).map_err(ElasticsearchError::Settings)?;
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
        let url = http::within(&self.urls[node % self.urls.len()], path, query);
        let request = http::authorized(self.http.request(method, url), &self.credentials);
        let request = match body {
            Body::None => request,
            Body::Json(value) => request.header("content-type", "application/json").body(value.to_string()),
            Body::Lines(lines) => request.header("content-type", "application/x-ndjson").body(lines),
        };
        let address = self.urls[node % self.urls.len()].origin().ascii_serialization();
        let result = self.answer(what, &address, request).await;
        if result.as_ref().is_err_and(ElasticsearchError::is_passing) {
            self.node.store(node.wrapping_add(1), Ordering::Relaxed);
        }
        serde_json::from_slice(&result?).map_err(|source| ElasticsearchError::Answer { what, source })
    }

    async fn answer(
        &self,
        what: &'static str,
        address: &str,
        request: RequestBuilder,
    ) -> Result<Vec<u8>, ElasticsearchError> {
        let unreachable = |source: reqwest::Error| {
            let (address, source) = (address.to_owned(), source.without_url());
            ElasticsearchError::Unreachable { what, address, source }
        };
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let body = http::body(&mut response).await.map_err(unreachable)?;
        let body = body.ok_or(ElasticsearchError::TooLarge { what })?;
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

#[cfg(test)]
mod tests;
