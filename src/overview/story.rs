//! One incident as a story: what was seen, what it proves, whose fault it was found to be, what was done, and how long
//! each took.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use schemars::JsonSchema;
use serde::Serialize;

use crate::crd::HopIncident;
use crate::crd::incident::{HopIncidentSpec, HopIncidentStatus, IncidentPhase, LineRef, Step, StepAction, StepOutcome};
use crate::domain::trace::trace_id_text;
use crate::domain::types::{Evidence, Verdict};

/// One incident.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// Its name, by which `explain-incident` finds it.
    pub id: String,
    /// Its namespace.
    pub namespace: String,
    /// The chain.
    pub chain: String,
    /// The hop whose client logged the lines.
    pub hop: String,
    /// That client's pod.
    pub pod: String,
    /// The candidate that was in use: `name@version`.
    pub candidate: String,
    /// What the lines prove.
    pub rule: RuleOfStory,
    /// The line that made the verdict, with its secrets masked.
    pub line: String,
    /// The first line that counted.
    pub first: Moment,
    /// The line that made the verdict.
    pub last: Moment,
    /// When the incident was made (whole seconds: Kubernetes rounds down).
    pub created: Option<Timestamp>,
    /// Where its recovery stands.
    pub phase: IncidentPhase,
    /// Why, in PascalCase.
    pub reason: Option<String>,
    /// Why, in a sentence.
    pub message: Option<String>,
    /// The outer hop whose symptom it is, or was.
    pub cause: Option<String>,
    /// Whose fault it was found to be.
    pub attribution: Attribution,
    /// What was done, oldest first.
    pub steps: Vec<StepOfStory>,
    /// When it was closed.
    pub closed: Option<Timestamp>,
    /// How long it took.
    pub times: Times,
    /// The id that its trace has, where the operator sends traces (`--otlp-endpoint`).
    pub trace_id: Option<String>,
}

/// The rule that matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleOfStory {
    /// Its id.
    pub id: String,
    /// What its match means.
    pub title: String,
    /// What it says should be done.
    pub verdict: Verdict,
    /// Whose fault it proves.
    pub evidence: Evidence,
}

/// When and where a line was logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// The time that the log pipeline put on it.
    pub time: Timestamp,
    /// Its place in the stream.
    pub position: String,
}

/// Whose fault an incident is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attribution {
    /// The hop at fault, once that is known.
    pub hop: Option<String>,
    /// Why, in a sentence.
    pub why: String,
}

/// One step of the recovery.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepOfStory {
    /// What was done.
    pub action: StepAction,
    /// The candidate in use after it: `name@version`.
    pub candidate: String,
    /// When it was decided.
    pub started: Timestamp,
    /// When its objects were written.
    pub applied: Option<Timestamp>,
    /// When it was found to have worked, or not.
    pub finished: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<StepOutcome>,
}

/// How long an incident took, each from the first line that counted, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// Until it was an incident: how long its lines took, and how long the last of them took to the operator.
    pub to_detect_seconds: Option<f64>,
    /// Until the first step was written.
    pub to_act_seconds: Option<f64>,
    /// Until the hop carried traffic again.
    pub to_recover_seconds: Option<f64>,
}

impl Story {
    /// The story of an incident.
    #[must_use]
    pub fn of(incident: &HopIncident) -> Self {
        let (spec, status) = (&incident.spec, incident.status.clone().unwrap_or_default());
        let created = incident.metadata.creation_timestamp.as_ref().map(|t| t.0);
        Self {
            id: incident.name_any(),
            namespace: incident.namespace().unwrap_or_default(),
            chain: spec.chain.clone(),
            hop: spec.hop.clone(),
            pod: spec.pod.clone(),
            candidate: spec.candidate.to_string(),
            rule: RuleOfStory {
                id: spec.rule.clone(),
                title: spec.title.clone(),
                verdict: spec.verdict,
                evidence: spec.evidence,
            },
            line: spec.line.clone(),
            first: moment(&spec.first),
            last: moment(&spec.last),
            created,
            phase: status.phase,
            attribution: attribution(spec, &status),
            times: times(incident, &status),
            steps: status.steps.iter().map(step).collect(),
            trace_id: incident.uid().map(|uid| trace_id_text(&uid)),
            closed: status.closed_at.as_ref().map(|t| t.0),
            reason: status.reason,
            message: status.message,
            cause: status.cause,
        }
    }

    /// Whether something may still be done about it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.phase.is_closed()
    }
}

fn moment(line: &LineRef) -> Moment {
    Moment { time: line.time.0, position: line.position.clone() }
}

fn step(step: &Step) -> StepOfStory {
    StepOfStory {
        action: step.action,
        candidate: step.candidate.to_string(),
        started: step.started_at.0,
        applied: step.applied_at.as_ref().map(|t| t.0),
        finished: step.finished_at.as_ref().map(|t| t.0),
        outcome: step.outcome,
    }
}

fn attribution(spec: &HopIncidentSpec, status: &HopIncidentStatus) -> Attribution {
    let this = |why: &str| Attribution { hop: Some(spec.hop.clone()), why: why.to_owned() };
    match (spec.evidence, &status.cause) {
        (Evidence::Own, _) => this("own evidence: no other hop can make it look so"),
        (Evidence::Path, Some(cause)) => Attribution {
            hop: Some(cause.clone()),
            why: format!(
                "a symptom: outer hop {cause:?} carried no traffic, and this hop's packets travel inside of it"
            ),
        },
        (Evidence::Path, None) if !status.steps.is_empty() => {
            this("every outer hop carried traffic, and this one did not")
        }
        (Evidence::Path, None) => Attribution {
            hop: None,
            why: "the lines fit this hop and every outer one: it was not told apart".to_owned(),
        },
    }
}

fn times(incident: &HopIncident, status: &HopIncidentStatus) -> Times {
    let first = incident.spec.first.time.0;
    // Clocks of nodes and operator may differ a little; nothing took less than no time.
    let since = |end: Timestamp| end.duration_since(first).max(SignedDuration::ZERO).as_secs_f64();
    let acted = status.steps.iter().filter_map(|step| step.applied_at.as_ref()).map(|t| t.0).min();
    let recovered = status.closed_at.as_ref().filter(|_| status.phase == IncidentPhase::Recovered).map(|t| t.0);
    Times {
        to_detect_seconds: incident.detected_at().map(since),
        to_act_seconds: acted.map(since),
        to_recover_seconds: recovered.map(since),
    }
}
