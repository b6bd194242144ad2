//! What is allowed in a rule file but unwise, each with its place: for `hopkeeper rules lint`.

use std::sync::Arc;
use std::time::Duration;

use super::error::{Place, RuleError};
use super::{Client, Origin, Rule, pattern, scalar};
use crate::domain::ruleset::{RuleSet, literal};
use crate::domain::types::{Evidence, Verdict};
use anchor::Loose;
use overlap::{Clash, Lines};

mod anchor;
mod examples;
mod overlap;

/// What the health sidecar writes (`hop/health.sh`).
const HEALTH_FIELDS: [&str; 11] = [
    "hopkeeper",
    "state",
    "mounted",
    "applied",
    "applied_since",
    "carrier",
    "rx_bytes",
    "tx_bytes",
    "rx_age_seconds",
    "handshake_age_seconds",
    "probe",
];
/// And how often.
const HEALTH_EVERY: Duration = Duration::from_secs(5);
/// Words of messages that another try often answers.
const PASSING: [&str; 9] =
    ["timeout", "timed out", "temporar", "retry", "try again", "busy", "reset by peer", "refused", "unreachable"];

/// One thing that is unwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// A stable word for it.
    pub code: &'static str,
    /// Where, and what.
    pub at: RuleError,
}

/// What is unwise in the rules of a set that come from `files` (name and text of each).
pub fn lint(set: &RuleSet, files: &[(String, String)]) -> Vec<Warning> {
    let is_users = |rule: &Rule| rule.is_from(|name| files.iter().any(|(file, _)| file == name));
    let lines = Lines::new(set);
    let mut warnings = Vec::new();
    for rule in set.rules().iter().filter(|rule| is_users(rule)) {
        let place = rule.changed.as_ref().unwrap_or(&rule.origin);
        let source = files.iter().find(|(name, _)| **name == *place.file).map_or("", |(_, source)| source);
        let mut linter = Linter { rule, place, source, warnings: &mut warnings };
        // A change of a shipped rule brings no pattern of its own.
        if rule.changed.is_none() {
            linter.pattern();
            linter.samples();
        }
        linter.conditions();
        linter.threshold();
        for clash in lines.clashes(rule, is_users) {
            linter.clash(&clash, set);
        }
    }
    warnings.sort_by(|a, b| (&a.at.file, a.at.line, a.at.column).cmp(&(&b.at.file, b.at.line, b.at.column)));
    warnings
}

struct Linter<'a> {
    rule: &'a Rule,
    place: &'a Origin,
    source: &'a str,
    warnings: &'a mut Vec<Warning>,
}

impl Linter<'_> {
    fn warn(&mut self, code: &'static str, place: Option<Place>, message: String) {
        let at_id = Place { line: self.place.line, column: self.place.column, width: self.rule.id.as_str().len() };
        let message = format!("rule \"{}\" {message}", self.rule.id);
        let at = RuleError::at(&Arc::clone(&self.place.file), self.source, place.unwrap_or(at_id), message);
        self.warnings.push(Warning { code, at });
    }

    fn pattern(&mut self) {
        let rule = self.rule;
        let (Some(regex), at) = (&rule.pattern, rule.places.pattern) else { return };
        let text = regex.as_str();
        if rule.client != Client::Health
            && let Some((kind, offset, width)) = anchor::loose(text)
        {
            let place = at.map(|at| scalar::within(self.source, at, offset, width).unwrap_or(at));
            match kind {
                Loose::NotAnchored => self.warn(
                    "not-anchored",
                    place,
                    "is not anchored here: a VPN server can print such text inside of another message; begin with ^ and the program's words".to_owned(),
                ),
                Loose::AnythingFirst => self.warn(
                    "not-anchored",
                    place,
                    "lets anything come before its words: a VPN server can print them inside of another message; write the program's words first".to_owned(),
                ),
            }
        }
        if regex.is_match("") {
            self.warn(
                "matches-every-line",
                at,
                "matches every line, even an empty one; write words that must be there".to_owned(),
            );
        } else if literal::required(text).is_none() {
            self.warn(
                "no-literal",
                at,
                "is slow: it requires no text of 3 letters or more, so every line must meet it; write out a word that is always there".to_owned(),
            );
        }
        if pattern::is_large(text) {
            self.warn(
                "large-pattern",
                at,
                "compiles to more than half of what a pattern may; use smaller repetitions, or * where no exact number is needed".to_owned(),
            );
        }
    }

    fn samples(&mut self) {
        let missing = match (self.rule.samples.fires.is_empty(), self.rule.samples.silent.is_empty()) {
            (true, true) => "no firing and no silent sample",
            (true, false) => "no firing sample",
            (false, true) => "no silent sample",
            (false, false) => return,
        };
        self.warn("no-samples", None, format!("has {missing}, so `rules test` can't try it; paste a line from a log"));
    }

    fn conditions(&mut self) {
        let rule = self.rule;
        for (condition, place) in rule.conditions.iter().zip(&rule.places.conditions) {
            let field = condition.field();
            if !condition.is_on_group() && !HEALTH_FIELDS.contains(&field) {
                let hint = super::near::suggestion(field, &HEALTH_FIELDS);
                self.warn(
                    "unknown-field",
                    Some(*place),
                    format!("asks for \"{field}\", which health lines don't have{hint}"),
                );
            }
        }
    }

    fn threshold(&mut self) {
        let rule = self.rule;
        let threshold = rule.threshold;
        let place = rule.places.threshold;
        if place.is_some() && matches!(rule.verdict, Verdict::Ignore | Verdict::Recovered) {
            self.warn(
                "idle-threshold",
                place,
                format!("has a threshold, but \"{}\" lines are not counted; leave it out", rule.verdict),
            );
        }
        let lines = usize::try_from(threshold.within.as_secs() / HEALTH_EVERY.as_secs())
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        if rule.client == Client::Health && threshold.count > lines {
            self.warn(
                "unreachable-threshold",
                place,
                format!(
                    "asks for {} lines in {} s, but health lines come every {} s: {lines} at most while nothing changes; ask for fewer, or for a longer time",
                    threshold.count,
                    threshold.within.as_secs(),
                    HEALTH_EVERY.as_secs()
                ),
            );
        }
        let hasty = (rule.verdict, rule.evidence, threshold.count) == (Verdict::Rotate, Evidence::Own, 1);
        let passing = |text: &str| {
            let text = text.to_lowercase();
            PASSING.into_iter().find(|word| text.contains(word))
        };
        let texts = rule.samples.fires.iter().map(String::as_str).chain(rule.pattern.iter().map(|p| p.as_str()));
        if let (true, Some(word)) = (hasty && rule.client != Client::Health, texts.into_iter().find_map(passing)) {
            self.warn(
                "hasty-rotation",
                rule.places.verdict,
                format!("gives up a candidate for one line that speaks of \"{word}\", which another try may answer; add a threshold such as {{ count: 3, within: 60s }}"),
            );
        }
    }

    fn clash(&mut self, clash: &Clash, set: &RuleSet) {
        let pattern = self.rule.places.pattern;
        let about = |id| {
            let other = set.get(id).expect("should be there: the clash is with a rule of the set");
            let origin = &other.origin;
            format!("\"{id}\" ({}, at {}:{}:{})", other.verdict, origin.file, origin.line, origin.column)
        };
        match clash {
            Clash::Shadowed(id) => {
                let message = format!("never decides a line: {} comes before it and matches all of its samples and examples", about(id));
                self.warn("shadowed", pattern, message);
            }
            Clash::NeverSeen => self.warn(
                "never-seen",
                pattern,
                "begins with a timestamp, level or prefix, which is removed before rules see a line; begin with the program's own words".to_owned(),
            ),
            Clash::Overlaps(id, line) => {
                let message = format!("loses lines to {}, which comes before it: {line:?}; make one of them more exact, or use \"unless\"", about(id));
                self.warn("overlap", pattern, message);
            }
            Clash::Takes(id, line) => {
                let message = format!("decides a line that is a sample of {}: {line:?}; make it more exact, or use \"unless\"", about(id));
                self.warn("takes-over", pattern, message);
            }
        }
    }
}

#[cfg(test)]
mod tests;
