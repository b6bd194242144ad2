//! From a chain's status to its current-state documents: one of the chain, one a hop. Pure.
//!
//! A document's id says whose it is, its version is the time: whatever order they arrive in, the newest stays.

use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::Value;

use super::body::Body;
use super::transition::Moment;
use super::{Document, Names};
use crate::crd::VpnChain;

/// What is so now, by id.
pub(super) fn of_chain(moment: &Moment<'_>) -> Vec<(String, Value)> {
    let chain = (id(moment.chain, None), body(moment.chain_body()));
    let hops = moment.status.hops.iter().map(|hop| {
        let message = format!("hop {:?} is {:?}", hop.name, hop.state);
        (id(moment.chain, Some(&hop.name)), body(moment.hop_body(hop).set("message", message)))
    });
    std::iter::once(chain).chain(hops).collect()
}

/// The document of a chain, or of one of its hops.
pub(super) fn id(chain: &VpnChain, hop: Option<&str>) -> String {
    let (namespace, chain) = (chain.namespace().unwrap_or_default(), chain.name_any());
    match hop {
        Some(hop) => format!("{namespace}/{chain}/{hop}"),
        None => format!("{namespace}/{chain}"),
    }
}

/// Replaces what is older than `at`.
pub(super) fn replace(id: &str, body: &Value, at: Timestamp, names: &Names) -> Document {
    Document::replace(&names.state, id, version(at), body)
}

/// Removes what is older than `at`.
pub(super) fn remove(id: &str, at: Timestamp, names: &Names) -> Document {
    Document::remove(&names.state, id, version(at))
}

fn version(at: Timestamp) -> u64 {
    u64::try_from(at.as_microsecond()).unwrap_or_default()
}

fn body(body: Body) -> Value {
    body.set("event.dataset", "hopkeeper.state").set("event.kind", "state").set("event.type", vec!["info"]).done()
}
