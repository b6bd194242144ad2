//! Chains whose links are on one interface of the nodes: there their addresses must differ, which no chain's own spec can tell.
//!
//! Bridges are each chain's own. The others are listed and not taken from the controller's watch, which has metadata alone and may lag
//! behind: of two chains that are made together, both could find the interface free. What other operators, or namespaces that this one does not see, have on the interface is not known here.

use ipnet::Ipv4Net;
use jiff::Timestamp;
use kube::api::{ListParams, ObjectMeta};
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, ResourceExt};

use super::validate::{InvalidChain, ValidChain};
use super::{Context, Error};
use crate::crd::VpnChain;
use crate::crd::chain::Links;

/// What an older chain's links keep this one from, if there is one on the same interface with the same addresses.
///
/// # Errors
/// When Kubernetes cannot be asked.
pub async fn clash(chain: &ValidChain<'_>, ctx: &Context) -> Result<Option<InvalidChain>, Error> {
    if chain.chain.spec.links.segment().is_none() {
        return Ok(None);
    }
    // Untyped: a chain that this version does not understand must not keep the others from being seen.
    let kind = ApiResource::erase::<VpnChain>(&());
    let chains: Api<DynamicObject> = match &ctx.settings.namespace {
        Some(namespace) => Api::namespaced_with(ctx.client.clone(), namespace, &kind),
        None => Api::all_with(ctx.client.clone(), &kind),
    };
    let chains = chains.list(&ListParams::default()).await?.items;
    Ok(chains.iter().find_map(|other| clash_with(chain, other)))
}

fn clash_with(chain: &ValidChain<'_>, other: &DynamicObject) -> Option<InvalidChain> {
    let own = &chain.chain.spec.links;
    // What the API server stores has its defaults; what it took before there were any has bridges.
    let theirs: Links = serde_json::from_value(other.data.pointer("/spec/links")?.clone()).ok()?;
    let (master, own, theirs_net): (_, Ipv4Net, Ipv4Net) =
        (own.segment()?, own.cidr.parse().ok()?, theirs.cidr.parse().ok()?);
    let overlaps = own.contains(&theirs_net.network()) || theirs_net.contains(&own.network());
    let is_older = age(&other.metadata) < age(&chain.chain.metadata);
    (theirs.segment() == Some(master) && overlaps && is_older).then(|| InvalidChain::SharedSegment {
        own,
        other: format!("{}/{}", other.namespace().unwrap_or_default(), other.name_any()),
        theirs: theirs_net,
        master: master.to_owned(),
    })
}

/// Of two chains the one with the smaller age was there first; a chain is not older than itself.
fn age(meta: &ObjectMeta) -> (Option<Timestamp>, Option<&str>, Option<&str>) {
    (meta.creation_timestamp.as_ref().map(|t| t.0), meta.namespace.as_deref(), meta.name.as_deref())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::{Value, json};

    use super::super::testing::{berlin, noon};
    use super::super::validate::validate;
    use super::*;

    fn chain(name: &str, links: Value, minutes: i64) -> VpnChain {
        let mut chain = berlin();
        chain.metadata.name = Some(name.into());
        chain.metadata.creation_timestamp = Some(Time(noon() + jiff::SignedDuration::from_mins(minutes)));
        chain.spec.links = serde_json::from_value(links).unwrap();
        chain
    }

    fn said(chain: &VpnChain, other: &VpnChain) -> Option<String> {
        let other: DynamicObject = serde_json::from_value(serde_json::to_value(other).unwrap()).unwrap();
        clash_with(&validate(chain).unwrap(), &other).map(|why| why.to_string())
    }

    #[test]
    fn the_younger_of_two_chains_with_the_same_addresses_on_one_interface_is_refused() {
        let old = chain("old", json!({"type": "macvlan", "master": "eth1"}), 0);
        let young = chain("young", json!({"type": "macvlan", "master": "eth1", "cidr": "198.18.0.0/16"}), 1);
        let why = said(&young, &old).unwrap();
        for part in ["links.cidr 198.18.0.0/16 overlaps", "chain demo/old, 198.18.255.0/24", "interface eth1"] {
            assert!(why.contains(part), "{why}");
        }
        assert_eq!(said(&old, &young), None, "the chain that was there first runs on");
        assert_eq!(said(&old, &old), None);
    }

    #[test]
    fn other_addresses_another_interface_and_bridges_do_not_clash() {
        let old = chain("old", json!({"type": "vxlan"}), 0);
        for links in [
            json!({"type": "vxlan", "cidr": "198.18.254.0/24"}),
            json!({"type": "vxlan", "master": "other0"}),
            json!({"type": "bridge"}),
        ] {
            assert_eq!(said(&chain("young", links.clone(), 1), &old), None, "{links}");
        }
        assert!(said(&chain("young", json!({"type": "macvlan", "master": "hkvxlan0"}), 1), &old).is_some());
        let bridges = chain("old", json!({"type": "bridge"}), 0);
        assert_eq!(said(&chain("young", json!({"type": "vxlan"}), 1), &bridges), None);
    }
}
