//! Makes the view that attribution and decision judge from what was observed.

use jiff::Timestamp;
use kube::ResourceExt;

use super::observe::{Observed, pod_view};
use super::validate::ValidChain;
use crate::crd::HopIncident;
use crate::crd::incident::{HopIncidentStatus, IncidentPhase, Step, StepAction, StepOutcome};
use crate::domain::incident::Finding;
use crate::domain::rule::RuleId;
use crate::domain::view::{ChainView, HopView, IncidentView, Phase, StepEnd, StepKind, StepView};

/// The chain at this moment.
#[must_use]
pub fn chain_view(chain: &ValidChain<'_>, observed: &Observed, now: Timestamp) -> ChainView {
    let hop = |name: &String| HopView {
        name: name.clone(),
        pod: observed.pods.get(name).map(pod_view),
        desired: observed.secrets.get(name).map(super::observe::HopSecret::desired),
        delivery: observed.deliveries.get(name).copied().unwrap_or_default(),
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

/// One incident, as those who read further lines must know it.
#[must_use]
pub fn finding(incident: &HopIncident) -> Finding {
    let (spec, status) = (&incident.spec, incident.status.as_ref());
    let is_well = |status: &&HopIncidentStatus| match status.phase {
        IncidentPhase::Recovered => true,
        IncidentPhase::Suppressed => status.reason.as_deref() == Some(super::words::HEALED),
        _ => false,
    };
    Finding {
        pod_uid: spec.pod_uid.clone(),
        candidate: spec.candidate.clone(),
        rule: RuleId::new(spec.rule.as_str()),
        first: spec.first.time.0,
        last: spec.last.time.0,
        ended: status.filter(is_well).and_then(|status| Some(status.closed_at.as_ref()?.0)),
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

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    use super::*;
    use crate::controller::testing::{candidate, held_by, in_phase, incident, noon, with_berlin, working};
    use crate::domain::types::{Evidence, Verdict};

    #[test]
    fn a_working_chain_is_seen_with_its_pods_and_desired_states_entry_first() {
        with_berlin(|chain| {
            let mut observed = working(chain);
            observed.pods.remove("exit");
            observed.secrets.remove("middle");
            let view = chain_view(chain, &observed, noon());
            let names: Vec<_> = view.hops.iter().map(|h| h.name.as_str()).collect();
            assert_eq!((names, view.now, view.paused), (vec!["entry", "middle", "exit"], noon(), false));
            let pod = view.hops[0].pod.as_ref().unwrap();
            let hour = jiff::SignedDuration::from_hours(1);
            assert_eq!(
                (pod.uid.as_str(), pod.ready, pod.ready_since, pod.recreate),
                ("uid-entry", true, noon() - hour, 0)
            );
            let desired = view.hops[0].desired.as_ref().unwrap();
            assert_eq!((&desired.candidate, desired.applied_at), (&candidate("a"), noon() - hour));
            assert!(view.hops[1].desired.is_none() && view.hops[2].pod.is_none());
        });
    }

    #[test]
    fn a_pod_without_a_ready_condition_is_not_ready_since_it_was_made() {
        let mut bare = crate::controller::testing::pod("entry", true, noon());
        bare.status = None;
        let view = pod_view(&bare);
        assert_eq!((view.ready, view.ready_since), (false, noon() - jiff::SignedDuration::from_hours(2)));
    }

    #[test]
    fn every_phase_of_an_incident_has_its_meaning() {
        use IncidentPhase::{Acting, Detected, Escalated, Held, Recovered, Suppressed, Verifying};
        let phase_of = |phase| incident_view(&in_phase(phase, incident("x", "entry", noon()))).phase;
        assert_eq!(incident_view(&incident("x", "entry", noon())).phase, Phase::Open);
        assert_eq!([Detected, Held, Acting].map(phase_of), [Phase::Open, Phase::Open, Phase::Acting]);
        assert_eq!([Verifying, Recovered].map(phase_of), [Phase::Verifying, Phase::Closed]);
        assert_eq!([Suppressed, Escalated].map(phase_of), [Phase::Closed, Phase::Escalated]);
    }

    #[test]
    fn only_a_hop_that_came_back_ends_what_was_found_about_it() {
        let ended = |phase, reason: &str| {
            let mut closed = in_phase(phase, incident("x", "entry", noon()));
            let status = closed.status.as_mut().unwrap();
            (status.reason, status.closed_at) = (Some(reason.into()), Some(MicroTime(noon())));
            finding(&closed).ended
        };
        assert_eq!(finding(&incident("x", "entry", noon())).ended, None);
        assert_eq!(ended(IncidentPhase::Recovered, "TunnelUp"), Some(noon()));
        assert_eq!(ended(IncidentPhase::Suppressed, "Healed"), Some(noon()));
        assert_eq!(ended(IncidentPhase::Suppressed, "AlreadyEscalated"), None);
        assert_eq!(ended(IncidentPhase::Escalated, "NeedsPerson"), None);
        let found = finding(&incident("x", "entry", noon()));
        assert_eq!((found.pod_uid.as_str(), found.candidate, found.last), ("uid-entry", candidate("a"), noon()));
    }

    #[test]
    fn an_incident_is_seen_with_its_evidence_cause_and_steps() {
        let mut seen = held_by(Some("entry"), incident("x", "exit", noon()));
        let steps = [
            (StepKind::RotateInPlace, Some(StepEnd::Failed)),
            (StepKind::RestartInPlace, Some(StepEnd::TimedOut)),
            (StepKind::RotateAndRecreate, Some(StepEnd::Up)),
            (StepKind::Recreate, None),
        ];
        let step = |(kind, end): &(StepKind, Option<StepEnd>)| Step {
            action: action_of(*kind),
            candidate: candidate("b"),
            revision: 3,
            recreate: 2,
            ready_before: None,
            started_at: MicroTime(noon()),
            applied_at: Some(MicroTime(noon())),
            finished_at: None,
            outcome: end.map(outcome_of),
        };
        seen.status.as_mut().unwrap().steps = steps.iter().map(step).collect();
        let view = incident_view(&seen);
        assert_eq!((view.name.as_str(), view.hop.as_str(), view.pod_uid.as_str()), ("x", "exit", "uid-exit"));
        assert_eq!((view.verdict, view.evidence, view.last_line), (Verdict::Rotate, Evidence::Own, noon()));
        assert_eq!((view.cause.as_deref(), view.closed_at), (Some("entry"), None));
        // The names in the API and those of the domain lead there and back.
        assert!(view.steps.iter().map(|s| (s.kind, s.ended)).eq(steps));
        let last = view.steps.last().unwrap();
        assert_eq!((&last.candidate, last.recreate, last.applied_at), (&candidate("b"), 2, Some(noon())));
    }
}
