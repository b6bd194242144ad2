//! How urgent what a rule finds is for the person who reads of it: the words of Prometheus' alerts.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::types::Verdict;

/// How urgent a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing to do.
    Info,
    /// Repaired by the program; worth a look in the morning.
    Warning,
    /// A person must look.
    Critical,
}

impl Severity {
    /// The severity of a rule that names none.
    pub fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Ignore | Verdict::Recovered => Self::Info,
            Verdict::Rotate | Verdict::Restart => Self::Warning,
            Verdict::Alert => Self::Critical,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}
