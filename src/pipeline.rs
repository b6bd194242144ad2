//! From records to incidents: decode, find the hop, count, create. The only output is the sink's `create`.
//!
//! A record is done when what it proved exists as an incident; only then its place is stored. So a crash anywhere repeats
//! some records, and their incidents have the same names. What is done about an incident is the reconciler's affair.

pub mod directory;
pub mod hearing;
mod held;
pub mod sink;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use crate::domain::event::HopIdentity;
use crate::domain::ruleset::RuleSet;
use crate::internal_event::pipeline::{PipelineMetrics, SourceConnected, SourceFailed};
use crate::source::{Source, SourceError};
pub use directory::HopDirectory;
pub use hearing::Hearing;
pub use sink::{Created, FindingsError, IncidentSink, SinkError};
use worker::Worker;

/// Records on their way from the source to the engine; with `source::MAX_RECORD_BYTES`, 64 MiB at most.
const RECORDS_IN_FLIGHT: usize = 256;
/// A source that ran so long before it failed starts again with a short pause.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// Everything between the log source and the incidents.
pub struct Pipeline<K> {
    rules: watch::Receiver<Arc<RuleSet>>,
    directory: HopDirectory,
    sink: K,
    metrics: PipelineMetrics,
    hearing: Option<Hearing>,
}

impl<K: IncidentSink> Pipeline<K> {
    /// A pipeline that is not running yet.
    pub fn new(rules: Arc<RuleSet>, directory: HopDirectory, sink: K, metrics: PipelineMetrics) -> Self {
        // Nobody sends: these rules stay.
        let (_, rules) = watch::channel(rules);
        Self { rules, directory, sink, metrics, hearing: None }
    }

    /// Takes its rules from a channel instead: others whenever they are sent, between two records.
    #[must_use]
    pub fn following(self, rules: watch::Receiver<Arc<RuleSet>>) -> Self {
        Self { rules, ..self }
    }

    /// Keeps account of whom it hears, where that is wanted.
    #[must_use]
    pub fn noting(self, hearing: Option<Hearing>) -> Self {
        Self { hearing, ..self }
    }

    /// Runs until stopped: connects the source, and connects it again with growing pauses when it fails.
    ///
    /// Waits for the directory first, so that no line is dropped for a pod that is only not known yet.
    pub async fn run<S, C>(self, mut connect: C, stop: CancellationToken)
    where
        S: Source,
        C: FnMut() -> Result<S, SourceError> + Send,
    {
        if stop.run_until_cancelled(self.directory.synced()).await.is_none() {
            return;
        }
        let mut pauses = pauses();
        while !stop.is_cancelled() {
            let started = tokio::time::Instant::now();
            let result = match connect() {
                Ok(source) => {
                    SourceConnected.emit(&self.metrics);
                    self.run_once(source, &stop).await
                }
                Err(error) => Err(error),
            };
            let Err(error) = result else { continue };
            if started.elapsed() > HEALTHY_AFTER {
                pauses = self::pauses();
            }
            let pause = pauses.next().unwrap_or(MAX_PAUSE);
            SourceFailed { error: &error, pause }.emit(&self.metrics);
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    /// One life of a source. Windows start empty: the records that they need come again.
    async fn run_once<S: Source>(&self, source: S, stop: &CancellationToken) -> Result<(), SourceError> {
        let (sender, records) = mpsc::channel(RECORDS_IN_FLIGHT);
        // The worker stops first and stores its last place while the source can still take it.
        let stop_source = CancellationToken::new();
        let mut worker = Worker::new(self.rules.clone(), &self.directory, &self.sink, &self.metrics, Timestamp::now)
            .noting(self.hearing.clone());
        let work = async {
            let result = worker.run(records, stop).await;
            stop_source.cancel();
            result
        };
        let (read, worked) = tokio::join!(source.run(sender, stop_source.clone()), work);
        read.and(worked)
    }
}

/// With what chance adds, twice as much: so long after an outage the first incident is created.
const MAX_PAUSE: Duration = Duration::from_secs(2);

fn pauses() -> impl Iterator<Item = Duration> + Send {
    crate::pauses::pauses(Duration::from_millis(500), MAX_PAUSE)
}
