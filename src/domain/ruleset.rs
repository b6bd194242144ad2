//! All rules, compiled once: which rule decides a line.
//!
//! `matcher` finds the few rules that can match; only they meet the line. The first rule in order decides. Leaves
//! counting to `window` and `engine`.

mod combined;
mod frequency;
pub mod literal;
pub mod matcher;
mod needles;
mod numbers;
pub mod pack;
mod prefilter;
pub mod samples;
mod sequence;
mod shapes;

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};
use smallvec::SmallVec;

use super::line;
use super::rule::error::{Place, RuleError};
use super::rule::{Client, Origin, Rule, RuleId};
use matcher::Matcher;

/// The logical lines of a record, mostly one, and the rule that decides each.
pub type Decided<'s, 't> = SmallVec<[(Cow<'t, str>, Option<&'s Rule>); 1]>;

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
    ///
    /// This is the way of every line, in production, in `rules explain` and for samples.
    pub fn decide_record<'s, 't>(&'s self, client: Client, text: &'t str) -> Decided<'s, 't> {
        // The health sidecar's lines are JSON themselves.
        let text = if client == Client::Health { Cow::Borrowed(text) } else { line::unwrap_json(text) };
        let lines = match text {
            Cow::Borrowed(text) => line::logical_lines(text),
            Cow::Owned(text) => line::logical_lines(&text).into_iter().map(|l| Cow::Owned(l.into_owned())).collect(),
        };
        lines.into_iter().map(|line| (self.decide(client, &line), line)).map(|(rule, line)| (line, rule)).collect()
    }

    /// The rule that decides a logical line (see `line::logical_lines`), if any does.
    pub fn decide(&self, client: Client, logical: &str) -> Option<&Rule> {
        let mut line = Line::new(client, logical)?;
        let mut candidates = self.matcher.candidates(logical);
        if self.matcher.has_patterns_without_literal() {
            self.matcher.matching_without_literal(line.text(), |number| candidates.add(number));
        }
        if client == Client::Health {
            self.by_fields.iter().for_each(|number| candidates.add(*number));
        }
        let mut candidates = candidates.in_order().map(|number| &self.rules[number as usize]);
        candidates.find(|rule| rule.absent.is_none() && line.meets(rule))
    }

    /// The same without the prefilter, rule by rule: what `decide` is tested against.
    pub fn decide_naively(&self, client: Client, logical: &str) -> Option<&Rule> {
        let mut line = Line::new(client, logical)?;
        self.rules.iter().find(|rule| rule.absent.is_none() && line.meets(rule))
    }

    /// Whether a rule is about a logical line, whatever others are: how rules with `absent` see it, which decide nothing.
    pub fn meets(rule: &Rule, client: Client, logical: &str) -> bool {
        rule.client.reads(client) && Line::new(client, logical).is_some_and(|mut line| line.meets(rule))
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

/// A line that rules are tried on; what several rules need is worked out once.
struct Line<'a> {
    client: Client,
    logical: &'a str,
    text: Option<&'a str>,
    fields: Option<Map<String, Value>>,
}

impl<'a> Line<'a> {
    /// None when it can't be a line of this client: the health sidecar writes only marked JSON objects.
    fn new(client: Client, logical: &'a str) -> Option<Self> {
        let fields = if client == Client::Health { Some(health_fields(logical)?) } else { None };
        Some(Self { client, logical, text: None, fields })
    }

    /// What the program printed.
    fn text(&mut self) -> &'a str {
        let (logical, health) = (self.logical, self.fields.is_some());
        self.text.get_or_insert_with(|| if health { logical } else { line::program_text(logical) })
    }

    fn meets(&mut self, rule: &Rule) -> bool {
        rule.client.reads(self.client) && rule.matches(self.text(), self.fields.as_ref())
    }
}

/// The fields of a health sidecar's line; none for any other line.
pub fn health_fields(logical: &str) -> Option<Map<String, Value>> {
    let json = &logical[logical.find('{')?..];
    let fields: Map<String, Value> = serde_json::from_str(json).ok()?;
    (fields.get("hopkeeper").and_then(Value::as_str) == Some("health")).then_some(fields)
}

#[cfg(test)]
mod tests;
