//! Whom each reader of a shared stream hears, told through a Lease of each reader's own: written when it changes, and
//! renewed now and then, so that a reader that is gone is heard no longer.
//!
//! Each reader has a share of the stream, and nobody can tell beforehand whose pods are in it; only the leader judges.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::own_pod::OwnPod;
use super::silence::looks;
use crate::crd::names;
use crate::domain::silence::Heard;
use crate::internal_event::silence::ReaderPublishError;
use crate::pipeline::Hearing;

/// On a reader's Lease.
const READER: &str = "hopkeeper.io/reader";
/// Whom it hears, as JSON.
const HEARD: &str = "hopkeeper.io/heard";
/// An object's annotations may have 256 KiB in all.
const MAX_BYTES: usize = 200 * 1024;

/// Listing them takes no longer.
const LIST_TIMEOUT: Duration = Duration::from_secs(5);

/// Why nobody knows whom the other readers hear.
#[derive(Debug, Error)]
#[error("failed to list the leases of the log stream's readers; may leases be listed in the operator's namespace?")]
pub struct ReadersError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// The Leases of the stream's readers.
#[derive(Clone)]
pub struct Readers {
    api: Api<Lease>,
    /// What came within it came lately.
    within: Duration,
}

impl Readers {
    /// Those in a namespace.
    pub fn new(client: Client, namespace: &str, within: Duration) -> Self {
        Self { api: Api::namespaced(client, namespace), within }
    }

    /// Whom they hear together. One that has not said so for twice as long as counts as lately is gone: its share of the
    /// stream has another reader by then.
    ///
    /// # Errors
    /// When they can't be listed, or not soon: what they said may have grown old while nobody could write.
    pub async fn heard(&self, now: Timestamp) -> Result<Heard, ReadersError> {
        let readers = ListParams::default().labels(READER);
        let listed = tokio::time::timeout(LIST_TIMEOUT, self.api.list(&readers)).await;
        let leases = listed.map_err(|slow| ReadersError(slow.into()))?.map_err(|error| ReadersError(error.into()))?;
        let lasts = SignedDuration::try_from(2 * self.within).unwrap_or(SignedDuration::MAX);
        let is_there = |lease: &&Lease| {
            let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
            renewed.is_some_and(|renewed| now.duration_since(renewed.0) < lasts)
        };
        let mut all = Heard::default();
        for lease in leases.iter().filter(is_there) {
            all.unite(said(lease));
        }
        Ok(all)
    }

    /// Tells whom `hearing` hears until stopped. The Lease goes with the operator's own pod, where that is known.
    pub async fn tell(self, identity: &str, own: Option<(Client, OwnPod)>, hearing: Hearing, stop: CancellationToken) {
        let name = lease_name(identity);
        let mut told: Option<(Heard, Instant)> = None;
        let mut owner: Option<Value> = None;
        let mut look = tokio::time::interval(looks(self.within));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(look.tick()).await.is_some() {
            let heard = hearing.heard();
            if told.as_ref().is_some_and(|(before, at)| *before == heard && at.elapsed() < self.within / 3) {
                continue;
            }
            let write = async {
                if let (Some((client, pod)), None) = (&own, &owner) {
                    owner = owner_reference(client, pod).await;
                }
                self.write(&name, owner.as_ref(), &heard).await
            };
            match stop.run_until_cancelled(write).await {
                None => return,
                Some(Ok(())) => told = Some((heard, Instant::now())),
                Some(Err(error)) => ReaderPublishError { error: &error }.emit(),
            }
        }
    }

    async fn write(&self, name: &str, owner: Option<&Value>, heard: &Heard) -> kube::Result<()> {
        let mut lease = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": name, "labels": { READER: "" }, "annotations": { HEARD: text(heard) } },
            "spec": { "holderIdentity": name, "renewTime": format!("{:.6}", Timestamp::now()) } });
        if let Some(owner) = owner {
            lease["metadata"]["ownerReferences"] = json!([owner]);
        }
        let apply = PatchParams::apply(names::FIELD_MANAGER).force();
        self.api.patch(name, &apply, &Patch::Apply(lease)).await.map(drop)
    }
}

/// What a reader's Lease says. One that can't be understood, of another version, is taken for one that is behind: nobody
/// is called silent for its sake.
fn said(lease: &Lease) -> Heard {
    let text = lease.annotations().get(HEARD).map(String::as_str).unwrap_or_default();
    serde_json::from_str(text).unwrap_or(Heard { behind: true, ..Heard::default() })
}

/// Whom it hears, or, where that is more than an object can hold (some 5000 pods), only that it can't be said.
fn text(heard: &Heard) -> String {
    let to_text = |heard: &Heard| serde_json::to_string(heard).expect("should serialize: it is text");
    let whole = to_text(heard);
    if whole.len() <= MAX_BYTES { whole } else { to_text(&Heard { behind: true, ..Heard::default() }) }
}

/// A name that an object may have.
fn lease_name(identity: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let readable: String = identity.chars().map(allowed).collect();
    format!("hopkeeper-reader-{}", readable.trim_matches('-'))
}

async fn owner_reference(client: &Client, pod: &OwnPod) -> Option<Value> {
    let uid = pod.uid(client).await?;
    Some(json!({ "apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": uid }))
}
