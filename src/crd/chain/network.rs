//! A chain's networks, and on which nodes its hops run.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The network that applications attach to.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// An IPv4 range between /16 and /26: the exit hop takes the first address, applications the 16th and up.
    #[schemars(length(max = 18))]
    #[x_kube(validation = Rule::new("isCIDR(self) && cidr(self).ip().family() == 4 && cidr(self).prefixLength() >= 16 && cidr(self).prefixLength() <= 26 && cidr(self).masked() == cidr(self)")
        .message("gateway.cidr must be an IPv4 network between /16 and /26 without host bits, for example 10.200.7.0/24"))]
    pub cidr: String,
}

/// The links between neighbouring hops: each takes four addresses.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.type != 'ipvlan'")
        .message("links of type ipvlan cannot carry a chain: the kernel gives an ipvlan interface packets for its own addresses only, and hands the inner hop's to the node, which lets them out beside the tunnels: set links.type to macvlan, or to vxlan where a switch admits one MAC address a port"),
    validation = Rule::new("self.type != 'macvlan' || has(self.master)")
        .message("links of type macvlan need links.master: the nodes' interface that joins them on layer 2, for example eth1"),
    validation = Rule::new("self.type != 'bridge' || !has(self.master)")
        .message("links.master is set, but links.type is bridge, which has none: remove it, or set links.type to macvlan or vxlan"),
)]
pub struct Links {
    /// An IPv4 range of /26 or larger. It never leaves the chain; it must not overlap a VPN server's pool, nor the links of another
    /// chain on the same `master`.
    #[serde(default = "default_links")]
    #[schemars(length(max = 18))]
    #[x_kube(validation = Rule::new("isCIDR(self) && cidr(self).ip().family() == 4 && cidr(self).prefixLength() >= 16 && cidr(self).prefixLength() <= 26 && cidr(self).masked() == cidr(self)")
        .message("links.cidr must be an IPv4 network between /16 and /26 without host bits, for example 198.18.255.0/24"))]
    pub cidr: String,
    /// What a link is made of: `bridge` on one node; across nodes `macvlan` on an interface of theirs, or `vxlan`, which needs
    /// nothing but IP between them. docs/links.md has the conditions of each.
    #[serde(default, rename = "type")]
    pub kind: LinkType,
    /// The nodes' interface that carries links of type `macvlan`, by the same name on each node; for `vxlan` the VXLAN
    /// device, `hkvxlan0` unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 15))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9][-A-Za-z0-9._]{0,14}$')")
        .message("links.master must be an interface's name: at most 15 letters, digits, '.', '-' and '_', for example eth1 or eth1.100"))]
    pub master: Option<String>,
}

/// What a link between two hops is made of: the kernel's own names, as CNI uses them.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LinkType {
    /// A bridge of each link's own, on one node.
    #[default]
    Bridge,
    /// A MAC address of its own for each end, on an interface of the nodes.
    Macvlan,
    /// Refused, with the reason: it is known here so that it is no mere misspelling.
    Ipvlan,
    /// As macvlan, on a VXLAN device between the nodes.
    Vxlan,
}

/// The VXLAN device that `k8s/vxlan.yaml` makes on each node.
pub const VXLAN_DEVICE: &str = "hkvxlan0";

impl Links {
    /// The nodes' interface that all links are on; none where each has a bridge of its own.
    #[must_use]
    pub fn segment(&self) -> Option<&str> {
        match (self.kind, self.master.as_deref()) {
            (LinkType::Bridge, _) => None,
            (LinkType::Vxlan, None) => Some(VXLAN_DEVICE),
            // A macvlan without one is refused by the CRD.
            (_, master) => master,
        }
    }
}

/// On which nodes a chain's hops run.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// All on one node, whichever has room.
    #[default]
    SameNode,
    /// Each on a node of its own.
    Spread,
}

fn default_links() -> String {
    "198.18.255.0/24".to_owned()
}

impl Default for Links {
    fn default() -> Self {
        Self { cidr: default_links(), kind: LinkType::default(), master: None }
    }
}
