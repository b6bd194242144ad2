//! What happens to traces on their way to the collector. No line here holds a header.

use std::error::Error;
use std::time::Duration;

use prometheus::{IntCounter, IntGauge, Registry};
use tracing::{info, warn};

use super::catalog;
use super::metric::Counters;
use crate::telemetry::error_chain;

/// The metrics of the traces.
#[derive(Clone, Debug)]
pub struct TraceMetrics {
    exported: IntCounter,
    dropped: Counters,
    errors: Counters,
    waiting: IntGauge,
}

impl TraceMetrics {
    /// Registers the metrics, all at 0.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            exported: catalog::TRACES_EXPORTED.new_counter(registry)?,
            dropped: catalog::TRACES_DROPPED.new_counters(registry)?,
            errors: catalog::TRACES_EXPORT_ERRORS.new_counters(registry)?,
            waiting: catalog::TRACES_WAITING.new_gauge(registry)?,
        })
    }

    /// How many traces wait.
    pub fn waiting(&self, traces: usize) {
        self.waiting.set(i64::try_from(traces).unwrap_or(i64::MAX));
    }
}

/// The collector has traces.
pub struct TracesExported<'a> {
    /// How many.
    pub traces: usize,
    /// Where.
    pub address: &'a str,
}

impl TracesExported<'_> {
    /// Counts them; the first ones are worth a line.
    pub fn emit(self, metrics: &TraceMetrics) {
        if metrics.exported.get() == 0 {
            info!(collector = self.address, "Sending traces of incidents.");
        }
        metrics.exported.inc_by(self.traces as u64);
    }
}

/// Traces are given up: more came than the outbox holds, or the process ends.
pub struct TracesDropped {
    /// How many.
    pub traces: usize,
    /// Which of the two.
    pub reason: &'static str,
}

impl TracesDropped {
    /// Logs and counts them.
    pub fn emit(self, metrics: &TraceMetrics) {
        if self.traces == 0 {
            return;
        }
        let counter = metrics.dropped.of(&[self.reason]);
        let before = counter.get();
        counter.inc_by(self.traces as u64);
        // An outage drops one for each that comes: each doubling is worth a line.
        if before.checked_ilog2() != counter.get().checked_ilog2() {
            let (reason, so_far) = (self.reason, counter.get());
            warn!(reason, so_far, "Traces were dropped, the oldest first. Decisions do not depend on them.");
        }
    }
}

/// The collector refuses traces for good.
pub struct TracesRefused<'a> {
    /// What it says.
    pub error: &'a (dyn Error + 'static),
    /// The same for metrics.
    pub category: &'static str,
    /// How many.
    pub traces: usize,
}

impl TracesRefused<'_> {
    /// Logs and counts them.
    pub fn emit(self, metrics: &TraceMetrics) {
        let Self { error, category, traces } = self;
        metrics.errors.of(&[category]).inc();
        metrics.dropped.of(&["refused"]).inc_by(traces as u64);
        warn!(error = error_chain(error), category, traces, "The collector refused traces; they are dropped.");
    }
}

/// The collector took traces, but not all of their spans.
pub struct SpansRejected<'a> {
    /// How many it did not take.
    pub spans: u64,
    /// What it says, also where it took all.
    pub message: &'a str,
}

impl SpansRejected<'_> {
    /// Logs and counts it.
    pub fn emit(self, metrics: &TraceMetrics) {
        let Self { spans, message } = self;
        if spans == 0 && message.is_empty() {
            return;
        }
        if spans > 0 {
            metrics.errors.of(&["partial"]).inc();
        }
        warn!(rejected_spans = spans, message, "The collector took traces, but had something to say about them.");
    }
}

/// Nothing could be sent; it is tried again.
pub struct TraceExportFailed<'a> {
    /// Why.
    pub error: &'a (dyn Error + 'static),
    /// The same for metrics.
    pub category: &'static str,
    /// How many traces wait.
    pub waiting: usize,
    /// When it is tried again.
    pub pause: Duration,
}

impl TraceExportFailed<'_> {
    /// Logs and counts it.
    pub fn emit(self, metrics: &TraceMetrics) {
        warn!(
            error = error_chain(self.error),
            category = self.category,
            waiting = self.waiting,
            pause_seconds = self.pause.as_secs_f64(),
            "Traces were not sent; trying again."
        );
        metrics.errors.of(&[self.category]).inc();
    }
}
