//! The one list of metrics: what the process exposes and `docs/metrics.md` are made from it.

mod labels;
mod page;

use super::metric::Metric;
use labels::{
    OF_DECISION, OF_DETECTION, OF_DISCARDED, OF_DROPPED, OF_HANDED_OVER, OF_HOP, OF_ORDER, OF_RECONCILE_ERROR,
    OF_SOURCE_ERROR, OF_STEP, OF_WRITE_ERROR,
};
pub use page::page;

/// Metrics that are documented together.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// What they are about.
    pub title: &'static str,
    /// Who exposes them.
    pub note: &'static str,
    /// The metrics.
    pub metrics: &'static [Metric],
}

macro_rules! catalog {
    ($($title:literal, $note:literal { $($name:ident = $metric:expr;)+ })+) => {
        $($(pub(super) const $name: Metric = $metric;)+)+

        /// Every metric, as the documentation shows them.
        pub const SECTIONS: &[Section] = &[
            $(Section { title: $title, note: $note, metrics: &[$($name),+] }),+
        ];
    };
}

catalog! {
    "Chains and hops", "By the operator that leads. A chain's series go with it, a hop's when the chain has it no more." {
        HOP_UP = Metric::gauge("hopkeeper_hop_up", "1 while the hop carries traffic, else 0.")
            .by(OF_HOP)
            .tells("a chain works while all of its hops are 1; when one fails, those inside of it fail too");
        DECISIONS = Metric::counter("hopkeeper_incident_decisions_total", "Phases that incidents entered.")
            .by(OF_DECISION)
            .tells("what was found and decided, hop by hop; a series begins with what it counts first, so alert on gauges instead");
        STEPS = Metric::counter("hopkeeper_recovery_steps_total", "Recovery steps taken.")
            .by(OF_STEP)
            .tells("repairs that were begun: a hop that needs them all day has bad candidates or a bad server");
        ORDERS = Metric::counter(
            "hopkeeper_rotation_orders_total",
            "Rotations that a person ordered, by what came of them.",
        )
        .by(OF_ORDER)
        .tells("who rotates by hand often misses a rule");
        PARAMETERS_WRITTEN = Metric::counter("hopkeeper_parameters_written_total", "Writes of a hop's parameters.")
            .by(OF_HOP)
            .tells("rotations, restarts in place and new versions of a candidate together");
        CANDIDATES_SKIPPED = Metric::counter("hopkeeper_candidates_skipped_total", "Candidates found unusable.")
            .by(OF_HOP)
            .tells("the chain's status and an Event say which and why; `hopkeeper pool check` too");
    }
    "Reconciling", "By the operator that leads." {
        RECONCILES = Metric::histogram("hopkeeper_reconcile_seconds", "How long a reconcile of one chain took.")
            .tells("mostly the Kubernetes API's time, and the pool's where one is asked");
        RECONCILE_ERRORS = Metric::counter("hopkeeper_reconcile_errors_total", "Failed reconciles.")
            .by(OF_RECONCILE_ERROR)
            .tells("each is tried again; `conflict` and `still_leaving` are how the guards on writes and deletions work");
    }
    "The log stream", "By every operator, each about its share of the stream." {
        RECORDS_RECEIVED = Metric::counter("hopkeeper_records_received_total", "Records read from the log source.")
            .tells("a hop's health line comes each 5 seconds, so it grows while there is a hop");
        RECORDS_DISCARDED =
            Metric::counter("hopkeeper_records_discarded_total", "Records that say nothing about a hop.")
                .by(OF_DISCARDED)
                .tells("`json`, `no_…` and `too_large` cannot be decoded: the shipper's configuration is wrong; `unknown_pod` is another pod's line");
        RECORDS_HELD = Metric::gauge("hopkeeper_records_held", "Records that wait until their pod is known.")
            .tells("for a moment after a pod was made");
        LINES_MATCHED = Metric::counter("hopkeeper_lines_matched_total", "Lines that a rule decided.")
            .tells("those that prove health and those to be ignored among them");
        LINES_STALE = Metric::counter(
            "hopkeeper_lines_stale_total",
            "Lines about other parameters than the hop's, or older than its last sign of health.",
        )
        .tells("some after each rotation; growing without end, the clocks of nodes and operator differ");
        LINES_CLAMPED = Metric::counter(
            "hopkeeper_lines_clamped_total",
            "Lines dated in the future, taken for as new as they can be.",
        )
        .tells("a node's clock is ahead");
        LINES_EXPLAINED = Metric::counter(
            "hopkeeper_lines_explained_total",
            "Lines not counted, as symptoms of a fault inside the pod.",
        )
        .tells("what such a fault would have set off besides");
        DETECTIONS = Metric::counter("hopkeeper_detections_total", "Rules that fired.")
            .by(OF_DETECTION)
            .tells("what the rules found, before anything is decided");
        INCIDENTS = Metric::counter("hopkeeper_incidents_total", "Incidents handed over.")
            .by(OF_HANDED_OVER)
            .tells("`existing`: lines were read again, which changes nothing; `refused`: not allowed, or the pod is gone");
        INCIDENT_CREATE_ERRORS =
            Metric::counter("hopkeeper_incident_create_errors_total", "Failed tries to create an incident.")
                .tells("the stream waits meanwhile, so nothing is lost");
        INCIDENT_LIST_ERRORS = Metric::counter(
            "hopkeeper_incident_list_errors_total",
            "Failed tries to learn which incidents are there.",
        )
        .tells("lines that are read again may make one more incident of an outage");
        SOURCE_ERRORS = Metric::counter("hopkeeper_source_errors_total", "Failures of the log source.")
            .by(OF_SOURCE_ERROR)
            .tells("Kafka, Elasticsearch or the pods' logs cannot be read, or the place not be stored; the log says why");
        SOURCE_CONNECTIONS =
            Metric::counter("hopkeeper_source_connections_total", "Connections made to the log source.")
                .tells("one at the start, one after each failure");
        WINDOWS_OPEN = Metric::gauge("hopkeeper_windows_open", "Windows that rules count lines in.")
            .tells("troubles that are being watched");
        WINDOWS_BYTES = Metric::gauge("hopkeeper_windows_bytes", "What open windows take, of at most 92274688.")
            .tells("bounded: 88 MiB");
        WINDOWS_EVICTED =
            Metric::counter("hopkeeper_windows_evicted_total", "Windows given up because there were too many.")
                .tells("a flood; what those windows had counted is forgotten");
        RECORD_TO_INCIDENT = Metric::histogram(
            "hopkeeper_record_to_incident_seconds",
            "From the time the log source got a record to the incident that it caused.",
        )
        .tells("the operator's own part of the time to detect");
    }
    "Rules", "By every operator." {
        RULES_LOADED = Metric::gauge("hopkeeper_rules_loaded", "Rules in use.").tells("the shipped ones and yours");
        RULES_LAST_RELOAD_SUCCESS = Metric::gauge(
            "hopkeeper_rules_last_reload_success",
            "1 when the rule files are in use as they are, 0 when they are broken and the last good set is kept.",
        )
        .tells("at 0, `hopkeeper rules lint` names file, line and column");
        RULES_RELOADS =
            Metric::counter("hopkeeper_rules_reloads_total", "Changed rule files that were taken into use.")
                .tells("edits that arrived");
        RULES_RELOAD_ERRORS =
            Metric::counter("hopkeeper_rules_reload_errors_total", "Changed rule files that did not load.")
                .tells("edits that were refused");
    }
    "Documents", "By the operator that leads, with `--documents`." {
        DOCUMENTS_WRITTEN =
            Metric::counter("hopkeeper_documents_written_total", "Chain-state documents that Elasticsearch has.")
                .tells("every transition, and each minute's states");
        DOCUMENTS_DROPPED =
            Metric::counter("hopkeeper_documents_dropped_total", "Chain-state documents that were never written.")
                .by(OF_DROPPED)
                .tells("missing from Kibana; no decision depends on them");
        DOCUMENTS_WRITE_ERRORS = Metric::counter(
            "hopkeeper_documents_write_errors_total",
            "Failed tries to write chain-state documents.",
        )
        .by(OF_WRITE_ERROR)
        .tells("each is tried again");
        DOCUMENTS_WAITING =
            Metric::gauge("hopkeeper_documents_waiting", "Chain-state documents that wait to be written.")
                .tells("grows while Elasticsearch is away");
        DOCUMENTS_WAITING_BYTES = Metric::gauge("hopkeeper_documents_waiting_bytes", "What they take in memory.")
            .tells("at `--documents-buffer` the oldest are dropped");
    }
}

/// Every metric.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    SECTIONS.iter().flat_map(|section| section.metrics)
}

#[cfg(test)]
mod tests;
