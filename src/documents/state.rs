//! From a chain's status to its current-state documents: one of the chain, one a hop. Pure.
//!
//! A document's id says whose it is, its version is the time: whatever order they arrive in, the newest stays.

use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::Value;

use super::body::Body;
use super::transition::{Moment, ready_since};
use super::{Document, Names};
use crate::crd::VpnChain;
use crate::crd::chain::ChainPhase;

/// What is so now, by id.
pub(super) fn of_chain(moment: &Moment<'_>) -> Vec<(String, Value)> {
    let uptime = |up: bool, since: Option<Timestamp>| {
        since.filter(|_| up).map(|since| moment.at.duration_since(since).as_secs_f64().max(0.0))
    };
    let up = uptime(moment.status.phase == Some(ChainPhase::Up), ready_since(moment.status));
    let chain = (id(moment.chain, None), body(moment.chain_body().set("hopkeeper.chain.seconds_up", up)));
    let hops = moment.status.hops.iter().map(|hop| {
        let message = format!("hop {:?} is {:?}", hop.name, hop.state);
        let up = uptime(hop.carries_traffic(), hop.since.as_ref().map(|t| t.0));
        let of_hop = moment.hop_body(hop).set("message", message).set("hopkeeper.hop.seconds_up", up);
        (id(moment.chain, Some(&hop.name)), body(of_hop))
    });
    std::iter::once(chain).chain(hops).collect()
}

/// Whether two states differ in nothing but their moment, and what moves on with it.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    lasting(one) == lasting(other)
}

fn lasting(state: &Value) -> Value {
    let mut lasting = state.clone();
    for (object, moving) in [("", "@timestamp"), ("/hopkeeper/chain", "seconds_up"), ("/hopkeeper/hop", "seconds_up")] {
        lasting.pointer_mut(object).and_then(Value::as_object_mut).map(|fields| fields.remove(moving));
    }
    lasting
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
