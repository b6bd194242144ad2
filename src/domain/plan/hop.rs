//! One hop's plan: its network and what its candidate adds. Serialized, it is `hop.json` in the hop's Secret.

use std::fmt::{self, Write as _};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{HopNetwork, PlanError};
use crate::domain::candidate::Resolved;
use crate::domain::types::{CandidateRef, Implementation};

/// The user that clients run as.
const CLIENT_UID: u32 = 65534;

/// The user that an implementation's client runs as; wireguard-go opens its own device, so it runs as root.
pub(super) fn client_uid(implementation: Implementation) -> u32 {
    if implementation == Implementation::WireGuardGo { 0 } else { CLIENT_UID }
}

/// Everything that a hop's namespace is built from; holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Document")]
pub struct HopPlan {
    /// The hop's network.
    pub network: HopNetwork,
    /// The servers that the client may talk to.
    pub endpoints: Vec<EndpointAddress>,
    /// The tunnel's addresses (WireGuard; OpenVPN's server gives its own).
    pub tunnel_addresses: Vec<Ipv4Net>,
    /// Which candidate this is.
    pub candidate: CandidateRef,
    /// Raised to reload the same candidate.
    pub revision: u64,
    /// The user that the client runs as: nobody else may talk to the servers.
    pub uid: u32,
}

/// One server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EndpointAddress {
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its port.
    pub port: u16,
    /// Its transport.
    pub protocol: Protocol,
}

/// What the tunnel's packets travel in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// UDP.
    #[default]
    Udp,
    /// TCP.
    Tcp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        })
    }
}

impl HopPlan {
    /// Joins a hop's network and its resolved candidate.
    ///
    /// # Errors
    /// When the candidate's addresses clash with the hop's own networks, or there are none.
    pub fn new(
        network: HopNetwork,
        resolved: &Resolved,
        candidate: CandidateRef,
        revision: u64,
    ) -> Result<Self, PlanError> {
        if resolved.endpoints.is_empty() {
            return Err(PlanError::NoEndpoint { candidate: candidate.name });
        }
        if network.implementation != Implementation::OpenVpn && resolved.tunnel_addresses.is_empty() {
            return Err(PlanError::NoTunnelAddress { candidate: candidate.name });
        }
        for own in network.own_networks() {
            if let Some(address) = resolved.tunnel_addresses.iter().find(|address| own.contains(&address.addr())) {
                let address = address.addr();
                return Err(PlanError::TunnelAddressClash { candidate: candidate.name, address, network: own });
            }
            if let Some(endpoint) = resolved.endpoints.iter().find(|endpoint| own.contains(&endpoint.ip)) {
                let address = endpoint.ip;
                return Err(PlanError::EndpointClash { candidate: candidate.name, address, network: own });
            }
        }
        let uid = client_uid(network.implementation);
        Ok(Self {
            network,
            endpoints: resolved.endpoints.clone(),
            tunnel_addresses: resolved.tunnel_addresses.clone(),
            candidate,
            revision,
            uid,
        })
    }

    /// Names what is applied.
    pub fn id(&self) -> String {
        plan_id(&self.candidate, self.revision)
    }

    /// `hop.json`.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("should serialize: it holds only text and numbers")
    }
}

/// Names what a hop applies: `name@version#revision`, with every character that a shell, JSON or a line could misread
/// written as `%` and its hex code.
pub fn plan_id(candidate: &CandidateRef, revision: u64) -> String {
    format!("{}@{}#{revision}", escape(&candidate.name), escape(&candidate.version))
}

fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/' => out.push(byte as char),
            _ => write!(out, "%{byte:02X}").expect("should write to a string"),
        }
        out
    })
}

/// `hop.json` carries the id as well, so that a shell script can compare it.
#[derive(Serialize)]
struct Document {
    id: String,
    network: HopNetwork,
    endpoints: Vec<EndpointAddress>,
    tunnel_addresses: Vec<Ipv4Net>,
    candidate: CandidateRef,
    revision: u64,
    uid: u32,
}

impl From<HopPlan> for Document {
    fn from(plan: HopPlan) -> Self {
        Self {
            id: plan.id(),
            network: plan.network,
            endpoints: plan.endpoints,
            tunnel_addresses: plan.tunnel_addresses,
            candidate: plan.candidate,
            revision: plan.revision,
            uid: plan.uid,
        }
    }
}

#[cfg(test)]
#[path = "hop_tests.rs"]
mod tests;
