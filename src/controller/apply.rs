//! Server-side apply of everything that a chain needs besides the hops' Secrets.

use std::collections::BTreeMap;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
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
pub async fn apply(chain: &ValidChain<'_>, observed: &mut Observed, ctx: &Context) -> Result<(), Error> {
    let definitions = network_definitions(chain, ctx);
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
        let servers = ctx.polls.reachable(&secret.plan, Some(&secret.object));
        let recreate = secret.stamp.recreate;
        hop_policy(chain, index, &servers, &mut observed.policies, ctx).await?;
        hop_deployment(chain, index, recreate, &mut observed.deployments, ctx).await?;
    }
    Ok(())
}

/// The resourceVersions, by hop, that an apply may go over: a deposed leader's are old, and its apply is refused.
pub type Versions = BTreeMap<String, String>;

/// Applies a hop's Deployment.
///
/// # Errors
/// When Kubernetes refuses, above all when somebody changed it since it was looked at.
pub async fn hop_deployment(
    chain: &ValidChain<'_>,
    hop: usize,
    recreate: u64,
    versions: &mut Versions,
    ctx: &Context,
) -> Result<(), Error> {
    let built = deployment::hop_deployment(chain, &chain.plan.hops[hop], recreate, &ctx.settings.pods);
    guarded::<Deployment>(built, chain, hop, versions, ctx).await
}

/// Applies a hop's NetworkPolicy.
///
/// # Errors
/// When Kubernetes refuses, above all when somebody changed it since it was looked at.
pub async fn hop_policy(
    chain: &ValidChain<'_>,
    hop: usize,
    servers: &[EndpointAddress],
    versions: &mut Versions,
    ctx: &Context,
) -> Result<(), Error> {
    guarded::<NetworkPolicy>(network_policy::hop_policy(chain, hop, servers), chain, hop, versions, ctx).await
}

async fn guarded<K>(
    mut object: K,
    chain: &ValidChain<'_>,
    hop: usize,
    versions: &mut Versions,
    ctx: &Context,
) -> Result<(), Error>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let api = Api::<K>::namespaced(ctx.client.clone(), &chain.namespace);
    let hop = &chain.hops()[hop].name;
    let applied = match versions.get(hop) {
        Some(version) => {
            object.meta_mut().resource_version = Some(version.clone());
            api.patch(&object.name_any(), &params(), &Patch::Apply(&object)).await?
        }
        // Not there when it was looked at: an apply would go over one that came since.
        None => create(&api, &object).await?,
    };
    if let Some(version) = applied.resource_version() {
        versions.insert(hop.clone(), version);
    }
    Ok(())
}

/// Creates one of a chain's objects.
///
/// # Errors
/// When Kubernetes refuses, in words of its own where the name is somebody else's.
pub(super) async fn create<K>(api: &Api<K>, object: &K) -> Result<K, Error>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let refusal = match api.create(&post(), object).await {
        Ok(created) => return Ok(created),
        Err(refusal) => refusal,
    };
    if matches!(&refusal, kube::Error::Api(status) if status.is_already_exists()) {
        let name = object.name_any();
        // The operator may list these, and get none by its name.
        let there = api.list_metadata(&ListParams::default().fields(&format!("metadata.name={name}"))).await?;
        let owner = |labels: &BTreeMap<String, String>| labels.get(names::CHAIN).cloned();
        // Else one of the chain's own was made since it was looked at.
        if there.iter().any(|there| there.name_any() == name && owner(there.labels()) != owner(object.labels())) {
            return Err(Error::Taken { kind: K::kind(&()).into_owned(), name });
        }
    }
    Err(refusal.into())
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

/// Of what is created, or replaced whole.
pub(super) fn post() -> PostParams {
    PostParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

fn params() -> PatchParams {
    PatchParams::apply(names::FIELD_MANAGER).force()
}

/// Removes the Deployments, Secrets and policies of hops that the spec no longer has, and the networks beyond its end.
///
/// # Errors
/// When Kubernetes refuses.
pub async fn prune(chain: &ValidChain<'_>, ctx: &Context) -> Result<(), Error> {
    let hops: Vec<&str> = chain.hops().iter().map(|h| h.name.as_str()).collect();
    // `notin` alone also selects objects without the label: those belong to the chain as a whole.
    let selector =
        format!("{}={},{} notin ({}),{}", names::CHAIN, chain.name(), names::HOP, hops.join(","), names::HOP);
    let list = ListParams::default().labels(&selector);
    let delete = DeleteParams::background();
    let (client, namespace) = (|| ctx.client.clone(), &chain.namespace);
    Api::<Deployment>::namespaced(client(), namespace).delete_collection(&delete, &list).await?;
    Api::<Secret>::namespaced(client(), namespace).delete_collection(&delete, &list).await?;
    Api::<NetworkPolicy>::namespaced(client(), namespace).delete_collection(&delete, &list).await?;

    let definitions = network_definitions(chain, ctx);
    let wanted: Vec<_> = network_attachment::network_attachments(chain).iter().map(ResourceExt::name_any).collect();
    let ours = ListParams::default().labels(&format!("{}={}", names::CHAIN, chain.name()));
    for definition in definitions.list_metadata(&ours).await? {
        if !wanted.contains(&definition.name_any()) {
            definitions.delete(&definition.name_any(), &delete).await?;
        }
    }
    Ok(())
}

fn network_definitions(chain: &ValidChain<'_>, ctx: &Context) -> Api<DynamicObject> {
    Api::namespaced_with(ctx.client.clone(), &chain.namespace, &network_attachment::api_resource())
}
