//! The labels of all metrics, and what each of them can be. None is a free text, and none names a pod.

use super::super::metric::{Label, Values};

const fn words(name: &'static str, words: &'static [&'static str]) -> Label {
    Label { name, values: Values::Words(words) }
}

const NAMESPACE: Label = Label { name: "namespace", values: Values::Namespace };
const CHAIN: Label = Label { name: "chain", values: Values::Chain };
const HOP: Label = Label { name: "hop", values: Values::Hop };
const ACTION: Label = words("action", &["RotateInPlace", "RestartInPlace", "RotateAndRecreate", "Recreate"]);
const PHASE: Label =
    words("phase", &["Detected", "Held", "Acting", "Verifying", "Recovered", "Escalated", "Suppressed"]);
/// Why an incident is in its phase: the reasons of `controller::words`, and those about pools of `controller::recover`.
const REASON: Label = words(
    "reason",
    &[
        "SymptomOfOuterHop",
        "OuterHopRecovering",
        "StillReady",
        "RepairInProgress",
        "Cooldown",
        "Paused",
        "Verifying",
        "NoParameters",
        "RotateInPlace",
        "RestartInPlace",
        "RotateAndRecreate",
        "Recreate",
        "KubeletLate",
        "TunnelUp",
        "CauseRecovered",
        "HopRemoved",
        "PodGone",
        "StaleParameters",
        "Healed",
        "AlreadyEscalated",
        "NeedsPerson",
        "LadderExhausted",
        "BudgetExhausted",
        "CorrelatedFailure",
        "PoolExhausted",
        "CandidateRemoved",
        "CandidateSpoiled",
    ],
);

const RULE: Label = Label { name: "rule", values: Values::Rule };
const STEP_OUTCOME: Label = words("outcome", &["Up", "TimedOut", "Failed"]);

pub(super) const OF_VERSION: &[Label] = &[Label { name: "version", values: Values::Version }];
pub(super) const OF_ANSWER: &[Label] =
    &[words("outcome", &["ok", "not_found", "conflict", "forbidden", "throttled", "refused", "failed", "unreachable"])];
pub(super) const OF_CHAIN_STATE: &[Label] =
    &[NAMESPACE, CHAIN, words("state", &["Invalid", "Connecting", "Up", "Degraded", "Recovering", "Held", "Paused"])];
pub(super) const OF_HOP: &[Label] = &[NAMESPACE, CHAIN, HOP];
pub(super) const OF_HOP_STATE: &[Label] =
    &[NAMESPACE, CHAIN, HOP, words("state", &["Connecting", "Up", "Suspect", "Recovering", "Held", "Unknown"])];
pub(super) const OF_OPEN: &[Label] =
    &[NAMESPACE, CHAIN, HOP, words("phase", &["Detected", "Held", "Acting", "Verifying"])];
pub(super) const OF_CLOSED: &[Label] = &[RULE, words("outcome", &["Recovered", "Escalated", "Suppressed"])];
pub(super) const OF_ENDED: &[Label] = &[RULE, ACTION, STEP_OUTCOME];
pub(super) const OF_POOL_ERROR: &[Label] = &[words(
    "category",
    &[
        "no_vault",
        "no_secret",
        "kubernetes",
        "vault_settings",
        "vault_login_file",
        "vault_login_refused",
        "vault_sealed",
        "vault_refused",
        "vault_unreachable",
        "name_service",
    ],
)];
pub(super) const OF_DECISION: &[Label] = &[NAMESPACE, CHAIN, HOP, PHASE, REASON];
pub(super) const OF_STEP: &[Label] = &[NAMESPACE, CHAIN, HOP, ACTION];
pub(super) const OF_ORDER: &[Label] = &[NAMESPACE, CHAIN, HOP, words("answer", &["obeyed", "refused"])];
pub(super) const OF_RECONCILE_ERROR: &[Label] = &[words(
    "category",
    &[
        "conflict",
        "kubernetes_refused",
        "kubernetes_unreachable",
        "no_multus",
        "taken",
        "plan",
        "still_leaving",
        "finalizer",
    ],
)];
pub(super) const OF_DISCARDED: &[Label] = &[words(
    "reason",
    &[
        "too_large",
        "json",
        "no_message",
        "no_time",
        "no_container",
        "unknown_pod",
        "held_overflow",
        "other_container",
        "shard_lost",
    ],
)];
pub(super) const OF_DETECTION: &[Label] =
    &[words("verdict", &["rotate", "restart", "alert"]), words("evidence", &["own", "path"])];
pub(super) const OF_HANDED_OVER: &[Label] = &[words("result", &["new", "existing", "refused"])];
pub(super) const OF_SOURCE_ERROR: &[Label] = &[words("category", &["configure", "read", "store"])];
pub(super) const OF_DROPPED: &[Label] = &[words("reason", &["overflow", "refused", "shutdown"])];
pub(super) const OF_EXPORT_ERROR: &[Label] =
    &[words("category", &["unreachable", "busy", "forbidden", "refused", "partial", "settings"])];
pub(super) const OF_WRITE_ERROR: &[Label] =
    &[words("category", &["unreachable", "busy", "forbidden", "not_set_up", "refused", "settings"])];
