//! Whether the rules in use are those of the rule files, as every chain's status tells it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::incident_status::set_condition;

/// How the last reading of the rule files ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesState {
    /// Rules in use.
    pub rules: usize,
    /// What is wrong in the files, where the rules in use are older ones.
    pub problem: Option<String>,
}

impl RulesState {
    /// Sets the condition `RulesLoaded`.
    pub(super) fn set(&self, conditions: &mut Vec<Condition>, generation: Option<i64>, now: Timestamp) {
        let (value, reason, message) = match &self.problem {
            None => (true, "Loaded", self.good_news()),
            Some(problem) => (false, "ReloadFailed", self.bad_news(problem)),
        };
        set_condition(conditions, "RulesLoaded", value, reason, &message, generation, now);
    }

    /// For people, when all is well.
    pub fn good_news(&self) -> String {
        format!("{} rules are in use", self.rules)
    }

    /// For people, when it is not.
    pub fn bad_news(&self, problem: &str) -> String {
        format!("the changed rules did not load, the last good {} stay in use: {problem}", self.rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_says_which_rules_are_in_use_and_what_is_wrong_with_the_others() {
        let mut conditions = Vec::new();
        let mut set = |problem: Option<&str>, second| {
            let state = RulesState { rules: 7, problem: problem.map(str::to_owned) };
            state.set(&mut conditions, Some(1), Timestamp::from_second(second).unwrap());
            let condition = &conditions[0];
            (condition.status.clone(), condition.message.clone(), condition.last_transition_time.0.as_second())
        };
        assert_eq!(set(None, 1), ("True".to_owned(), "7 rules are in use".to_owned(), 1));
        let broken = "the changed rules did not load, the last good 7 stay in use: a.yaml:1:2: no".to_owned();
        assert_eq!(set(Some("a.yaml:1:2: no"), 2), ("False".to_owned(), broken.clone(), 2));
        // The same again changes nothing.
        assert_eq!(set(Some("a.yaml:1:2: no"), 3), ("False".to_owned(), broken, 2));
    }
}
