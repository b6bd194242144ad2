//! Why Kibana could not be asked, and what helps.

use serde_json::Value;
use thiserror::Error;

/// How much of a refusal is shown.
const MAX_REASON: usize = 300;

/// Why Kibana could not be asked.
#[derive(Debug, Error)]
pub enum KibanaError {
    /// A setting can't be used.
    #[error("failed to set up the kibana client: {0}")]
    Settings(String),
    /// No answer.
    #[error("failed to {what}: kibana does not answer at {address}; see --kibana-url")]
    Unreachable {
        /// What was asked.
        what: &'static str,
        /// Where.
        address: String,
        /// Why, without the path.
        #[source]
        source: reqwest::Error,
    },
    /// It says no.
    #[error("failed to {what}: kibana answered {status}: {reason}{remedy}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// What it said.
        reason: String,
        /// What helps.
        remedy: &'static str,
    },
    /// Something else answers at this address.
    #[error("failed to {what}: the answer is not kibana's; is the URL right?")]
    Answer {
        /// What was asked.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The answer is longer than any that was expected.
    #[error("failed to {what}: the answer is too long to be kibana's; is the URL right?")]
    TooLarge {
        /// What was asked.
        what: &'static str,
    },
    /// It is older than the oldest that reads our objects.
    #[error("kibana is {0}; it must be 8.0 or later")]
    TooOld(String),
    /// Some objects were refused; the others are there.
    #[error("kibana refused {} of the objects: {}", .0.len(), .0.join("; "))]
    Objects(Vec<String>),
}

impl KibanaError {
    /// A refusal.
    pub(super) fn refused(what: &'static str, status: u16, answer: &str) -> Self {
        let remedy = match status {
            401 => "; check the API key, or user and password",
            403 => {
                "; setup needs the privilege All of Dashboard, Visualize Library, Discover and Saved Objects Management in the \
                 space, and of Stack Rules for alert rules"
            }
            404 => "; does the space exist?",
            _ => "",
        };
        Self::Refused { what, status, reason: reason(answer), remedy }
    }

    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// What an error's body says in short.
fn reason(answer: &str) -> String {
    let parsed: Value = serde_json::from_str(answer).unwrap_or_default();
    let text = parsed["message"].as_str().or_else(|| parsed["error"].as_str()).unwrap_or("no reason given");
    text.chars().take(MAX_REASON).collect()
}
