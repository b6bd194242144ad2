//! What an entry of a rule file comes to: a rule of its own, or a change to a shipped one.

use std::sync::Arc;

use regex::Regex;

use super::severity::Severity;
use super::{Origin, Places, Rule, RuleId, Samples, Threshold};
use crate::domain::types::{Evidence, Verdict};

/// One entry of a file's `rules`.
#[derive(Clone, Debug)]
pub enum Entry {
    /// It says what it matches: a whole rule. `enabled` says whether it takes part.
    Rule {
        /// The rule.
        rule: Box<Rule>,
        /// False where the file switches it off.
        enabled: bool,
    },
    /// It does not: the rule of that id stays, but for what the entry names.
    Change(Box<Change>),
}

impl Entry {
    /// The rule's name.
    pub fn id(&self) -> &RuleId {
        match self {
            Self::Rule { rule, .. } => &rule.id,
            Self::Change(change) => &change.id,
        }
    }

    /// Where it was written.
    pub fn origin(&self) -> &Origin {
        match self {
            Self::Rule { rule, .. } => &rule.origin,
            Self::Change(change) => &change.origin,
        }
    }
}

/// What an entry without a pattern changes of the rule that it names.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which rule.
    pub id: RuleId,
    /// Where the change was written.
    pub origin: Origin,
    /// Each key of the entry; none keeps the rule's own.
    pub title: Option<String>,
    /// See [`Rule::unless`].
    pub unless: Option<Regex>,
    /// See [`Rule::evidence`].
    pub evidence: Option<Evidence>,
    /// See [`Rule::verdict`].
    pub verdict: Option<Verdict>,
    /// See [`Rule::severity`].
    pub severity: Option<Severity>,
    /// See [`Rule::threshold`].
    pub threshold: Option<Threshold>,
    /// See [`Rule::samples`].
    pub samples: Option<Samples>,
    /// See [`Rule::tags`].
    pub tags: Option<Vec<String>>,
    /// See [`Rule::docs`].
    pub docs: Option<String>,
    /// False switches the rule off.
    pub enabled: bool,
    /// Where the entry's parts were written.
    pub places: Places,
}

impl Change {
    /// Makes the change.
    pub fn apply(self, rule: &mut Rule) {
        // A severity that came from the verdict follows it.
        let follows = rule.severity == Severity::of(rule.verdict);
        if let Some(verdict) = self.verdict {
            rule.verdict = verdict;
        }
        if let Some(severity) = self.severity.or_else(|| follows.then(|| Severity::of(rule.verdict))) {
            rule.severity = severity;
        }
        set(&mut rule.title, self.title);
        set(&mut rule.evidence, self.evidence);
        set(&mut rule.threshold, self.threshold);
        set(&mut rule.tags, self.tags);
        if self.unless.is_some() {
            rule.unless = self.unless;
        }
        if self.docs.is_some() {
            rule.docs = self.docs;
        }
        if let Some(samples) = self.samples {
            rule.samples = samples;
        }
        // Messages about the rule's own parts would now point into the other file.
        rule.places = Arc::new(Places { pattern: None, conditions: Vec::new(), ..self.places });
        rule.changed = Some(self.origin);
    }
}

fn set<T>(kept: &mut T, changed: Option<T>) {
    if let Some(changed) = changed {
        *kept = changed;
    }
}
