//! Server-side apply of everything that a chain needs besides the hops' Secrets.

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::build::{config_map, deployment, network_attachment, network_policy};
use super::observe::Observed;
use super::validate::ValidChain;
use super::{Context, Error};
use crate::crd::names;
use crate::domain::plan::EndpointAddress;

/// Applies the chain's networks, policies and scripts, and the Deployment of every hop that has parameters.
///
/// # Errors
/// The first object that Kubernetes refuses.
pub async fn apply(chain: &ValidChain<'_>, observed: &Observed, ctx: &Context) -> Result<(), Error> {
    let definitions = Api::<DynamicObject>::namespaced_with(
        ctx.client.clone(),
        &chain.namespace,
        &network_attachment::api_resource(),
    );
    for definition in network_attachment::network_attachments(chain) {
        definitions.patch(&definition.name_any(), &params(), &Patch::Apply(&definition)).await.map_err(|source| {
            // Without Multus the kind itself is missing, and "not found" alone would explain nothing.
            if matches!(&source, kube::Error::Api(status) if status.is_not_found()) {
                Error::NoMultus
            } else {
                source.into()
            }
        })?;
    }
    object(&config_map::health_scripts(chain), chain, ctx).await?;
    object(&network_policy::applications_policy(chain), chain, ctx).await?;
    for (index, hop) in chain.hops().iter().enumerate() {
        let Some(secret) = observed.secrets.get(&hop.name) else { continue };
        hop_policy(chain, index, &secret.plan.endpoints, ctx).await?;
        hop_deployment(chain, index, secret.stamp.recreate, ctx).await?;
    }
    Ok(())
}

/// Applies a hop's Deployment.
///
/// # Errors
/// When Kubernetes refuses.
pub async fn hop_deployment(chain: &ValidChain<'_>, hop: usize, recreate: u64, ctx: &Context) -> Result<(), Error> {
    let built = deployment::hop_deployment(chain, &chain.plan.hops[hop], recreate, &ctx.settings.images);
    object::<Deployment>(&built, chain, ctx).await
}

/// Applies a hop's NetworkPolicy.
///
/// # Errors
/// When Kubernetes refuses.
pub async fn hop_policy(
    chain: &ValidChain<'_>,
    hop: usize,
    servers: &[EndpointAddress],
    ctx: &Context,
) -> Result<(), Error> {
    object::<NetworkPolicy>(&network_policy::hop_policy(chain, hop, servers), chain, ctx).await
}

async fn object<K>(object: &K, chain: &ValidChain<'_>, ctx: &Context) -> Result<(), Error>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let api = Api::<K>::namespaced(ctx.client.clone(), &chain.namespace);
    api.patch(&object.name_any(), &params(), &Patch::Apply(object)).await?;
    Ok(())
}

fn params() -> PatchParams {
    PatchParams::apply(names::FIELD_MANAGER).force()
}

/// Removes the Deployments, Secrets and policies of hops that the spec no longer has, and links beyond its end.
///
/// # Errors
/// When Kubernetes refuses.
pub async fn prune(chain: &ValidChain<'_>, ctx: &Context) -> Result<(), Error> {
    let hops: Vec<&str> = chain.hops().iter().map(|h| h.name.as_str()).collect();
    let selector = format!("{}={},{} notin ({})", names::CHAIN, chain.name(), names::HOP, hops.join(","));
    // `notin` also selects objects without the label: those belong to the chain as a whole.
    let selector = format!("{selector},{}", names::HOP);
    let list = kube::api::ListParams::default().labels(&selector);
    let delete = kube::api::DeleteParams::background();
    let namespace = &chain.namespace;
    Api::<Deployment>::namespaced(ctx.client.clone(), namespace).delete_collection(&delete, &list).await?;
    Api::<k8s_openapi::api::core::v1::Secret>::namespaced(ctx.client.clone(), namespace)
        .delete_collection(&delete, &list)
        .await?;
    Api::<NetworkPolicy>::namespaced(ctx.client.clone(), namespace).delete_collection(&delete, &list).await?;
    Ok(())
}
