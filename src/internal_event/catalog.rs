//! The one list of metrics: what the process exposes and `docs/metrics.md` are made from it.

mod labels;
mod page;

use super::metric::Metric;
use labels::{
    OF_ANSWER, OF_CHAIN_STATE, OF_CLOSED, OF_DECISION, OF_DETECTION, OF_DISCARDED, OF_DROPPED, OF_ENDED,
    OF_EXPORT_ERROR, OF_HANDED_OVER, OF_HOP, OF_HOP_STATE, OF_OPEN, OF_ORDER, OF_POOL_ERROR, OF_RECONCILE_ERROR,
    OF_SOURCE_ERROR, OF_STEP, OF_VERSION, OF_WRITE_ERROR,
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
        CHAIN_STATE = Metric::gauge("hopkeeper_chain_state", "1 for the state that the chain is in, 0 for each other one.")
            .by(OF_CHAIN_STATE)
            .tells("the phase that `kubectl get vpnchains` shows; operations.md says what each means");
        HOP_UP = Metric::gauge("hopkeeper_hop_up", "1 while the hop carries traffic, else 0.")
            .by(OF_HOP)
            .tells("a chain works while all of its hops are 1; when one fails, those inside of it fail too");
        HOP_STATE = Metric::gauge("hopkeeper_hop_state", "1 for the state that the hop is in, 0 for each other one.")
            .by(OF_HOP_STATE)
            .tells("which hop of a chain that is down is being repaired, or held");
        HOP_LAST_CHANGE = Metric::gauge(
            "hopkeeper_hop_last_change_timestamp_seconds",
            "When the hop last began or ceased to carry traffic.",
        )
        .by(OF_HOP)
        .tells("`time() -` it is how long the hop has been up, or down");
        HOP_NEEDS_PERSON = Metric::gauge(
            "hopkeeper_hop_needs_person",
            "1 while the hop is down and was given up: a person must look.",
        )
        .by(OF_HOP)
        .tells("the reason is the escalated incident's");
        INCIDENTS_OPEN = Metric::gauge("hopkeeper_incidents_open", "Incidents that are not closed.")
            .by(OF_OPEN)
            .tells("`Held` for long: see its reason");
        SYMPTOMS_HELD = Metric::gauge(
            "hopkeeper_symptoms_held",
            "Open incidents that are held as symptoms of an outer hop's fault.",
        )
        .by(OF_HOP)
        .tells("what would have been repaired in vain without attribution");
        BUDGET_LEFT = Metric::gauge("hopkeeper_repair_budget_left", "Repairs that `recovery.budget` allows the hop now.")
            .by(OF_HOP)
            .tells("at 0 the next failure calls a person");
        POOL_CANDIDATES = Metric::gauge("hopkeeper_pool_candidates", "Candidates in the hop's pool.")
            .by(OF_HOP)
            .tells("as of the last time the pool was asked");
        POOL_CANDIDATES_LEFT = Metric::gauge(
            "hopkeeper_pool_candidates_left",
            "Candidates that a rotation could take: not in use, not failed lately, not known to be unusable.",
        )
        .by(OF_HOP)
        .tells("at 0 the hop has nothing to rotate to");
        CERTIFICATE_EXPIRY = Metric::gauge(
            "hopkeeper_client_certificate_expiry_timestamp_seconds",
            "Until when the client certificate in use is valid.",
        )
        .by(OF_HOP)
        .tells("only where the candidate in use has one; passwords and WireGuard keys have no such date");
        SILENT_HOPS = Metric::gauge("hopkeeper_silent_hops", "Hops whose pods run but of which no log line comes.")
            .tells("the log pipeline is down, for some nodes or as a whole; [operations.md](operations.md#when-no-lines-come) says where to look");
        DECISIONS = Metric::counter("hopkeeper_incident_decisions_total", "Phases that incidents entered.")
            .by(OF_DECISION)
            .tells("what was found and decided, hop by hop; a series begins with what it counts first, so alert on gauges instead");
        STEPS = Metric::counter("hopkeeper_recovery_steps_total", "Recovery steps taken.")
            .by(OF_STEP)
            .tells("repairs that were begun: a hop that needs them all day has bad candidates or a bad server");
        INCIDENTS_CLOSED = Metric::counter("hopkeeper_incidents_closed_total", "Incidents that ended, by the rule that found them.")
            .by(OF_CLOSED)
            .tells("a rule whose incidents are mostly `Suppressed` is too quick; a series begins with what it counts first");
        STEPS_ENDED = Metric::counter("hopkeeper_recovery_steps_ended_total", "Recovery steps that ended, by the rule that asked for them.")
            .by(OF_ENDED)
            .tells("which repair helps against what; a series begins with what it counts first");
        TIME_TO_DETECT = Metric::histogram(
            "hopkeeper_time_to_detect_seconds",
            "From an incident's first line to the incident, of those that ended Recovered or Escalated.",
        )
        .tells("the rules' thresholds, and the way of the lines");
        TIME_TO_ACT = Metric::histogram(
            "hopkeeper_time_to_act_seconds",
            "From an incident's first line to its first step, of those that ended Recovered or Escalated.",
        )
        .tells("with attribution, and with the pool that was read");
        TIME_TO_RECOVER = Metric::histogram(
            "hopkeeper_time_to_recover_seconds",
            "From an incident's first line to the working hop, of those that ended Recovered.",
        )
        .tells("how long the chain's users were offline");
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
    "The process", "By every operator." {
        BUILD_INFO = Metric::gauge("hopkeeper_build_info", "Always 1.").by(OF_VERSION).tells("which version runs where");
        LEADER = Metric::gauge("hopkeeper_leader", "1 while this operator leads: one that reconciles chains.")
            .tells("their sum is 1, and 0 for some seconds when another takes over");
        KUBERNETES_REQUESTS = Metric::counter("hopkeeper_kubernetes_requests_total", "Requests to the Kubernetes API, by what came of them.")
            .by(OF_ANSWER)
            .tells("`not_found` and `conflict` belong to the work; `forbidden`, `throttled`, `failed` and `unreachable` do not");
    }
    "Reconciling", "By the operator that leads." {
        RECONCILES = Metric::histogram("hopkeeper_reconcile_seconds", "How long a reconcile of one chain took.")
            .tells("mostly the Kubernetes API's time, and the pool's where one is asked");
        POOL_ERRORS = Metric::counter("hopkeeper_pool_errors_total", "Pools that could not be read.")
            .by(OF_POOL_ERROR)
            .tells("Vault's, the pool Secrets' and the name service's failures; rotations wait meanwhile");
        RECONCILE_ERRORS = Metric::counter("hopkeeper_reconcile_errors_total", "Failed reconciles.")
            .by(OF_RECONCILE_ERROR)
            .tells("each is tried again; `conflict` and `still_leaving` are how the guards on writes and deletions work");
    }
    "The log stream", "By every operator, each about its share of the stream." {
        RECORDS_RECEIVED = Metric::counter("hopkeeper_records_received_total", "Records read from the log source.")
            .tells("a hop's health line comes each 5 seconds, so it grows while there is a hop");
        LAST_RECORD = Metric::gauge(
            "hopkeeper_last_record_timestamp_seconds",
            "When this operator last got a record; 0 before the first one.",
        )
        .tells("`time() -` the newest of all operators is how long the stream has been silent");
        SOURCE_LAG = Metric::gauge(
            "hopkeeper_source_lag_seconds",
            "How old lines are when they are read, in the shard that is furthest behind; of the last minute.",
        )
        .tells("below a few seconds when all is well; what fails is found so much later");
        LAST_HANDSHAKE = Metric::gauge(
            "hopkeeper_hop_last_handshake_timestamp_seconds",
            "When the hop's WireGuard client last completed a handshake, by its health lines.",
        )
        .by(OF_HOP)
        .tells("`time() - max by (namespace, chain, hop)` of it is the handshake's age: over 180 s nothing passes; OpenVPN has none");
        RECORDS_DISCARDED =
            Metric::counter("hopkeeper_records_discarded_total", "Records that say nothing about a hop.")
                .by(OF_DISCARDED)
                .tells("`json`, `no_…` and `too_large` cannot be decoded: the shipper's configuration is wrong; `unknown_pod` is another pod's line");
        RECORDS_HELD = Metric::gauge("hopkeeper_records_held", "Records that wait until their pod is known, or until its health sidecar says which parameters they are about.")
            .tells("for some seconds after a pod was made or got other parameters, and after a start");
        LINES_MATCHED = Metric::counter("hopkeeper_lines_matched_total", "Lines that a rule decided.")
            .tells("those that prove health and those to be ignored among them");
        LINES_UNMATCHED = Metric::counter("hopkeeper_lines_unmatched_total", "Lines that no rule knows.")
            .tells("chatter, mostly; rising after an update of a client, its texts have changed: `hopkeeper rules suggest`");
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
    "Traces", "By the operator that leads, with `--otlp-endpoint`." {
        TRACES_EXPORTED = Metric::counter("hopkeeper_traces_exported_total", "Traces of incidents that the collector has.")
            .tells("one for each incident that was closed, and those of the last minutes again after a change of leaders");
        TRACES_DROPPED = Metric::counter("hopkeeper_traces_dropped_total", "Traces of incidents that were never taken.")
            .by(OF_DROPPED)
            .tells("missing where traces are looked at; no decision depends on them");
        TRACES_EXPORT_ERRORS = Metric::counter("hopkeeper_traces_export_errors_total", "Failed tries to send traces.")
            .by(OF_EXPORT_ERROR)
            .tells("`unreachable`, `busy` and `settings` are tried again, the others are not");
        TRACES_WAITING = Metric::gauge("hopkeeper_traces_waiting", "Traces that wait to be sent.")
            .tells("grows while the collector is away; at 4 MiB the oldest are dropped");
    }
}

/// Every metric.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    SECTIONS.iter().flat_map(|section| section.metrics)
}

/// Whether an incident's reason has a series of its own.
#[cfg(test)]
pub(crate) fn is_reason(text: &str) -> bool {
    use super::metric::Values;
    let is_one = |values| matches!(values, Values::Words(words) if words.contains(&text));
    DECISIONS.labels.iter().any(|label| label.name == "reason" && is_one(label.values))
}

#[cfg(test)]
mod tests;
