//! NetworkAttachmentDefinitions: of each link between two hops, and of the gateway network.
//!
//! An end of a network is a macvlan interface: on one of the node's, or on a bridge that is there for this network alone. What
//! crosses a bridge from port to port is shown to the node's iptables where `net.bridge.bridge-nf-call-iptables` is 1, as on
//! most nodes: a packet to the address of a Service, or to the node's own, would be sent on by the node, beside the tunnels.
//! Macvlan interfaces hand frames to one another, and the node does not see them. Each hop has a port of the bridge beside: it
//! makes the bridge, and a bridge without one has no carrier. Nothing is sent by it.
//!
//! A hop's interface comes without an address, which `net init` gives it behind the kill switch, and `tuning` switches off the
//! forwarding that the pod has from its node. The gateway network is on a bridge whatever the links are: applications get their
//! addresses from a record that each node keeps for itself.

use std::collections::BTreeMap;

use kube::core::{ApiResource, DynamicObject};
use serde_json::{Value, json};

use super::{ValidChain, bridge_name, metadata};
use crate::controller::validate::Medium;
use crate::crd::chain::MAX_HOPS;

/// The MTU in bytes of an interface that nobody has set one for.
const ETHERNET_MTU: u16 = 1500;

/// A pod forwards when it begins, as its node does. And two interfaces that a hop has are on one segment, where the kernel would answer
/// ARP for the one by the other: the neighbour's packets would come in on the wrong side, and the kill switch drops them there.
const OF_HOPS: [(&str, &str); 2] = [("net.ipv4.ip_forward", "0"), ("net.ipv4.conf.all.arp_ignore", "1")];
/// Without a hop on its bridge an application's end has no carrier. Where the node has routes by such an interface passed over, its pods have it
/// too, and the application's own way out, by eth0, would take their place.
const ROUTES_STAY: [(&str, &str); 2] =
    [("net.ipv4.conf.all.ignore_routes_with_linkdown", "0"), ("net.ipv4.conf.IFNAME.ignore_routes_with_linkdown", "0")];

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
/// The suffix of the exit hop's definition: the same network. With "exit" before "gateway" it would be that of the applications of a
/// chain whose name ends in "-exit".
const EXIT_SUFFIX: &str = "gateway-exit";

/// A network that a hop has an end of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Link `k`, between hop `k` and hop `k + 1`.
    Link(usize),
    /// That of the exit hop and the applications.
    Gateway,
}

impl Network {
    /// The suffix of the definition of a hop's end.
    #[must_use]
    pub fn suffix(self) -> String {
        match self {
            Self::Link(link) => format!("link-{link}"),
            Self::Gateway => EXIT_SUFFIX.to_owned(),
        }
    }

    /// The suffix of the definition of a hop's port, where the network is on a bridge.
    #[must_use]
    pub fn port_suffix(self, chain: &ValidChain<'_>) -> Option<String> {
        matches!(self.segment(chain), Segment::Bridge(_)).then(|| self.port())
    }

    fn port(self) -> String {
        format!("{}-port", self.suffix())
    }

    fn segment(self, chain: &ValidChain<'_>) -> Segment {
        match (self, &chain.medium) {
            (Self::Gateway, _) => Segment::Bridge(gateway_bridge(chain)),
            (Self::Link(link), Medium::Bridge) => Segment::Bridge(link_bridge(chain, link)),
            (Self::Link(_), Medium::Macvlan { master }) => Segment::Interface(master.clone()),
        }
    }
}

/// What the ends of a network are on.
enum Segment {
    /// A bridge of its own, by its name.
    Bridge(String),
    /// An interface of the node, by its name.
    Interface(String),
}

/// Every definition of the chain.
#[must_use]
pub fn network_attachments(chain: &ValidChain<'_>) -> Vec<DynamicObject> {
    let plan = &chain.plan;
    let links = plan.links.iter().map(|link| Network::Link(link.index));
    let mut all: Vec<_> = links.chain([Network::Gateway]).flat_map(|network| of_hops(chain, network)).collect();
    let mut applications = macvlan(&gateway_bridge(chain));
    applications["ipam"] = json!({
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
    all.push(definition(chain, GATEWAY_SUFFIX, with_sysctls(applications, ROUTES_STAY)));
    all
}

/// What hops attach to a network by: on a bridge their port, and their end of it.
fn of_hops(chain: &ValidChain<'_>, network: Network) -> Vec<DynamicObject> {
    let of = |suffix: &str, plugin| definition(chain, suffix, with_sysctls(plugin, OF_HOPS));
    match network.segment(chain) {
        Segment::Interface(master) => vec![of(&network.suffix(), macvlan(&master))],
        Segment::Bridge(bridge) => {
            let (mut port, mut end) =
                (json!({"type": "bridge", "bridge": bridge, "isGateway": false}), macvlan(&bridge));
            let mtu = chain.chain.spec.mtu;
            // The gateway's packets are no tunnel's.
            if mtu > ETHERNET_MTU && network != Network::Gateway {
                (port["mtu"], end["mtu"]) = (json!(mtu), json!(mtu));
            }
            vec![of(&network.port(), port), of(&network.suffix(), end)]
        }
    }
}

fn with_sysctls(plugin: Value, sysctls: [(&str, &str); 2]) -> Value {
    let sysctls: BTreeMap<_, _> = sysctls.into();
    json!([plugin, {"type": "tuning", "sysctl": sysctls}])
}

fn macvlan(master: &str) -> Value {
    json!({"type": "macvlan", "master": master, "mode": "bridge"})
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

fn definition(chain: &ValidChain<'_>, suffix: &str, plugins: Value) -> DynamicObject {
    let network = format!("{}-{}-{suffix}", chain.namespace, chain.name());
    let config = json!({"cniVersion": "0.4.0", "name": network, "plugins": plugins});
    let mut object = DynamicObject::new("", &api_resource()).data(json!({"spec": {"config": config.to_string()}}));
    object.metadata = metadata(chain, suffix, None);
    object
}
