//! The `ip` commands that build a hop's network, in the order that they must run.

use std::net::Ipv4Addr;

use super::{EndpointAddress, HopPlan, INNER_INTERFACE, OUTER_INTERFACE, TUNNEL_INTERFACE};
use crate::domain::types::Implementation;

/// Looked up for packets from the inner side only.
const TABLE: &str = "100";
/// Comes after [`TABLE`]: what found no route there goes nowhere, whatever happened to the table.
const FALLBACK: &str = "101";

/// How the tunnel's interface comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelDevice {
    /// Made by `net init`, kept when the client ends; the client's user may open it.
    Persistent,
    /// The kernel's WireGuard, made by `net init`.
    Kernel,
}

impl TunnelDevice {
    /// The device that a program needs.
    pub fn of(implementation: Implementation) -> Self {
        if implementation == Implementation::Kernel { Self::Kernel } else { Self::Persistent }
    }
}

fn command(text: &str) -> Vec<String> {
    text.split_whitespace().map(Into::into).collect()
}

/// What `net init` runs after the firewall is in place.
pub fn init_commands(plan: &HopPlan) -> Vec<Vec<String>> {
    let (tunnel, inner, mtu) = (TUNNEL_INTERFACE, INNER_INTERFACE, plan.network.tun_mtu);
    let device = match plan.network.implementation {
        Implementation::Kernel => format!("ip link add {tunnel} type wireguard"),
        // boringtun opens one queue a thread and cannot open a device that was made without this.
        Implementation::BoringTun => format!("ip tuntap add {tunnel} mode tun user {} multi_queue", plan.uid),
        Implementation::OpenVpn | Implementation::WireGuardGo => {
            format!("ip tuntap add {tunnel} mode tun user {}", plan.uid)
        }
    };
    let sides = plan.network.sides().map(|(name, address)| command(&format!("ip addr replace {address} dev {name}")));
    let mut commands: Vec<_> = sides.collect();
    commands.extend([
        command(&device),
        command(&format!("ip link set {tunnel} mtu {mtu} up")),
        command(&format!("ip rule add pref {TABLE} iif {inner} lookup {TABLE}")),
        command(&format!("ip rule add pref {FALLBACK} iif {inner} unreachable")),
        command(&format!("ip -6 rule add pref {FALLBACK} iif {inner} unreachable")),
    ]);
    commands.extend(open_endpoint_commands(plan, &plan.endpoints));
    commands
}

/// The hardware address of a hop's interface: the same for every pod of the hop, so that its neighbours, which remember it
/// for up to a minute, find a new pod at once. No two on one segment have one IP address.
pub fn hardware_address_command(interface: &str, address: Ipv4Addr) -> Vec<String> {
    // 02: locally administered, one station.
    let [a, b, c, d] = address.octets();
    command(&format!("ip link set {interface} address 02:48:{a:02x}:{b:02x}:{c:02x}:{d:02x}"))
}

/// Routes to servers by the next outer hop. The entry hop needs none: it has the cluster's default route.
pub fn open_endpoint_commands(plan: &HopPlan, endpoints: &[EndpointAddress]) -> Vec<Vec<String>> {
    let Some(outer) = &plan.network.outer else { return Vec::new() };
    addresses(endpoints)
        .map(|ip| {
            let (via, mtu) = (outer.via, outer.route_mtu);
            command(&format!("ip route replace {ip}/32 via {via} dev {OUTER_INTERFACE} mtu {mtu}"))
        })
        .collect()
}

/// Removes the routes to servers that the client has left.
pub fn close_endpoint_commands(plan: &HopPlan, endpoints: &[EndpointAddress]) -> Vec<Vec<String>> {
    if plan.network.outer.is_none() {
        return Vec::new();
    }
    addresses(endpoints).map(|ip| command(&format!("ip route del {ip}/32 dev {OUTER_INTERFACE}"))).collect()
}

fn addresses(endpoints: &[EndpointAddress]) -> impl Iterator<Item = Ipv4Addr> {
    endpoints.iter().map(|endpoint| endpoint.ip).collect::<std::collections::BTreeSet<_>>().into_iter()
}

/// Gives the tunnel its address, then the route, in this order: with a route before the address, masquerade would
/// take another interface's address and conntrack would keep it for that flow.
pub fn address_commands(plan: &HopPlan, address: Ipv4Addr) -> Vec<Vec<String>> {
    let (tunnel, mtu) = (TUNNEL_INTERFACE, plan.network.tun_mtu);
    vec![
        command(&format!("ip addr flush dev {tunnel}")),
        command(&format!("ip addr add {address}/32 dev {tunnel}")),
        command(&format!("ip link set {tunnel} mtu {mtu} up")),
        route_command(),
    ]
}

/// The route of everything that comes from the inner side; it vanishes with the tunnel's last address.
fn route_command() -> Vec<String> {
    command(&format!("ip route replace default dev {TUNNEL_INTERFACE} table {TABLE}"))
}
