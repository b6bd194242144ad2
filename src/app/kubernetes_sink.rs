//! Incidents as objects: `create` of a `HopIncident`, the only thing that the pipeline does to the cluster, and the list of
//! those that are there.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, OwnerReference};
use kube::api::{ListParams, PostParams};
use kube::core::Status;
use kube::{Api, Client, Resource};

use super::hop_watch::ChainUids;
use crate::controller::build::labels;
use crate::controller::{api, view};
use crate::crd::incident::LineRef;
use crate::crd::{HopIncident, HopIncidentSpec, VpnChain, names};
use crate::domain::engine::Detection;
use crate::domain::event;
use crate::domain::incident::{Finding, incident_name};
use crate::domain::types::HopId;
use crate::pipeline::{Created, FindingsError, IncidentSink, SinkError};

/// An API server that has just started refuses everybody until it has read its roles: 30 s were seen on a busy machine. So for this
/// long a refusal is nothing that may not pass, and what would have been created waits.
const ROLES_ARE_READ: Duration = Duration::from_secs(90);

/// Creates incidents in the namespace of their chain.
pub struct KubernetesSink {
    client: Client,
    /// That of all chains, or none where they may be anywhere.
    namespace: Option<String>,
    chains: ChainUids,
    /// Since when each namespace refuses, where the last answer was that.
    forbidden: Mutex<HashMap<String, Instant>>,
    /// [`ROLES_ARE_READ`].
    patience: Duration,
}

impl KubernetesSink {
    /// A sink that finds the incidents' owners in `chains`.
    #[must_use]
    pub fn new(client: Client, namespace: Option<String>, chains: ChainUids) -> Self {
        Self { client, namespace, chains, forbidden: Mutex::default(), patience: ROLES_ARE_READ }
    }

    /// The UID of a chain that the watch does not know (yet): the watch on pods may be ahead of the one on chains.
    async fn ask_for_chain(&self, hop: &HopId) -> Result<String, SinkError> {
        let api = Api::<VpnChain>::namespaced(self.client.clone(), &hop.namespace);
        let found = api.get_metadata_opt(&hop.chain).await.map_err(sink_error)?;
        let gone = || SinkError::Refused(format!("chain {}/{} is gone", hop.namespace, hop.chain).into());
        found.and_then(|chain| chain.metadata.uid).ok_or_else(gone)
    }

    /// Tells a right that is missing from one that is not known yet.
    fn judged(&self, namespace: &str, result: Result<Created, SinkError>) -> Result<Created, SinkError> {
        let mut forbidden = self.forbidden.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match result {
            Err(SinkError::Forbidden(error)) => {
                let since = *forbidden.entry(namespace.to_owned()).or_insert_with(Instant::now);
                let known = since.elapsed() >= self.patience;
                Err(if known { SinkError::Forbidden(error) } else { SinkError::Unavailable(error) })
            }
            Err(error @ SinkError::Unavailable(_)) => Err(error),
            answered => {
                forbidden.remove(namespace);
                answered
            }
        }
    }

    async fn ask(&self, detection: &Detection) -> Result<Created, SinkError> {
        let hop = &detection.hop.id;
        let uid = match self.chains.get(&hop.namespace, &hop.chain) {
            Some(uid) => uid,
            None => self.ask_for_chain(hop).await?,
        };
        let params = PostParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let api = Api::<HopIncident>::namespaced(self.client.clone(), &hop.namespace);
        match api.create(&params, &incident(detection, uid, Timestamp::now())).await {
            Ok(_) => Ok(Created::New),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(Created::AlreadyThere),
            Err(error) => Err(sink_error(error)),
        }
    }
}

impl IncidentSink for KubernetesSink {
    async fn create(&self, detection: &Detection) -> Result<Created, SinkError> {
        self.judged(&detection.hop.id.namespace, self.ask(detection).await)
    }

    async fn findings(&self) -> Result<Vec<Finding>, FindingsError> {
        let incidents = api::<HopIncident>(&self.client, self.namespace.as_deref());
        let incidents = incidents.list(&ListParams::default()).await.map_err(|error| FindingsError(error.into()))?;
        Ok(incidents.iter().map(view::finding).collect())
    }
}

fn sink_error(error: kube::Error) -> SinkError {
    match &error {
        // 4xx but for "too many requests" and "not allowed yet": the same object would be refused again.
        kube::Error::Api(status) if matches!(status.code, 400 | 404 | 413 | 422) || is_terminating(status) => {
            SinkError::Refused(error.into())
        }
        kube::Error::Api(status) if status.code == 403 => SinkError::Forbidden(error.into()),
        _ => SinkError::Unavailable(error.into()),
    }
}

/// A namespace that is being deleted takes no new objects, and says so with the code of a missing right.
fn is_terminating(status: &Status) -> bool {
    const REASON: &str = "NamespaceTerminating";
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    status.reason == REASON || causes.any(|cause| cause.reason == REASON)
}

fn incident(detection: &Detection, chain_uid: String, now: Timestamp) -> HopIncident {
    let hop = &detection.hop;
    let spec = HopIncidentSpec {
        chain: hop.id.chain.clone(),
        hop: hop.id.hop.clone(),
        pod_uid: hop.pod_uid.clone(),
        pod: hop.pod_name.clone(),
        candidate: hop.candidate.clone(),
        rule: detection.rule.to_string(),
        title: detection.title.clone(),
        verdict: detection.verdict,
        evidence: detection.evidence,
        first: line(&detection.first),
        last: line(&detection.last),
        line: detection.trigger.clone(),
        detected_at: Some(MicroTime(now)),
    };
    let mut incident = HopIncident::new(&incident_name(detection), spec);
    incident.metadata.namespace = Some(hop.id.namespace.clone());
    incident.metadata.labels = Some(labels(&hop.id.chain, Some(&hop.id.hop)));
    incident.metadata.owner_references = Some(vec![OwnerReference {
        api_version: VpnChain::api_version(&()).into_owned(),
        kind: VpnChain::kind(&()).into_owned(),
        name: hop.id.chain.clone(),
        uid: chain_uid,
        controller: Some(true),
        // An API server that checks who may block a deletion refuses that for half a minute after its start, until it has looked which
        // kinds there are (OwnerReferencesPermissionEnforcement). Nothing waits for incidents to go.
        block_owner_deletion: None,
    }]);
    incident
}

fn line(line: &event::LineRef) -> LineRef {
    LineRef { time: MicroTime(line.time), position: line.position.to_string() }
}

#[cfg(test)]
mod tests;
