//! All rules, compiled once: which rule decides a line.
//!
//! `matcher` finds the few rules that can match; only they meet the line. The first rule in order decides. Leaves
//! counting to `window` and `engine`.

mod avx512;
mod combined;
mod frequency;
mod line;
mod lists;
pub mod literal;
pub mod matcher;
mod needles;
mod numbers;
pub mod pack;
mod prefilter;
pub mod samples;
mod sequence;
mod shapes;
mod teddy;

use std::collections::HashMap;

use smallvec::SmallVec;

use super::rule::error::{Place, RuleError};
use super::rule::{Client, Origin, Rule, RuleId};
pub use line::Line;
use matcher::Matcher;

/// The logical lines of a record, mostly one, and the rule that decides each.
pub type Decided<'s, 't> = SmallVec<[(Line<'t>, Option<&'s Rule>); 1]>;

/// A compiled rule set; cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    by_id: HashMap<RuleId, usize>,
    matcher: Matcher,
    /// Rules without a pattern: conditions on a health line's fields.
    by_fields: Vec<u32>,
}

impl RuleSet {
    /// Compiles rules; the order of `rules` is their precedence.
    ///
    /// # Errors
    /// When two rules have one id.
    pub fn new(rules: Vec<Rule>) -> Result<Self, Vec<RuleError>> {
        let mut by_id: HashMap<RuleId, usize> = HashMap::with_capacity(rules.len());
        let mut errors = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            if let Some(first) = by_id.insert(rule.id.clone(), index) {
                errors.push(duplicate(rule, &rules[first]));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let by_fields = (0u32..).zip(&rules).filter(|(_, rule)| rule.pattern.is_none()).map(|(number, _)| number);
        let by_fields = by_fields.collect();
        let matcher = Matcher::new(rules.iter().map(|rule| rule.pattern.clone()).collect());
        Ok(Self { rules, by_id, matcher, by_fields })
    }

    /// The rules in order of precedence.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// A rule by its name.
    pub fn get(&self, id: &RuleId) -> Option<&Rule> {
        self.by_id.get(id).map(|index| &self.rules[*index])
    }

    /// What a client's record comes to, line by line: each logical line and the rule that decides it.
    pub fn decide_record<'s, 't>(&'s self, client: Client, text: &'t str) -> Decided<'s, 't> {
        let decided = |line| (self.decide(&line), line);
        Line::of_record(client, text).into_iter().map(decided).map(|(rule, line)| (line, rule)).collect()
    }

    /// The rule that decides a line, if any does.
    ///
    /// This is the way of every line, in production, in `rules explain` and for samples.
    pub fn decide(&self, line: &Line<'_>) -> Option<&Rule> {
        if !line.is_of_client() {
            return None;
        }
        let mut candidates = self.matcher.candidates(line.logical());
        if self.matcher.has_patterns_without_literal() {
            self.matcher.matching_without_literal(line.text(), |number| candidates.add(number));
        }
        if line.client() == Client::Health {
            self.by_fields.iter().for_each(|number| candidates.add(*number));
        }
        let mut candidates = candidates.in_order().map(|number| &self.rules[number as usize]);
        candidates.find(|rule| rule.absent.is_none() && line.meets(rule))
    }

    /// The same without the prefilter, rule by rule: what `decide` is tested against.
    pub fn decide_naively(&self, line: &Line<'_>) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.absent.is_none() && line.meets(rule))
    }
}

fn duplicate(rule: &Rule, first: &Rule) -> RuleError {
    let excerpt = format!("{}{}", " ".repeat(rule.origin.column - 1), rule.id);
    let source = format!("{}{excerpt}", "\n".repeat(rule.origin.line - 1));
    used_before(&rule.id, &rule.origin, &source, &first.origin)
}

/// An id that stands at two places.
fn used_before(id: &RuleId, origin: &Origin, source: &str, first: &Origin) -> RuleError {
    let message = format!(
        "rule id \"{id}\" is used before, at {}:{}:{}; give this one another id",
        first.file, first.line, first.column
    );
    let place = Place { line: origin.line, column: origin.column, width: id.as_str().len() };
    RuleError::at(&origin.file, source, place, message)
}

#[cfg(test)]
mod tests;
