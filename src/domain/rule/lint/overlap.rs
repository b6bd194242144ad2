//! Rules that get in each other's way: one that an earlier rule leaves nothing to, and two whose order alone decides.
//!
//! Tried, not proved: with each rule's samples and with lines made from its pattern.

use std::collections::BTreeMap;

use super::examples::examples;
use crate::domain::rule::{Client, Rule, RuleId};
use crate::domain::ruleset::{self, RuleSet};

/// A line that a rule matches.
struct Line {
    client: Client,
    logical: String,
    is_sample: bool,
}

/// What is wrong between two rules; the first of them decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Clash {
    /// Every line of the rule is decided by others, most by this one.
    Shadowed(RuleId),
    /// The pattern begins with text that is removed before rules see a line.
    NeverSeen,
    /// An earlier rule with another verdict takes some of the rule's lines, and each has lines of its own.
    Overlaps(RuleId, String),
    /// The rule takes a line that a shipped rule with another verdict has as a sample.
    Takes(RuleId, String),
}

/// The rules of a set with the lines that each matches.
pub(super) struct Lines<'a> {
    set: &'a RuleSet,
    of: BTreeMap<&'a RuleId, Vec<Line>>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(set: &'a RuleSet) -> Self {
        let of = set.rules().iter().map(|rule| (&rule.id, lines(rule))).collect();
        Self { set, of }
    }

    /// What gets in the way of a rule; `is_users` tells the rules under inspection from the shipped ones.
    pub(super) fn clashes(&self, rule: &Rule, is_users: impl Fn(&Rule) -> bool) -> Vec<Clash> {
        // It waits for lines and leaves them to others.
        if rule.absent.is_some() {
            return Vec::new();
        }
        let lines = &self.of[&rule.id];
        if lines.is_empty() {
            let never =
                rule.pattern.as_ref().is_some_and(|p| examples(p.as_str()).iter().any(|e| rule.matches(e, None)));
            return if never { vec![Clash::NeverSeen] } else { Vec::new() };
        }
        let others: Vec<(&Rule, &Line)> =
            lines.iter().filter_map(|l| Some((self.decider(l)?, l))).filter(|(other, _)| other.id != rule.id).collect();
        if others.len() == lines.len() {
            let mut times: BTreeMap<&RuleId, usize> = BTreeMap::new();
            for (other, _) in &others {
                *times.entry(&other.id).or_default() += 1;
            }
            let most = times.into_iter().max_by_key(|(_, times)| *times);
            return most.map(|(id, _)| Clash::Shadowed(id.clone())).into_iter().collect();
        }
        let mut clashes: Vec<Clash> = Vec::new();
        let mut told: Vec<&RuleId> = Vec::new();
        for (other, line) in others {
            if other.verdict == rule.verdict || told.contains(&&other.id) {
                continue;
            }
            // A special case before the general one is how it should be.
            let is_special_case = self.of[&other.id].iter().all(|line| matches(rule, line));
            if !is_special_case {
                told.push(&other.id);
                clashes.push(Clash::Overlaps(other.id.clone(), line.logical.clone()));
            }
        }
        for other in self.set.rules().iter().filter(|o| !is_users(o) && o.absent.is_none() && o.verdict != rule.verdict)
        {
            let taken = self.of[&other.id].iter().filter(|line| line.is_sample);
            let taken = taken.filter(|line| matches(rule, line) && self.decider(line).is_some_and(|d| d.id == rule.id));
            if let Some(line) = taken.into_iter().next() {
                clashes.push(Clash::Takes(other.id.clone(), line.logical.clone()));
            }
        }
        clashes
    }

    fn decider(&self, line: &Line) -> Option<&'a Rule> {
        self.set.decide(&ruleset::Line::new(line.client, line.logical.as_str()))
    }
}

fn matches(rule: &Rule, line: &Line) -> bool {
    // What a health line holds is only known to the whole set.
    line.client != Client::Health && ruleset::Line::new(line.client, line.logical.as_str()).meets(rule)
}

/// The lines of a rule, by its first client.
fn lines(rule: &Rule) -> Vec<Line> {
    let Some(client) = Client::SOURCES.into_iter().find(|source| rule.client.reads(*source)) else { return Vec::new() };
    let of_samples = rule.samples.fires.iter().flat_map(|sample| {
        let lines = ruleset::Line::of_record(client, sample);
        lines.iter().map(|line| line.logical().to_owned()).collect::<Vec<_>>()
    });
    let mut lines: Vec<Line> = of_samples.map(|logical| Line { client, logical, is_sample: true }).collect();
    if client != Client::Health {
        let made = rule.pattern.as_ref().map(|pattern| examples(pattern.as_str())).unwrap_or_default();
        lines.extend(made.into_iter().map(|logical| Line { client, logical, is_sample: false }));
        lines.retain(|line| matches(rule, line));
    }
    lines
}
