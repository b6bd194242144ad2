//! Which candidates failed lately, and are not worth another try.

use super::types::{CandidateRef, Evidence, Verdict};
use super::view::{ChainView, StepEnd};

/// The candidates of a hop that were rotated away from, or did not work, within the budget's time.
///
/// By version: once somebody has written a new version of one, it may be tried again.
#[must_use]
pub fn burned(view: &ChainView, hop: &str) -> Vec<CandidateRef> {
    let since = view.now - view.policy.budget_per;
    let recent = view.incidents.iter().filter(|i| i.hop == hop && i.last_line > since);
    let mut burned: Vec<CandidateRef> = recent
        .flat_map(|incident| {
            // A symptom accuses nobody: the hop's own server said no, or it was rotated away from.
            let left = incident.steps.iter().any(|s| s.kind.rotates());
            let refused = (incident.verdict, incident.evidence) == (Verdict::Rotate, Evidence::Own);
            let accused = (left || refused).then(|| incident.candidate.clone());
            let failed = incident.steps.iter().filter(|s| matches!(s.ended, Some(StepEnd::TimedOut | StepEnd::Failed)));
            accused.into_iter().chain(failed.map(|step| step.candidate.clone()))
        })
        .collect();
    burned.sort();
    burned.dedup();
    burned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{at, candidate, incident, step, view};
    use crate::domain::view::{IncidentView, StepKind};

    #[test]
    fn accused_and_failed_candidates_are_burned_for_a_while_and_by_hop() {
        let mut chain = view(["entry", "middle"]);
        let failed = step(StepKind::RotateInPlace, "b", Some(StepEnd::Failed));
        let worked = step(StepKind::RotateInPlace, "c", Some(StepEnd::Up));
        chain.incidents.push(IncidentView { steps: vec![failed, worked], ..incident("x", "entry") });
        chain.incidents.push(IncidentView { candidate: candidate("old"), last_line: at(1), ..incident("y", "entry") });
        chain.incidents.push(IncidentView { verdict: Verdict::Restart, ..incident("z", "middle") });
        // A held symptom of an outer fault.
        chain.incidents.push(IncidentView { evidence: Evidence::Path, ..incident("symptom", "middle") });
        assert_eq!(burned(&chain, "entry"), [candidate("a"), candidate("b")]);
        assert_eq!(burned(&chain, "middle"), []);
    }
}
