//! Which step comes next: in place, then a new pod, then the next candidate, then nobody but a person.

use super::types::{Evidence, Verdict};
use super::view::{Policy, StepEnd, StepKind, StepView};

/// The step after `steps`, or none when the ladder ends here.
///
/// A fault inside the pod (`restart` with `own` evidence) never costs a candidate: another one would meet the same fault.
#[must_use]
pub fn next_step(verdict: Verdict, evidence: Evidence, policy: &Policy, steps: &[StepView]) -> Option<StepKind> {
    let rotate = if policy.in_place { StepKind::RotateInPlace } else { StepKind::RotateAndRecreate };
    let inside_the_pod = (verdict, evidence) == (Verdict::Restart, Evidence::Own);
    let next_candidate = (policy.next_candidate && !inside_the_pod).then_some(rotate);
    let recreate = policy.recreate.then_some(StepKind::Recreate);
    match (verdict, steps.last()) {
        (Verdict::Rotate, None) => Some(rotate),
        (Verdict::Restart, None) if policy.in_place => Some(StepKind::RestartInPlace),
        (Verdict::Restart, None) => recreate.or(next_candidate),
        // The server refused this very candidate: the same one in a new pod would be refused too.
        (_, Some(step)) if step.ended == Some(StepEnd::Failed) => next_candidate,
        (_, Some(step)) if step.kind.recreates() => next_candidate,
        (_, Some(_)) => recreate.or(next_candidate),
        (Verdict::Alert | Verdict::Ignore | Verdict::Recovered, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{policy, step};

    fn walk(verdict: Verdict, policy: &Policy, ends: &[StepEnd]) -> Vec<Option<StepKind>> {
        let mut steps = Vec::new();
        let mut kinds = vec![next_step(verdict, Evidence::Path, policy, &steps)];
        for end in ends {
            let Some(Some(kind)) = kinds.last().copied() else { break };
            steps.push(step(kind, "b", Some(*end)));
            kinds.push(next_step(verdict, Evidence::Path, policy, &steps));
        }
        kinds
    }

    #[test]
    fn a_rotation_goes_in_place_then_new_pod_then_next_candidate() {
        use StepKind::{Recreate, RotateInPlace};
        let kinds = walk(Verdict::Rotate, &policy(), &[StepEnd::TimedOut; 3]);
        assert_eq!(kinds, [RotateInPlace, Recreate, RotateInPlace, Recreate].map(Some));
    }

    #[test]
    fn a_refused_candidate_is_not_tried_again_in_a_new_pod() {
        use StepKind::RotateInPlace;
        assert_eq!(walk(Verdict::Rotate, &policy(), &[StepEnd::Failed]), [RotateInPlace, RotateInPlace].map(Some));
    }

    #[test]
    fn a_restart_burns_a_candidate_only_after_both_ways_of_restarting() {
        use StepKind::{Recreate, RestartInPlace, RotateInPlace};
        let kinds = walk(Verdict::Restart, &policy(), &[StepEnd::TimedOut; 2]);
        assert_eq!(kinds, [RestartInPlace, Recreate, RotateInPlace].map(Some));
    }

    #[test]
    fn a_fault_inside_the_pod_never_costs_a_candidate() {
        let steps = [step(StepKind::Recreate, "a", Some(StepEnd::TimedOut))];
        assert_eq!(next_step(Verdict::Restart, Evidence::Own, &policy(), &steps), None);
        assert_eq!(next_step(Verdict::Restart, Evidence::Path, &policy(), &steps), Some(StepKind::RotateInPlace));
    }

    #[test]
    fn rungs_that_are_left_out_are_never_taken() {
        let only_pods = Policy { in_place: false, ..policy() };
        assert_eq!(walk(Verdict::Rotate, &only_pods, &[StepEnd::TimedOut]), [StepKind::RotateAndRecreate; 2].map(Some));
        let one_try = Policy { recreate: false, next_candidate: false, ..policy() };
        assert_eq!(walk(Verdict::Rotate, &one_try, &[StepEnd::TimedOut]), [Some(StepKind::RotateInPlace), None]);
        let nothing = Policy { in_place: false, ..one_try };
        assert_eq!(walk(Verdict::Restart, &nothing, &[]), [None]);
    }

    #[test]
    fn an_alert_is_never_a_step() {
        assert_eq!(walk(Verdict::Alert, &policy(), &[]), [None]);
    }
}
