//! A rule: what a line must look like, and what it then proves.
//!
//! `rule::file` reads rules from YAML; `ruleset` matches them; what is done about a verdict is the chain's policy.

pub mod condition;
mod duration;
pub mod error;
pub mod file;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::types::{Evidence, Implementation, Verdict};
use condition::Condition;

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
    /// The kernel's WireGuard, `wg` and `wg-quick`.
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
        self == source || (self == Self::Any && source != Self::Health)
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
    /// Conditions on fields of a health line; all must hold.
    pub conditions: Vec<Condition>,
    /// Whose fault the line proves.
    pub evidence: Evidence,
    /// What should be done about it.
    pub verdict: Verdict,
    /// How often it must be seen.
    pub threshold: Threshold,
    /// The line is expected: it is the lack of it, for so long, that fires the rule.
    pub absent: Option<Duration>,
    /// Lines for `rules test`.
    pub samples: Samples,
    /// A link to more.
    pub docs: Option<String>,
    /// Where it was written.
    pub origin: Origin,
}

impl Rule {
    /// True when the program's text (and the health line's fields) are what this rule is about.
    pub fn matches(&self, text: &str, fields: Option<&serde_json::Map<String, serde_json::Value>>) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
            && (self.conditions.is_empty()
                || fields.is_some_and(|fields| self.conditions.iter().all(|condition| condition.holds(fields))))
            && !self.unless.as_ref().is_some_and(|unless| unless.is_match(text))
    }

    /// True when lines that the other counted would have been counted by this one: its windows can be carried on.
    pub fn counts_like(&self, other: &Self) -> bool {
        let pattern = |pattern: &Option<Regex>| pattern.as_ref().map(|pattern| pattern.as_str().to_owned());
        self.id == other.id
            && self.client == other.client
            && pattern(&self.pattern) == pattern(&other.pattern)
            && pattern(&self.unless) == pattern(&other.unless)
            && self.conditions == other.conditions
            && (self.evidence, self.verdict) == (other.evidence, other.verdict)
            && (self.threshold, self.absent) == (other.threshold, other.absent)
    }
}
