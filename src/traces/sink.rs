//! Which closed incidents are news. Never waits, never fails: their traces go into the outbox.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use tokio_util::sync::DropGuard;

use super::Trace;
use super::incident::spans;
use super::request::Origin;
use crate::crd::{HopIncident, VpnChain};
use crate::internal_event::traces::{TraceMetrics, TracesDropped};
use crate::outbox::Outbox;

/// Whoever sees a chain for the first time tells again of what was closed so lately: the leader before may have died with it
/// unsent. Where it had not, the same trace comes twice, span by span under the same ids.
const AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// Tells the outbox. When it is dropped, the exporter knows that no more will come.
pub struct TraceSink {
    origin: Origin,
    outbox: Arc<Outbox<Trace>>,
    metrics: TraceMetrics,
    /// The incidents that were told or are too old, by their UIDs, of each chain. None is kept for longer than it is there.
    told: Mutex<HashMap<String, HashSet<String>>>,
    _closes: DropGuard,
}

impl TraceSink {
    /// The only one that puts traces into this outbox.
    pub(super) fn new(origin: Origin, outbox: Arc<Outbox<Trace>>, metrics: TraceMetrics) -> Self {
        let closes = outbox.closed().clone().drop_guard();
        Self { origin, outbox, metrics, told: Mutex::default(), _closes: closes }
    }

    /// These are the chain's incidents: tells of those that were closed since the last look.
    pub fn look(&self, chain: &VpnChain, incidents: &[HopIncident], now: Timestamp) {
        let closed = incidents.iter().filter_map(|incident| Some((incident.uid()?, closed_at(incident)?, incident)));
        let closed: Vec<_> = closed.collect();
        let known: HashSet<_> = closed.iter().map(|(uid, _, _)| uid.clone()).collect();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.insert(key(&chain.namespace().unwrap_or_default(), &chain.name_any()), known);
        drop(told);
        let is_news = |uid: &String, at: Timestamp| match &before {
            Some(before) => !before.contains(uid),
            None => now.duration_since(at) <= AGAIN,
        };
        let news = closed.iter().filter(|(uid, at, _)| is_news(uid, *at));
        let traces: Vec<_> =
            news.map(|(_, _, incident)| self.origin.trace(spans(chain, incident, incidents))).collect();
        if traces.is_empty() {
            return;
        }
        let dropped = self.outbox.put(traces);
        self.metrics.waiting(self.outbox.size().0);
        TracesDropped { traces: dropped, reason: "overflow" }.emit(&self.metrics);
    }

    /// A chain is no more.
    pub fn forget_chain(&self, namespace: &str, chain: &str) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(namespace, chain));
    }
}

fn key(namespace: &str, chain: &str) -> String {
    format!("{namespace}/{chain}")
}

fn closed_at(incident: &HopIncident) -> Option<Timestamp> {
    let status = incident.status.as_ref().filter(|status| status.phase.is_closed())?;
    status.closed_at.as_ref().map(|at| at.0)
}

#[cfg(test)]
mod tests;
