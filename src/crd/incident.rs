//! `HopIncident`: a verdict about one hop at one time, and the story of its repair.
//!
//! The spec is written once by the pipeline, the status by the reconciler only.

#![allow(clippy::duplicated_attributes, reason = "the lint takes the columns' equal types for repetitions")]

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::types::{CandidateRef, Evidence, Verdict};

/// What the pipeline found.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "hopkeeper.io",
    version = "v1alpha1",
    kind = "HopIncident",
    namespaced,
    status = "HopIncidentStatus",
    derive = "PartialEq",
    shortname = "incident",
    category = "hopkeeper",
    doc = "A verdict about one hop at one time, with the line that caused it, and what was done about it.",
    printcolumn(name = "Chain", type_ = "string", json_path = ".spec.chain"),
    printcolumn(name = "Hop", type_ = "string", json_path = ".spec.hop"),
    printcolumn(name = "Rule", type_ = "string", json_path = ".spec.rule"),
    printcolumn(name = "Verdict", type_ = "string", json_path = ".spec.verdict"),
    printcolumn(name = "Evidence", type_ = "string", json_path = ".spec.evidence"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Cause", type_ = "string", json_path = ".status.cause"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    selectable = ".spec.chain"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("the spec of a HopIncident is evidence: it never changes"))]
pub struct HopIncidentSpec {
    /// The chain's name.
    pub chain: String,
    /// The hop's name.
    pub hop: String,
    /// The pod whose client logged the lines.
    pub pod_uid: String,
    /// That pod's name.
    pub pod: String,
    /// The candidate in use when they were logged.
    pub candidate: CandidateRef,
    /// The rule that matched.
    pub rule: String,
    /// What the rule's match means, in words.
    pub title: String,
    /// What the rule says should be done.
    pub verdict: Verdict,
    /// Whose fault the lines prove.
    pub evidence: Evidence,
    /// The first line of the window.
    pub first: LineRef,
    /// The line that made the verdict.
    pub last: LineRef,
    /// That line, secrets masked, length capped.
    pub line: String,
    /// When the reader of the stream had made its verdict, to the microsecond: `metadata.creationTimestamp` has whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_at: Option<MicroTime>,
}

impl HopIncident {
    /// When it was found: not before the line that made the verdict, since the clocks of node and operator may differ a little.
    /// None where nobody has noted it.
    #[must_use]
    pub fn detected_at(&self) -> Option<Timestamp> {
        let noted = self.spec.detected_at.as_ref().map(|t| t.0);
        let created = self.metadata.creation_timestamp.as_ref().map(|t| t.0);
        noted.or(created).map(|at| at.max(self.spec.last.time.0))
    }
}

/// Where and when a line was logged.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LineRef {
    /// The time that the log pipeline put on it.
    pub time: MicroTime,
    /// Its place in the stream, for example `kafka:vpn-logs/2/4711`.
    pub position: String,
}

/// What the reconciler made of it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HopIncidentStatus {
    /// Where the recovery stands.
    #[serde(default)]
    pub phase: IncidentPhase,
    /// For a held incident: the outer hop at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// A short reason for the phase, in PascalCase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The steps taken, oldest first.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Since when it was held, for the first time; stays once the hold has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_since: Option<MicroTime>,
    /// When the incident was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<MicroTime>,
    /// `Closed`.
    #[serde(default)]
    #[schemars(schema_with = "super::chain::conditions")]
    pub conditions: Vec<Condition>,
}

/// Where a recovery stands.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IncidentPhase {
    /// Not judged yet.
    #[default]
    Detected,
    /// A symptom of an outer hop's fault, or waiting for a cooldown.
    Held,
    /// The step's objects are being written.
    Acting,
    /// The step is done; waiting for the tunnel.
    Verifying,
    /// The hop carries traffic again.
    Recovered,
    /// Nothing more that a program should try: a person must look.
    Escalated,
    /// No action was due: stale, healed by itself, or covered by another incident.
    Suppressed,
}

impl IncidentPhase {
    /// Whether the reconciler is done with it.
    #[must_use]
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Recovered | Self::Escalated | Self::Suppressed)
    }
}

/// One step of a recovery. It is written before it is carried out, so that a crash in between repeats it, not the next.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What is done.
    pub action: StepAction,
    /// The candidate that the hop uses after it.
    pub candidate: CandidateRef,
    /// The hop Secret's `revision` and `recreate` counters after it: which state this step wants.
    pub revision: u64,
    /// See `revision`.
    pub recreate: u64,
    /// When the hop, if it still said Ready, had become so: a step has worked once that is no longer the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_before: Option<Time>,
    /// When the step was decided.
    pub started_at: MicroTime,
    /// When its objects were written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<MicroTime>,
    /// When it was found to have worked, or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<MicroTime>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<StepOutcome>,
}

/// What a step does.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepAction {
    /// Another candidate, inside the running pod.
    RotateInPlace,
    /// The same candidate, loaded anew inside the running pod.
    RestartInPlace,
    /// Another candidate, in a new pod.
    RotateAndRecreate,
    /// The same candidate, in a new pod.
    Recreate,
}

/// How a step ended.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// The hop carried traffic within the time.
    Up,
    /// It did not.
    TimedOut,
    /// New evidence about the very candidate came first.
    Failed,
}
