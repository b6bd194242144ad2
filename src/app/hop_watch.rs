//! Watches pods, hop Secrets (their metadata only) and chains, and keeps the directory of hops that lines are held against.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::controller::{api, observe::hop_of};
use crate::crd::{VpnChain, names};
use crate::domain::event::HopIdentity;
use crate::domain::types::{CandidateRef, HopId, Implementation};
use crate::pipeline::HopDirectory;

/// The UIDs of chains, for the owner references of incidents.
#[derive(Clone, Default)]
pub struct ChainUids(Arc<RwLock<HashMap<(String, String), String>>>);

impl ChainUids {
    /// The chain's UID, while there is such a chain.
    #[must_use]
    pub fn get(&self, namespace: &str, chain: &str) -> Option<String> {
        let uids = self.0.read().unwrap_or_else(PoisonError::into_inner);
        uids.get(&(namespace.to_owned(), chain.to_owned())).cloned()
    }

    fn set(&self, chain: &PartialObjectMeta<VpnChain>, there: bool) {
        let mut uids = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let key = (chain.namespace().unwrap_or_default(), chain.name_any());
        match chain.uid().filter(|_| there) {
            Some(uid) => uids.insert(key, uid),
            None => uids.remove(&key),
        };
    }

    fn keep(&self, there: &HashSet<(String, String)>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|key, _| there.contains(key));
    }
}

enum Change {
    Pod(Event<PartialObjectMeta<Pod>>),
    Secret(Event<PartialObjectMeta<Secret>>),
    Chain(Event<PartialObjectMeta<VpnChain>>),
}

/// Feeds `directory` and `chains` until `stop`; the watches reconnect by themselves.
pub async fn run(
    client: Client,
    namespace: Option<String>,
    directory: HopDirectory,
    chains: ChainUids,
    stop: CancellationToken,
) {
    let namespace = namespace.as_deref();
    let hops = watcher::Config::default().labels(names::HOP);
    let pods = watcher(api::<PartialObjectMeta<Pod>>(&client, namespace), hops.clone()).default_backoff();
    let secrets = watcher(api::<PartialObjectMeta<Secret>>(&client, namespace), hops).default_backoff();
    let all_chains =
        watcher(api::<PartialObjectMeta<VpnChain>>(&client, namespace), watcher::Config::default()).default_backoff();
    let mut changes = pin!(stream::select(
        all_chains.map(|e| e.map(Change::Chain)),
        stream::select(pods.map(|e| e.map(Change::Pod)), secrets.map(|e| e.map(Change::Secret))),
    ));
    let mut join = Join { directory, ..Join::default() };
    while let Some(Some(change)) = stop.run_until_cancelled(changes.next()).await {
        match change {
            Ok(Change::Chain(event)) => chain_changed(&chains, &mut join, event),
            Ok(Change::Pod(event)) => join.pod_changed(event),
            Ok(Change::Secret(event)) => join.secret_changed(event),
            Err(error) => tracing::warn!(%error, "A watch on the Kubernetes API failed; it is tried again."),
        }
        if join.listed == [true; 3] {
            join.directory.set_synced();
        }
    }
}

fn chain_changed(chains: &ChainUids, join: &mut Join, event: Event<PartialObjectMeta<VpnChain>>) {
    if let Event::InitApply(chain) = &event {
        join.listing.chains.insert((chain.namespace().unwrap_or_default(), chain.name_any()));
    }
    match event {
        Event::Apply(chain) | Event::InitApply(chain) => chains.set(&chain, true),
        Event::Delete(chain) => chains.set(&chain, false),
        Event::Init => join.listing.chains.clear(),
        Event::InitDone => {
            chains.keep(&std::mem::take(&mut join.listing.chains));
            join.listed[0] = true;
        }
    }
}

/// A hop's pod and its Secret together say who logs what about which candidate.
#[derive(Default)]
struct Join {
    directory: HopDirectory,
    pods: HashMap<HopId, HashMap<String, (String, Implementation)>>,
    parameters: HashMap<HopId, (CandidateRef, Timestamp)>,
    listed: [bool; 3],
    listing: Listing,
}

/// What a list that is under way has named. What it has not named is forgotten at its end, not before: a line of a pod
/// that is still there would be discarded meanwhile, and an incident lost.
#[derive(Default)]
struct Listing {
    chains: HashSet<(String, String)>,
    pods: HashSet<String>,
    secrets: HashSet<HopId>,
}

impl Join {
    fn pod_changed(&mut self, event: Event<PartialObjectMeta<Pod>>) {
        if let Event::InitApply(pod) = &event {
            self.listing.pods.extend(pod.uid());
        }
        match event {
            Event::Apply(pod) | Event::InitApply(pod) => {
                let (Some(hop), Some(uid)) = (hop_id(&pod), pod.uid()) else { return };
                let Some(implementation) = implementation(&pod) else { return };
                self.pods.entry(hop.clone()).or_default().insert(uid, (pod.name_any(), implementation));
                self.publish(&hop);
            }
            Event::Delete(pod) => {
                let Some(gone) = pod.uid() else { return };
                self.keep_pods(|uid| *uid != gone);
            }
            Event::Init => self.listing.pods.clear(),
            Event::InitDone => {
                let there = std::mem::take(&mut self.listing.pods);
                self.keep_pods(|uid| there.contains(uid));
                self.listed[1] = true;
            }
        }
    }

    fn keep_pods(&mut self, stays: impl Fn(&String) -> bool) {
        let directory = &self.directory;
        self.pods.retain(|_, pods| {
            pods.retain(|uid, _| {
                let stays = stays(uid);
                if !stays {
                    directory.remove(uid);
                }
                stays
            });
            !pods.is_empty()
        });
    }

    fn secret_changed(&mut self, event: Event<PartialObjectMeta<Secret>>) {
        if let Event::InitApply(secret) = &event {
            self.listing.secrets.extend(hop_id(secret));
        }
        match event {
            Event::Apply(secret) | Event::InitApply(secret) => {
                let (Some(hop), Some(parameters)) = (hop_id(&secret), parameters(&secret)) else { return };
                self.parameters.insert(hop.clone(), parameters);
                self.publish(&hop);
            }
            Event::Delete(secret) => {
                if let Some(hop) = hop_id(&secret) {
                    self.parameters.remove(&hop);
                }
            }
            Event::Init => self.listing.secrets.clear(),
            Event::InitDone => {
                let there = std::mem::take(&mut self.listing.secrets);
                self.parameters.retain(|hop, _| there.contains(hop));
                self.listed[2] = true;
            }
        }
    }

    fn publish(&self, hop: &HopId) {
        let Some((candidate, applied_at)) = self.parameters.get(hop) else { return };
        for (uid, (name, implementation)) in self.pods.get(hop).into_iter().flatten() {
            self.directory.insert(HopIdentity {
                id: hop.clone(),
                pod_uid: uid.clone(),
                pod_name: name.clone(),
                implementation: *implementation,
                candidate: candidate.clone(),
                applied_at: *applied_at,
            });
        }
    }
}

fn hop_id(object: &impl ResourceExt) -> Option<HopId> {
    let chain = object.labels().get(names::CHAIN)?.clone();
    Some(HopId { namespace: object.namespace()?, chain, hop: hop_of(object)? })
}

fn implementation(pod: &impl ResourceExt) -> Option<Implementation> {
    let name = pod.labels().get(names::IMPLEMENTATION)?;
    serde_json::from_value(serde_json::Value::String(name.clone())).ok()
}

fn parameters(secret: &impl ResourceExt) -> Option<(CandidateRef, Timestamp)> {
    let label = |name: &str| secret.labels().get(name).cloned();
    let candidate = CandidateRef { name: label(names::CANDIDATE)?, version: label(names::VERSION)? };
    Some((candidate, secret.annotations().get(names::APPLIED_AT)?.parse().ok()?))
}

#[cfg(test)]
mod tests;
