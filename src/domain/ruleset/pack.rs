//! The rule packs that come with the program, compiled into it, and how a user's files are laid over them.
//!
//! A user's rule with an id of its own comes before every shipped one: whoever writes a rule for one server's message
//! means it to win over the general rule for such messages. A rule with a shipped rule's id takes that one's place; an
//! entry without a pattern changes it, or switches it off.

use std::collections::HashMap;

use super::RuleSet;
use crate::domain::rule::change::Entry;
use crate::domain::rule::error::RuleError;
use crate::domain::rule::file::{self, Strictness};
use crate::domain::rule::{Origin, Rule, RuleId};

/// The shipped files by name.
pub const SHIPPED: [(&str, &str); 11] = [
    ("openvpn.yaml", include_str!("../../../rules/openvpn.yaml")),
    ("openvpn3.yaml", include_str!("../../../rules/openvpn3.yaml")),
    ("openvpn_config.yaml", include_str!("../../../rules/openvpn_config.yaml")),
    ("openvpn_machine.yaml", include_str!("../../../rules/openvpn_machine.yaml")),
    ("openvpn_path.yaml", include_str!("../../../rules/openvpn_path.yaml")),
    ("wireguard.yaml", include_str!("../../../rules/wireguard.yaml")),
    ("wireguard-go.yaml", include_str!("../../../rules/wireguard-go.yaml")),
    ("wireguard-boringtun.yaml", include_str!("../../../rules/wireguard-boringtun.yaml")),
    ("wireguard-tools.yaml", include_str!("../../../rules/wireguard-tools.yaml")),
    ("wireguard-apps.yaml", include_str!("../../../rules/wireguard-apps.yaml")),
    ("health.yaml", include_str!("../../../rules/health.yaml")),
];

/// Before the shipped files' names in messages.
const SHIPPED_IN: &str = "<shipped>/";

/// True for a rule that came with the program, changed or not.
pub fn is_shipped(rule: &Rule) -> bool {
    rule.origin.file.starts_with(SHIPPED_IN)
}

/// What a user's files are laid over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The shipped rules.
    Shipped,
    /// Nothing: the user's rules are all there is.
    Nothing,
}

/// The rules of all layers.
#[derive(Debug)]
pub struct Layers {
    /// Those that take part, in order of precedence.
    pub rules: RuleSet,
    /// Those that are switched off.
    pub disabled: Vec<Rule>,
}

/// The rules of files in order, without the shipped ones.
///
/// # Errors
/// Everything wrong in any of them.
pub fn load<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
    strictness: Strictness,
) -> Result<RuleSet, Vec<RuleError>> {
    let files: Vec<(&str, &str)> = files.into_iter().collect();
    lay_over(Vec::new(), &files, strictness).map(|layers| layers.rules)
}

/// A user's files, in order, over a base.
///
/// # Errors
/// Everything wrong in any of them.
pub fn layered(base: Base, files: &[(&str, &str)]) -> Result<Layers, Vec<RuleError>> {
    let base = match base {
        Base::Shipped => shipped(),
        Base::Nothing => Vec::new(),
    };
    lay_over(base, files, Strictness::User)
}

/// The shipped rules in their order.
fn shipped() -> Vec<Rule> {
    // A user may well have a file of the same name.
    let files = SHIPPED.map(|(name, source)| (format!("{SHIPPED_IN}{name}"), source));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, source)| (name.as_str(), *source)).collect();
    merged(Vec::new(), &files, Strictness::Shipped).expect("should load: a test loads the shipped packs").0
}

fn lay_over(base: Vec<Rule>, files: &[(&str, &str)], strictness: Strictness) -> Result<Layers, Vec<RuleError>> {
    let (rules, disabled) = merged(base, files, strictness)?;
    Ok(Layers { rules: RuleSet::new(rules)?, disabled })
}

/// The rules that take part, in order of precedence, and those that are switched off; not compiled into a set yet.
fn merged(
    base: Vec<Rule>,
    files: &[(&str, &str)],
    strictness: Strictness,
) -> Result<(Vec<Rule>, Vec<Rule>), Vec<RuleError>> {
    let mut errors = Vec::new();
    let mut entries: Vec<(Entry, &str)> = Vec::new();
    for (name, source) in files {
        let parsed = file::read(name, source, strictness);
        errors.extend(parsed.errors);
        entries.extend(parsed.entries.into_iter().map(|entry| (entry, *source)));
    }
    errors.extend(ids_used_twice(&entries));

    let names: Vec<RuleId> = base.iter().map(|rule| rule.id.clone()).collect();
    let places: HashMap<&RuleId, usize> = names.iter().enumerate().map(|(index, id)| (id, index)).collect();
    // None where a user's file switched the rule off.
    let mut base: Vec<Option<Rule>> = base.into_iter().map(Some).collect();
    let (mut own, mut disabled) = (Vec::new(), Vec::new());
    for (entry, source) in entries {
        let slot = places.get(entry.id()).map(|index| &mut base[*index]);
        match (entry, slot) {
            (Entry::Rule { rule, enabled: true }, Some(slot)) => *slot = Some(*rule),
            (Entry::Rule { rule, enabled: true }, None) => own.push(*rule),
            (Entry::Rule { rule, enabled: false }, slot) => {
                disabled.push(*rule);
                if let Some(slot) = slot {
                    *slot = None;
                }
            }
            (Entry::Change(change), Some(slot)) => {
                let enabled = change.enabled;
                if let Some(rule) = slot {
                    change.apply(rule);
                    errors.extend(file::idle(rule, source));
                }
                if !enabled {
                    disabled.extend(slot.take());
                }
            }
            (Entry::Change(change), None) => {
                let known: Vec<&str> = names.iter().map(RuleId::as_str).collect();
                let why = if known.is_empty() {
                    ", and there are no shipped rules to change"
                } else {
                    ", and no shipped rule has this id"
                };
                errors.push(file::unmatched(&change, source, &known, why));
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok((own.into_iter().chain(base.into_iter().flatten()).collect(), disabled))
}

/// Which of two files' rules should hold can't be known: neither is taken.
fn ids_used_twice(entries: &[(Entry, &str)]) -> Vec<RuleError> {
    let mut first: HashMap<&RuleId, &Origin> = HashMap::with_capacity(entries.len());
    let mut errors = Vec::new();
    for (entry, source) in entries {
        let (id, origin) = (entry.id(), entry.origin());
        let Some(first) = first.get(id) else {
            first.insert(id, origin);
            continue;
        };
        errors.push(super::used_before(id, origin, source, first));
    }
    errors
}

impl RuleSet {
    /// The shipped rules.
    pub fn shipped() -> Self {
        Self::new(shipped()).expect("should load: a test loads the shipped packs")
    }
}

#[cfg(test)]
mod tests;
