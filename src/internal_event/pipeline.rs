//! What happens between the log source and the incidents.

use std::time::Duration;

use jiff::Timestamp;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use tracing::{debug, error, info, warn};

use crate::domain::engine::{Detection, Tally};
use crate::domain::envelope::EnvelopeError;
use crate::domain::event::Shard;
use crate::domain::incident::incident_name;
use crate::domain::types::{Evidence, Verdict};
use crate::pipeline::sink::{Created, FindingsError, SinkError};
use crate::source::SourceError;

const DISCARD_REASONS: [&str; 9] = [
    "too_large",
    "json",
    "no_message",
    "no_time",
    "no_container",
    "unknown_pod",
    "unknown_pod_overflow",
    "other_container",
    "shard_lost",
];

/// The pipeline's metrics.
#[derive(Clone, Debug)]
pub struct PipelineMetrics {
    received: IntCounter,
    discarded: IntCounterVec,
    matched: IntCounter,
    stale: IntCounter,
    clamped: IntCounter,
    explained: IntCounter,
    detections: IntCounterVec,
    incidents: IntCounterVec,
    create_errors: IntCounter,
    list_errors: IntCounter,
    source_errors: IntCounterVec,
    source_connections: IntCounter,
    windows: IntGauge,
    window_bytes: IntGauge,
    held: IntGauge,
    evicted: IntCounter,
    delay: Histogram,
}

impl PipelineMetrics {
    /// Registers the metrics, all at 0.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let windows = IntGauge::new("hopkeeper_windows_open", "Windows that rules count lines in.")?;
        registry.register(Box::new(windows.clone()))?;
        let window_bytes = IntGauge::new("hopkeeper_windows_bytes", "What open windows take, of at most 92274688.")?;
        registry.register(Box::new(window_bytes.clone()))?;
        let held = IntGauge::new("hopkeeper_records_held", "Records that wait until their pod is known.")?;
        registry.register(Box::new(held.clone()))?;
        let delay = Histogram::with_opts(
            HistogramOpts::new(
                "hopkeeper_record_to_incident_seconds",
                "From the time the log source got a record to the incident that it caused.",
            )
            .buckets(vec![0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0]),
        )?;
        registry.register(Box::new(delay.clone()))?;
        let metrics = Self {
            received: counter("hopkeeper_records_received_total", "Records read from the log source.")?,
            discarded: counters(
                "hopkeeper_records_discarded_total",
                "Records that say nothing about a hop.",
                &["reason"],
            )?,
            matched: counter("hopkeeper_lines_matched_total", "Lines that a rule decided.")?,
            stale: counter(
                "hopkeeper_lines_stale_total",
                "Lines about other parameters than the hop's, or older than its last sign of health.",
            )?,
            clamped: counter(
                "hopkeeper_lines_clamped_total",
                "Lines dated in the future, taken for as new as they can be.",
            )?,
            explained: counter(
                "hopkeeper_lines_explained_total",
                "Lines not counted, as symptoms of a fault inside the pod.",
            )?,
            detections: counters("hopkeeper_detections_total", "Rules that fired.", &["verdict", "evidence"])?,
            incidents: counters("hopkeeper_incidents_total", "Incidents handed over.", &["result"])?,
            create_errors: counter("hopkeeper_incident_create_errors_total", "Failed tries to create an incident.")?,
            list_errors: counter(
                "hopkeeper_incident_list_errors_total",
                "Failed tries to learn which incidents are there.",
            )?,
            source_errors: counters("hopkeeper_source_errors_total", "Failures of the log source.", &["category"])?,
            source_connections: counter("hopkeeper_source_connections_total", "Connections made to the log source.")?,
            windows,
            window_bytes,
            held,
            evicted: counter("hopkeeper_windows_evicted_total", "Windows given up because there were too many.")?,
            delay,
        };
        metrics.start_at_zero();
        Ok(metrics)
    }

    fn start_at_zero(&self) {
        for reason in DISCARD_REASONS {
            self.discarded.with_label_values(&[reason]);
        }
        for verdict in [Verdict::Rotate, Verdict::Restart, Verdict::Alert] {
            for evidence in [Evidence::Own, Evidence::Path] {
                self.detections.with_label_values(&[verdict.to_string(), evidence.to_string()]);
            }
        }
        for result in ["new", "existing", "refused"] {
            self.incidents.with_label_values(&[result]);
        }
        for category in ["configure", "read", "store"] {
            self.source_errors.with_label_values(&[category]);
        }
    }

    fn detected(&self, detection: &Detection, result: &str) {
        self.detections.with_label_values(&[detection.verdict.to_string(), detection.evidence.to_string()]).inc();
        self.incidents.with_label_values(&[result]).inc();
    }
}

/// The source is there.
pub(crate) struct SourceConnected;

impl SourceConnected {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        info!("Reading the log source.");
        metrics.source_connections.inc();
    }
}

/// The source failed; it is connected again after a pause.
pub(crate) struct SourceFailed<'a> {
    pub(crate) error: &'a SourceError,
    pub(crate) pause: Duration,
}

impl SourceFailed<'_> {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        let cause = std::error::Error::source(self.error).map(ToString::to_string).unwrap_or_default();
        warn!(error = %self.error, cause, pause_seconds = self.pause.as_secs_f64(), "The log source failed; connecting again.");
        metrics.source_errors.with_label_values(&[self.error.category()]).inc();
    }
}

/// The place reached could not be stored; a later one makes up for it.
pub(crate) struct PlaceStoreFailed<'a> {
    pub(crate) shard: &'a Shard,
    pub(crate) error: &'a SourceError,
}

impl PlaceStoreFailed<'_> {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        debug!(error = %self.error, shard = %self.shard, "The place reached was not stored.");
        metrics.source_errors.with_label_values(&[self.error.category()]).inc();
    }
}

/// A record came in.
pub(crate) struct RecordReceived;

impl RecordReceived {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        metrics.received.inc();
    }
}

/// A record says nothing about a hop.
pub(crate) struct RecordDiscarded<'a> {
    pub(crate) reason: &'static str,
    pub(crate) error: Option<&'a EnvelopeError>,
}

impl RecordDiscarded<'_> {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        let counter = metrics.discarded.with_label_values(&[self.reason]);
        counter.inc();
        // Junk can come in floods: the 1st, 2nd, 4th, 8th … is worth a line.
        if let Some(error) = self.error
            && counter.get().is_power_of_two()
        {
            warn!(%error, reason = self.reason, so_far = counter.get(), "Discarded a record that is no log line.");
        }
    }
}

/// Records wait for their pods.
pub(crate) struct RecordsHeld {
    pub(crate) records: usize,
}

impl RecordsHeld {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        metrics.held.set(i64::try_from(self.records).unwrap_or(i64::MAX));
    }
}

/// A line is dated in the future: a clock is wrong.
pub(crate) struct LineClamped;

impl LineClamped {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        metrics.clamped.inc();
        // All lines of a node whose clock is wrong are: the 1st, 2nd, 4th, 8th … is worth a line.
        if metrics.clamped.get().is_power_of_two() {
            warn!(so_far = metrics.clamped.get(), "A line is dated in the future: a node's clock is wrong.");
        }
    }
}

/// Other rules are in use from here on.
pub(crate) struct RulesTaken {
    pub(crate) dropped_windows: usize,
    pub(crate) kept_windows: usize,
}

impl RulesTaken {
    pub(crate) fn emit(self) {
        info!(dropped_windows = self.dropped_windows, kept_windows = self.kept_windows, "Going on with other rules.");
    }
}

/// What the engine counted lately.
pub(crate) struct LinesCounted {
    pub(crate) tally: Tally,
    pub(crate) open_windows: usize,
    pub(crate) window_bytes: usize,
}

impl LinesCounted {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        metrics.matched.inc_by(self.tally.matched);
        metrics.stale.inc_by(self.tally.stale);
        metrics.explained.inc_by(self.tally.explained);
        metrics.evicted.inc_by(self.tally.evicted);
        metrics.windows.set(i64::try_from(self.open_windows).unwrap_or(i64::MAX));
        metrics.window_bytes.set(i64::try_from(self.window_bytes).unwrap_or(i64::MAX));
        if self.tally.evicted > 0 {
            warn!(evicted = self.tally.evicted, "Gave up windows: more are open than fit.");
        }
    }
}

/// A rule fired and its incident exists.
pub(crate) struct IncidentCreated<'a> {
    pub(crate) detection: &'a Detection,
    pub(crate) created: Created,
    pub(crate) received: Option<Timestamp>,
}

impl IncidentCreated<'_> {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        let Self { detection, created, received } = self;
        let name = incident_name(detection);
        match created {
            Created::New => {
                info!(hop = %detection.hop.id, rule = %detection.rule, verdict = %detection.verdict, evidence = %detection.evidence,
                    incident = name, "A rule fired: created an incident.");
                metrics.detected(detection, "new");
                if let Some(received) = received {
                    metrics.delay.observe(Timestamp::now().duration_since(received).as_secs_f64().max(0.0));
                }
            }
            Created::AlreadyThere => {
                debug!(hop = %detection.hop.id, rule = %detection.rule, incident = name, "The incident exists already.");
                metrics.detected(detection, "existing");
            }
        }
    }
}

/// An incident could not be created; it is tried again.
pub(crate) struct IncidentCreateFailed<'a> {
    pub(crate) detection: &'a Detection,
    pub(crate) error: &'a SinkError,
    pub(crate) pause: Duration,
}

impl IncidentCreateFailed<'_> {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        let cause = std::error::Error::source(self.error).map(ToString::to_string).unwrap_or_default();
        warn!(error = %self.error, cause, hop = %self.detection.hop.id, rule = %self.detection.rule,
            pause_seconds = self.pause.as_secs_f64(), "An incident was not created; trying again.");
        metrics.create_errors.inc();
    }
}

/// Nobody could tell which incidents are there.
pub(crate) struct FindingsListFailed<'a> {
    pub(crate) error: &'a FindingsError,
}

impl FindingsListFailed<'_> {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        let cause = std::error::Error::source(self.error).map(ToString::to_string).unwrap_or_default();
        warn!(error = %self.error, cause, "Going on without: lines that are read again may make one more incident of an outage.");
        metrics.list_errors.inc();
    }
}

/// An incident was refused for good.
pub(crate) struct IncidentRefused<'a> {
    pub(crate) detection: &'a Detection,
    pub(crate) error: &'a SinkError,
}

impl IncidentRefused<'_> {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        let cause = std::error::Error::source(self.error).map(ToString::to_string).unwrap_or_default();
        let (hop, rule) = (&self.detection.hop.id, &self.detection.rule);
        if matches!(self.error, SinkError::Forbidden(_)) {
            error!(error = %self.error, cause, %hop, %rule, namespace = hop.namespace, verb = "create", resource = "hopincidents.hopkeeper.io",
                "Not allowed to create incidents in this namespace: grant the verb on the resource. Left the incident.");
        } else {
            error!(error = %self.error, cause, %hop, %rule, "An incident was refused, or its pod is gone; left it.");
        }
        metrics.detected(self.detection, "refused");
    }
}
