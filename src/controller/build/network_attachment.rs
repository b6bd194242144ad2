//! NetworkAttachmentDefinitions: one per link between two hops, and two views of the gateway network.
//!
//! A bridge has no address on the node: it only joins the pods. A hop's interface comes without an address, which `net init` gives
//! it behind the kill switch, and `tuning` switches off the forwarding that the pod has from its node. The gateway network is a
//! bridge whatever the links are: applications get their addresses from a record that each node keeps for itself.

use std::collections::BTreeMap;

use kube::core::{ApiResource, DynamicObject};
use serde_json::{Value, json};

use super::{ValidChain, bridge_name, metadata};
use crate::controller::validate::Medium;
use crate::crd::chain::MAX_HOPS;

/// The MTU in bytes of an interface that nobody has set one for.
const ETHERNET_MTU: u16 = 1500;

const NO_FORWARDING: (&str, &str) = ("net.ipv4.ip_forward", "0");
/// Both ends that a hop has are on one segment, where the kernel would answer ARP for the one by the other: the neighbour's packets
/// would come in on the wrong side, and the kill switch drops them there.
const OWN_ADDRESSES: (&str, &str) = ("net.ipv4.conf.all.arp_ignore", "1");

/// The kind, which Multus defines.
#[must_use]
pub fn api_resource() -> ApiResource {
    ApiResource {
        group: "k8s.cni.cncf.io".into(),
        version: "v1".into(),
        api_version: "k8s.cni.cncf.io/v1".into(),
        kind: "NetworkAttachmentDefinition".into(),
        plural: "network-attachment-definitions".into(),
    }
}

/// The suffix of the definition that applications name.
pub const GATEWAY_SUFFIX: &str = "gateway";
/// The suffix of the exit hop's definition: the same bridge.
pub const EXIT_SUFFIX: &str = "exit-gateway";

/// The suffix of the definition of link `k`, between hop `k` and hop `k + 1`.
#[must_use]
pub fn link_suffix(link: usize) -> String {
    format!("link-{link}")
}

/// Every definition of the chain.
#[must_use]
pub fn network_attachments(chain: &ValidChain<'_>) -> Vec<DynamicObject> {
    let gateway = gateway_bridge(chain);
    let plan = &chain.plan;
    let applications = json!({
        "type": "host-local",
        "ranges": [[{
            "subnet": plan.gateway.to_string(),
            "rangeStart": plan.applications.0.to_string(),
            "rangeEnd": plan.applications.1.to_string(),
            "gateway": plan.gateway_address.to_string(),
        }]],
        // Two halves beat the default route by eth0 without having to replace it.
        "routes": [{"dst": "0.0.0.0/1"}, {"dst": "128.0.0.0/1"}],
    });
    let mut all: Vec<_> = plan
        .links
        .iter()
        .map(|link| definition(chain, &link_suffix(link.index), link_plugins(chain, link.index)))
        .collect();
    all.push(definition(chain, EXIT_SUFFIX, with_sysctls(bridge(&gateway), &[NO_FORWARDING])));
    let application_side = json!([{"type": "bridge", "bridge": gateway, "isGateway": false, "ipam": applications}]);
    all.push(definition(chain, GATEWAY_SUFFIX, application_side));
    all
}

/// The bridges that the chain may have on a node: of every link that it could have had before its spec changed.
#[must_use]
pub fn bridges(chain: &ValidChain<'_>) -> Vec<String> {
    let links = (0..MAX_HOPS - 1).map(|link| link_bridge(chain, link));
    links.chain([gateway_bridge(chain)]).collect()
}

fn link_bridge(chain: &ValidChain<'_>, link: usize) -> String {
    bridge_name(chain, &format!("l{link}"))
}

fn gateway_bridge(chain: &ValidChain<'_>) -> String {
    bridge_name(chain, "gw")
}

/// The plugins that make one end of a link. Its MTU is that of the interface which it is on.
fn link_plugins(chain: &ValidChain<'_>, link: usize) -> Value {
    match &chain.medium {
        Medium::Bridge => {
            let mut plugin = bridge(&link_bridge(chain, link));
            let mtu = chain.chain.spec.mtu;
            if mtu > ETHERNET_MTU {
                plugin["mtu"] = json!(mtu);
            }
            with_sysctls(plugin, &[NO_FORWARDING])
        }
        // Two pods on one node reach each other, as two on different nodes do.
        Medium::Macvlan { master } => {
            let plugin = json!({
                "type": "macvlan", "master": master, "mode": "bridge",
            });
            with_sysctls(plugin, &[NO_FORWARDING, OWN_ADDRESSES])
        }
    }
}

fn bridge(name: &str) -> Value {
    json!({"type": "bridge", "bridge": name, "isGateway": false})
}

fn with_sysctls(plugin: Value, sysctls: &[(&str, &str)]) -> Value {
    let sysctls: BTreeMap<_, _> = sysctls.iter().copied().collect();
    json!([plugin, {"type": "tuning", "sysctl": sysctls}])
}

fn definition(chain: &ValidChain<'_>, suffix: &str, plugins: Value) -> DynamicObject {
    let network = format!("{}-{}-{suffix}", chain.namespace, chain.name());
    let config = json!({"cniVersion": "0.4.0", "name": network, "plugins": plugins});
    let mut object = DynamicObject::new("", &api_resource()).data(json!({"spec": {"config": config.to_string()}}));
    object.metadata = metadata(chain, suffix, None);
    object
}
