//! Do the rules decide their own samples as their authors say?

use std::fmt;

use super::RuleSet;
use crate::domain::rule::{Client, Rule, RuleId};

/// A sample that another rule, or none, decides; or that a rule must not decide but does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongSample {
    /// The rule's place.
    pub place: String,
    /// The rule.
    pub rule: RuleId,
    /// Whether it should have fired.
    pub should_fire: bool,
    /// The line.
    pub sample: String,
    /// What decided it instead.
    pub decided_by: Option<RuleId>,
}

impl fmt::Display for WrongSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, rule, sample, .. } = self;
        match (self.should_fire, &self.decided_by) {
            (true, Some(other)) => write!(
                f,
                "{place}: rule \"{rule}\" should decide {sample:?}, but \"{other}\" does, which comes before it"
            ),
            (true, None) => write!(f, "{place}: rule \"{rule}\" should decide {sample:?}, but no rule matches"),
            (false, _) => write!(f, "{place}: rule \"{rule}\" should leave {sample:?} alone, but matches it"),
        }
    }
}

impl RuleSet {
    /// Tries every rule's samples on the whole set; gives those that come out wrong.
    pub fn check_samples(&self) -> Vec<WrongSample> {
        let mut wrong = Vec::new();
        for rule in self.rules() {
            for (samples, should_fire) in [(&rule.samples.fires, true), (&rule.samples.silent, false)] {
                for sample in samples {
                    let decided_by = self.decide_sample(rule, sample);
                    if (decided_by == Some(&rule.id)) != should_fire {
                        wrong.push(WrongSample {
                            place: format!("{}:{}:{}", rule.origin.file, rule.origin.line, rule.origin.column),
                            rule: rule.id.clone(),
                            should_fire,
                            sample: sample.clone(),
                            decided_by: decided_by.cloned(),
                        });
                    }
                }
            }
        }
        wrong
    }

    /// A rule for any client is tried as each of them would be; the first that it decides counts.
    fn decide_sample<'a>(&'a self, rule: &'a Rule, sample: &str) -> Option<&'a RuleId> {
        let mut clients = Client::SOURCES.into_iter().filter(|source| rule.client.reads(*source));
        if rule.absent.is_some() {
            // It decides no line; its samples say which ones it waits for.
            let awaits = |client, line: &str| RuleSet::meets(rule, client, line);
            let awaits = clients.any(|c| self.decide_record(c, sample).iter().any(|(line, _)| awaits(c, line)));
            return awaits.then_some(&rule.id);
        }
        clients.flat_map(|client| self.decide_record(client, sample)).find_map(|(_, rule)| rule).map(|rule| &rule.id)
    }
}
