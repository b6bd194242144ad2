//! Watches pods, and of hop Secrets and chains the metadata, and keeps the directory of hops that lines are held against.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
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

use crate::controller::build::deployment::HEALTH;
use crate::controller::{api, observe::hop_of, watch_pauses};
use crate::crd::{VpnChain, names};
use crate::domain::event::HopIdentity;
use crate::domain::plan::plan_id;
use crate::domain::types::{CandidateRef, HopId, Implementation};
use crate::pipeline::HopDirectory;
use crate::telemetry::error_chain;

/// A chain's namespace and name.
type ChainKey = (String, String);

/// The UIDs of chains, for the owner references of incidents.
#[derive(Clone, Default)]
pub struct ChainUids(Arc<RwLock<HashMap<ChainKey, String>>>);

impl ChainUids {
    /// The chain's UID, while there is such a chain.
    #[must_use]
    pub fn get(&self, namespace: &str, chain: &str) -> Option<String> {
        let uids = self.0.read().unwrap_or_else(PoisonError::into_inner);
        uids.get(&(namespace.to_owned(), chain.to_owned())).cloned()
    }

    fn set(&self, chain: &PartialObjectMeta<VpnChain>, there: bool) {
        let mut uids = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match chain.uid().filter(|_| there) {
            Some(uid) => uids.insert(chain_key(chain), uid),
            None => uids.remove(&chain_key(chain)),
        };
    }

    fn keep_only(&self, seen: &HashSet<ChainKey>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|key, _| seen.contains(key));
    }
}

fn chain_key(chain: &PartialObjectMeta<VpnChain>) -> ChainKey {
    (chain.namespace().unwrap_or_default(), chain.name_any())
}

enum Change {
    Pod(Box<Event<Pod>>),
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
    let pods = watcher(api::<Pod>(&client, namespace), hops.clone()).backoff(watch_pauses());
    let secrets = watcher(api::<PartialObjectMeta<Secret>>(&client, namespace), hops).backoff(watch_pauses());
    let all_chains = watcher(api::<PartialObjectMeta<VpnChain>>(&client, namespace), watcher::Config::default())
        .backoff(watch_pauses());
    let mut changes = pin!(stream::select(
        all_chains.map(|e| e.map(Change::Chain)),
        stream::select(
            pods.map(|e| e.map(|event| Change::Pod(Box::new(event)))),
            secrets.map(|e| e.map(Change::Secret))
        ),
    ));
    let mut join = Join { directory, ..Join::default() };
    while let Some(Some(change)) = stop.run_until_cancelled(changes.next()).await {
        match change {
            Ok(Change::Chain(event)) => chain_changed(&chains, &mut join, event),
            Ok(Change::Pod(event)) => join.pod_changed(*event),
            Ok(Change::Secret(event)) => join.secret_changed(event),
            Err(error) => {
                tracing::warn!(error = error_chain(&error), "A watch on the Kubernetes API failed; it is tried again.");
            }
        }
        if join.listed == [true; 3] {
            join.directory.set_synced();
        }
    }
}

/// The objects that a list has shown so far. A watch begins one at its start and after each failure; until it is complete
/// nothing is known to be gone.
#[derive(Debug)]
struct Listing<K>(Option<HashSet<K>>);

impl<K> Default for Listing<K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: Eq + Hash> Listing<K> {
    fn begin(&mut self) {
        self.0 = Some(HashSet::new());
    }

    fn see(&mut self, key: K) {
        if let Some(seen) = &mut self.0 {
            seen.insert(key);
        }
    }

    /// All that there is; none when no list had begun.
    fn complete(&mut self) -> Option<HashSet<K>> {
        self.0.take()
    }
}

fn chain_changed(chains: &ChainUids, join: &mut Join, event: Event<PartialObjectMeta<VpnChain>>) {
    match event {
        Event::Apply(chain) | Event::InitApply(chain) => {
            join.listed_chains.see(chain_key(&chain));
            chains.set(&chain, true);
        }
        Event::Delete(chain) => chains.set(&chain, false),
        Event::Init => join.listed_chains.begin(),
        Event::InitDone => {
            if let Some(seen) = join.listed_chains.complete() {
                chains.keep_only(&seen);
            }
            join.listed[0] = true;
        }
    }
}

/// What is kept of a pod.
struct SeenPod {
    name: String,
    implementation: Implementation,
    running_since: Option<Timestamp>,
}

/// A hop's pod and its Secret together say who logs what about which candidate.
#[derive(Default)]
struct Join {
    directory: HopDirectory,
    pods: HashMap<HopId, HashMap<String, SeenPod>>,
    parameters: HashMap<HopId, Parameters>,
    listed_chains: Listing<ChainKey>,
    listed_pods: Listing<String>,
    listed_secrets: Listing<HopId>,
    listed: [bool; 3],
}

impl Join {
    fn pod_changed(&mut self, event: Event<Pod>) {
        match event {
            Event::Apply(pod) | Event::InitApply(pod) => {
                let (Some(hop), Some(uid)) = (hop_id(&pod), pod.uid()) else { return };
                let Some(implementation) = implementation(&pod) else { return };
                self.listed_pods.see(uid.clone());
                let seen = SeenPod { name: pod.name_any(), implementation, running_since: running_since(&pod) };
                self.pods.entry(hop.clone()).or_default().insert(uid, seen);
                self.publish(&hop);
            }
            Event::Delete(pod) => {
                if let Some(uid) = pod.uid() {
                    self.keep_pods(|known| known != uid);
                }
            }
            Event::Init => self.listed_pods.begin(),
            Event::InitDone => {
                if let Some(seen) = self.listed_pods.complete() {
                    self.keep_pods(|known| seen.contains(known));
                }
                self.listed[1] = true;
            }
        }
    }

    fn keep_pods(&mut self, stays: impl Fn(&str) -> bool) {
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
        match event {
            Event::Apply(secret) | Event::InitApply(secret) => {
                let (Some(hop), Some(parameters)) = (hop_id(&secret), parameters(&secret)) else { return };
                self.listed_secrets.see(hop.clone());
                self.parameters.insert(hop.clone(), parameters);
                self.publish(&hop);
            }
            Event::Delete(secret) => {
                if let Some(hop) = hop_id(&secret) {
                    self.parameters.remove(&hop);
                }
            }
            Event::Init => self.listed_secrets.begin(),
            Event::InitDone => {
                if let Some(seen) = self.listed_secrets.complete() {
                    self.parameters.retain(|hop, _| seen.contains(hop));
                }
                self.listed[2] = true;
            }
        }
    }

    fn publish(&self, hop: &HopId) {
        let Some(parameters) = self.parameters.get(hop) else { return };
        for (uid, pod) in self.pods.get(hop).into_iter().flatten() {
            self.directory.insert(HopIdentity {
                id: hop.clone(),
                pod_uid: uid.clone(),
                pod_name: pod.name.clone(),
                implementation: pod.implementation,
                candidate: parameters.candidate.clone(),
                plan_id: parameters.plan_id.clone(),
                applied_at: parameters.applied_at,
            });
            self.directory.set_running(uid, pod.running_since);
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

/// Since when a pod's `health` container runs, which writes a line every few seconds for as long as it does.
fn running_since(pod: &Pod) -> Option<Timestamp> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let health = statuses.iter().find(|status| status.name == HEALTH)?;
    let running = health.state.as_ref()?.running.as_ref()?;
    running.started_at.as_ref().filter(|_| pod.metadata.deletion_timestamp.is_none()).map(|time| time.0)
}

/// What a hop's Secret says about the parameters in it.
struct Parameters {
    candidate: CandidateRef,
    plan_id: String,
    applied_at: Timestamp,
}

fn parameters(secret: &impl ResourceExt) -> Option<Parameters> {
    let label = |name: &str| secret.labels().get(name).cloned();
    let candidate = CandidateRef { name: label(names::CANDIDATE)?, version: label(names::VERSION)? };
    let annotation = |name: &str| secret.annotations().get(name);
    let applied_at = annotation(names::APPLIED_AT)?.parse().ok()?;
    let revision = annotation(names::REVISION).and_then(|revision| revision.parse().ok()).unwrap_or_default();
    Some(Parameters { plan_id: plan_id(&candidate, revision), candidate, applied_at })
}

#[cfg(test)]
mod tests;
