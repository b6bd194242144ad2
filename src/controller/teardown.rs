//! Deleting a chain: its pods go first, under their kill switch, then what they stood on.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};

use super::{Context, Error};
use crate::crd::{VpnChain, names};

/// Deletes the Deployments and waits for the pods; whatever else there is goes by owner references.
///
/// # Errors
/// [`Error::StillLeaving`] while there are pods: the finalizer stays, and the next reconcile asks again.
pub async fn teardown(chain: &VpnChain, ctx: &Context) -> Result<(), Error> {
    let namespace = chain.namespace().unwrap_or_default();
    let ours = ListParams::default().labels(&format!("{}={},{}", names::CHAIN, chain.name_any(), names::HOP));
    Api::<Deployment>::namespaced(ctx.client.clone(), &namespace)
        .delete_collection(&DeleteParams::background(), &ours)
        .await?;
    let pods = Api::<Pod>::namespaced(ctx.client.clone(), &namespace).list_metadata(&ours).await?;
    ctx.metrics.forget_chain(chain);
    if pods.items.is_empty() { Ok(()) } else { Err(Error::StillLeaving(pods.items.len())) }
}
