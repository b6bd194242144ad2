//! Deleting a chain: its pods go first, under their kill switch, then the bridges that joined them; the rest goes by owner
//! references.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, ResourceExt};

use super::build::sweep::sweep_pod;
use super::validate::{ValidChain, validate};
use super::{Context, Error};
use crate::crd::{VpnChain, names};

/// A sweep that is not done by then (its node is gone) does not keep the chain.
const SWEEP_LIMIT: SignedDuration = SignedDuration::from_secs(60);

/// Takes the chain down, a step at each call.
///
/// # Errors
/// [`Error::StillLeaving`] while there is something to wait for: the finalizer stays, and the next reconcile asks again.
pub async fn teardown(chain: &VpnChain, ctx: &Context) -> Result<(), Error> {
    let namespace = chain.namespace().unwrap_or_default();
    let pods = Api::<Pod>::namespaced(ctx.client.clone(), &namespace);
    let hops = ListParams::default().labels(&format!("{}={},{}", names::CHAIN, chain.name_any(), names::HOP));
    Api::<Deployment>::namespaced(ctx.client.clone(), &namespace)
        .delete_collection(&DeleteParams::background(), &hops)
        .await?;
    ctx.forget_chain(&namespace, &chain.name_any());
    if let Some(documents) = &ctx.documents {
        documents.chain_gone(chain, ctx.now());
    }
    let leaving = pods.list_metadata(&hops).await?.items.len();
    if leaving > 0 {
        return Err(Error::StillLeaving(leaving));
    }
    // A spec that was never valid never had a pod.
    let Ok(valid) = validate(chain) else { return Ok(()) };
    sweep(&valid, &pods, ctx).await
}

async fn sweep(chain: &ValidChain<'_>, pods: &Api<Pod>, ctx: &Context) -> Result<(), Error> {
    let nodes = chain.chain.status.iter().flat_map(|s| &s.nodes);
    let mut waiting = 0;
    for (index, node) in nodes.enumerate() {
        let pod = sweep_pod(chain, index, node, &ctx.settings.pods.images);
        match pods.get_opt(&pod.name_any()).await? {
            Some(sweep) if is_done(&sweep, ctx.now()) => {}
            Some(_) => waiting += 1,
            None => match pods.create(&PostParams::default(), &pod).await {
                Ok(_) => waiting += 1,
                // The whole namespace is being deleted: nothing can be made in it any more.
                Err(kube::Error::Api(status)) if status.is_forbidden() => {
                    tracing::warn!(node, reason = status.message, "The chain's bridges stay on the node.");
                }
                Err(error) => return Err(error.into()),
            },
        }
    }
    if waiting == 0 { Ok(()) } else { Err(Error::StillLeaving(waiting)) }
}

fn is_done(pod: &Pod, now: Timestamp) -> bool {
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
    let created = pod.metadata.creation_timestamp.as_ref().map(|t| t.0);
    matches!(phase, "Succeeded" | "Failed") || created.is_some_and(|t| now > t + SWEEP_LIMIT)
}
