//! The objects of a chain: pure and infallible, one file per Kubernetes kind.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use sha2::{Digest, Sha256};

use super::validate::ValidChain;
use crate::crd::names;

pub mod config_map;
pub mod deployment;
pub mod network_attachment;
pub mod network_policy;
pub mod secret;
pub mod sweep;

/// Which images the hops' containers use.
#[derive(Clone, Debug)]
pub struct Images {
    /// `hopkeeper` with `ip` and `nft`, for `net`.
    pub hopkeeper: String,
    /// The OpenVPN client.
    pub openvpn: String,
    /// boringtun.
    pub boringtun: String,
    /// wireguard-go.
    pub wireguard_go: String,
    /// busybox and `wg`, for `health`.
    pub health: String,
}

/// What all hops' pods have in common.
#[derive(Clone, Debug)]
pub struct PodSettings {
    /// Their images.
    pub images: Images,
    /// Where they have the tunnel's device from.
    pub tun: TunDevice,
}

/// Where a hop's containers have `/dev/net/tun` from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TunDevice {
    /// The node's own, mounted by its path.
    HostPath,
    /// A resource of a device plugin, by its name.
    Resource(String),
}

/// `<chain>-<suffix>` in the chain's namespace, labelled and owned by the chain.
fn metadata(chain: &ValidChain<'_>, suffix: &str, hop: Option<&str>) -> ObjectMeta {
    ObjectMeta {
        name: Some(object_name(&chain.name(), suffix)),
        namespace: Some(chain.namespace.clone()),
        labels: Some(labels(&chain.name(), hop)),
        owner_references: Some(vec![owner(chain)]),
        ..ObjectMeta::default()
    }
}

/// The name of a chain's object: the chain's name and what it is.
#[must_use]
pub fn object_name(chain: &str, suffix: &str) -> String {
    format!("{chain}-{suffix}")
}

/// The labels of a chain's, or of one hop's, objects.
#[must_use]
pub fn labels(chain: &str, hop: Option<&str>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        ("app.kubernetes.io/managed-by".to_owned(), "hopkeeper".to_owned()),
        (names::CHAIN.to_owned(), chain.to_owned()),
    ]);
    labels.extend(hop.map(|hop| (names::HOP.to_owned(), hop.to_owned())));
    labels
}

fn owner(chain: &ValidChain<'_>) -> OwnerReference {
    chain.chain.controller_owner_ref(&()).expect("should have a name and a UID: it came from the API server")
}

/// A bridge's name: at most 15 characters, one per link of each chain on a node.
fn bridge_name(chain: &ValidChain<'_>, link: &str) -> String {
    let digest = Sha256::digest(format!("{}/{}", chain.namespace, chain.name()));
    let hash: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("hk{hash}{link}")
}

#[cfg(test)]
mod tests;
