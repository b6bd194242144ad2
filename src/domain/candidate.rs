//! Candidates: from what a pool stores to what a hop's client may be given, and nothing more.
//!
//! A provider's profile is untrusted text that a privileged operator copies into a pod: only directives on a list
//! survive, rendered anew, and names become the addresses that the operator resolved (a hop has no DNS). No error
//! or note repeats content: they name the candidate, the field, the line and the remedy.

mod certificate;
mod clean;
mod error;
mod fields;
mod key;
mod name;
mod openvpn;
mod wireguard;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

pub use certificate::client_certificate_expires;
pub use clean::{Cleaned, clean};
pub use error::{CandidateError, Note, Problem};
pub use fields::{VALUE, client_of, client_of_text, fields_of_text};
pub use name::{NAME_RULE, is_label};
pub use wireguard::{WireGuardConfig, read_config};

use crate::domain::plan::{CONFIG_FILE, EndpointAddress, Protocol};
use crate::domain::types::{ClientKind, Implementation, Transport};

/// How many addresses a hop's kill switch opens at most; more of a profile's servers are left out.
const MAXIMUM_ENDPOINTS: usize = 64;

/// A candidate as its pool stores it.
#[derive(Clone)]
pub struct RawCandidate {
    /// Its key in the pool.
    pub name: String,
    /// Its version there.
    pub version: String,
    /// Its fields: `profile`, `username`, `password` (OpenVPN), `config` (WireGuard), or `value`, a text of its own.
    pub fields: BTreeMap<String, SecretString>,
}

/// A candidate that may be used.
#[derive(Clone)]
pub struct Parameters {
    /// Its servers, in the profile's order.
    pub endpoints: Vec<Endpoint>,
    /// The tunnel's own addresses (WireGuard only).
    pub tunnel_addresses: Vec<Ipv4Net>,
    /// What was left out.
    pub notes: Vec<Note>,
    candidate: String,
    template: Template,
    client_certificate: Option<SecretString>,
}

#[derive(Clone)]
enum Template {
    OpenVpn(openvpn::Profile),
    WireGuard(wireguard::Config),
}

/// One server, by name or address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Where it is.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// Its transport.
    pub protocol: Protocol,
}

/// A server's name or address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// An address.
    Ip(Ipv4Addr),
    /// A name, to be resolved by the operator.
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A candidate whose servers are addresses: what goes into the hop's Secret.
#[derive(Clone)]
pub struct Resolved {
    /// The servers.
    pub endpoints: Vec<EndpointAddress>,
    /// The tunnel's own addresses (WireGuard only).
    pub tunnel_addresses: Vec<Ipv4Net>,
    /// `client.conf`, and `auth` where there is a password.
    pub files: BTreeMap<String, SecretString>,
}

/// Reads a candidate for a hop.
///
/// # Errors
/// When it is incomplete, cannot be understood, or asks for what a hop does not do.
pub fn parse(
    implementation: Implementation,
    transport: Transport,
    raw: &RawCandidate,
) -> Result<Parameters, CandidateError> {
    let fields = fields::read(implementation.client(), raw)?;
    let candidate = raw.name.clone();
    match implementation.client() {
        ClientKind::OpenVPN => {
            let openvpn::Parsed { endpoints, notes, profile, client_certificate } =
                openvpn::parse(&raw.name, &fields, transport)?;
            let (tunnel_addresses, template) = (vec![], Template::OpenVpn(profile));
            Ok(Parameters { endpoints, tunnel_addresses, notes, candidate, template, client_certificate })
        }
        ClientKind::WireGuard => {
            let wireguard::Parsed { endpoint, addresses, notes, config } = wireguard::parse(&raw.name, &fields)?;
            let (endpoints, template) = (vec![endpoint], Template::WireGuard(config));
            let (tunnel_addresses, client_certificate) = (addresses, None);
            Ok(Parameters { endpoints, tunnel_addresses, notes, candidate, template, client_certificate })
        }
    }
}

impl Parameters {
    /// The names that must be resolved.
    pub fn names(&self) -> BTreeSet<&str> {
        self.endpoints
            .iter()
            .filter_map(|endpoint| match &endpoint.host {
                Host::Name(name) => Some(name.as_str()),
                Host::Ip(_) => None,
            })
            .collect()
    }

    /// Until when its client certificate is valid; none where it has none, or one that cannot be read.
    pub fn client_certificate_expires(&self) -> Option<Timestamp> {
        self.client_certificate.as_ref().and_then(|pem| certificate::expires(pem.expose_secret()))
    }

    /// Puts addresses in the place of names and renders the client's files.
    ///
    /// A name without an address is left out as long as another server remains.
    ///
    /// # Errors
    /// When no server has an address.
    pub fn resolve(&self, addresses: &BTreeMap<String, Vec<Ipv4Addr>>) -> Result<Resolved, CandidateError> {
        let mut endpoints: Vec<EndpointAddress> = Vec::new();
        for Endpoint { host, port, protocol } in &self.endpoints {
            let ips = match host {
                Host::Ip(ip) => std::slice::from_ref(ip),
                Host::Name(name) => addresses.get(name).map_or(&[][..], Vec::as_slice),
            };
            for &ip in ips.iter().filter(|ip| is_server_address(**ip)) {
                let endpoint = EndpointAddress { ip, port: *port, protocol: *protocol };
                if !endpoints.contains(&endpoint) && endpoints.len() < MAXIMUM_ENDPOINTS {
                    endpoints.push(endpoint);
                }
            }
        }
        let mut files = BTreeMap::new();
        match &self.template {
            Template::OpenVpn(profile) => {
                files.insert(CONFIG_FILE.into(), profile.render(&endpoints));
            }
            Template::WireGuard(config) => {
                endpoints.truncate(1);
                files.extend(endpoints.first().map(|endpoint| (CONFIG_FILE.into(), config.render(endpoint))));
            }
        }
        if endpoints.is_empty() {
            return Err(CandidateError::new(&self.candidate, self.field(), None, Problem::Unresolved));
        }
        Ok(Resolved { endpoints, tunnel_addresses: self.tunnel_addresses.clone(), files })
    }

    fn field(&self) -> &'static str {
        match self.template {
            Template::OpenVpn(_) => fields::PROFILE,
            Template::WireGuard(_) => fields::CONFIG,
        }
    }
}

/// Whether a VPN server can have this address.
fn is_server_address(ip: Ipv4Addr) -> bool {
    !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.is_broadcast() || ip.is_link_local())
        && ip.octets()[0] != 0
}

/// Reads a server's name or address: `Err` is the problem with it.
fn host(text: &str) -> Result<Host, Problem> {
    if text.contains(':') {
        return Err(Problem::Ipv6Endpoint);
    }
    if let Ok(ip) = text.parse() {
        return if is_server_address(ip) { Ok(Host::Ip(ip)) } else { Err(Problem::EndpointAddress) };
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    // A last label of digits is a mistyped address (`10.0.0.300`), not a name.
    let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if name.len() <= 253 && name.split('.').all(label) && !numeric {
        Ok(Host::Name(name.to_ascii_lowercase()))
    } else {
        Err(Problem::EndpointAddress)
    }
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
