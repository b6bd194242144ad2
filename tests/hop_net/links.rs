//! Links across nodes: what the operator renders, carried out by the real CNI plugins on nodes of their own.

use std::fs;
use std::process::Child;
use std::time::Duration;

use hopkeeper::crd::chain::VXLAN_DEVICE as DEVICE;
use serde_json::json;

use super::chain::{first_candidates, up};
use super::cni::{Attachment, berlin, links, planned, plugins};
use super::hop::{HOPKEEPER, NET_RIGHTS, refusal_in};
use super::lab::{Lab, Node, Place, in_namespaces};
use super::namespaces::{Capture, end, until};
use super::needs::pass_over;
use super::{openvpn, wireguard};

/// The list of nodes, as the ConfigMap of k8s/vxlan.yaml has it.
const LIST: &str = "/run/nodes";

fn address(node: usize) -> String {
    format!("203.0.113.{}", 200 + node)
}

fn nodes(lab: &Lab) -> [Node; 3] {
    [0, 1, 2].map(|node| lab.pod(&format!("node{node}"), &address(node)))
}

pub(crate) fn attach(attachments: &[Attachment]) {
    attachments.iter().for_each(|attachment| attachment.add().unwrap_or_else(|why| panic!("{why}")));
}

/// The last one first, as Multus does.
pub(crate) fn detach(attachments: &[Attachment]) {
    attachments.iter().rev().for_each(|attachment| attachment.delete().unwrap_or_else(|why| panic!("{why}")));
}

/// Whether the end of a link at `place` reaches an address, with a packet of `size` bytes.
pub(crate) fn reaches(place: Place, address: &str, size: u16) -> bool {
    place.sh(&format!("busybox ping -c 3 -i 0.2 -W 1 -s {} {address} >/dev/null && echo yes || echo no", size - 28))
        == "yes"
}

/// The VXLAN devices of all nodes, by the program of the DaemonSet with its rights.
fn vxlan(nodes: &[Node]) -> Vec<Child> {
    fs::write(LIST, (0..nodes.len()).map(|node| address(node) + "\n").collect::<String>()).expect("should write");
    let keep = |(index, node): (usize, &Node)| {
        let run = format!("{NET_RIGHTS} {HOPKEEPER} hop net vxlan --nodes {LIST} --address {}", address(index));
        node.spawn(&format!("vxlan{index}"), &run)
    };
    let kept = nodes.iter().enumerate().map(keep).collect();
    for node in nodes {
        until("a node's VXLAN device", Duration::from_secs(10), || destinations(node.at) == 2);
    }
    kept
}

/// To how many nodes frames for nobody known go.
fn destinations(node: Place) -> usize {
    node.sh(&format!("bridge fdb show dev {DEVICE} 2>/dev/null || :")).matches("00:00:00:00:00:00 dst").count()
}

fn a_chain_over_three_nodes(lab: &mut Lab) {
    openvpn::servers(lab, "udp");
    wireguard::servers(lab);
    let nodes = nodes(lab);
    let mut kept = vxlan(&nodes);
    let chain = berlin(json!({"type": "vxlan"}));
    let chain = planned(&chain);
    let (entry, middle) = (lab.pod("entry", "203.0.113.101"), lab.pod("middle", "203.0.113.102"));
    let pods = [entry.at, middle.at, lab.hop.at];
    let attachments: Vec<_> = (0..3).flat_map(|hop| links(&chain, hop, nodes[hop].at, pods[hop])).collect();
    assert_eq!(attachments.len(), 4, "two links with two ends each");
    attach(&attachments);

    let first = first_candidates();
    middle.sh("ip link set out0 mtu 1000");
    let said = refusal_in(middle.at, &chain.plan.hops[1], &first[1]);
    let needed =
        format!("out0 has an MTU of 1000 bytes and its link carries packets of up to {}", chain.plan.hops[0].tun_mtu);
    assert!(said.contains(&needed), "{said}");
    middle.sh("ip link set out0 mtu 1500");

    let (_hops, silent) = up(lab, "three nodes", &chain.plan, pods, &first);
    let tunnelled = Capture::start("p-node1", "udp port 8473");
    let fragments = Capture::start("p-node0", "ip[6:2] & 0x3fff != 0");
    let size = lab.fetch_large();
    assert!(size >= 3_000_000, "the large page should come whole: {size}");
    let (tunnelled, fragments) = (tunnelled.lines(), fragments.lines());
    eprintln!("packets between nodes during a download of 3 MB: {}", tunnelled.len());
    assert!(tunnelled.len() > 2000, "the links should be between the nodes: {}", tunnelled.len());
    assert_eq!(fragments, Vec::<String>::new(), "the VXLAN's 50 bytes should fit");
    for capture in silent {
        assert_eq!(capture.lines(), Vec::<String>::new(), "middle and exit should send nothing by eth0");
    }

    a_stranger_is_not_on_the_links(lab, nodes[0].at);

    fs::write(LIST, format!("{}\n{}\n", address(0), address(1))).expect("should write");
    until("a node that has left is no destination", Duration::from_secs(20), || destinations(nodes[0].at) == 1);
    detach(&attachments);
    assert_eq!(middle.sh("ls /sys/class/net"), "eth0\nlo\ntun0", "nothing of a link should stay");
    kept.iter_mut().for_each(end);
    assert_eq!(destinations(nodes[0].at), 1, "the device should outlive its keeper");
}

/// Somebody on the nodes' network, who knows the VXLAN's identifier and its port, and pretends to be the middle hop.
fn a_stranger_is_not_on_the_links(lab: &Lab, node: Place) {
    let stranger = lab.pod("stranger", "203.0.113.66");
    stranger.sh(&format!(
        "ip link add {DEVICE} type vxlan id 4673 dstport 8473 local 203.0.113.66; ip link set {DEVICE} up
         ip addr add 198.18.255.1/30 dev {DEVICE}; bridge fdb append 00:00:00:00:00:00 dev {DEVICE} dst {}",
        address(0)
    ));
    let is_answered = || {
        let ask = format!("busybox ping -c 2 -W 1 198.18.255.2 >/dev/null || :; ip neigh show dev {DEVICE}");
        stranger.sh(&ask).contains("lladdr")
    };
    assert!(!is_answered(), "its frames should not be taken");
    node.sh(&format!("nft delete table inet {DEVICE}"));
    assert!(is_answered(), "without the rule they should be: the test can fail");
}

/// Two hops on two nodes, whose links are on the nodes' own interface.
fn two_nodes_on_one_wire(lab: &mut Lab) {
    let nodes = nodes(lab);
    let chain = berlin(json!({"type": "macvlan", "master": "eth0"}));
    let chain = planned(&chain);
    let pods = [lab.pod("outer", "203.0.113.101"), lab.pod("inner", "203.0.113.102")];
    let outer = &links(&chain, 0, nodes[0].at, pods[0].at)[0];
    // Its `out0` is the other end.
    let inner = &links(&chain, 1, nodes[1].at, pods[1].at)[1];
    for attachment in [outer, inner] {
        attachment.add().unwrap_or_else(|why| panic!("{why}"));
    }
    let link = &chain.plan.links[0];
    // As `net init` does.
    pods[0].sh(&format!("ip addr replace {} dev in0", link.outer_hop));
    pods[1].sh(&format!("ip addr replace {} dev out0", link.inner_hop));
    assert!(reaches(pods[1].at, &link.outer_hop.addr().to_string(), 1500), "from the inner hop");
    assert!(reaches(pods[0].at, &link.inner_hop.addr().to_string(), 1500), "from the outer hop");
    assert_eq!(pods[0].sh("cat /proc/sys/net/ipv4/ip_forward"), "0", "but for what net init switches on");
    for attachment in [outer, inner] {
        attachment.delete().unwrap_or_else(|why| panic!("{why}"));
    }
    assert_eq!(pods[0].sh("ls /sys/class/net"), "eth0\nlo", "nothing of a link should stay");
}

pub(crate) fn with_plugins(name: &str, test: fn(&mut Lab)) {
    let plugin = plugins().join("macvlan");
    if !plugin.exists() {
        return pass_over(&format!("{} (tests/lab/lab.sh build core)", plugin.display()));
    }
    in_namespaces(name, test);
}

#[test]
fn three_hops_on_three_nodes_carry_a_page_over_a_vxlan() {
    with_plugins("links::three_hops_on_three_nodes_carry_a_page_over_a_vxlan", a_chain_over_three_nodes);
}

#[test]
fn links_on_the_nodes_own_interface_carry_full_packets_both_ways() {
    with_plugins("links::links_on_the_nodes_own_interface_carry_full_packets_both_ways", two_nodes_on_one_wire);
}
