//! The task that sends what the outbox holds, for as long as anybody puts something in, and a moment longer.
//!
//! The collector may be away, slow, or refuse: traces wait, bounded, and decisions never do.

use std::sync::Arc;
use std::time::Duration;

use super::Trace;
use super::collector::{Collector, ExportError};
use crate::internal_event::traces::{
    SpansRejected, TraceExportFailed, TraceMetrics, TracesDropped, TracesExported, TracesRefused,
};
use crate::outbox::{Carrier, Fate, LAST, MAX_PAUSE, Outbox};

const MOST_TRACES: usize = 100;
const MOST_BYTES: usize = 512 * 1024;

/// Sends an outbox's traces.
pub struct Exporter {
    collector: Collector,
    outbox: Arc<Outbox<Trace>>,
    metrics: TraceMetrics,
    /// Fewer where a request was too large.
    most: usize,
    /// See [`LAST`].
    pub(super) last: Duration,
}

impl Exporter {
    /// Nothing is asked yet.
    pub(super) fn new(collector: Collector, outbox: Arc<Outbox<Trace>>, metrics: TraceMetrics) -> Self {
        Self { collector, outbox, metrics, most: MOST_TRACES, last: LAST }
    }

    /// Sends until the outbox's sink is dropped and what it left is sent, or a few seconds have passed.
    pub async fn run(mut self) {
        let (outbox, last) = (Arc::clone(&self.outbox), self.last);
        let left = outbox.empty_with(&mut self, last).await;
        TracesDropped { traces: left, reason: "shutdown" }.emit(&self.metrics);
        self.metrics.waiting(outbox.size().0);
    }

    /// One request.
    async fn send(&mut self) -> Result<(), ExportError> {
        let mut request = Vec::new();
        let traces = self.outbox.begin(self.most, MOST_BYTES, |trace| request.extend_from_slice(&trace.request));
        let result = self.collector.send(request).await;
        let fate = match &result {
            Ok(_) => Fate::Settled,
            Err(error) if error.is_passing() || (error.is_too_large() && traces > 1) => Fate::Again,
            Err(_) => Fate::Refused,
        };
        TracesDropped { traces: self.outbox.settle(|_| fate), reason: "overflow" }.emit(&self.metrics);
        match result {
            Ok(taken) => {
                self.most = MOST_TRACES;
                TracesExported { traces, address: &self.collector.address() }.emit(&self.metrics);
                SpansRejected { spans: taken.rejected_spans, message: &taken.message }.emit(&self.metrics);
            }
            Err(error) if error.is_too_large() && traces > 1 => self.most = traces.div_ceil(2),
            Err(error) if error.is_passing() => return Err(error),
            Err(error) => {
                self.most = MOST_TRACES;
                TracesRefused { error: &error, category: error.category(), traces }.emit(&self.metrics);
            }
        }
        Ok(())
    }
}

impl Carrier for Exporter {
    async fn carry(&mut self, pause: Duration) -> Result<(), Duration> {
        let result = self.send().await;
        let waiting = self.outbox.size().0;
        self.metrics.waiting(waiting);
        let Err(error) = result else { return Ok(()) };
        let pause = pause.max(error.retry_after().unwrap_or_default().min(MAX_PAUSE));
        TraceExportFailed { error: &error, category: error.category(), waiting, pause }.emit(&self.metrics);
        Err(pause)
    }
}

#[cfg(test)]
mod tests;
