//! What may be shown of a candidate: which it is, where it leads, and whether the operator could use it.

use jiff::Timestamp;
use serde::Serialize;

use super::HopArgs;
use crate::domain::candidate::{self, NAME_RULE, Note, Parameters, RawCandidate, client_of, is_label};
use crate::domain::types::{ClientKind, Implementation};

/// One candidate, without its secrets.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Summary {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) client: ClientKind,
    /// `host:port/protocol`, in the order in which they are tried; empty when it cannot be read.
    pub(super) servers: Vec<String>,
    pub(super) client_certificate_expires: Option<Timestamp>,
    /// Why it cannot be used.
    pub(super) problem: Option<String>,
    /// What a hop does not follow, harmlessly.
    #[serde(skip)]
    pub(super) left_out: Vec<&'static str>,
}

/// All candidates of a pool. Where the hop's client is not said, it is the one that most of them are for: a hop has one.
pub(super) fn of_pool(pool: &[RawCandidate], hop: HopArgs, now: Timestamp) -> Vec<Summary> {
    let for_openvpn = pool.iter().filter(|raw| client_of(raw) == ClientKind::OpenVPN).count();
    let most = if for_openvpn * 2 >= pool.len() { ClientKind::OpenVPN } else { ClientKind::WireGuard };
    let client = hop.client().unwrap_or(most);
    pool.iter()
        .map(|raw| match parsed(raw, client, hop, now) {
            Ok(parameters) => of(raw, &parameters),
            Err(problem) => Summary {
                name: raw.name.clone(),
                version: raw.version.clone(),
                client: client_of(raw),
                servers: Vec::new(),
                client_certificate_expires: None,
                problem: Some(problem),
                left_out: Vec::new(),
            },
        })
        .collect()
}

/// A candidate that can be used.
pub(super) fn of(raw: &RawCandidate, parameters: &Parameters) -> Summary {
    let server = |at: &candidate::Endpoint| format!("{}:{}/{}", at.host, at.port, at.protocol);
    let mut left_out: Vec<_> = parameters.notes.iter().map(|Note { what, .. }| *what).collect();
    left_out.sort_unstable();
    left_out.dedup();
    Summary {
        name: raw.name.clone(),
        version: raw.version.clone(),
        client: client_of(raw),
        servers: parameters.endpoints.iter().map(server).collect(),
        client_certificate_expires: parameters.client_certificate_expires(),
        problem: None,
        left_out,
    }
}

/// Reads a candidate as the operator would, and looks whether its certificate still holds; an error is in words.
pub(super) fn parsed(
    raw: &RawCandidate,
    client: ClientKind,
    hop: HopArgs,
    now: Timestamp,
) -> Result<Parameters, String> {
    if !is_label(&raw.name) {
        return Err(format!("candidate {:?}: its name cannot be a label: {NAME_RULE}", raw.name));
    }
    let found = client_of(raw);
    if found != client {
        return Err(format!("candidate {:?} is for {found}, but the hop's client is {client}", raw.name));
    }
    let implementation = match client {
        ClientKind::OpenVPN => Implementation::OpenVpn,
        // All of them take the same configurations.
        ClientKind::WireGuard => Implementation::BoringTun,
    };
    let parameters = candidate::parse(implementation, hop.transport(), raw).map_err(|error| error.to_string())?;
    match parameters.client_certificate_expires() {
        Some(end) if end <= now => {
            Err(format!("candidate {:?}: its client certificate expired at {end}: get a new profile", raw.name))
        }
        _ => Ok(parameters),
    }
}
