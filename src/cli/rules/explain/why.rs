//! Why a rule decides a line and the others don't: the parts that matched, and each other rule's reason.

use std::ops::Range;

use crate::domain::rule::condition::Condition;
use crate::domain::rule::{Miss, Rule};
use crate::domain::ruleset::{Line, RuleSet, literal};

/// What is to be said about one logical line.
pub(super) struct Why<'a> {
    logical: &'a str,
    /// The program's own text.
    pub(super) text: &'a str,
    /// Parts of the logical line that the deciding rule matched, in order.
    spans: Vec<Range<usize>>,
    /// Rules that come close, with the reason why they do not decide.
    pub(super) others: Vec<(&'a Rule, String)>,
}

impl<'a> Why<'a> {
    /// `near` also tells of rules whose words are there while their pattern does not match.
    pub(super) fn of(rules: &'a RuleSet, line: &'a Line<'_>, decided: Option<&Rule>, near: bool) -> Self {
        let (text, fields) = (line.text(), line.fields());
        let mut others = Vec::new();
        for rule in rules.rules().iter().filter(|rule| decided.is_none_or(|decided| decided.id != rule.id)) {
            let reads = rule.client.reads(line.client());
            let reason = match rule.try_on(text, fields) {
                Ok(()) if reads && rule.absent.is_some() => {
                    "it waits for such lines, and fires when they stay away".to_owned()
                }
                Ok(()) if reads && decided.is_some() => {
                    "it matches too, but comes after the rule that decides".to_owned()
                }
                Ok(()) if !reads && decided.is_none() && rule.pattern.is_some() => {
                    format!("it matches, but reads lines of {} only", rule.client)
                }
                Err(Miss::Unless) if reads => {
                    let found =
                        rule.unless.as_ref().and_then(|unless| unless.find(text)).map_or("", |found| found.as_str());
                    format!("\"unless\" matches {found:?}")
                }
                // Of rules without a pattern, only those that come close.
                Err(Miss::Condition(index)) if reads && (rule.pattern.is_some() || index > 0) => {
                    let condition = &rule.conditions[index];
                    format!("{condition} does not hold, {}", actual(rule, condition, text, fields))
                }
                Err(Miss::Pattern) if reads && near && decided.is_none() && has_words(rule, text) => {
                    "its words are there, but not at the place or in the form that its pattern asks for".to_owned()
                }
                _ => continue,
            };
            others.push((rule, reason));
        }
        let spans = decided.map_or_else(Vec::new, |rule| spans(rule, line));
        Self { logical: line.logical(), text, spans, others }
    }

    /// The parts that matched.
    pub(super) fn matched(&self) -> Vec<&'a str> {
        self.spans.iter().map(|span| &self.logical[span.clone()]).collect()
    }

    /// A line to stand under the logical line, with the parts that matched marked.
    pub(super) fn carets(&self) -> String {
        let mut carets = String::new();
        let mut at = 0;
        for (index, character) in self.logical.char_indices() {
            if self.spans.iter().any(|span| span.contains(&index)) {
                carets.push('^');
                at = carets.len();
            } else {
                // Tabs are kept, so that carets stand under their characters however wide a tab is shown.
                carets.push(if character == '\t' { '\t' } else { ' ' });
            }
        }
        carets.truncate(at);
        carets
    }
}

fn spans(rule: &Rule, line: &Line<'_>) -> Vec<Range<usize>> {
    let offset = line.span().start;
    let mut spans = Vec::new();
    if let Some(found) = rule.pattern.as_ref().and_then(|pattern| pattern.find(line.text())) {
        spans.push(offset + found.start()..offset + found.end());
    }
    for condition in rule.conditions.iter().filter(|condition| !condition.is_on_group()) {
        let key = format!("\"{}\"", condition.field());
        if let Some(start) = line.logical().find(&key) {
            let rest = &line.logical()[start..];
            let length = rest.find([',', '}']).unwrap_or(rest.len());
            spans.push(start..start + length);
        }
    }
    spans.sort_by_key(|span| span.start);
    spans
}

/// What the condition looked at.
fn actual(
    rule: &Rule,
    condition: &Condition,
    text: &str,
    fields: Option<&serde_json::Map<String, serde_json::Value>>,
) -> String {
    let value = if condition.is_on_group() {
        let groups = rule.pattern.as_ref().and_then(|pattern| pattern.captures(text));
        groups.and_then(|groups| groups.name(condition.field()).map(|group| format!("{:?}", group.as_str())))
    } else {
        fields.and_then(|fields| fields.get(condition.field())).map(ToString::to_string)
    };
    value.map_or_else(|| "it is not there".to_owned(), |value| format!("it is {value}"))
}

fn has_words(rule: &Rule, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let words = rule.pattern.as_ref().and_then(|pattern| literal::required(pattern.as_str()));
    words.is_some_and(|words| words.iter().any(|word| text.contains(&word.to_ascii_lowercase())))
}
