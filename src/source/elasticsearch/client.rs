//! The few requests of Elasticsearch that reading takes: a point in time, its pages, its end. Works with 8 and 9.
//!
//! An answer that is not whole (a shard failed, a time-out) is an error: half of the documents would pass for all.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Certificate, Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use thiserror::Error;
use url::Url;

const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(60);
/// Longer than a page takes to be worked through; what is leaked by a crash ends by itself.
const KEEP_ALIVE: &str = "1m";
/// A longer answer is asked for in smaller pages.
pub const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;
/// How much of a refusal is shown.
const MAX_REASON: usize = 300;

/// Who we are.
pub enum Credentials {
    /// Security is switched off.
    None,
    /// An API key, in the encoded form that Elasticsearch prints.
    ApiKey(SecretString),
    /// A user and a password.
    Password(String, SecretString),
}

/// How to reach Elasticsearch.
pub struct ElasticsearchConfig {
    /// One URL or more, of nodes of one cluster.
    pub urls: Vec<String>,
    /// Data stream, index, alias or pattern; comma-separated.
    pub index: String,
    /// Who we are.
    pub credentials: Credentials,
    /// CA certificates (PEM) besides the system's.
    pub ca: Option<PathBuf>,
}

/// Why Elasticsearch could not be asked.
#[derive(Debug, Error)]
pub enum ElasticsearchError {
    /// A setting can't be used.
    #[error("failed to set up the elasticsearch client: {0}")]
    Settings(String),
    /// No answer.
    #[error("failed to {what}: elasticsearch does not answer")]
    Unreachable {
        /// What was asked.
        what: &'static str,
        /// Why, without the address.
        #[source]
        source: reqwest::Error,
    },
    /// It says no.
    #[error("failed to {what}: elasticsearch answered {status}: {reason}{}", hint(*status))]
    Refused {
        /// What was asked.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// What it said.
        reason: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The point in time is gone: reading took too long, or its node went.
    #[error("failed to {what}: the point in time has expired")]
    Expired {
        /// What was asked.
        what: &'static str,
    },
    /// Not all documents are in the answer.
    #[error("failed to {what}: {failed} of {total} shards did not answer in full")]
    Partial {
        /// What was asked.
        what: &'static str,
        /// Shards without answer.
        failed: u64,
        /// All shards.
        total: u64,
    },
    /// The answer is longer than [`MAX_ANSWER_BYTES`].
    #[error("failed to {what}: the answer is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLarge {
        /// What was asked.
        what: &'static str,
    },
    /// Something else answers at this address.
    #[error("failed to {what}: the answer is not elasticsearch's; is the URL right?")]
    Answer {
        /// What was asked.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

fn hint(status: u16) -> &'static str {
    match status {
        401 => "; check the API key, or user and password",
        403 => "; the key or user needs the privileges read and view_index_metadata on the index",
        404 => "; does --elasticsearch-index name the data stream that the shipper writes to?",
        _ => "",
    }
}

impl ElasticsearchError {
    /// Whether the same question may be answered a moment later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Partial { .. } => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Settings(_) | Self::Expired { .. } | Self::TooLarge { .. } | Self::Answer { .. } => false,
        }
    }

    /// How long the server wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A client of one cluster.
pub struct Elasticsearch {
    http: reqwest::Client,
    urls: Vec<Url>,
    /// The node that is asked.
    node: AtomicUsize,
    index: String,
    credentials: Credentials,
}

impl fmt::Debug for Elasticsearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elasticsearch").field("urls", &self.urls).field("index", &self.index).finish_non_exhaustive()
    }
}

/// One document.
#[derive(Debug, Deserialize)]
pub struct Hit {
    /// Its index, which rollover changes.
    #[serde(rename = "_index")]
    pub index: String,
    /// Its id, unique in the index.
    #[serde(rename = "_id")]
    pub id: String,
    /// The document as it was sent, where it was asked for.
    #[serde(rename = "_source", default)]
    pub source: Option<Box<RawValue>>,
    /// Its place in the order: nanoseconds, and a number that no other document of the point in time has.
    pub sort: (i64, i64),
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    pit_id: Option<String>,
    #[serde(default)]
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Shards,
    hits: Hits,
}

#[derive(Deserialize)]
struct Shards {
    total: u64,
    failed: u64,
}

#[derive(Deserialize)]
struct Hits {
    #[serde(default)]
    total: Option<Total>,
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Total {
    value: u64,
}

impl Elasticsearch {
    /// A client that has not asked anything yet.
    ///
    /// # Errors
    /// When a URL or the CA file can't be used.
    pub fn new(config: ElasticsearchConfig) -> Result<Self, ElasticsearchError> {
        let urls: Vec<Url> = config.urls.iter().map(|text| url(text)).collect::<Result<_, _>>()?;
        if urls.is_empty() {
            return Err(ElasticsearchError::Settings("no URL is given, for example https://elasticsearch:9200".into()));
        }
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("hopkeeper/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(ANSWER);
        if let Some(path) = &config.ca {
            let refused = |why: String| ElasticsearchError::Settings(format!("CA file {}: {why}", path.display()));
            let pem = std::fs::read(path).map_err(|e| refused(e.to_string()))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|e| refused(e.to_string()))?;
            if certificates.is_empty() {
                return Err(refused("no PEM certificate in it".into()));
            }
            http = http.tls_certs_merge(certificates);
        }
        let http = http.build().map_err(|e| ElasticsearchError::Settings(e.to_string()))?;
        let (index, credentials) = (config.index, config.credentials);
        Ok(Self { http, urls, node: AtomicUsize::new(0), index, credentials })
    }

    /// What is read.
    pub fn index(&self) -> &str {
        &self.index
    }

    /// Freezes the index as it is now, over all of its shards and backing indices.
    ///
    /// # Errors
    /// When Elasticsearch does not answer or refuses.
    pub async fn open_pit(&self) -> Result<String, ElasticsearchError> {
        #[derive(Deserialize)]
        struct Opened {
            id: String,
        }
        let path = [self.index.as_str(), "_pit"];
        let query = [("keep_alive", KEEP_ALIVE), ("ignore_unavailable", "true")];
        let opened: Opened = self.send("open a point in time", Method::POST, &path, &query, None).await?;
        Ok(opened.id)
    }

    /// Gives the point in time back: Elasticsearch keeps files and memory for each.
    ///
    /// # Errors
    /// When Elasticsearch does not answer; it ends by itself then.
    pub async fn close_pit(&self, pit: &str) -> Result<(), ElasticsearchError> {
        let body = json!({ "id": pit });
        let _: Value = self.send("close a point in time", Method::DELETE, &["_pit"], &[], Some(&body)).await?;
        Ok(())
    }

    /// The next page of a point in time, whose id may change; `query` is the search's body without it.
    ///
    /// # Errors
    /// When Elasticsearch does not answer, refuses, or answers in part.
    pub async fn page(&self, pit: &mut String, mut query: Value) -> Result<Vec<Hit>, ElasticsearchError> {
        let what = "read the documents";
        query["pit"] = json!({ "id": *pit, "keep_alive": KEEP_ALIVE });
        query["track_total_hits"] = false.into();
        let page = self.search(what, query).await?;
        if let Some(id) = page.pit_id {
            *pit = id;
        }
        Ok(page.hits.hits)
    }

    /// How many documents of a point in time a query finds.
    ///
    /// # Errors
    /// As [`Self::page`].
    pub async fn count(&self, pit: &mut String, query: &Value) -> Result<u64, ElasticsearchError> {
        let body = json!({ "pit": { "id": *pit, "keep_alive": KEEP_ALIVE }, "size": 0, "track_total_hits": true,
            "query": query });
        let page = self.search("count the documents", body).await?;
        if let Some(id) = page.pit_id {
            *pit = id;
        }
        Ok(page.hits.total.map_or(0, |total| total.value))
    }

    async fn search(&self, what: &'static str, body: Value) -> Result<Page, ElasticsearchError> {
        let query = [("allow_partial_search_results", "false")];
        let page: Page = self.send(what, Method::POST, &["_search"], &query, Some(&body)).await?;
        if page.timed_out || page.shards.failed > 0 {
            return Err(ElasticsearchError::Partial { what, failed: page.shards.failed, total: page.shards.total });
        }
        Ok(page)
    }

    async fn send<T: DeserializeOwned>(
        &self,
        what: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
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
        let mut request = self.authorized(self.http.request(method, url));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
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
        let retry_after = retry_after.map(Duration::from_secs);
        Err(ElasticsearchError::Refused { what, status: status.as_u16(), reason: reason(&answer), retry_after })
    }
}

/// What an error's body says in short.
fn reason(answer: &str) -> String {
    let parsed: Value = serde_json::from_str(answer).unwrap_or_default();
    let error = &parsed["error"];
    let cause = error["root_cause"][0]["reason"].as_str().or_else(|| error["reason"].as_str());
    let text = cause.or_else(|| error.as_str()).unwrap_or("no reason given");
    text.chars().take(MAX_REASON).collect()
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
