//! wg-quick configurations: one interface, one peer that carries everything. Hooks never survive.

use std::fmt::Write as _;
use std::net::SocketAddrV4;

use ipnet::{IpNet, Ipv4Net};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::fields::{CONFIG, Fields, is_plain, lines};
use super::key::{self, Key};
use super::{CandidateError, Endpoint, Note, Problem, host};
use crate::domain::plan::{EndpointAddress, Protocol};

/// Short enough to keep a NAT's mapping; also what makes a silent failure visible.
const DEFAULT_KEEPALIVE_SECONDS: u16 = 25;

/// What a control socket is told, read back from a rendered `client.conf`.
pub struct WireGuardConfig {
    private_key: Key,
    public_key: Key,
    preshared_key: Option<Key>,
    keepalive_seconds: u16,
    /// The server.
    pub endpoint: SocketAddrV4,
}

#[derive(Clone)]
pub(super) struct Config {
    private_key: SecretString,
    public_key: String,
    preshared_key: Option<SecretString>,
    keepalive_seconds: u16,
}

pub(super) struct Parsed {
    pub(super) endpoint: Endpoint,
    pub(super) addresses: Vec<Ipv4Net>,
    pub(super) notes: Vec<Note>,
    pub(super) config: Config,
}

#[derive(Default)]
struct Draft {
    private_key: Option<SecretString>,
    addresses: Vec<Ipv4Net>,
    public_key: Option<String>,
    preshared_key: Option<SecretString>,
    endpoint: Option<Endpoint>,
    allowed: Vec<Ipv4Net>,
    keepalive_seconds: Option<u16>,
    notes: Vec<Note>,
}

const COMMANDS: &str = "commands are never run";
const SOURCE: &str = "the pool is the source";

const UNUSED: [(&str, &str); 10] = [
    ("DNS", "applications bring their own name servers"),
    ("MTU", "it follows from the chain"),
    ("ListenPort", "a hop takes a free port"),
    ("Table", "hopkeeper sets the routes"),
    ("FwMark", "hopkeeper sets the routes"),
    ("SaveConfig", SOURCE),
    ("PreUp", COMMANDS),
    ("PostUp", COMMANDS),
    ("PreDown", COMMANDS),
    ("PostDown", COMMANDS),
];

pub(super) fn parse(candidate: &str, fields: &Fields) -> Result<Parsed, CandidateError> {
    let text = fields[CONFIG].expose_secret();
    let fail = |line, problem| CandidateError::new(candidate, CONFIG, line, problem);
    let draft = draft(text).map_err(|(line, problem)| fail(Some(line), problem))?;
    let missing = |what| fail(None, Problem::Missing(what));

    if draft.addresses.is_empty() {
        return Err(missing("an IPv4 Address in [Interface]"));
    }
    if !covers_everything(&draft.allowed) {
        return Err(fail(None, Problem::NotEverything));
    }
    Ok(Parsed {
        endpoint: draft.endpoint.ok_or_else(|| missing("Endpoint in [Peer]"))?,
        addresses: draft.addresses,
        notes: draft.notes,
        config: Config {
            private_key: draft.private_key.ok_or_else(|| missing("PrivateKey in [Interface]"))?,
            public_key: draft.public_key.ok_or_else(|| missing("PublicKey in [Peer]"))?,
            preshared_key: draft.preshared_key,
            keepalive_seconds: draft
                .keepalive_seconds
                .filter(|seconds| *seconds > 0)
                .unwrap_or(DEFAULT_KEEPALIVE_SECONDS),
        },
    })
}

fn draft(text: &str) -> Result<Draft, (usize, Problem)> {
    let mut draft = Draft::default();
    let (mut section, mut peers) = ("", 0);
    for (number, line) in lines(text) {
        let fail = |problem| (number, problem);
        if !is_plain(line) {
            return Err(fail(Problem::ControlCharacter));
        }
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        if line.eq_ignore_ascii_case("[Interface]") {
            section = "interface";
            continue;
        }
        if line.eq_ignore_ascii_case("[Peer]") {
            section = "peer";
            peers += 1;
            if peers > 1 {
                return Err(fail(Problem::SeveralPeers));
            }
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| fail(Problem::Syntax))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if let Some((what, why)) = unused(&name) {
            draft.notes.push(Note { field: CONFIG, line: number, what, why });
            continue;
        }
        draft.set(section, &name, value, number).map_err(fail)?;
    }
    Ok(draft)
}

fn unused(name: &str) -> Option<(&'static str, &'static str)> {
    UNUSED.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name))
}

/// The key of a line that could harm whoever uses the configuration, and how.
pub(super) fn harm(line: &str) -> Option<(&'static str, &'static str)> {
    let (name, _) = line.split_once('=')?;
    unused(name.trim()).filter(|(_, why)| [COMMANDS, SOURCE].contains(why))
}

impl Draft {
    fn set(&mut self, section: &str, name: &str, value: &str, line: usize) -> Result<(), Problem> {
        match (section, name) {
            ("interface", "privatekey") => self.private_key = Some(checked_key("PrivateKey", value)?.into()),
            ("interface", "address") => {
                for address in networks("Address", value)? {
                    match address {
                        IpNet::V4(address) => self.addresses.push(address),
                        IpNet::V6(_) => self.left_out(line, "an IPv6 Address"),
                    }
                }
            }
            ("peer", "publickey") => self.public_key = Some(checked_key("PublicKey", value)?),
            ("peer", "presharedkey") => self.preshared_key = Some(checked_key("PresharedKey", value)?.into()),
            ("peer", "endpoint") => self.endpoint = Some(endpoint(value)?),
            ("peer", "allowedips") => {
                self.allowed.extend(networks("AllowedIPs", value)?.into_iter().filter_map(|network| match network {
                    IpNet::V4(network) => Some(network.trunc()),
                    IpNet::V6(_) => None,
                }));
            }
            ("peer", "persistentkeepalive") if value.eq_ignore_ascii_case("off") => self.keepalive_seconds = Some(0),
            ("peer", "persistentkeepalive") => {
                self.keepalive_seconds = Some(value.parse().map_err(|_| Problem::Value("PersistentKeepalive"))?);
            }
            _ => return Err(Problem::Unknown),
        }
        Ok(())
    }

    fn left_out(&mut self, line: usize, what: &'static str) {
        self.notes.push(Note { field: CONFIG, line, what, why: "chains carry IPv4 only" });
    }
}

fn checked_key(name: &'static str, value: &str) -> Result<String, Problem> {
    key::read(value).map(|_| value.to_owned()).ok_or(Problem::Key(name))
}

fn networks(name: &'static str, value: &str) -> Result<Vec<IpNet>, Problem> {
    value
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| {
            let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from));
            network.ok_or(Problem::Value(name))
        })
        .collect()
}

fn endpoint(value: &str) -> Result<Endpoint, Problem> {
    let (name, port) = value.rsplit_once(':').ok_or(Problem::Value("Endpoint"))?;
    let port = port.parse().ok().filter(|port| *port > 0).ok_or(Problem::Value("Endpoint"))?;
    Ok(Endpoint { host: host(name)?, port, protocol: Protocol::Udp })
}

/// Also by halves, as `0.0.0.0/1, 128.0.0.0/1` is usual.
fn covers_everything(allowed: &[Ipv4Net]) -> bool {
    Ipv4Net::aggregate(&allowed.to_vec()).iter().any(|network| network.prefix_len() == 0)
}

impl Config {
    /// The form that `wg setconf` takes, and [`read_config`].
    pub(super) fn render(&self, endpoint: &EndpointAddress) -> SecretString {
        let mut out = Zeroizing::new(String::with_capacity(512));
        let mut line = |name: &str, value: &str| writeln!(out, "{name} = {value}").expect("should write to a string");
        line("[Interface]\nPrivateKey", self.private_key.expose_secret());
        line("\n[Peer]\nPublicKey", &self.public_key);
        if let Some(key) = &self.preshared_key {
            line("PresharedKey", key.expose_secret());
        }
        line("Endpoint", &format!("{}:{}", endpoint.ip, endpoint.port));
        line("AllowedIPs", "0.0.0.0/0");
        line("PersistentKeepalive", &self.keepalive_seconds.to_string());
        SecretString::from(out.as_str())
    }
}

/// Reads a rendered `client.conf` of a WireGuard hop.
///
/// # Errors
/// When it is not what [`Resolved::files`](super::Resolved::files) held; names `candidate`.
pub fn read_config(candidate: &str, text: &SecretString) -> Result<WireGuardConfig, CandidateError> {
    let fail = |line, problem| CandidateError::new(candidate, CONFIG, line, problem);
    let draft = draft(text.expose_secret()).map_err(|(line, problem)| fail(Some(line), problem))?;
    let missing = |what| fail(None, Problem::Missing(what));
    let key = |text: Option<&str>| text.and_then(key::read);
    let endpoint = draft.endpoint.ok_or_else(|| missing("Endpoint in [Peer]"))?;
    let super::Host::Ip(ip) = endpoint.host else { return Err(fail(None, Problem::EndpointAddress)) };
    Ok(WireGuardConfig {
        private_key: key(draft.private_key.as_ref().map(ExposeSecret::expose_secret))
            .ok_or_else(|| missing("PrivateKey in [Interface]"))?,
        public_key: key(draft.public_key.as_deref()).ok_or_else(|| missing("PublicKey in [Peer]"))?,
        preshared_key: key(draft.preshared_key.as_ref().map(ExposeSecret::expose_secret)),
        keepalive_seconds: draft.keepalive_seconds.unwrap_or(DEFAULT_KEEPALIVE_SECONDS),
        endpoint: SocketAddrV4::new(ip, endpoint.port),
    })
}

impl WireGuardConfig {
    /// A `set=1` request to a control socket that replaces everything.
    ///
    /// `listen_port=0` comes first: boringtun keeps its connected socket when a peer is replaced, and would hand the
    /// server's answers to the peer that is gone; a new port closes it. It also refuses to change a peer that it has,
    /// hence `replace_peers`.
    pub fn set_request(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(512));
        let mut line = |name: &str, value: &str| writeln!(out, "{name}={value}").expect("should write to a string");
        line("set", "1");
        line("listen_port", "0");
        line("replace_peers", "true");
        line("private_key", &key::hex(&self.private_key));
        line("public_key", &key::hex(&self.public_key));
        if let Some(preshared) = &self.preshared_key {
            line("preshared_key", &key::hex(preshared));
        }
        line("endpoint", &self.endpoint.to_string());
        line("persistent_keepalive_interval", &self.keepalive_seconds.to_string());
        line("replace_allowed_ips", "true");
        line("allowed_ip", "0.0.0.0/0");
        out.push('\n');
        out
    }

    /// The peer's key in hexadecimal, as a control socket shows it.
    pub fn public_key_hex(&self) -> String {
        key::hex(&self.public_key).to_string()
    }
}
