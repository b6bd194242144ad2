//! A rule: what a line must look like, and what it then proves.
//!
//! `rule::file` reads rules from YAML; `ruleset` matches them; what is done about a verdict is the chain's policy.

pub mod change;
pub mod condition;
mod duration;
pub mod error;
pub mod file;
pub mod keys;
pub mod lint;
pub mod near;
mod node;
mod pattern;
pub mod scalar;
pub mod schema;
pub mod severity;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::types::{Evidence, Implementation, Verdict};
use condition::Condition;
use error::Place;
use severity::Severity;

/// A rule's name, unique in a rule set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(Arc<str>);

impl RuleId {
    /// Names a rule.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose lines a rule reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// `openvpn`.
    Openvpn,
    /// `wireguard-go`.
    WireguardGo,
    /// `boringtun-cli`.
    Boringtun,
    /// As a source: the kernel's WireGuard, `wg`, `wg-quick` and the apps. A rule for it reads every WireGuard's lines:
    /// `wg-quick` may start `wireguard-go`, and the apps print either's texts.
    Wireguard,
    /// The health sidecar's JSON lines.
    Health,
    /// Every VPN client; not the health sidecar.
    Any,
}

impl Client {
    /// Every client that lines can come from.
    pub const SOURCES: [Self; 5] = [Self::Openvpn, Self::WireguardGo, Self::Boringtun, Self::Wireguard, Self::Health];

    /// Which client writes the lines of a hop's container; none for containers that are not read.
    pub fn of(implementation: Implementation, container: &str) -> Option<Self> {
        match (container, implementation) {
            ("health", _) => Some(Self::Health),
            ("vpn", Implementation::OpenVpn) => Some(Self::Openvpn),
            ("vpn", Implementation::BoringTun) => Some(Self::Boringtun),
            ("vpn", Implementation::WireGuardGo) => Some(Self::WireguardGo),
            ("vpn", Implementation::Kernel) => Some(Self::Wireguard),
            _ => None,
        }
    }

    /// True for the containers that [`Self::of`] knows, whatever the implementation.
    pub fn reads_container(container: &str) -> bool {
        matches!(container, "health" | "vpn")
    }

    /// True when a rule for `self` reads lines of `source`.
    pub fn reads(self, source: Self) -> bool {
        self == source
            || (self == Self::Any && source != Self::Health)
            || (self == Self::Wireguard && matches!(source, Self::WireguardGo | Self::Boringtun))
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Openvpn => "openvpn",
            Self::WireguardGo => "wireguard-go",
            Self::Boringtun => "boringtun",
            Self::Wireguard => "wireguard",
            Self::Health => "health",
            Self::Any => "any",
        })
    }
}

/// How many matching lines, within how long, make a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Matching lines needed.
    pub count: usize,
    /// The longest time from the first to the last of them.
    pub within: Duration,
}

impl Default for Threshold {
    fn default() -> Self {
        Self { count: 1, within: Duration::from_secs(60) }
    }
}

/// Where a rule stands in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file's name.
    pub file: Arc<str>,
    /// Line of the rule's `id`, from 1.
    pub line: usize,
    /// Column of the rule's `id`, from 1.
    pub column: usize,
}

/// Where the parts of a rule stand in its file, for messages about them; none for what is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The pattern's value.
    pub pattern: Option<Place>,
    /// The value of `unless`.
    pub unless: Option<Place>,
    /// The verdict's value.
    pub verdict: Option<Place>,
    /// The threshold.
    pub threshold: Option<Place>,
    /// The conditions' names, in their order.
    pub conditions: Vec<Place>,
    /// The firing samples, in their order.
    pub fires: Vec<Place>,
    /// The silent samples, in their order.
    pub silent: Vec<Place>,
}

/// Lines that show what a rule does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// Lines that the rule must decide.
    pub fires: Vec<String>,
    /// Lines that it must leave alone.
    pub silent: Vec<String>,
}

/// One compiled rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub id: RuleId,
    /// What the line means, for people.
    pub title: String,
    /// Whose lines it reads.
    pub client: Client,
    /// What the program's text must contain.
    pub pattern: Option<Regex>,
    /// What the program's text must not contain.
    pub unless: Option<Regex>,
    /// Conditions on fields of a health line or on groups of the pattern; all must hold.
    pub conditions: Vec<Condition>,
    /// Whose fault the line proves.
    pub evidence: Evidence,
    /// What should be done about it.
    pub verdict: Verdict,
    /// How urgent it is for people.
    pub severity: Severity,
    /// How often it must be seen.
    pub threshold: Threshold,
    /// Lines for `rules test`.
    pub samples: Samples,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// A link to more.
    pub docs: Option<String>,
    /// Where it was written.
    pub origin: Origin,
    /// Where its parts were written.
    pub places: Arc<Places>,
    /// Where a user's file changed it, if one did.
    pub changed: Option<Origin>,
}

/// Why a rule leaves a line alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// Its pattern is not in the text.
    Pattern,
    /// This condition of it, by number, does not hold.
    Condition(usize),
    /// The line matches `unless`.
    Unless,
}

impl Rule {
    /// True when the program's text (and the health line's fields) are what this rule is about.
    pub fn matches(&self, text: &str, fields: Option<&serde_json::Map<String, serde_json::Value>>) -> bool {
        self.try_on(text, fields).is_ok()
    }

    /// The same, with the reason.
    ///
    /// # Errors
    /// The first part of the rule that the line does not fulfil.
    pub fn try_on(&self, text: &str, fields: Option<&serde_json::Map<String, serde_json::Value>>) -> Result<(), Miss> {
        let mut groups = None;
        if let Some(pattern) = &self.pattern {
            // Finding groups costs more than finding a match.
            if !pattern.is_match(text) {
                return Err(Miss::Pattern);
            }
            if self.conditions.iter().any(Condition::is_on_group) {
                groups = pattern.captures(text);
            }
        }
        let fails = |condition: &Condition| {
            !if condition.is_on_group() {
                let group = groups.as_ref().and_then(|groups| groups.name(condition.field()));
                group.is_some_and(|group| condition.holds_for(group.as_str()))
            } else {
                fields.is_some_and(|fields| condition.holds(fields))
            }
        };
        if let Some(failed) = self.conditions.iter().position(fails) {
            return Err(Miss::Condition(failed));
        }
        match &self.unless {
            Some(unless) if unless.is_match(text) => Err(Miss::Unless),
            _ => Ok(()),
        }
    }

    /// True when the rule, or a change to it, was written in one of the files that `is_theirs` knows by name.
    pub fn is_from(&self, is_theirs: impl Fn(&str) -> bool) -> bool {
        is_theirs(&self.origin.file) || self.changed.as_ref().is_some_and(|origin| is_theirs(&origin.file))
    }
}
