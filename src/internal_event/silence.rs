//! What becomes of hops that the log stream has fallen silent about.

use kube::runtime::events::{Event, EventType};
use prometheus::{IntGauge, Registry};
use tracing::{error, info, warn};

use super::catalog;
use super::controller::{Publishable, event};
use crate::app::readers::ReadersError;
use crate::telemetry::error_chain;

/// The metrics of silence.
#[derive(Clone, Debug)]
pub struct SilenceMetrics {
    silent_hops: IntGauge,
}

impl SilenceMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self { silent_hops: catalog::SILENT_HOPS.new_gauge(registry)? })
    }
}

/// Other hops are silent than before.
pub(crate) struct SilenceChanged {
    pub(crate) silent: usize,
    pub(crate) all: bool,
    pub(crate) after: std::time::Duration,
}

impl SilenceChanged {
    pub(crate) fn emit(self, metrics: &SilenceMetrics) {
        metrics.silent_hops.set(i64::try_from(self.silent).unwrap_or(i64::MAX));
        let Self { silent, all, after } = self;
        let after_seconds = after.as_secs();
        match (silent, all) {
            (0, _) => info!("Lines come of every hop that runs."),
            (_, true) => error!(silent, after_seconds, "Nothing comes of any hop: the log pipeline is down."),
            (_, false) => warn!(silent, after_seconds, "Nothing comes of some hops, while others are heard."),
        }
    }
}

/// Hops that are silent are read through the Kubernetes API.
pub(crate) struct FallbackBegan {
    pub(crate) silent: usize,
}

impl FallbackBegan {
    pub(crate) fn emit(self) {
        info!(silent = self.silent, "Reading the logs of silent hops through the Kubernetes API.");
    }
}

/// The log stream is heard of every hop again.
pub(crate) struct FallbackEnded;

impl FallbackEnded {
    pub(crate) fn emit(self) {
        info!("The log stream is heard of every hop again: no logs are read through the Kubernetes API any more.");
    }
}

/// What the other readers of the stream hear is not known: nobody is called silent.
pub(crate) struct ReadersListError<'a> {
    pub(crate) error: &'a ReadersError,
}

impl ReadersListError<'_> {
    pub(crate) fn emit(&self) {
        warn!(
            error = error_chain(self.error),
            "What the stream's other readers hear could not be asked; asking again."
        );
    }
}

/// What this reader hears could not be told to the leader.
pub(crate) struct ReaderPublishError<'a> {
    pub(crate) error: &'a kube::Error,
}

impl ReaderPublishError<'_> {
    pub(crate) fn emit(&self) {
        warn!(
            error = error_chain(self.error),
            "Whom this reader hears could not be told to the leader; telling it again."
        );
    }
}

/// A chain's status says something else of its logs than before.
pub(crate) struct LogsHeardChanged<'a> {
    pub(crate) is_heard: bool,
    pub(crate) message: &'a str,
}

impl Publishable for LogsHeardChanged<'_> {
    fn event(&self) -> Option<Event> {
        let (type_, reason) =
            if self.is_heard { (EventType::Normal, "LogsHeard") } else { (EventType::Warning, "LogsSilent") };
        Some(event(type_, reason, "Listen", self.message.to_owned()))
    }
}
