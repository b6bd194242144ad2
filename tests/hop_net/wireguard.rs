//! A WireGuard hop: boringtun without any right, and wireguard-go with NET_ADMIN.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hopkeeper::domain::types::Implementation;

use super::hop::{Hop, refusal};
use super::lab::{Lab, SERVERS, in_namespaces};
use super::namespaces::{sh, until};

/// Two servers that know one client each way: `key0` at both, `key1` at the second only.
pub(crate) fn servers(lab: &mut Lab) {
    sh("cd /run; for n in s0 s1 s2 key0 key1 key2; do (umask 077; wg genkey >$n; wg pubkey <$n >$n.pub); done");
    for (index, address) in SERVERS.iter().enumerate() {
        let (name, server) = (format!("wg{index}"), lab.servers[index].at);
        let command = format!("/run/bin/boringtun-cli --foreground --disable-drop-privileges {name}");
        let child = server.spawn(&format!("wg-server{index}"), &command);
        until("server's socket", Duration::from_secs(5), || {
            server.root().join(format!("run/wireguard/{name}.sock")).exists()
        });
        server.sh(&format!(
            "wg set {name} listen-port 51820 private-key /run/s{index} \
             peer $(cat /run/key{index}.pub) allowed-ips 10.66.0.{}/32
             ip addr add 10.66.0.1/24 dev {name}; ip link set {name} mtu 1420 up; ip route get {address}",
            index + 2
        ));
        lab.keep(child);
    }
}

fn read(name: &str) -> String {
    fs::read_to_string(format!("/run/{name}")).expect("should have been made").trim().to_owned()
}

pub(crate) fn candidate(server: usize, client: usize) -> Vec<(&'static str, String)> {
    let (private, public) = (read(&format!("key{client}")), read(&format!("s{server}.pub")));
    let config = format!(
        "[Interface]\nPrivateKey = {private}\nAddress = 10.66.0.{}/32\n[Peer]\nPublicKey = {public}\n\
         Endpoint = {}:51820\nAllowedIPs = 0.0.0.0/0\n",
        client + 2,
        SERVERS[server]
    );
    vec![("config", config)]
}

fn story(lab: &mut Lab, implementation: Implementation) {
    servers(lab);
    let mut hop = Hop::start(lab, implementation, "a", &candidate(0, 0));
    hop.start_client();
    hop.until_ready("first connection, ready", 20);
    hop.until_fetched(lab, "page by server 0", SERVERS[0], 5);

    let pid = hop.client_pid();
    let start = Instant::now();
    hop.rotate("b", &candidate(1, 1));
    until("rotation in place: not ready meanwhile", Duration::from_secs(2), || !hop.is_ready());
    hop.until_fetched(lab, "rotation in place: page by server 1", SERVERS[1], 15);
    eprintln!("rotation in place, Secret to page: {:.2} s", start.elapsed().as_secs_f64());
    hop.until_ready("rotation in place: ready", 10);
    assert_eq!(hop.client_pid(), pid);
    let rules = lab.hop.sh("nft list set inet vpn endpoints");
    assert!(rules.contains(SERVERS[1]) && !rules.contains(SERVERS[0]), "the former server should be closed: {rules}");

    // A key that the server does not know, then the right one again at the same endpoint: boringtun must not hand the
    // server's answers to the former peer's socket.
    hop.rotate("wrong", &candidate(1, 0));
    sleep(Duration::from_secs(6));
    assert_eq!(hop.value("state"), "connecting");
    let start = Instant::now();
    hop.rotate("right", &candidate(1, 1));
    hop.until_fetched(lab, "another key at the same server: page", SERVERS[1], 15);
    eprintln!("another key at the same server, Secret to page: {:.2} s", start.elapsed().as_secs_f64());
    hop.until_ready("another key at the same server: ready", 10);

    hop.start_net();
    sleep(Duration::from_secs(1));
    hop.until_ready("net restarted: ready", 10);

    hop.kill_client();
    hop.until_state("client killed: down", "down", 4);
    assert_eq!(lab.fetch(), None);
    hop.start_client();
    hop.until_fetched(lab, "client started again: page", SERVERS[1], 15);
    hop.until_ready("client started again: ready", 10);

    until("a probe was answered", Duration::from_secs(10), || hop.value("probe") == "answered");
    sh("ip link set p-srv1 down");
    let took = hop.until_state("server cut off: stalled", "stalled", 12);
    assert!(took < Duration::from_secs(11));
    sh("ip link set p-srv1 up");
    hop.until_fetched(lab, "server back: page", SERVERS[1], 90);
    hop.until_ready("server back: ready", 10);

    sh("ip link set p-srv0 down");
    hop.rotate("dead", &candidate(0, 0));
    sleep(Duration::from_secs(3));
    assert_eq!(hop.value("state"), "connecting");
    hop.rotate("alive", &candidate(1, 1));
    hop.until_fetched(lab, "away from a dead server: page", SERVERS[1], 15);

    for file in ["net", "vpn"] {
        let log = fs::read_to_string(format!("/run/log/{file}")).unwrap_or_default();
        assert!(!log.contains(&read("key0")) && !log.contains(&read("key1")), "no log should hold a key");
    }
}

#[test]
fn a_boringtun_hop_heals_in_place_without_any_right() {
    in_namespaces("wireguard::a_boringtun_hop_heals_in_place_without_any_right", |lab| {
        story(lab, Implementation::BoringTun);
    });
}

#[test]
fn a_wireguard_go_hop_heals_in_place() {
    in_namespaces("wireguard::a_wireguard_go_hop_heals_in_place", |lab| story(lab, Implementation::WireGuardGo));
}

/// No packet beside the tunnel in start, restart and rotation; without the kill switch there are some.
fn leaks(lab: &mut Lab, implementation: Implementation) {
    servers(lab);
    let mut hop = Hop::start(lab, implementation, "a", &candidate(0, 0));
    let leaks = lab.leaks(|| {
        hop.start_client();
        hop.until_ready("start: ready", 20);
        hop.kill_client();
        sleep(Duration::from_secs(1)); // Attempts go on while there is no client.
        hop.start_client();
        hop.until_ready("restart: ready", 20);
        hop.rotate("b", &candidate(1, 1));
        hop.until_ready("rotation: ready", 20);
    });
    eprintln!("packets outside the tunnel during start, restart, rotation: {}", leaks.len());
    assert!(leaks.is_empty(), "{leaks:#?}");

    lab.hop.sh("nft delete table inet vpn");
    let leaks = lab.leaks(|| {
        hop.kill_client();
        sleep(Duration::from_secs(2)); // Long enough for several rounds of attempts.
    });
    eprintln!("the same without the kill switch: {}", leaks.len());
    assert!(!leaks.is_empty(), "the count should be able to fail");
}

#[test]
fn no_packet_leaves_a_boringtun_hop_outside_its_tunnel() {
    in_namespaces("wireguard::no_packet_leaves_a_boringtun_hop_outside_its_tunnel", |lab| {
        leaks(lab, Implementation::BoringTun);
    });
}

#[test]
fn no_packet_leaves_a_wireguard_go_hop_outside_its_tunnel() {
    in_namespaces("wireguard::no_packet_leaves_a_wireguard_go_hop_outside_its_tunnel", |lab| {
        leaks(lab, Implementation::WireGuardGo);
    });
}

#[test]
fn a_node_without_wireguard_in_its_kernel_is_named() {
    in_namespaces("wireguard::a_node_without_wireguard_in_its_kernel_is_named", |lab| {
        servers(lab);
        let has_wireguard =
            lab.hop.sh("ip link add probe0 type wireguard && ip link del probe0 && echo yes || :") == "yes";
        if has_wireguard {
            eprintln!("this kernel has WireGuard: nothing to refuse");
            return;
        }
        let said = refusal(lab, Implementation::Kernel, &candidate(0, 0));
        assert!(said.contains("the node's kernel has no WireGuard"), "{said}");
    });
}
