//! What happens to chain-state documents on their way to Elasticsearch. No line here holds a document's content.

use std::time::Duration;

use prometheus::{IntCounter, IntGauge, Registry};
use tracing::{info, warn};

use super::catalog;
use super::metric::Counters;
use crate::telemetry::error_chain;

/// The metrics of the documents.
#[derive(Clone, Debug)]
pub struct DocumentMetrics {
    written: IntCounter,
    dropped: Counters,
    errors: Counters,
    waiting: IntGauge,
    waiting_bytes: IntGauge,
}

impl DocumentMetrics {
    /// Registers the metrics, all at 0.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            written: catalog::DOCUMENTS_WRITTEN.new_counter(registry)?,
            dropped: catalog::DOCUMENTS_DROPPED.new_counters(registry)?,
            errors: catalog::DOCUMENTS_WRITE_ERRORS.new_counters(registry)?,
            waiting: catalog::DOCUMENTS_WAITING.new_gauge(registry)?,
            waiting_bytes: catalog::DOCUMENTS_WAITING_BYTES.new_gauge(registry)?,
        })
    }

    /// How many documents wait, and what they take.
    pub(crate) fn waiting(&self, (documents, bytes): (usize, usize)) {
        self.waiting.set(i64::try_from(documents).unwrap_or(i64::MAX));
        self.waiting_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

/// Elasticsearch is there, and set up.
pub(crate) struct DocumentsConnected<'a> {
    pub(crate) transitions: &'a str,
    pub(crate) state: &'a str,
}

impl DocumentsConnected<'_> {
    pub(crate) fn emit(self) {
        info!(data_stream = self.transitions, index = self.state, "Writing chain-state documents to Elasticsearch.");
    }
}

/// Documents are written.
pub(crate) struct DocumentsWritten {
    pub(crate) documents: usize,
}

impl DocumentsWritten {
    pub(crate) fn emit(self, metrics: &DocumentMetrics) {
        metrics.written.inc_by(self.documents as u64);
    }
}

/// Documents are given up: more came than the buffer holds, or the process ends.
pub(crate) struct DocumentsDropped {
    pub(crate) documents: usize,
    pub(crate) reason: &'static str,
}

impl DocumentsDropped {
    pub(crate) fn emit(self, metrics: &DocumentMetrics) {
        if self.documents == 0 {
            return;
        }
        let counter = metrics.dropped.of(&[self.reason]);
        let before = counter.get();
        counter.inc_by(self.documents as u64);
        // An outage drops one for each that comes: each doubling is worth a line.
        if before.checked_ilog2() != counter.get().checked_ilog2() {
            let (reason, so_far) = (self.reason, counter.get());
            warn!(
                reason,
                so_far, "Chain-state documents were dropped, the oldest first. Decisions do not depend on them."
            );
        }
    }
}

/// Elasticsearch refuses a document for good.
pub(crate) struct DocumentRefused<'a> {
    pub(crate) status: u16,
    pub(crate) kind: &'a str,
}

impl DocumentRefused<'_> {
    pub(crate) fn emit(self, metrics: &DocumentMetrics) {
        let counter = metrics.dropped.of(&["refused"]);
        counter.inc();
        if counter.get().is_power_of_two() {
            warn!(
                status = self.status,
                error = self.kind,
                so_far = counter.get(),
                "Elasticsearch refused a chain-state document: is it set up for this version? `hopkeeper setup` says so."
            );
        }
    }
}

/// Nothing could be written; it is tried again.
pub(crate) struct DocumentsWriteFailed<'a> {
    pub(crate) error: &'a (dyn std::error::Error + 'static),
    pub(crate) category: &'static str,
    pub(crate) waiting: usize,
    pub(crate) pause: Duration,
}

impl DocumentsWriteFailed<'_> {
    pub(crate) fn emit(self, metrics: &DocumentMetrics) {
        warn!(
            error = error_chain(self.error),
            category = self.category,
            waiting = self.waiting,
            pause_seconds = self.pause.as_secs_f64(),
            "Chain-state documents were not written; trying again."
        );
        metrics.errors.of(&[self.category]).inc();
    }
}
