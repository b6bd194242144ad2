//! An OpenVPN hop.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hopkeeper::domain::types::Implementation;

use super::hop::{Hop, refusal};
use super::lab::{Lab, SERVERS, in_namespaces};
use super::namespaces::{sh, until};

/// Two servers with one authority; each takes the password that its file holds.
pub(crate) fn servers(lab: &mut Lab, transport: &str) {
    sh("cd /run; openssl ecparam -genkey -name prime256v1 -noout -out ca.key
        openssl req -x509 -new -key ca.key -days 2 -subj /CN=test-ca -out ca.crt
        openssl ecparam -genkey -name prime256v1 -noout -out s.key
        openssl req -new -key s.key -subj /CN=server -out s.csr
        printf 'keyUsage=digitalSignature\\nextendedKeyUsage=serverAuth' >s.ext
        openssl x509 -req -in s.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile s.ext -out s.crt
        printf '#!/bin/sh\\nshown=$(sed -n 2p \"$2\"); echo \"$shown\" >>/run/shown$1; [ \"$shown\" = \"$(cat /run/password)\" ]\\n' >/run/check
        chmod 755 /run/check
        echo good >/run/password");
    for (index, address) in SERVERS.iter().enumerate() {
        let child = lab.servers[index].spawn(
            &format!("server{index}"),
            &format!(
                "openvpn --dev tun9 --server 10.8.0.0 255.255.255.0 --topology subnet --proto {transport} --local {address} --port 1194 \
                 --ca /run/ca.crt --cert /run/s.crt --key /run/s.key --dh none --verify-client-cert none --script-security 2 \
                 --auth-user-pass-verify '/run/check {index}' via-file --username-as-common-name --duplicate-cn --keepalive 10 60 \
                 --push 'redirect-gateway def1' --verb 3"
            ),
        );
        lab.keep(child);
    }
}

pub(crate) fn candidate(server: usize, transport: &str, password: &str) -> Vec<(&'static str, String)> {
    let ca = fs::read_to_string("/run/ca.crt").expect("should have been made");
    let profile = format!(
        "client\ndev tun\nproto {transport}\nremote {} 1194\nremote-cert-tls server\nauth-user-pass\n<ca>\n{ca}</ca>\n",
        SERVERS[server]
    );
    vec![("profile", profile), ("username", "user".into()), ("password", password.into())]
}

fn log(name: &str) -> String {
    fs::read_to_string(format!("/run/log/{name}")).unwrap_or_default()
}

fn story(lab: &mut Lab, transport: &str) {
    servers(lab, transport);
    let mut hop = Hop::start(lab, Implementation::OpenVpn, "a", &candidate(0, transport, "good"));
    hop.start_client();
    hop.until_ready("first connection, ready", 20);
    hop.until_fetched(lab, "page by server 0", SERVERS[0], 5);
    let status = fs::read_to_string(format!("/proc/{}/status", hop.client_pid())).expect("should run");
    for set in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Uid:\t65534"] {
        assert!(status.contains(set), "the client should have {set}: {status}");
    }

    let pid = hop.client_pid();
    let start = Instant::now();
    hop.rotate("b", &candidate(1, transport, "good"));
    until("rotation in place: not ready meanwhile", Duration::from_secs(2), || !hop.is_ready());
    hop.until_fetched(lab, "rotation in place: page by server 1", SERVERS[1], 15);
    eprintln!("rotation in place, Secret to page: {:.2} s", start.elapsed().as_secs_f64());
    hop.until_ready("rotation in place: ready", 10);
    assert_eq!(hop.client_pid(), pid);
    assert!(hop.client.as_mut().is_some_and(|client| client.try_wait().is_ok_and(|ended| ended.is_none())));
    let rules = lab.hop.sh("nft list set inet vpn endpoints");
    assert!(rules.contains(SERVERS[1]) && !rules.contains(SERVERS[0]), "the former server should be closed: {rules}");

    fs::write("/run/password", "better\n").expect("should write");
    hop.rotate("c", &candidate(0, transport, "good"));
    until("refused", Duration::from_secs(15), || log("vpn").contains("AUTH_FAILED"));
    // The second refusal comes 2 s after the first, and the third not within 30 s.
    sleep(Duration::from_secs(8));
    assert_eq!(log("vpn").matches("Received control message: AUTH_FAILED").count(), 2);
    assert_eq!(hop.value("state"), "connecting");
    hop.rotate("c-elsewhere", &candidate(1, transport, "better"));
    hop.until_fetched(lab, "another server after a refusal: page", SERVERS[1], 15);
    let shown = fs::read_to_string("/run/shown0").expect("server 0 should have been shown a password");
    assert!(!shown.contains("better"), "a server should never see another one's password: {shown}");
    let start = Instant::now();
    hop.rotate("d", &candidate(0, transport, "better"));
    hop.until_fetched(lab, "other parameters after a refusal: page", SERVERS[0], 15);
    eprintln!("refused to page: {:.2} s", start.elapsed().as_secs_f64());
    hop.until_ready("other parameters after a refusal: ready", 10);
    assert_eq!(hop.client_pid(), pid);

    // `net` itself restarts: the client is found running and nothing is reloaded.
    let reloads = log("vpn").matches("SIGHUP[hard").count();
    hop.start_net();
    until("net restarted: client found", Duration::from_secs(5), || log("net").contains("The client runs already"));
    sleep(Duration::from_secs(3));
    hop.until_ready("net restarted: ready", 1);
    assert_eq!(log("vpn").matches("SIGHUP[hard").count(), reloads);

    hop.kill_client();
    hop.until_state("client killed: down", "down", 3);
    assert_eq!(lab.fetch(), None);
    hop.start_client();
    hop.until_fetched(lab, "client started again: page", SERVERS[0], 15);
    hop.until_ready("client started again: ready", 10);

    until("a probe was answered", Duration::from_secs(10), || hop.value("probe") == "answered");
    sh("ip link set p-srv0 down");
    let took = hop.until_state("server cut off: stalled", "stalled", 12);
    assert!(took < Duration::from_secs(11));
    sh("ip link set p-srv0 up");
    hop.until_fetched(lab, "server back: page", SERVERS[0], 90);
    hop.until_ready("server back: ready", 10);

    // From a server that does not answer to one that does, while the client waits or connects.
    sh("ip link set p-srv1 down");
    hop.rotate("e", &candidate(1, transport, "better"));
    sleep(Duration::from_secs(3));
    assert_eq!(hop.value("state"), "connecting");
    hop.rotate("f", &candidate(0, transport, "better"));
    hop.until_fetched(lab, "away from a dead server: page", SERVERS[0], 15);
    assert!(lab.hop.sh("nft list set inet vpn endpoints").matches("203.0.113.").count() == 1);

    let status = lab.hop.sh(
        "setpriv --reuid 65534 --regid 65534 --clear-groups bash -c 'echo state=up >/run/hopkeeper/x && mv /run/hopkeeper/x /run/hopkeeper/state || echo refused'",
    );
    assert_eq!(status, "refused", "the client should not be able to replace the state");
    let took = hop.terminate_net();
    assert!(took < Duration::from_millis(200), "net should leave at once: {took:?}");

    assert!(!log("net").contains("better") && !log("vpn").contains("better"), "no log should hold a password");
}

#[test]
fn an_openvpn_hop_heals_in_place_over_udp() {
    in_namespaces("openvpn::an_openvpn_hop_heals_in_place_over_udp", |lab| story(lab, "udp"));
}

#[test]
fn an_openvpn_hop_heals_in_place_over_tcp() {
    in_namespaces("openvpn::an_openvpn_hop_heals_in_place_over_tcp", |lab| story(lab, "tcp"));
}

#[test]
fn a_pod_that_cannot_work_is_refused_with_the_remedy() {
    in_namespaces("openvpn::a_pod_that_cannot_work_is_refused_with_the_remedy", |lab| {
        servers(lab, "udp");
        let candidate = candidate(0, "udp", "good");
        let refused = |lab: &Lab| refusal(lab, Implementation::OpenVpn, &candidate);
        lab.hop.sh("ip link set eth0 mtu 1400");
        let said = refused(lab);
        assert!(said.contains("eth0 has an MTU of 1400 bytes and the chain counts on 1450"), "{said}");
        lab.hop.sh("ip link set eth0 mtu 1500; echo 1 >/proc/sys/net/ipv4/ip_forward");
        let said = refused(lab);
        assert!(said.contains("IPv4 forwarding is on for every interface of this pod"), "{said}");
        lab.hop.sh("echo 0 >/proc/sys/net/ipv4/ip_forward; ip link set in0 name other");
        let said = refused(lab);
        assert!(said.contains("the pod has no interface in0"), "{said}");
        // The kill switch is there all the same.
        assert!(lab.hop.sh("nft list ruleset").contains("policy drop"));
    });
}

#[test]
fn openvpn_itself_accepts_what_is_made_of_a_providers_profile() {
    in_namespaces("openvpn::openvpn_itself_accepts_what_is_made_of_a_providers_profile", |lab| {
        servers(lab, "udp");
        sh("openvpn --genkey secret /run/static.key");
        let block = |tag: &str, text: &str, new: &str| {
            let (open, close) = (format!("<{tag}>\n"), format!("</{tag}>"));
            let (head, rest) = text.split_once(&open).expect("should have the block");
            let (_, tail) = rest.split_once(&close).expect("should close the block");
            format!("{head}{open}{new}{close}{tail}")
        };
        let read = |path: &str| fs::read_to_string(path).expect("should have been made");
        let profile = include_str!("../../src/domain/candidate/testdata/provider.ovpn");
        let profile = block("ca", &block("tls-crypt", profile, &read("/run/static.key")), &read("/run/ca.crt"));
        let fields = [("profile", profile), ("username", "user".to_owned()), ("password", "good".to_owned())];
        let mut hop = Hop::start(lab, Implementation::OpenVpn, "provider", &fields);
        hop.start_client();
        until("profile read", Duration::from_secs(5), || {
            log("vpn").contains("UDPv4 link remote: [AF_INET]203.0.113.77:5060")
        });
        assert!(!log("vpn").contains("Options error"));
    });
}

#[test]
fn no_packet_leaves_an_openvpn_hop_outside_its_tunnel() {
    in_namespaces("openvpn::no_packet_leaves_an_openvpn_hop_outside_its_tunnel", |lab| {
        servers(lab, "udp");
        let mut hop = None;
        let leaks = {
            let built = Hop::start(lab, Implementation::OpenVpn, "a", &candidate(0, "udp", "good"));
            let hop = hop.insert(built);
            lab.leaks(|| {
                hop.start_client();
                hop.until_ready("start: ready", 20);
                hop.kill_client();
                sleep(Duration::from_secs(1));
                hop.start_client();
                hop.until_ready("restart: ready", 20);
                hop.rotate("b", &candidate(1, "udp", "good"));
                hop.until_ready("rotation: ready", 20);
                lab.hop.sh("ip link set tun0 down; sleep 1; ip link set tun0 up");
                hop.until_ready("tunnel device down and up: ready", 20);
            })
        };
        eprintln!("packets outside the tunnel during start, restart, rotation, device down: {}", leaks.len());
        assert!(leaks.is_empty(), "{leaks:#?}");

        lab.hop.sh("nft delete table inet vpn");
        let hop = hop.as_mut().expect("should have been built");
        let leaks = lab.leaks(|| {
            hop.kill_client();
            sleep(Duration::from_secs(2));
        });
        eprintln!("the same without the kill switch: {}", leaks.len());
        assert!(!leaks.is_empty(), "the count should be able to fail");
    });
}
