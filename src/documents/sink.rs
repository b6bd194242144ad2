//! What the reconciler tells of its writes. Never waits, never fails: documents go into the buffer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::Value;
use tokio_util::sync::DropGuard;

pub use super::transition::Servers;
use super::transition::{Moment, of_incident};
use super::{Buffer, Document, Names, state, transition};
use crate::crd::{HopIncident, VpnChain, VpnChainStatus};
use crate::domain::trace::trace_id_text;
use crate::internal_event::documents::{DocumentMetrics, DocumentsDropped};

/// A state that stays the same is confirmed so often: what a full buffer, a refusal or a crash lost comes back by itself,
/// and a document that is older is of a chain that nobody looks after.
const CONFIRM: SignedDuration = SignedDuration::from_mins(5);

/// Tells the buffer. When it is dropped, the writer knows that no more will come.
pub struct DocumentSink {
    names: Names,
    buffer: Arc<Buffer>,
    metrics: DocumentMetrics,
    /// What was last told of each chain, by its document's id.
    told: Mutex<HashMap<String, Told>>,
    /// Whether incidents have traces, whose ids are told then.
    traced: bool,
    _closes: DropGuard,
}

/// The current-state documents of one chain, as they were last told, and when.
struct Told {
    at: Timestamp,
    documents: BTreeMap<String, Value>,
}

impl DocumentSink {
    /// The only one that puts documents into this buffer.
    #[must_use]
    pub fn new(names: Names, buffer: Arc<Buffer>, metrics: DocumentMetrics) -> Self {
        let closes = buffer.closed().clone().drop_guard();
        Self { names, buffer, metrics, told: Mutex::default(), traced: false, _closes: closes }
    }

    /// Has the documents of incidents name their traces, where there are any.
    #[must_use]
    pub fn naming_traces(self, traced: bool) -> Self {
        Self { traced, ..self }
    }

    /// A chain has this status; `version` is the resourceVersion that it was written as, if it was another one before.
    pub fn chain(
        &self,
        chain: &VpnChain,
        status: &VpnChainStatus,
        servers: &Servers,
        version: Option<&str>,
        at: Timestamp,
    ) {
        let moment = Moment { chain, status, servers, at };
        let mut documents = version.map(|v| transition::of_chain(&moment, v, &self.names)).unwrap_or_default();
        documents.extend(self.states(&moment));
        self.put(documents);
    }

    /// An incident's status was written.
    pub fn incident(&self, chain: &VpnChain, before: &HopIncident, now: &HopIncident, at: Timestamp) {
        let trace_id = now.uid().filter(|_| self.traced).map(|uid| trace_id_text(&uid));
        self.put(of_incident(chain, before, now, at, trace_id, &self.names));
    }

    /// A chain is being deleted: its current state is no more.
    pub fn chain_gone(&self, chain: &VpnChain, at: Timestamp) {
        let chain_id = state::id(chain, None);
        self.told.lock().unwrap_or_else(PoisonError::into_inner).remove(&chain_id);
        let ids = std::iter::once(chain_id).chain(hop_ids(chain));
        self.put(ids.map(|id| state::remove(&id, at, &self.names)));
    }

    /// The current states that are news, or have not been confirmed for long.
    fn states(&self, moment: &Moment<'_>) -> Vec<Document> {
        let Moment { chain, at, .. } = *moment;
        let now: BTreeMap<String, Value> = state::of_chain(moment).into_iter().collect();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.get(&state::id(chain, None));
        let confirm = before.is_none_or(|told| at.duration_since(told.at) >= CONFIRM);
        let known = |id: &str| before.and_then(|told| told.documents.get(id));
        let mut documents: Vec<_> = now
            .iter()
            .filter(|(id, body)| confirm || known(id).is_none_or(|known| !state::same(known, body)))
            .map(|(id, body)| state::replace(id, body, at, &self.names))
            .collect();
        let gone = hop_ids(chain).chain(before.iter().flat_map(|told| told.documents.keys().cloned()));
        let gone: BTreeSet<_> = gone.filter(|id| !now.contains_key(id)).collect();
        documents.extend(gone.iter().map(|id| state::remove(id, at, &self.names)));
        if confirm || !documents.is_empty() {
            let at = if confirm { at } else { before.map_or(at, |told| told.at) };
            told.insert(state::id(chain, None), Told { at, documents: now });
        }
        documents
    }

    pub(super) fn put(&self, documents: impl IntoIterator<Item = Document>) {
        let dropped = self.buffer.put(documents);
        self.metrics.waiting(self.buffer.size());
        DocumentsDropped { documents: dropped, reason: "overflow" }.emit(&self.metrics);
    }
}

/// The documents of the hops that a chain had by its last status.
fn hop_ids(chain: &VpnChain) -> impl Iterator<Item = String> {
    let hops = chain.status.iter().flat_map(|status| &status.hops);
    hops.map(|hop| state::id(chain, Some(&hop.name)))
}

#[cfg(test)]
mod tests;
