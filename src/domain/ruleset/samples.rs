//! Do the rules decide their own samples as their authors say?

use std::fmt;

use super::{Line, RuleSet};
use crate::domain::rule::error::Place;
use crate::domain::rule::{Client, Rule, RuleId};

/// A sample that another rule, or none, decides; or that a rule must not decide but does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongSample {
    /// The sample's place.
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

fn place(rule: &Rule, sample: Option<&Place>) -> String {
    let origin = rule.changed.as_ref().unwrap_or(&rule.origin);
    let (line, column) = sample.map_or((origin.line, origin.column), |place| (place.line, place.column));
    format!("{}:{line}:{column}", origin.file)
}

impl RuleSet {
    /// Tries every rule's samples on the whole set; gives those that come out wrong.
    pub fn check_samples(&self) -> Vec<WrongSample> {
        self.check_samples_of(|_| true)
    }

    /// The same for the rules that `wanted` picks.
    pub fn check_samples_of(&self, wanted: impl Fn(&Rule) -> bool) -> Vec<WrongSample> {
        let mut wrong = Vec::new();
        for rule in self.rules().iter().filter(|rule| wanted(rule)) {
            let places = &rule.places;
            for (samples, places, should_fire) in
                [(&rule.samples.fires, &places.fires, true), (&rule.samples.silent, &places.silent, false)]
            {
                for (index, sample) in samples.iter().enumerate() {
                    let decided_by = self.decide_sample(rule, sample);
                    if (decided_by == Some(&rule.id)) != should_fire {
                        wrong.push(WrongSample {
                            place: place(rule, places.get(index)),
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
            let awaits = clients.any(|client| Line::of_record(client, sample).iter().any(|line| line.meets(rule)));
            return awaits.then_some(&rule.id);
        }
        clients.flat_map(|client| self.decide_record(client, sample)).find_map(|(_, rule)| rule).map(|rule| &rule.id)
    }
}
