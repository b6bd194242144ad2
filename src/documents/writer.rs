//! The task that writes what the buffer holds, for as long as anybody puts something in, and a moment longer.
//!
//! Elasticsearch may be away, busy, not set up, or refuse: documents wait, bounded, and decisions never do.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use thiserror::Error;

use super::{Buffer, Names, bulk};
use crate::elasticsearch::error::ElasticsearchError;
use crate::elasticsearch::{Body, Connection, Elasticsearch};
use crate::internal_event::documents::{
    DocumentMetrics, DocumentRefused, DocumentsConnected, DocumentsDropped, DocumentsWriteFailed, DocumentsWritten,
};
use crate::outbox::{Carrier, Fate, LAST, MAX_PAUSE};

const MOST_DOCUMENTS: usize = 500;
const MOST_BYTES: usize = 1024 * 1024;

/// What a refusal of these requests means.
fn remedies(status: u16) -> &'static str {
    match status {
        403 => {
            "; the key or user needs the privileges create_doc and view_index_metadata on the data stream of \
             transitions, and index, delete and view_index_metadata on the index of states"
        }
        404 => "; run `hopkeeper setup` first, with the same --documents-namespace",
        _ => "",
    }
}

/// Why documents were not written.
#[derive(Debug, Error)]
enum WriteError {
    /// A setting can't be used; files may be replaced.
    #[error("failed to set up the elasticsearch client: {0}")]
    Settings(String),
    /// The request failed.
    #[error(transparent)]
    Request(#[from] ElasticsearchError),
    /// Some of the documents are to be sent again.
    #[error("elasticsearch is too busy for {0} of the documents")]
    Busy(usize),
    /// A right is missing, on one of the two at least.
    #[error("elasticsearch forbids {documents} of the documents{}", remedies(403))]
    Forbidden { documents: usize },
    /// What they are written to is gone.
    #[error("the data stream or the index of {0} of the documents is gone; run `hopkeeper setup` again")]
    Gone(usize),
}

impl WriteError {
    fn category(&self) -> &'static str {
        match self {
            Self::Settings(_) => "settings",
            Self::Busy(_) => "busy",
            Self::Forbidden { .. } => "forbidden",
            Self::Gone(_) => "not_set_up",
            Self::Request(error) => match error.status() {
                Some(429) => "busy",
                Some(401 | 403) => "forbidden",
                Some(404) => "not_set_up",
                Some(..500) => "refused",
                Some(500..) => "unreachable",
                None if error.is_passing() => "unreachable",
                None => "settings",
            },
        }
    }
}

/// Reads the settings, and the files that they name: keys and passwords are replaced.
pub type Connect = Box<dyn Fn() -> Result<Connection, String> + Send + Sync>;

/// Writes a buffer's documents.
pub struct Writer {
    connect: Connect,
    names: Names,
    buffer: Arc<Buffer>,
    metrics: DocumentMetrics,
    client: Option<Elasticsearch>,
    /// Fewer where a request was too large.
    most: usize,
    /// See [`LAST`].
    last: Duration,
}

impl Writer {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(connect: Connect, names: Names, buffer: Arc<Buffer>, metrics: DocumentMetrics) -> Self {
        Self { connect, names, buffer, metrics, client: None, most: MOST_DOCUMENTS, last: LAST }
    }

    /// Writes until the buffer's sink is dropped and what it left is written, or a few seconds have passed.
    pub async fn run(mut self) {
        let (buffer, last) = (Arc::clone(&self.buffer), self.last);
        let left = buffer.empty_with(&mut self, last).await;
        DocumentsDropped { documents: left, reason: "shutdown" }.emit(&self.metrics);
        self.metrics.waiting(buffer.size());
    }

    /// One request.
    async fn write(&mut self) -> Result<(), WriteError> {
        let client = match self.client.take() {
            Some(client) => client,
            None => self.connected().await?,
        };
        let mut lines = String::new();
        let sent = self.buffer.begin(self.most, MOST_BYTES, |document| lines.push_str(document.lines()));
        let answers = match bulk::send(&client, lines).await {
            Ok(answers) => answers,
            Err(error) => return self.failed(error, sent, client),
        };
        let fate = |index: usize| answers.get(index).map_or(Fate::Again, bulk::Answer::fate);
        self.settle(fate);
        let count = |wanted: Fate| (0..sent).filter(|index| fate(*index) == wanted).count();
        DocumentsWritten { documents: count(Fate::Settled) }.emit(&self.metrics);
        for answer in answers.iter().filter(|answer| answer.fate() == Fate::Refused) {
            DocumentRefused { status: answer.status(), kind: answer.kind() }.emit(&self.metrics);
        }
        self.most = MOST_DOCUMENTS;
        let gone = answers.iter().filter(|answer| answer.lacks_its_index()).count();
        if gone > 0 {
            return Err(WriteError::Gone(gone));
        }
        // Another key may have the right by now.
        let forbidden = answers.iter().filter(|answer| answer.is_forbidden()).count();
        if forbidden > 0 {
            return Err(WriteError::Forbidden { documents: forbidden });
        }
        self.client = Some(client);
        match count(Fate::Again) {
            0 => Ok(()),
            again => Err(WriteError::Busy(again)),
        }
    }

    /// A request that failed as a whole: its documents go out again, in smaller requests where this one was at fault.
    fn failed(&mut self, error: ElasticsearchError, sent: usize, client: Elasticsearch) -> Result<(), WriteError> {
        match error.status() {
            Some(status @ (400 | 413)) if sent == 1 => {
                self.settle(|_| Fate::Refused);
                DocumentRefused { status, kind: "" }.emit(&self.metrics);
                (self.most, self.client) = (MOST_DOCUMENTS, Some(client));
                return Ok(());
            }
            Some(400 | 413) => (self.most, self.client) = (sent.div_ceil(2), Some(client)),
            // Another node, another key, another CA: what is wrong may be mended in the files that the settings name.
            None | Some(401 | 403 | 404) => {}
            Some(_) => self.client = Some(client),
        }
        self.settle(|_| Fate::Again);
        Err(error.into())
    }

    fn settle(&self, fate: impl Fn(usize) -> Fate) {
        DocumentsDropped { documents: self.buffer.settle(fate), reason: "overflow" }.emit(&self.metrics);
    }

    /// A client, once the cluster was seen to be set up: nothing is ever made there by accident.
    async fn connected(&self) -> Result<Elasticsearch, WriteError> {
        let connection = (self.connect)().map_err(WriteError::Settings)?;
        let client = Elasticsearch::new(connection, remedies)?;
        let Names { transitions, state, .. } = &self.names;
        for name in [transitions, state] {
            let what = "look at what the documents are written to";
            let query = [("filter_path", "*.mappings.dynamic")];
            let _: Value = client.send(what, Method::GET, &[name, "_mapping"], &query, Body::None).await?;
        }
        DocumentsConnected { transitions, state }.emit();
        Ok(client)
    }
}

impl Carrier for Writer {
    async fn carry(&mut self, pause: Duration) -> Result<(), Duration> {
        let result = self.write().await;
        self.metrics.waiting(self.buffer.size());
        let Err(error) = result else { return Ok(()) };
        let wanted = match &error {
            WriteError::Request(error) => error.retry_after().unwrap_or_default().min(MAX_PAUSE),
            _ => Duration::ZERO,
        };
        let (category, waiting, pause) = (error.category(), self.buffer.size().0, pause.max(wanted));
        DocumentsWriteFailed { error: &error, category, waiting, pause }.emit(&self.metrics);
        Err(pause)
    }
}

#[cfg(test)]
mod tests;
