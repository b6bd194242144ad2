//! The kill switch: an nftables script by which a packet leaves a hop only in its tunnel, or to its own server.
//!
//! One transaction, so that applying it again leaves no open window. Default drop in every chain, IPv6 too.

use std::collections::BTreeSet;

use super::{CLUSTER_INTERFACE, EndpointAddress, HopPlan, INNER_INTERFACE, KERNEL_MARK, PROBE_PORT, TUNNEL_INTERFACE};
use crate::domain::types::Implementation;

/// The script for `nft -f -`. `extra_endpoints` are open beside the plan's own, while the client moves between them.
pub fn firewall(plan: &HopPlan, extra_endpoints: &[EndpointAddress]) -> String {
    let (inner, tunnel, outer) = (INNER_INTERFACE, TUNNEL_INTERFACE, plan.network.outer_interface());
    let outside = if outer == CLUSTER_INTERFACE {
        format!("\"{CLUSTER_INTERFACE}\"")
    } else {
        format!("{{ \"{outer}\", \"{CLUSTER_INTERFACE}\" }}")
    };
    let client = match plan.network.implementation {
        // The kernel's own socket has no user; `net` gives its packets this mark.
        Implementation::Kernel => format!("meta mark {KERNEL_MARK:#x}"),
        _ => format!("meta skuid {}", plan.uid),
    };
    let endpoints: BTreeSet<_> = plan.endpoints.iter().chain(extra_endpoints).collect();
    let elements: Vec<String> = endpoints
        .iter()
        .map(|endpoint| format!("{} . {} . {}", endpoint.ip, endpoint.protocol, endpoint.port))
        .collect();
    let elements = elements.join(", ");
    let mss = plan.network.tun_mtu - 40;

    // Why each exception: a client logs the ICMP errors of its path; an application must learn that its packet is too
    // big; the kernel resets TCP connections itself, so its RST has no user id. A probe with a TTL of 1 is answered by
    // the VPN server and never goes further.
    format!(
        r#"table inet vpn
delete table inet vpn
table inet vpn {{
  set endpoints {{
    type ipv4_addr . inet_proto . inet_service
    elements = {{ {elements} }}
  }}
  chain input {{
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    iifname "{outer}" ip saddr . meta l4proto . th sport @endpoints ct state established accept
    iifname {outside} ct state related icmp type destination-unreachable accept
    iifname "{inner}" icmp type echo-request accept
    iifname "{tunnel}" ct state related icmp type time-exceeded accept
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    iifname "{inner}" oifname "{tunnel}" accept
    iifname "{tunnel}" oifname "{inner}" ct state established,related accept
  }}
  chain output {{
    type filter hook output priority filter; policy drop;
    oifname "lo" accept
    oifname "{outer}" ip daddr . meta l4proto . th dport @endpoints {client} accept
    oifname "{outer}" ip daddr . meta l4proto . th dport @endpoints tcp flags & rst == rst accept
    oifname {{ "{inner}", "{tunnel}" }} meta l4proto icmp ct state related,established accept
    oifname "{tunnel}" ip ttl 1 udp dport {PROBE_PORT} meta skuid 0 accept
  }}
}}
table inet vpnnat
delete table inet vpnnat
table inet vpnnat {{
  chain post {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname "{tunnel}" masquerade
  }}
  chain mss {{
    type filter hook forward priority mangle; policy accept;
    iifname "{tunnel}" tcp flags syn tcp option maxseg size > {mss} tcp option maxseg size set {mss}
    oifname "{tunnel}" tcp flags syn tcp option maxseg size > {mss} tcp option maxseg size set {mss}
  }}
}}
"#
    )
}
