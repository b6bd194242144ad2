//! What happens between the log source and the incidents.

use std::collections::HashSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::runtime::watcher;
use prometheus::{Gauge, Histogram, IntCounter, IntGauge, Registry};
use tracing::{debug, error, info, warn};

use super::catalog;
use super::metric::{Counters, Gauges, OfChain};
use crate::domain::engine::{Detection, Tally};
use crate::domain::envelope::EnvelopeError;
use crate::domain::event::Shard;
use crate::domain::incident::incident_name;
use crate::domain::types::HopId;
use crate::pipeline::sink::{Created, FindingsError, SinkError};
use crate::source::SourceError;
use crate::source::cursor::CursorError;
use crate::telemetry::error_chain;

/// The pipeline's metrics.
#[derive(Clone, Debug)]
pub struct PipelineMetrics {
    received: IntCounter,
    last_record: IntGauge,
    lag: Gauge,
    last_handshake: Gauges,
    discarded: Counters,
    matched: IntCounter,
    unmatched: IntCounter,
    stale: IntCounter,
    clamped: IntCounter,
    explained: IntCounter,
    detections: Counters,
    incidents: Counters,
    create_errors: IntCounter,
    list_errors: IntCounter,
    source_errors: Counters,
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
        Ok(Self {
            received: catalog::RECORDS_RECEIVED.new_counter(registry)?,
            last_record: catalog::LAST_RECORD.new_gauge(registry)?,
            lag: catalog::SOURCE_LAG.new_real_gauge(registry)?,
            last_handshake: catalog::LAST_HANDSHAKE.new_gauges(registry)?,
            discarded: catalog::RECORDS_DISCARDED.new_counters(registry)?,
            matched: catalog::LINES_MATCHED.new_counter(registry)?,
            unmatched: catalog::LINES_UNMATCHED.new_counter(registry)?,
            stale: catalog::LINES_STALE.new_counter(registry)?,
            clamped: catalog::LINES_CLAMPED.new_counter(registry)?,
            explained: catalog::LINES_EXPLAINED.new_counter(registry)?,
            detections: catalog::DETECTIONS.new_counters(registry)?,
            incidents: catalog::INCIDENTS.new_counters(registry)?,
            create_errors: catalog::INCIDENT_CREATE_ERRORS.new_counter(registry)?,
            list_errors: catalog::INCIDENT_LIST_ERRORS.new_counter(registry)?,
            source_errors: catalog::SOURCE_ERRORS.new_counters(registry)?,
            source_connections: catalog::SOURCE_CONNECTIONS.new_counter(registry)?,
            windows: catalog::WINDOWS_OPEN.new_gauge(registry)?,
            window_bytes: catalog::WINDOWS_BYTES.new_gauge(registry)?,
            held: catalog::RECORDS_HELD.new_gauge(registry)?,
            evicted: catalog::WINDOWS_EVICTED.new_counter(registry)?,
            delay: catalog::RECORD_TO_INCIDENT.new_histogram(registry)?,
        })
    }

    /// The same counters for one more reader, beside the log stream's. Its gauges are not shown: they would replace those that tell
    /// of the stream, and what its own windows take is bounded all the same.
    #[must_use]
    pub fn of_another_reader(&self) -> Self {
        const UNSEEN: &str = "unseen";
        let unseen = || IntGauge::new(UNSEEN, UNSEEN).expect("should be a name");
        let lag = Gauge::new(UNSEEN, UNSEEN).expect("should be a name");
        let (last_record, windows, window_bytes, held) = (unseen(), unseen(), unseen(), unseen());
        Self { last_record, lag, windows, window_bytes, held, ..self.clone() }
    }

    fn detected(&self, detection: &Detection, result: &str) {
        self.detections.of(&[&detection.verdict.to_string(), &detection.evidence.to_string()]).inc();
        self.incidents.of(&[result]).inc();
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
        warn!(
            error = error_chain(self.error),
            pause_seconds = self.pause.as_secs_f64(),
            "The log source failed; connecting again."
        );
        metrics.source_errors.of(&[self.error.category()]).inc();
    }
}

/// Reading failed for a moment; the source goes on by itself.
pub(crate) struct SourceRetried<'a> {
    pub(crate) error: &'a (dyn std::error::Error + 'static),
    pub(crate) pause: Duration,
}

impl SourceRetried<'_> {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        let (error, pause_seconds) = (error_chain(self.error), self.pause.as_secs_f64());
        warn!(error, pause_seconds, "The log source can't be read; trying again.");
        metrics.source_errors.of(&["read"]).inc();
    }
}

/// The watch on the pods whose logs are read failed; it is tried again.
pub(crate) struct PodsNotWatched<'a> {
    pub(crate) error: &'a watcher::Error,
}

impl PodsNotWatched<'_> {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        warn!(error = error_chain(self.error), "The watch on pods failed; it is tried again.");
        metrics.source_errors.of(&["read"]).inc();
    }
}

/// A pod's log may not be read.
pub(crate) struct PodLogRefused<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) pod: &'a str,
    pub(crate) container: &'a str,
}

impl PodLogRefused<'_> {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        let Self { namespace, pod, container } = self;
        warn!(
            namespace,
            pod, container, "Not allowed to read the pod's log: grant the verb get on pods/log in its namespace."
        );
        metrics.source_errors.of(&["read"]).inc();
    }
}

/// The places reached could not be saved for the next process; later ones make up for them.
pub(crate) struct PlacesNotSaved<'a> {
    pub(crate) error: &'a CursorError,
}

impl PlacesNotSaved<'_> {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        warn!(error = error_chain(self.error), "The places were not stored; later ones make up for them.");
        metrics.source_errors.of(&["store"]).inc();
    }
}

/// The place reached could not be stored; a later one makes up for it.
pub(crate) struct PlaceStoreFailed<'a> {
    pub(crate) shard: &'a Shard,
    pub(crate) error: &'a SourceError,
}

impl PlaceStoreFailed<'_> {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        debug!(error = error_chain(self.error), shard = %self.shard, "The place reached was not stored.");
        metrics.source_errors.of(&[self.error.category()]).inc();
    }
}

/// A record came in.
pub(crate) struct RecordReceived {
    pub(crate) at: Timestamp,
}

impl RecordReceived {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        metrics.received.inc();
        metrics.last_record.set(self.at.as_second());
    }
}

/// How old lines are when they are read.
pub(crate) struct LagSeen {
    pub(crate) lag: SignedDuration,
}

impl LagSeen {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        metrics.lag.set(self.lag.as_secs_f64());
    }
}

/// A health line told when its hop last completed a handshake.
pub(crate) struct HandshakeSeen<'a> {
    pub(crate) hop: &'a HopId,
    pub(crate) at: Timestamp,
}

impl HandshakeSeen<'_> {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        let HopId { namespace, chain, hop } = self.hop;
        let gauge = metrics.last_handshake.of(&[namespace, chain, hop]);
        // Lines come late at times.
        gauge.set(gauge.get().max(self.at.as_second()));
    }
}

/// Pods came or went.
pub(crate) struct PodsChanged {
    /// The hops that have one.
    pub(crate) hops: HashSet<HopId>,
}

impl PodsChanged {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        let is_left = |namespace: &str, chain: &str, hop: Option<&str>| {
            let hop = hop.unwrap_or_default();
            self.hops.iter().any(|left| left.namespace == namespace && left.chain == chain && left.hop == hop)
        };
        metrics.last_handshake.retain(&is_left);
    }
}

/// A record says nothing about a hop.
pub(crate) struct RecordDiscarded<'a> {
    pub(crate) reason: &'static str,
    pub(crate) error: Option<&'a EnvelopeError>,
}

impl RecordDiscarded<'_> {
    pub(crate) fn emit(self, metrics: &PipelineMetrics) {
        let counter = metrics.discarded.of(&[self.reason]);
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
        metrics.unmatched.inc_by(self.tally.unmatched);
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
        warn!(error = error_chain(self.error), hop = %self.detection.hop.id, rule = %self.detection.rule,
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
        warn!(
            error = error_chain(self.error),
            "Going on without: lines that are read again may make one more incident of an outage."
        );
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
        let (hop, rule) = (&self.detection.hop.id, &self.detection.rule);
        if matches!(self.error, SinkError::Forbidden(_)) {
            error!(error = error_chain(self.error), %hop, %rule, namespace = hop.namespace, verb = "create", resource = "hopincidents.hopkeeper.io",
                "Not allowed to create incidents in this namespace: grant the verb on the resource. Left the incident.");
        } else {
            error!(error = error_chain(self.error), %hop, %rule, "An incident was refused, or its pod is gone; left it.");
        }
        metrics.detected(self.detection, "refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_readers_counts_are_added_and_its_gauges_do_not_speak_for_the_stream() {
        let registry = Registry::new();
        let metrics = PipelineMetrics::register(&registry).unwrap();
        let other = metrics.of_another_reader();
        for (metrics, seconds) in [(&metrics, 300), (&other, 900)] {
            RecordReceived { at: Timestamp::from_second(seconds).unwrap() }.emit(metrics);
            LagSeen { lag: SignedDuration::from_secs(seconds) }.emit(metrics);
            RecordsHeld { records: usize::try_from(seconds).unwrap() }.emit(metrics);
        }
        let families = registry.gather();
        let of = |name: &str| families.iter().find(|family| family.name() == name).unwrap().get_metric()[0].clone();
        assert!((of("hopkeeper_records_received_total").get_counter().get_value() - 2.0).abs() < f64::EPSILON);
        for (gauge, value) in [
            ("hopkeeper_last_record_timestamp_seconds", 300.0),
            ("hopkeeper_source_lag_seconds", 300.0),
            ("hopkeeper_records_held", 300.0),
        ] {
            assert!((of(gauge).get_gauge().get_value() - value).abs() < f64::EPSILON, "{gauge}");
        }
    }
}
