//! Three hops inside each other: OpenVPN, WireGuard, OpenVPN, as in the README.

use std::fs;
use std::time::{Duration, Instant};

use hopkeeper::domain::plan::ChainPlan;
use hopkeeper::domain::types::Implementation::{BoringTun, OpenVpn};

use super::hop::{Hop, chain};
use super::lab::{Lab, Place, SERVERS, in_namespaces};
use super::namespaces::{Capture, sh, until};
use super::{openvpn, wireguard};

/// What the hops have first.
pub(super) fn first_candidates() -> [Vec<(&'static str, String)>; 3] {
    [openvpn::candidate(0, "udp", "good"), wireguard::candidate(1, 1), openvpn::candidate(2, "udp", "good")]
}

/// Three hops in pods that are linked already, up to a page by the exit's server; and captures of what middle and exit send by
/// eth0 meanwhile.
pub(super) fn up(
    lab: &Lab,
    what: &str,
    plan: &ChainPlan,
    pods: [Place; 3],
    first: &[Vec<(&'static str, String)>; 3],
) -> (Vec<Hop>, [Capture; 2]) {
    lab.app.sh(&format!("ip route replace default via {} dev eth0 mtu {}", plan.gateway_address, plan.gateway_mtu));
    let start = Instant::now();
    let mut hops: Vec<Hop> = plan
        .hops
        .iter()
        .zip(first)
        .map(|(network, fields)| Hop::start_in(pods[network.index], network.clone(), "a", fields))
        .collect();
    // Not before: a new interface announces itself by IPv6 until the kill switch is there.
    let silent = ["p-middle", "p-hop"].map(|interface| Capture::start(interface, "inbound and (ip or ip6)"));
    hops.iter_mut().for_each(Hop::start_client);
    hops[2].until_fetched(lab, &format!("{what}: page by the exit's server"), SERVERS[2], 60);
    eprintln!("{what}: three hops built to page: {:.2} s", start.elapsed().as_secs_f64());
    (hops, silent)
}

fn story(lab: &mut Lab) {
    openvpn::servers(lab, "udp");
    wireguard::servers(lab);
    let plan = chain(&[OpenVpn, BoringTun, OpenVpn]);
    let (entry, middle) = (lab.pod("entry", "203.0.113.101"), lab.pod("middle", "203.0.113.102"));
    let pods = [entry.at, middle.at, lab.hop.at];
    for link in &plan.links {
        let (outer, inner) = (pods[link.index], pods[link.index + 1]);
        sh(&format!("ip link add in0 netns {} type veth peer name out0 netns {}", outer.pid(), inner.pid()));
        outer.sh(&format!("ip addr add {} dev in0; ip link set in0 up", link.outer_hop));
        inner.sh(&format!("ip addr add {} dev out0; ip link set out0 up", link.inner_hop));
    }
    let first = first_candidates();
    let (mut hops, silent) = up(lab, "chain", &plan, pods, &first);
    hops.iter().for_each(|hop| {
        hop.until_ready("chain: hop ready", 15);
    });

    let outside = Capture::start("p-entry", "ip and inbound");
    let size = lab.fetch_large();
    assert!(size >= 3_000_000, "the large page should come whole: {size}");
    let packets = outside.lines();
    let own = |line: &&String| line.contains(&format!("> {}.1194: UDP", SERVERS[0])) && !line.contains("frag");
    eprintln!("packets of the entry hop during a download of 3 MB: {}", packets.len());
    assert_eq!(packets.iter().find(|line| !own(line)), None, "the entry should send whole packets to its server only");

    // The entry's password changes; only the entry changes over, and the inner hops recover by themselves.
    let pids: Vec<_> = hops.iter().map(Hop::client_pid).collect();
    let sessions = |name: &str| {
        let log = fs::read_to_string(format!("/run/log/{name}")).unwrap_or_default();
        log.matches("Initialization Sequence Completed").count()
    };
    let exit_sessions = sessions("vpn2");
    let start = Instant::now();
    hops[0].rotate("b", &openvpn::candidate(2, "udp", "good"));
    until("chain, entry rotated: not ready meanwhile", Duration::from_secs(2), || !hops[0].is_ready());
    hops[0].until_ready("chain, entry rotated: entry ready", 15);
    hops[2].until_fetched(lab, "chain, entry rotated: page", SERVERS[2], 60);
    eprintln!("entry rotated, Secret to page through the chain: {:.2} s", start.elapsed().as_secs_f64());
    assert_eq!(hops.iter().map(Hop::client_pid).collect::<Vec<_>>(), pids);
    assert_eq!(sessions("vpn2"), exit_sessions, "the exit should keep its session");

    for capture in silent {
        assert_eq!(capture.lines(), Vec::<String>::new(), "middle and exit should send nothing by eth0");
    }
}

#[test]
fn three_hops_carry_a_page_and_one_rotates_alone() {
    in_namespaces("chain::three_hops_carry_a_page_and_one_rotates_alone", story);
}
