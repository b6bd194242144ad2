//! Chain-state documents in Elasticsearch: every transition and every incident in a data stream, and the current state
//! of each chain and hop in an index, for whoever looks at chains in Kibana.
//!
//! `transition` and `state` make them, purely, from what the reconciler wrote; `sink` is what it tells; an [`Outbox`] holds
//! them, bounded; `writer` sends them. `fields` is the one list of their fields, `setup` what Elasticsearch needs to know
//! of it. Nothing here is ever waited for by a decision.

mod body;
mod bulk;
pub mod fields;
pub mod setup;
pub mod sink;
mod state;
mod transition;
pub mod writer;

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use crate::outbox::{Outbox, Parcel};

/// The data set of transitions, as Elasticsearch's naming scheme for data streams has it.
const DATASET: &str = "hopkeeper.transition";
/// So much of a document's memory is not its text.
const OVERHEAD_BYTES: usize = 64;

/// The names of one installation's data stream and index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// What sets installations apart that share a cluster.
    pub namespace: String,
    /// The data stream of transitions.
    pub transitions: String,
    /// The index of current states.
    pub state: String,
}

impl Names {
    /// The names in a namespace: lower-case letters, digits, `_` and `.`, as data streams want it.
    ///
    /// # Errors
    /// When it has other characters; what is allowed is said.
    pub fn new(namespace: &str) -> Result<Self, String> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.');
        let begins = namespace.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !begins || namespace.len() > 64 || !namespace.chars().all(fits) {
            return Err(
                "must be at most 64 lower-case letters, digits, '_' and '.', beginning with a letter or a digit; \
                 for example default"
                    .to_owned(),
            );
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            transitions: format!("logs-{DATASET}-{namespace}"),
            state: format!("hopkeeper-state-{namespace}"),
        })
    }
}

/// Documents that wait to be written.
pub type Buffer = Outbox<Document>;

/// One document on its way: the lines of a bulk request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    lines: String,
}

impl Document {
    /// Written once: a second time it is there already.
    fn create(index: &str, id: &str, body: &Value) -> Self {
        Self { lines: format!("{}\n{body}\n", json!({ "create": { "_index": index, "_id": id } })) }
    }

    /// Replaces what has a lower version, whatever order they come in.
    fn replace(index: &str, id: &str, version: u64, body: &Value) -> Self {
        let meta = json!({ "_index": index, "_id": id, "version": version, "version_type": "external" });
        Self { lines: format!("{}\n{body}\n", json!({ "index": meta })) }
    }

    /// The lines of a bulk request that it is.
    pub(crate) fn lines(&self) -> &str {
        &self.lines
    }

    /// Removes what has a lower version.
    fn remove(index: &str, id: &str, version: u64) -> Self {
        let meta = json!({ "_index": index, "_id": id, "version": version, "version_type": "external" });
        Self { lines: format!("{}\n", json!({ "delete": meta })) }
    }
}

impl Parcel for Document {
    fn bytes(&self) -> usize {
        self.lines.len() + OVERHEAD_BYTES
    }
}
