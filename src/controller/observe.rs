//! Reads all that a reconcile of one chain depends on: its pods, hop Secrets and incidents.
//!
//! Lists, not a cache: a decision made on a stale cache would repeat an action that was already taken.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use super::build::secret::Stamp;
use super::logs_state::LogsState;
use crate::crd::{HopIncident, names};
use crate::domain::candidate::Resolved;
use crate::domain::plan::{HopPlan, PLAN_FILE};
use crate::domain::types::CandidateRef;
use crate::domain::view::{Delivery, Desired, PodView};

/// What there is of a chain.
pub struct Observed {
    /// The live pods, by hop.
    pub pods: BTreeMap<String, Pod>,
    /// The hop Secrets, by hop.
    pub secrets: BTreeMap<String, HopSecret>,
    /// Hop Secrets that cannot be understood, by hop: spoiled by hand, or of another version.
    pub unreadable: BTreeMap<String, Secret>,
    /// The resourceVersions of the hops' Deployments: what an apply may go over.
    pub deployments: BTreeMap<String, String>,
    /// The same of the hops' NetworkPolicies.
    pub policies: BTreeMap<String, String>,
    /// All incidents.
    pub incidents: Vec<HopIncident>,
    /// Whether the pods have what their Secrets say, by hop; of those alone whose step is about to be given up.
    pub deliveries: BTreeMap<String, Delivery>,
    /// What is known of the log stream, where it is listened for silence.
    pub logs: Option<LogsState>,
}

/// A hop's Secret, understood.
pub struct HopSecret {
    /// The object, for its resourceVersion and files.
    pub object: Secret,
    /// Its plan.
    pub plan: HopPlan,
    /// Its annotations.
    pub stamp: Stamp,
}

impl HopSecret {
    /// Reads a Secret that the operator wrote.
    fn read(object: Secret) -> Result<Self, Box<Secret>> {
        let understood = || {
            let text = object.data.as_ref()?.get(PLAN_FILE)?;
            let plan: HopPlan = serde_json::from_slice(&text.0).ok()?;
            let annotation = |name: &str| object.annotations().get(name);
            let applied_at = annotation(names::APPLIED_AT)?.parse().ok()?;
            let recreate = annotation(names::RECREATE)?.parse().ok()?;
            Some((plan, Stamp { applied_at, recreate }))
        };
        match understood() {
            Some((plan, stamp)) => Ok(Self { object, plan, stamp }),
            None => Err(Box::new(object)),
        }
    }

    /// The candidate in use.
    #[must_use]
    pub fn candidate(&self) -> &CandidateRef {
        &self.plan.candidate
    }

    /// What the hop has, for a write that keeps its candidate: the pool need not be asked.
    #[must_use]
    pub fn resolved(&self) -> Resolved {
        let files = self.object.data.iter().flatten().filter(|(name, _)| *name != PLAN_FILE);
        Resolved {
            endpoints: self.plan.endpoints.clone(),
            tunnel_addresses: self.plan.tunnel_addresses.clone(),
            files: files
                .map(|(name, bytes)| (name.clone(), String::from_utf8_lossy(&bytes.0).into_owned().into()))
                .collect(),
        }
    }

    /// For attribution and decision.
    #[must_use]
    pub fn desired(&self) -> Desired {
        Desired {
            candidate: self.plan.candidate.clone(),
            applied_at: self.stamp.applied_at,
            revision: self.plan.revision,
            recreate: self.stamp.recreate,
        }
    }
}

/// Lists a chain's pods, hop Secrets and incidents.
///
/// # Errors
/// When the API cannot be asked.
pub async fn observe(client: &Client, namespace: &str, chain: &str) -> kube::Result<Observed> {
    let ours = ListParams::default().labels(&format!("{}={chain}", names::CHAIN));
    let hops = ListParams::default().labels(&format!("{}={chain},{}", names::CHAIN, names::HOP));
    let (pods, secrets, incidents, deployments, policies) = tokio::try_join!(
        async { Api::<Pod>::namespaced(client.clone(), namespace).list(&hops).await },
        async { Api::<Secret>::namespaced(client.clone(), namespace).list(&hops).await },
        async { Api::<HopIncident>::namespaced(client.clone(), namespace).list(&ours).await },
        async { Api::<Deployment>::namespaced(client.clone(), namespace).list_metadata(&hops).await },
        async { Api::<NetworkPolicy>::namespaced(client.clone(), namespace).list_metadata(&hops).await },
    )?;
    let mut observed = Observed {
        pods: live_pods(pods.items),
        secrets: BTreeMap::new(),
        unreadable: BTreeMap::new(),
        incidents: incidents.items,
        deployments: versions(&deployments.items),
        policies: versions(&policies.items),
        deliveries: BTreeMap::new(),
        logs: None,
    };
    for secret in secrets.items {
        let Some(hop) = hop_of(&secret) else { continue };
        match HopSecret::read(secret) {
            Ok(secret) => drop(observed.secrets.insert(hop, secret)),
            Err(secret) => drop(observed.unreadable.insert(hop, *secret)),
        }
    }
    Ok(observed)
}

/// The hops' pods. One that is leaving, was evicted or has ended is no longer the hop's; of several the newest is.
fn live_pods(pods: Vec<Pod>) -> BTreeMap<String, Pod> {
    let ended = |p: &Pod| {
        let phase = p.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
        p.metadata.deletion_timestamp.is_some() || matches!(phase, "Failed" | "Succeeded")
    };
    let mut live: Vec<_> = pods.into_iter().filter(|p| !ended(p)).collect();
    live.sort_by_key(|p| p.metadata.creation_timestamp.as_ref().map(|t| t.0));
    live.into_iter().filter_map(|p| Some((hop_of(&p)?, p))).collect()
}

fn versions<K: ResourceExt>(objects: &[K]) -> BTreeMap<String, String> {
    objects.iter().filter_map(|o| Some((hop_of(o)?, o.resource_version()?))).collect()
}

/// The hop that an object belongs to.
pub fn hop_of(object: &impl ResourceExt) -> Option<String> {
    object.labels().get(names::HOP).cloned()
}

/// A pod, as attribution sees it.
#[must_use]
pub fn pod_view(pod: &Pod) -> PodView {
    let ready = pod.status.iter().flat_map(|s| s.conditions.iter().flatten()).find(|c| c.type_ == "Ready");
    let created = pod.metadata.creation_timestamp.as_ref().map(|t| t.0).unwrap_or(Timestamp::UNIX_EPOCH);
    PodView {
        uid: pod.uid().unwrap_or_default(),
        ready: ready.is_some_and(|c| c.status == "True"),
        ready_since: ready.and_then(|c| c.last_transition_time.as_ref()).map_or(created, |t| t.0),
        recreate: pod.annotations().get(names::RECREATE).and_then(|n| n.parse().ok()).unwrap_or_default(),
    }
}
