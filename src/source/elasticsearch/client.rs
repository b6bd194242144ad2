//! The few requests of Elasticsearch that reading takes: a point in time, its pages, its end.
//!
//! An answer that is not whole (a shard failed, a time-out) is an error: half of the documents would pass for all. So is one
//! of no shard at all: Elasticsearch leaves out what is not there, and what one may not read.

use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::elasticsearch::error::ElasticsearchError;
use crate::elasticsearch::{Body, Connection, Elasticsearch};

const READ: &str = "read the documents";
/// Longer than a page takes to be worked through; what is leaked by a crash ends by itself.
const KEEP_ALIVE: &str = "1m";

fn remedies(status: u16) -> &'static str {
    match status {
        403 => "; the key or user needs the privilege read on the index",
        404 => {
            "; does --elasticsearch-index name the data stream that the shipper writes to, and has the key or user the \
             privilege read on it?"
        }
        _ => "",
    }
}

/// Searches of one index.
#[derive(Debug)]
pub struct Search {
    cluster: Elasticsearch,
    index: String,
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

impl Search {
    /// Data stream, index, alias or pattern, comma-separated; nothing is asked yet.
    ///
    /// # Errors
    /// When a URL or the CA file can't be used.
    pub fn new(connection: Connection, index: String) -> Result<Self, ElasticsearchError> {
        Ok(Self { cluster: Elasticsearch::new(connection, remedies)?, index })
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
        self.open(&[("ignore_unavailable", "true")]).await
    }

    /// Why a search found no index to look into. Where it has just come to be, the point in time is as good as expired.
    async fn nothing(&self) -> ElasticsearchError {
        match self.open(&[("ignore_unavailable", "false"), ("allow_no_indices", "false")]).await {
            Ok(pit) => {
                // It ends by itself as well.
                let _ = self.close_pit(&pit).await;
                ElasticsearchError::Expired { what: READ }
            }
            Err(error) => error,
        }
    }

    async fn open(&self, how: &[(&str, &str)]) -> Result<String, ElasticsearchError> {
        #[derive(Deserialize)]
        struct Opened {
            id: String,
        }
        let path = [self.index.as_str(), "_pit"];
        let query = [&[("keep_alive", KEEP_ALIVE)], how].concat();
        let opened: Opened = self.cluster.send("open a point in time", Method::POST, &path, &query, Body::None).await?;
        Ok(opened.id)
    }

    /// Gives the point in time back: Elasticsearch keeps files and memory for each.
    ///
    /// # Errors
    /// When Elasticsearch does not answer; it ends by itself then.
    pub async fn close_pit(&self, pit: &str) -> Result<(), ElasticsearchError> {
        let body = json!({ "id": pit });
        let _: Value =
            self.cluster.send("close a point in time", Method::DELETE, &["_pit"], &[], Body::Json(body)).await?;
        Ok(())
    }

    /// The next page of a point in time, whose id may change; `query` is the search's body without it.
    ///
    /// # Errors
    /// When Elasticsearch does not answer, refuses, or answers in part.
    pub async fn page(&self, pit: &mut String, mut query: Value) -> Result<Vec<Hit>, ElasticsearchError> {
        query["pit"] = json!({ "id": *pit, "keep_alive": KEEP_ALIVE });
        query["track_total_hits"] = false.into();
        let page = self.search(READ, query).await?;
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
        let page: Page = self.cluster.send(what, Method::POST, &["_search"], &query, Body::Json(body)).await?;
        if page.timed_out || page.shards.failed > 0 {
            return Err(ElasticsearchError::Partial { what, failed: page.shards.failed, total: page.shards.total });
        }
        if page.shards.total == 0 {
            return Err(self.nothing().await);
        }
        Ok(page)
    }
}
