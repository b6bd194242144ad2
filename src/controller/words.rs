//! Decisions in words: a PascalCase reason and a sentence for each.

use crate::crd::incident::HopIncidentStatus;
use crate::domain::decision::{Escalate, Hold, Suppress};
use crate::domain::types::CandidateRef;
use crate::domain::view::{Delivery, StepKind};

/// The reason of incidents that blame the account.
pub(super) const CORRELATED_FAILURE: &str = "CorrelatedFailure";

/// The reason of incidents whose hop came back by itself.
pub(super) const HEALED: &str = "Healed";

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

/// Says where a step stands whose time is up and that is not given up; false where there is nothing to say.
pub(super) fn explain_late_kubelet(status: &mut HopIncidentStatus, delivery: Delivery) -> bool {
    let message = match delivery {
        Delivery::Unknown | Delivery::Since(_) => return false,
        Delivery::Pending => "written, but not yet carried into the pod by its node's kubelet",
        Delivery::Working => "the hop says that it carries traffic; its node's kubelet has not told Kubernetes yet",
    };
    (status.reason, status.message) = (Some("KubeletLate".to_owned()), Some(message.to_owned()));
    true
}

/// Why an incident needed no action.
pub(super) fn suppress(why: Suppress) -> Words {
    match why {
        Suppress::HopRemoved => ("HopRemoved", "the chain has no such hop any more".into()),
        Suppress::PodGone => ("PodGone", "the pod that the evidence names is gone".into()),
        Suppress::StaleParameters => {
            ("StaleParameters", "the evidence is about parameters that are no longer in use".into())
        }
        Suppress::Healed => (HEALED, "the hop carries traffic again by itself".into()),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A reason as Kubernetes wants it, and a sentence that is not empty.
    fn check(reason: &str, message: &str) {
        assert!(reason.starts_with(|c: char| c.is_ascii_uppercase()), "{reason}");
        assert!(reason.chars().all(|c| c.is_ascii_alphabetic()) && reason.len() < 64, "{reason}");
        assert!(message.len() > 10 && !message.ends_with('.') && message.starts_with(char::is_lowercase), "{message}");
    }

    #[test]
    fn every_decision_has_a_reason_of_its_own_and_a_sentence() {
        let holds = [
            Hold::SymptomOf,
            Hold::OuterRecovering,
            Hold::StillReady,
            Hold::RepairInProgress,
            Hold::Cooldown,
            Hold::Paused,
            Hold::Verifying,
            Hold::NoParameters,
        ];
        let steps =
            [StepKind::RotateInPlace, StepKind::RestartInPlace, StepKind::RotateAndRecreate, StepKind::Recreate];
        let suppressed = [
            Suppress::HopRemoved,
            Suppress::PodGone,
            Suppress::StaleParameters,
            Suppress::Healed,
            Suppress::AlreadyEscalated,
        ];
        let escalated =
            [Escalate::NeedsPerson, Escalate::LadderExhausted, Escalate::BudgetExhausted, Escalate::CorrelatedFailure];
        let mut told: Vec<(String, String)> = vec![(recovered().0.into(), recovered().1)];
        let mut status = HopIncidentStatus { cause: Some("entry".into()), ..HopIncidentStatus::default() };
        let words = |status: &HopIncidentStatus| (status.reason.clone().unwrap(), status.message.clone().unwrap());
        for why in holds {
            explain_hold(&mut status, why);
            told.push(words(&status));
        }
        let candidate = CandidateRef { name: "nl-1".into(), version: "3".into() };
        for kind in steps {
            explain_step(&mut status, kind, &candidate);
            assert!(words(&status).1.contains("nl-1@3"));
            told.push(words(&status));
        }
        told.extend(suppressed.map(suppress).into_iter().chain(escalated.map(escalate)).map(|(r, m)| (r.into(), m)));
        for (reason, message) in &told {
            check(reason, message);
        }
        let mut reasons: Vec<_> = told.iter().map(|(reason, _)| reason).collect();
        reasons.sort_unstable();
        reasons.dedup();
        assert_eq!(reasons.len(), told.len());
        for reason in reasons {
            assert!(crate::internal_event::catalog::is_reason(reason), "{reason} is counted as another one");
        }
    }

    #[test]
    fn a_symptoms_sentence_names_its_cause() {
        let mut status = HopIncidentStatus { cause: Some("entry".into()), ..HopIncidentStatus::default() };
        for why in [Hold::SymptomOf, Hold::OuterRecovering] {
            explain_hold(&mut status, why);
            assert!(status.message.as_ref().unwrap().contains("outer hop \"entry\""));
        }
    }
}
