//! Makes the view that attribution and decision judge from what was observed.

use jiff::Timestamp;
use kube::ResourceExt;

use super::observe::{Observed, pod_view};
use super::validate::ValidChain;
use crate::crd::HopIncident;
use crate::crd::incident::{IncidentPhase, Step, StepAction, StepOutcome};
use crate::domain::view::{ChainView, HopView, IncidentView, Phase, StepEnd, StepKind, StepView};

/// The chain at this moment.
#[must_use]
pub fn chain_view(chain: &ValidChain<'_>, observed: &Observed, now: Timestamp) -> ChainView {
    let hop = |name: &String| HopView {
        name: name.clone(),
        pod: observed.pods.get(name).map(pod_view),
        desired: observed.secrets.get(name).map(super::observe::HopSecret::desired),
    };
    ChainView {
        now,
        paused: chain.chain.spec.paused,
        policy: chain.policy.clone(),
        hops: chain.hops().iter().map(|h| hop(&h.name)).collect(),
        incidents: observed.incidents.iter().map(incident_view).collect(),
    }
}

/// One incident, as decision sees it.
#[must_use]
pub fn incident_view(incident: &HopIncident) -> IncidentView {
    let spec = &incident.spec;
    let status = incident.status.clone().unwrap_or_default();
    IncidentView {
        name: incident.name_any(),
        hop: spec.hop.clone(),
        pod_uid: spec.pod_uid.clone(),
        candidate: spec.candidate.clone(),
        verdict: spec.verdict,
        evidence: spec.evidence,
        last_line: spec.last.time.0,
        phase: match status.phase {
            IncidentPhase::Detected | IncidentPhase::Held => Phase::Open,
            IncidentPhase::Acting => Phase::Acting,
            IncidentPhase::Verifying => Phase::Verifying,
            IncidentPhase::Recovered | IncidentPhase::Suppressed => Phase::Closed,
            IncidentPhase::Escalated => Phase::Escalated,
        },
        cause: status.cause,
        steps: status.steps.iter().map(step_view).collect(),
        closed_at: status.closed_at.map(|t| t.0),
        is_account: status.reason.as_deref() == Some(super::words::CORRELATED_FAILURE),
    }
}

fn step_view(step: &Step) -> StepView {
    StepView {
        kind: match step.action {
            StepAction::RotateInPlace => StepKind::RotateInPlace,
            StepAction::RestartInPlace => StepKind::RestartInPlace,
            StepAction::RotateAndRecreate => StepKind::RotateAndRecreate,
            StepAction::Recreate => StepKind::Recreate,
        },
        candidate: step.candidate.clone(),
        recreate: step.recreate,
        ready_before: step.ready_before.as_ref().map(|t| t.0),
        started_at: step.started_at.0,
        applied_at: step.applied_at.as_ref().map(|t| t.0),
        ended: step.outcome.map(|outcome| match outcome {
            StepOutcome::Up => StepEnd::Up,
            StepOutcome::TimedOut => StepEnd::TimedOut,
            StepOutcome::Failed => StepEnd::Failed,
        }),
    }
}

/// The step's name in the API.
#[must_use]
pub fn action_of(kind: StepKind) -> StepAction {
    match kind {
        StepKind::RotateInPlace => StepAction::RotateInPlace,
        StepKind::RestartInPlace => StepAction::RestartInPlace,
        StepKind::RotateAndRecreate => StepAction::RotateAndRecreate,
        StepKind::Recreate => StepAction::Recreate,
    }
}

/// The end's name in the API.
#[must_use]
pub fn outcome_of(end: StepEnd) -> StepOutcome {
    match end {
        StepEnd::Up => StepOutcome::Up,
        StepEnd::TimedOut => StepOutcome::TimedOut,
        StepEnd::Failed => StepOutcome::Failed,
    }
}
