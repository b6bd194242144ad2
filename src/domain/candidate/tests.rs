//! Tests of [`super`]: what real profiles become, and what is refused.

use super::*;
use secrecy::ExposeSecret;

const CA: &str = "<ca>\n-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n</ca>\n";
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub(super) fn raw(fields: &[(&str, &str)]) -> RawCandidate {
    let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), SecretString::from(*value))).collect();
    RawCandidate { name: "berlin-1".into(), version: "3".into(), fields }
}

fn parsed(implementation: Implementation, fields: &[(&str, &str)]) -> Parameters {
    parse(implementation, Transport::Any, &raw(fields)).unwrap_or_else(|error| panic!("should parse: {error}"))
}

fn refused(implementation: Implementation, transport: Transport, fields: &[(&str, &str)]) -> String {
    match parse(implementation, transport, &raw(fields)) {
        Ok(_) => panic!("should be refused: {fields:?}"),
        Err(error) => error.to_string(),
    }
}

fn openvpn(lines: &str) -> String {
    format!("{lines}\nremote 203.0.113.7\n{CA}")
}

fn shown(resolved: &Resolved) -> String {
    let files = resolved.files.iter().map(|(name, text)| format!("== {name}\n{}", text.expose_secret()));
    files.collect::<Vec<_>>().join("")
}

const PROVIDER: &str = include_str!("testdata/provider.ovpn");

#[test]
fn a_providers_profile_is_kept_to_what_the_connection_needs() {
    let parameters = parsed(
        Implementation::OpenVpn,
        &[("profile", PROVIDER), ("username", "customer"), ("password", "pa ss\"word")],
    );
    assert_eq!(parameters.names().into_iter().collect::<Vec<_>>(), ["de-1.vpn.example", "de-2.vpn.example"]);
    let addresses = BTreeMap::from([
        ("de-1.vpn.example".to_owned(), vec![Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::new(203, 0, 113, 2)]),
        ("de-2.vpn.example".to_owned(), vec![Ipv4Addr::new(127, 0, 0, 1)]),
    ]);
    let resolved = parameters.resolve(&addresses).unwrap_or_else(|error| panic!("should resolve: {error}"));
    let notes = parameters.notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(format!("{}== notes\n{notes}\n== endpoints\n{:#?}", shown(&resolved), resolved.endpoints));
}

#[test]
fn a_wg_quick_configuration_becomes_one_peer_that_carries_everything() {
    let config = format!(
        "# provider\r\n[Interface]\r\nPrivateKey = {KEY}\r\nAddress = 10.66.1.2/32, fc00::2/128\r\nDNS = 10.64.0.1\r\n\
         PostUp = iptables -F\r\n\r\n[peer]\r\npublickey={KEY}\r\nPresharedKey = {KEY}\r\n\
         AllowedIPs = 0.0.0.0/1, 128.0.0.0/1, ::/0\r\nEndpoint = de.wg.example:51820\r\n"
    );
    let parameters = parsed(Implementation::BoringTun, &[("config", &config)]);
    let addresses = BTreeMap::from([("de.wg.example".to_owned(), vec![Ipv4Addr::new(203, 0, 113, 9)])]);
    let resolved = parameters.resolve(&addresses).unwrap_or_else(|error| panic!("should resolve: {error}"));
    let Ok(config) = read_config("berlin-1", &resolved.files["client.conf"]) else { panic!("should be read back") };
    let notes = parameters.notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(format!(
        "{}== request\n{}== notes\n{notes}\n== addresses\n{:?}",
        shown(&resolved),
        config.set_request().as_str(),
        resolved.tunnel_addresses
    ));
}

#[test]
fn a_single_text_is_a_profile_or_an_object_of_fields() {
    let profile = openvpn("auth-user-pass");
    let object = serde_json::json!({ "profile": profile, "username": "u", "password": "p" }).to_string();
    for value in [object, format!("{profile}<auth-user-pass>\nu\np\n</auth-user-pass>\n")] {
        let parameters = parsed(Implementation::OpenVpn, &[("value", &value)]);
        let Ok(resolved) = parameters.resolve(&BTreeMap::new()) else { panic!("should resolve") };
        assert_eq!(
            resolved.files.keys().collect::<Vec<_>>(),
            ["client.conf"],
            "the client reads all of it at one time"
        );
        assert!(resolved.files["client.conf"].expose_secret().contains("<auth-user-pass>\nu\np\n</auth-user-pass>\n"));
    }
}

#[test]
fn connections_keep_their_own_port_and_transport() {
    let profile = format!(
        "proto tcp\nport 443\n<connection>\nremote 203.0.113.1\nproto udp\nport 53\n</connection>\n<connection>\n\
         remote 203.0.113.2 80\n</connection>\nremote 203.0.113.3\n{CA}"
    );
    let parameters = parsed(Implementation::OpenVpn, &[("profile", &profile), ("username", "u"), ("password", "p")]);
    let endpoints: Vec<_> =
        parameters.endpoints.iter().map(|e| format!("{} {} {}", e.host, e.port, e.protocol)).collect();
    assert_eq!(endpoints, ["203.0.113.1 53 udp", "203.0.113.2 80 tcp", "203.0.113.3 443 tcp"]);
}

#[test]
fn every_refusal_names_the_place_and_the_remedy() {
    use Implementation::{BoringTun, OpenVpn};
    let user = [("username", "u"), ("password", "p")];
    let profile = |text: &str| refused(OpenVpn, Transport::Any, &[&[("profile", text)][..], &user].concat());
    let anonymous = |text: &str| refused(OpenVpn, Transport::Any, &[("profile", text)]);
    let config = |text: &str| refused(BoringTun, Transport::Any, &[("config", text)]);
    let interface = format!("[Interface]\nPrivateKey={KEY}\nAddress=10.0.0.2/32\n");
    let peer = format!("[Peer]\nPublicKey={KEY}\nAllowedIPs=0.0.0.0/0\nEndpoint=203.0.113.1:51820\n");

    let refusals = [
        refused(OpenVpn, Transport::Any, &[]),
        refused(OpenVpn, Transport::Any, &[("value", "{\"profile\": 1}")]),
        refused(OpenVpn, Transport::UDP, &[&[("profile", openvpn("proto tcp").as_str())][..], &user].concat()),
        refused(OpenVpn, Transport::TCP, &[&[("profile", openvpn("proto udp").as_str())][..], &user].concat()),
        refused(OpenVpn, Transport::Any, &[("profile", &openvpn("")), ("username", "a\nb"), ("password", "p")]),
        refused(
            OpenVpn,
            Transport::Any,
            &[("profile", &openvpn("")), ("username", "u"), ("password", " </auth-user-pass>")],
        ),
        anonymous(&openvpn("auth-user-pass")),
        anonymous(&openvpn("")),
        profile(&openvpn("plugin /tmp/evil.so")),
        profile(&openvpn("tls-verify /tmp/evil")),
        profile(&openvpn("dev tap0")),
        profile(&openvpn("http-proxy proxy 3128")),
        profile(&openvpn("config other.ovpn")),
        profile(&openvpn("cert client.crt")),
        profile(&openvpn("frobnicate s3cret")),
        profile(&openvpn("auth \"SHA256")),
        profile(&openvpn("auth")),
        profile(&openvpn("data-ciphers AES-256-GCM:none")),
        profile(&openvpn("auth SHA\u{1}256")),
        profile(&openvpn(&format!("verify-x509-name {}", "x".repeat(300)))),
        profile(&openvpn("proto udp6")),
        profile(&openvpn("remote 2001:db8::1")),
        profile(&openvpn("remote 127.0.0.1")),
        profile(&openvpn("remote 10.0.0.300")),
        profile(&openvpn("remote de.example 99999")),
        profile(&openvpn("<cert>\nx\n</cert>")),
        profile(&openvpn("<cert>\nx\n</cert>\n<key>\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n</key>")),
        profile(&openvpn("<tls-crypt>\nx")),
        profile("client\nremote 203.0.113.7"),
        profile(CA),
        config(&format!("{interface}{peer}{peer}")),
        config(&interface),
        config(&peer),
        config(&format!("{interface}{}", peer.replace("0.0.0.0/0", "10.0.0.0/8"))),
        config(&format!("{interface}{}", peer.replace(KEY, "s3cret"))),
        config(&format!("{interface}{}", peer.replace("203.0.113.1:51820", "[2001:db8::1]:51820"))),
        config(&format!("{interface}Frobnicate = s3cret\n{peer}")),
        config(&format!("{interface}s3cret\n{peer}")),
    ]
    .join("\n");
    assert!(!refusals.contains("s3cret"));
    insta::assert_snapshot!(refusals);
}

#[test]
fn a_candidate_without_any_address_is_refused() {
    let profile = openvpn("").replace("203.0.113.7", "de.example");
    let parameters = parsed(Implementation::OpenVpn, &[("profile", &profile), ("username", "u"), ("password", "p")]);
    let Err(error) = parameters.resolve(&BTreeMap::new()) else { panic!("should be refused") };
    assert_eq!(error.problem, Problem::Unresolved);
}
