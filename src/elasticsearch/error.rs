//! Why Elasticsearch could not be asked, what of it passes by itself, and what helps.

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use super::MAX_ANSWER_BYTES;
use crate::telemetry::error_chain;

/// How much of a refusal is shown.
const MAX_REASON: usize = 300;

/// Why Elasticsearch could not be asked.
#[derive(Debug, Error)]
pub enum ElasticsearchError {
    /// A setting can't be used.
    #[error("failed to set up the elasticsearch client: {0}")]
    Settings(String),
    /// No answer.
    #[error("failed to {what}: elasticsearch does not answer at {address}{}", remedy(source))]
    Unreachable {
        /// What was asked.
        what: &'static str,
        /// The node.
        address: String,
        /// Why, without the path.
        #[source]
        source: reqwest::Error,
    },
    /// It says no.
    #[error("failed to {what}: elasticsearch answered {status}: {reason}{remedy}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// What it said.
        reason: String,
        /// What helps.
        remedy: &'static str,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The point in time is gone: reading took too long, or its node went.
    #[error("failed to {what}: the point in time has expired")]
    Expired {
        /// What was asked.
        what: &'static str,
    },
    /// Not all documents are in the answer.
    #[error("failed to {what}: {failed} of {total} shards did not answer in full")]
    Partial {
        /// What was asked.
        what: &'static str,
        /// Shards without answer.
        failed: u64,
        /// All shards.
        total: u64,
    },
    /// The answer is longer than [`MAX_ANSWER_BYTES`].
    #[error("failed to {what}: the answer is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLarge {
        /// What was asked.
        what: &'static str,
    },
    /// Something else answers at this address.
    #[error("failed to {what}: the answer is not elasticsearch's; is the URL right?")]
    Answer {
        /// What was asked.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl ElasticsearchError {
    /// Whether the same question may be answered a moment later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Partial { .. } => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Settings(_) | Self::Expired { .. } | Self::TooLarge { .. } | Self::Answer { .. } => false,
        }
    }

    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// How long the server wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What helps where no answer came, as far as the client's own words tell.
fn remedy(source: &reqwest::Error) -> &'static str {
    let said = error_chain(source);
    let remedies = [
        ("UnknownIssuer", "; its certificate is of no CA that is trusted: name the CA's file with --elasticsearch-ca"),
        ("certificate not valid for name", "; ask by a name or address that its certificate is for"),
        ("InvalidContentType", "; does it want http://, without TLS?"),
        ("tcp connect error", "; is that the address of --elasticsearch-url, and the network open?"),
        ("dns error", "; can its name of --elasticsearch-url be resolved here?"),
        ("connection closed before message completed", "; does it want https://?"),
    ];
    remedies.iter().find(|(words, _)| said.contains(words)).map_or("", |(_, remedy)| remedy)
}

/// What an error's body says in short.
pub(super) fn reason(answer: &str) -> String {
    let parsed: Value = serde_json::from_str(answer).unwrap_or_default();
    let error = &parsed["error"];
    let cause = error["root_cause"][0]["reason"].as_str().or_else(|| error["reason"].as_str());
    let text = cause.or_else(|| error.as_str()).unwrap_or("no reason given");
    text.chars().take(MAX_REASON).collect()
}
