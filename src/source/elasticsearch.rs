//! Records from Elasticsearch: Filebeat's data stream, asked again and again by time.
//!
//! A document shows itself later than its time says: its shard refreshes, its shipper was held up. So the newest span is
//! left alone for a moment (`settle`), a little of what was read is read again each time, and every few seconds all of
//! the lag window is compared with what was delivered. What was delivered is known by index and id. The place that is
//! stored is a time: the oldest of a record that is not done.

pub mod client;
mod pages;
mod query;
pub mod range;
mod reader;
mod seen;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::cursor::CursorStore;
use super::progress::Progress;
use super::{Record, Source, SourceError};
use crate::domain::event::Shard;
use crate::elasticsearch::Connection;
use crate::internal_event::pipeline::PipelineMetrics;
use client::Search;
use reader::Reader;

/// Storing the last place takes no longer.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// How it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The field that orders the documents: `@timestamp`, or a time that Elasticsearch itself puts in.
    pub field: String,
    /// A document may show itself so long after others of its time.
    pub lag: Duration,
    /// What is younger is left for the next time.
    pub settle: Duration,
    /// How long between two looks.
    pub poll: Duration,
    /// How long between two looks through the whole lag window.
    pub sweep: Duration,
    /// An outage is waited for so long; then the source fails, which its supervisor counts, and the lag window is delivered once
    /// more by the next one.
    pub patience: Duration,
}

/// A reader that has not begun.
pub struct ElasticsearchSource {
    client: Search,
    reading: Reading,
    store: Arc<dyn CursorStore>,
    metrics: Option<Arc<PipelineMetrics>>,
}

/// What is stored between two processes.
#[derive(Serialize, Deserialize)]
struct Cursor {
    from: Timestamp,
}

impl ElasticsearchSource {
    /// Prepares a reader of a data stream, index, alias or pattern; nothing is asked yet.
    ///
    /// # Errors
    /// When a setting can't be used.
    pub fn new(
        connection: Connection,
        index: String,
        reading: Reading,
        store: Arc<dyn CursorStore>,
    ) -> Result<Self, SourceError> {
        let client = Search::new(connection, index).map_err(|error| SourceError::Configure(error.into()))?;
        Ok(Self { client, reading, store, metrics: None })
    }

    /// Counts the failures that it goes on after by itself, too.
    #[must_use]
    pub fn counting(self, metrics: Arc<PipelineMetrics>) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// Where the last process was; at the first start, the lag window before now.
    async fn start(&self) -> Result<Timestamp, SourceError> {
        let saved = self.store.load().await.map_err(|error| SourceError::Read(error.into()))?;
        let cursor = saved.and_then(|text| match serde_json::from_str::<Cursor>(&text) {
            Ok(cursor) => Some(cursor.from),
            Err(error) => {
                tracing::warn!(%error, "The stored place can't be read; beginning anew.");
                None
            }
        });
        Ok(cursor.unwrap_or_else(Timestamp::now))
    }
}

impl Source for ElasticsearchSource {
    async fn run(self, records: mpsc::Sender<Record>, stop: CancellationToken) -> Result<(), SourceError> {
        let Some(start) = stop.run_until_cancelled(self.start()).await else { return Ok(()) };
        let shard = Shard::new(format!("elasticsearch:{}", self.client.index()));
        let progress = Arc::new(Progress::new(shard));
        let mut reader =
            Reader::new(self.client, self.reading, self.store, Arc::clone(&progress), start?, self.metrics);
        let result = stop.run_until_cancelled(reader.read(&records)).await.unwrap_or(Ok(()));
        // Lets the worker come to its end, before the last place is stored.
        drop(records);
        stop.cancelled().await;
        progress.lose();
        let left = async {
            reader.close().await;
            reader.save().await;
        };
        if tokio::time::timeout(LEAVE_TIMEOUT, left).await.is_err() {
            tracing::warn!("The last place was not stored in time; what it stands for is read again.");
        }
        result.map_err(|error| SourceError::Read(error.into()))
    }
}

#[cfg(test)]
mod tests;
