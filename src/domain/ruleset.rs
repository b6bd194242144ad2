//! All rules, compiled once: which rule decides a line.
//!
//! One Aho-Corasick automaton finds the literals that rules require; only rules whose literal is there meet the line.
//! The first rule in order decides. Leaves counting to `window` and `engine`.

pub mod literal;
pub mod pack;
pub mod samples;

use std::borrow::Cow;
use std::collections::HashMap;

use aho_corasick::AhoCorasick;
use serde_json::{Map, Value};

use super::line;
use super::rule::error::{Place, RuleError};
use super::rule::{Client, Rule, RuleId};

/// A compiled rule set; cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    by_id: HashMap<RuleId, usize>,
    prefilter: AhoCorasick,
    /// For each literal of the prefilter, the rule that requires it.
    literal_rule: Vec<usize>,
    /// Rules without a required literal: they meet every line.
    always: Vec<usize>,
}

impl RuleSet {
    /// Compiles rules; the order of `rules` is their precedence.
    ///
    /// # Errors
    /// When two rules have one id.
    pub fn new(rules: Vec<Rule>) -> Result<Self, Vec<RuleError>> {
        let mut by_id: HashMap<RuleId, usize> = HashMap::with_capacity(rules.len());
        let mut errors = Vec::new();
        let (mut literals, mut literal_rule, mut always) = (Vec::new(), Vec::new(), Vec::new());
        for (index, rule) in rules.iter().enumerate() {
            if let Some(first) = by_id.insert(rule.id.clone(), index) {
                errors.push(duplicate(rule, &rules[first]));
            }
            match rule.pattern.as_ref().and_then(|pattern| literal::required(pattern.as_str())) {
                Some(required) => {
                    literal_rule.extend(std::iter::repeat_n(index, required.len()));
                    literals.extend(required);
                }
                None => always.push(index),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let prefilter = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(&literals)
            .expect("should build: literals are short and their number is bounded by the file size");
        Ok(Self { rules, by_id, prefilter, literal_rule, always })
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
    pub fn decide_record(&self, client: Client, text: &str) -> Vec<(String, Option<&Rule>)> {
        // The health sidecar's lines are JSON themselves.
        let text = if client == Client::Health { Cow::Borrowed(text) } else { line::unwrap_json(text) };
        let lines = line::logical_lines(&text);
        lines.into_iter().map(|line| (self.decide(client, &line), line.into_owned())).map(|(r, l)| (l, r)).collect()
    }

    /// The rule that decides a logical line (see `line::logical_lines`), if any does.
    pub fn decide(&self, client: Client, logical: &str) -> Option<&Rule> {
        let mut line = Line::new(client, logical)?;
        let mut candidates = self.candidates(logical);
        candidates.sort_unstable();
        candidates.dedup();
        candidates.into_iter().map(|index| &self.rules[index]).find(|rule| rule.absent.is_none() && line.meets(rule))
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

    fn candidates(&self, logical: &str) -> Vec<usize> {
        let mut candidates = self.always.clone();
        if !self.literal_rule.is_empty() {
            let found = self.prefilter.find_overlapping_iter(logical);
            candidates.extend(found.map(|hit| self.literal_rule[hit.pattern().as_usize()]));
        }
        candidates
    }
}

fn duplicate(rule: &Rule, first: &Rule) -> RuleError {
    let message = format!(
        "rule id \"{}\" is used before, at {}:{}:{}; give this one another id",
        rule.id, first.origin.file, first.origin.line, first.origin.column
    );
    let excerpt = format!("{}{}", " ".repeat(rule.origin.column - 1), rule.id);
    let source = format!("{}{excerpt}", "\n".repeat(rule.origin.line - 1));
    let place = Place { line: rule.origin.line, column: rule.origin.column, width: rule.id.as_str().len() };
    RuleError::at(&rule.origin.file, &source, place, message)
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

    fn meets(&mut self, rule: &Rule) -> bool {
        if !rule.client.reads(self.client) {
            return false;
        }
        let (logical, health) = (self.logical, self.fields.is_some());
        let text = *self.text.get_or_insert_with(|| if health { logical } else { line::program_text(logical) });
        rule.matches(text, self.fields.as_ref())
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
