//! Decisions in words: a PascalCase reason and a sentence for each.

use crate::crd::incident::HopIncidentStatus;
use crate::domain::decision::{Escalate, Hold, Suppress};
use crate::domain::types::CandidateRef;
use crate::domain::view::StepKind;

/// The reason of incidents that blame the account.
pub(super) const CORRELATED_FAILURE: &str = "CorrelatedFailure";

/// A reason and its sentence.
pub(super) type Words = (&'static str, String);

/// Says why an incident waits; its cause is already set.
pub(super) fn explain_hold(status: &mut HopIncidentStatus, why: Hold) {
    let cause = status.cause.as_deref().unwrap_or("an outer hop");
    let (reason, message) = match why {
        Hold::SymptomOf => {
            ("SymptomOfOuterHop", format!("outer hop {cause:?} carries no traffic: this is its symptom"))
        }
        Hold::OuterRecovering => {
            ("OuterHopRecovering", format!("outer hop {cause:?} has just recovered: this one may follow"))
        }
        Hold::StillReady => ("StillReady", "the hop still carries traffic: waiting whether it stays so".to_owned()),
        Hold::RepairInProgress => ("RepairInProgress", "another incident of this hop is being repaired".to_owned()),
        Hold::Cooldown => ("Cooldown", "the hop was repaired a moment ago: waiting for recovery.cooldown".to_owned()),
        Hold::Paused => ("Paused", "spec.paused is set: nothing is repaired".to_owned()),
        Hold::Verifying => ("Verifying", "waiting for the tunnel".to_owned()),
        Hold::NoParameters => ("NoParameters", "the hop's Secret is missing or cannot be read".to_owned()),
    };
    (status.reason, status.message) = (Some(reason.to_owned()), Some(message));
}

/// Says what a step does.
pub(super) fn explain_step(status: &mut HopIncidentStatus, kind: StepKind, candidate: &CandidateRef) {
    let (reason, message) = match kind {
        StepKind::RotateInPlace => ("RotateInPlace", format!("loading candidate {candidate} into the running pod")),
        StepKind::RestartInPlace => {
            ("RestartInPlace", format!("loading candidate {candidate} anew into the running pod"))
        }
        StepKind::RotateAndRecreate => ("RotateAndRecreate", format!("making the pod anew with candidate {candidate}")),
        StepKind::Recreate => ("Recreate", format!("making the pod anew with the same candidate {candidate}")),
    };
    (status.reason, status.message) = (Some(reason.to_owned()), Some(message));
}

/// Why an incident needed no action.
pub(super) fn suppress(why: Suppress) -> Words {
    match why {
        Suppress::HopRemoved => ("HopRemoved", "the chain has no such hop any more".into()),
        Suppress::PodGone => ("PodGone", "the pod that the evidence names is gone".into()),
        Suppress::StaleParameters => {
            ("StaleParameters", "the evidence is about parameters that are no longer in use".into())
        }
        Suppress::Healed => ("Healed", "the hop carries traffic again by itself".into()),
        Suppress::AlreadyEscalated => ("AlreadyEscalated", "a person has already been called to this hop".into()),
    }
}

/// Why a person is needed.
pub(super) fn escalate(why: Escalate) -> Words {
    match why {
        Escalate::NeedsPerson => {
            ("NeedsPerson", "neither a restart nor other parameters help: see the rule's docs".into())
        }
        Escalate::LadderExhausted => ("LadderExhausted", "every rung of recovery.ladder was tried".into()),
        Escalate::BudgetExhausted => {
            ("BudgetExhausted", "the hop used up recovery.budget: no more candidates are burned".into())
        }
        Escalate::CorrelatedFailure => {
            (CORRELATED_FAILURE, "several hops are refused together: check the account with the provider".into())
        }
    }
}

/// The hop works again.
pub(super) fn recovered() -> Words {
    ("TunnelUp", "the hop carries traffic again".into())
}
