//! What bounds the repairs of one hop: pause, cooldown, budget.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::view::{ChainView, StepView};

/// What would keep a repair of a hop from acting now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Repairs are switched off.
    pub paused: bool,
    /// The hop was repaired a moment ago: until then.
    pub cooldown: Option<Timestamp>,
    /// The budget is used up: so many actions, within so long.
    pub budget: Option<(usize, SignedDuration)>,
}

/// The limits that stand in the way of a repair of `hop`.
#[must_use]
pub fn limits(view: &ChainView, hop: &str) -> Limits {
    let budget = (view.policy.budget_actions, view.policy.budget_per);
    Limits {
        paused: view.paused,
        cooldown: cooldown_end(view, hop).filter(|until| view.now < *until),
        budget: (steps_within_budget(view, hop) >= budget.0).then_some(budget),
    }
}

/// How many more steps the budget of `hop` allows now.
#[must_use]
pub fn budget_left(view: &ChainView, hop: &str) -> usize {
    view.policy.budget_actions.saturating_sub(steps_within_budget(view, hop))
}

/// All steps that were taken on a hop.
fn steps_of<'a>(view: &'a ChainView, hop: &str) -> impl Iterator<Item = &'a StepView> {
    view.incidents.iter().filter(move |i| i.hop == hop).flat_map(|i| &i.steps)
}

/// When the hop's cooldown ends, or ended.
pub(super) fn cooldown_end(view: &ChainView, hop: &str) -> Option<Timestamp> {
    steps_of(view, hop).filter_map(|s| s.applied_at).max().map(|t| t + view.policy.cooldown)
}

/// How many of the hop's steps its budget still counts.
pub(super) fn steps_within_budget(view: &ChainView, hop: &str) -> usize {
    steps_of(view, hop).filter(|s| s.started_at > view.now - view.policy.budget_per).count()
}

impl fmt::Display for Limits {
    /// Empty where there are none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = Vec::new();
        if self.paused {
            told.push("the chain is paused".to_owned());
        }
        if let Some(until) = self.cooldown {
            told.push(format!("recovery.cooldown lasts until {until:.0}"));
        }
        if let Some((actions, per)) = self.budget {
            told.push(format!("recovery.budget is used up ({actions} in {per:#})"));
        }
        f.write_str(&told.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{at, incident, step, view};
    use crate::domain::view::{IncidentView, Phase, StepKind};

    #[test]
    fn pause_cooldown_and_budget_are_told_while_they_stand() {
        let mut chain = view(["entry", "middle"]);
        assert_eq!((limits(&chain, "entry"), limits(&chain, "entry").to_string()), (Limits::default(), String::new()));
        chain.paused = true;
        chain.policy.budget_actions = 1;
        let mut taken = step(StepKind::RotateInPlace, "a", None);
        (taken.started_at, taken.applied_at) = (at(9_990), Some(at(9_991)));
        chain.incidents.push(IncidentView { phase: Phase::Closed, steps: vec![taken], ..incident("x", "entry") });
        let told = limits(&chain, "entry");
        let expected =
            Limits { paused: true, cooldown: Some(at(10_021)), budget: Some((1, SignedDuration::from_hours(1))) };
        assert_eq!(told, expected);
        assert_eq!(
            told.to_string(),
            "the chain is paused, recovery.cooldown lasts until 1970-01-01T02:47:01Z, recovery.budget is used up (1 in 1h)"
        );
        // Another hop's repairs are its own.
        assert_eq!(limits(&chain, "middle"), Limits { paused: true, ..Limits::default() });
        chain.now = at(10_021);
        assert_eq!(limits(&chain, "entry").cooldown, None);
    }
}
