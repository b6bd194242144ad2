//! Links on bridges, on a node that has iptables look at what its bridges carry: what the operator renders, by the real CNI plugins.

use std::time::Duration;

use hopkeeper::controller::validate::ValidChain;
use serde_json::json;

use super::cni::{Attachment, berlin, gateway, links, planned};
use super::hop::{HOPKEEPER, NET_RIGHTS};
use super::lab::{Lab, Place};
use super::links::{attach, detach, reaches, with_plugins};
use super::namespaces::{sh, until};

/// The address of a Service. The node sends on what it sees of it, to a server beyond the cluster.
const SERVICE: &str = "10.96.0.10";

/// As nodes are: forwarding, with rules for Services; and as Docker leaves them: what is not expected is not forwarded.
const NODE: &str = "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
    nft 'table ip node {
        chain services { type nat hook prerouting priority dstnat; ip daddr 10.96.0.10 counter dnat to 203.0.113.80; }
        chain forward { type filter hook forward priority filter; policy drop; }
    }'";

fn two_hops_on_one_node(lab: &mut Lab) {
    let node = lab.pod("node", "203.0.113.200");
    node.sh(NODE);
    let chain = berlin(json!({"type": "bridge"}));
    let chain = planned(&chain);
    let pods = [lab.pod("outer", "203.0.113.101"), lab.pod("inner", "203.0.113.102")];
    let (ports, ends): (Vec<Attachment>, Vec<_>) = (0..2)
        .flat_map(|hop| links(&chain, hop, node.at, pods[hop].at))
        .partition(|attachment| attachment.interface().ends_with("port"));
    assert_eq!((ports.len(), ends.len()), (3, 3), "an end of link 0, and of link 1 and the other of link 0");
    attach(&ports);
    attach(&ends);
    let bridge = node.sh("ip -o link show type bridge | grep -o 'hk[0-9a-f]*l0'");

    let link = &chain.plan.links[0];
    let (outer, inner) = (link.outer_hop.addr().to_string(), link.inner_hop.addr().to_string());
    // As `net init` does.
    pods[0].sh(&format!("ip addr replace {} dev in0", link.outer_hop));
    pods[1].sh(&format!("ip addr replace {} dev out0; ip route add {SERVICE} via {outer}", link.inner_hop));
    assert!(reaches(pods[1].at, &outer, 1500) && reaches(pods[0].at, &inner, 1500), "both ways");

    pods[0].sh("nft 'table ip seen {
        chain packets { type filter hook prerouting priority raw; ip daddr 10.96.0.10 counter; }
    }'");
    let seen_by = |place: Place| -> u32 {
        let packets =
            place.sh(&format!("nft list ruleset | grep 'daddr {SERVICE}' | sed 's/.*packets \\([0-9]*\\).*/\\1/'"));
        packets.parse().unwrap_or_else(|_| panic!("should count: {packets}"))
    };
    let ask = format!("for i in 1 2 3; do echo query >/dev/udp/{SERVICE}/53; done");
    pods[1].sh(&ask);
    assert_eq!((seen_by(pods[0].at), seen_by(node.at)), (3, 0), "the outer hop gets it, and the node sees nothing");

    // From port to port it would be otherwise: the test can fail.
    pods[0].sh(&format!("ip addr flush dev in0; ip addr add {} dev in0port", link.outer_hop));
    pods[1].sh(&format!(
        "ip addr flush dev out0; ip addr add {} dev out0port; ip route add {SERVICE} via {outer}",
        link.inner_hop
    ));
    assert!(!reaches(pods[1].at, &outer, 1500), "the node's rules are asked");
    pods[1].sh(&ask);
    assert!(seen_by(node.at) > 0 && seen_by(pods[0].at) == 3, "and send it elsewhere");

    swept(node.at, &bridge, &ports, &ends);
    an_application_keeps_its_routes(lab, node.at, &chain);
    after_a_reboot_interfaces_are_taken_away_and_made_again(node.at, &[ports, ends].concat());
    a_larger_network_has_larger_links(node.at, [pods[0].at, pods[1].at]);
}

/// The node has come up without its bridges; the kubelet has the old pods' interfaces taken away before it makes new ones.
fn after_a_reboot_interfaces_are_taken_away_and_made_again(node: Place, all: &[Attachment]) {
    attach(all);
    node.sh("for b in $(ip -o link show type bridge | grep -o 'hk[0-9a-f]*l[0-9]'); do ip link delete $b; done");
    detach(all);
    attach(all);
    detach(all);
}

/// Where the cluster's network carries more, so do the links.
fn a_larger_network_has_larger_links(node: Place, pods: [Place; 2]) {
    let mut chain = berlin(json!({"type": "bridge"}));
    chain.spec.mtu = 8950;
    let chain = planned(&chain);
    let all: Vec<_> = (0..2).flat_map(|hop| links(&chain, hop, node, pods[hop])).collect();
    attach(&all);
    let link = &chain.plan.links[0];
    pods[0].sh(&format!("ip addr replace {} dev in0", link.outer_hop));
    pods[1].sh(&format!("ip addr replace {} dev out0", link.inner_hop));
    assert!(reaches(pods[1], &link.outer_hop.addr().to_string(), 8950));
    detach(&all);
}

/// Where nodes, and so pods, pass over routes by an interface without a carrier: the exit hop is made anew, and the application waits for it.
fn an_application_keeps_its_routes(lab: &Lab, node: Place, chain: &ValidChain<'_>) {
    sh("mkdir -p /var/lib/cni; mount -t tmpfs tmpfs /var/lib/cni"); // The plugin host-local's record.
    let (exit, application) = (lab.pod("exit", "203.0.113.103"), lab.pod("application", "203.0.113.104"));
    application.sh("for of in all default; do echo 1 >/proc/sys/net/ipv4/conf/$of/ignore_routes_with_linkdown; done");
    let (of_exit, of_application) = gateway(chain, node, exit.at, application.at);
    assert!(of_application.add().is_err(), "there is no bridge before the exit hop's");
    attach(&of_exit);
    attach(std::slice::from_ref(&of_application));
    let way_out = || application.sh("ip -o route get 198.51.100.80 | grep -o 'dev [^ ]*'");
    assert_eq!(way_out(), "dev vpn0");
    detach(&of_exit);
    until("the application's end has no carrier", Duration::from_secs(5), || {
        application.sh("cat /sys/class/net/vpn0/carrier") == "0"
    });
    assert_eq!(way_out(), "dev vpn0", "nowhere, rather than by the cluster's network");
    application.sh("echo 1 >/proc/sys/net/ipv4/conf/vpn0/ignore_routes_with_linkdown");
    assert_eq!(way_out(), "dev eth0", "without the definition's setting: the test can fail");
}

/// A bridge is removed once no interface is on it.
fn swept(node: Place, bridge: &str, ports: &[Attachment], ends: &[Attachment]) {
    let is_left = || {
        node.sh(&format!("{NET_RIGHTS} {HOPKEEPER} hop net sweep {bridge}"));
        node.sh(&format!("ip -o link show {bridge} 2>/dev/null || :")).contains(bridge)
    };
    detach(ports);
    assert!(is_left(), "the ends are on it, in pods that nobody here sees");
    detach(ends);
    assert!(!is_left());
}

#[test]
fn what_links_on_bridges_carry_is_not_the_nodes_affair() {
    with_plugins("bridges::what_links_on_bridges_carry_is_not_the_nodes_affair", two_hops_on_one_node);
}
