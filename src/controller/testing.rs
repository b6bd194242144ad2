//! A chain of the README with its objects as they are while it works: to be spoiled by each test.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde_json::{Value, json};

use super::build::secret::{Stamp, hop_secret};
use super::observe::{HopSecret, Observed};
use super::validate::{ValidChain, validate};
use crate::crd::incident::{HopIncidentStatus, IncidentPhase, LineRef};
use crate::crd::{HopIncident, HopIncidentSpec, VpnChain};
use crate::domain::candidate::Resolved;
use crate::domain::plan::{EndpointAddress, HopPlan, Protocol};
use crate::domain::types::{CandidateRef, Evidence, Verdict};

/// The moment of the tests that stop the clock.
pub(super) fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// The README's chain, whose hops all take their candidates from Secrets `<hop>-pool`.
pub(crate) fn berlin() -> VpnChain {
    let manifest: Value = serde_saphyr::from_str(include_str!("../../examples/berlin.yaml")).unwrap();
    let mut chain = crate::manifest::check(&manifest).unwrap();
    for hop in &mut chain.spec.hops {
        let name = format!("{}-pool", hop.name);
        hop.parameters = serde_json::from_value(json!({"secretRef": {"name": name}})).unwrap();
    }
    chain.metadata.namespace = Some("demo".into());
    chain.metadata.uid = Some("uid-berlin".into());
    chain.metadata.generation = Some(1);
    chain
}

/// An `.ovpn` profile with everything inline.
pub(super) fn profile(server: &str) -> String {
    format!(
        "client\nremote {server}\n<ca>\n-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n</ca>\n\
         <auth-user-pass>\nuser\ns3cret\n</auth-user-pass>\n"
    )
}

/// A WireGuard configuration.
pub(super) fn wireguard(server: &str) -> String {
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=";
    format!(
        "[Interface]\nPrivateKey = {key}\nAddress = 10.66.0.2/32\n[Peer]\nPublicKey = {key}\nEndpoint = {server}:51820\n\
         AllowedIPs = 0.0.0.0/0\n"
    )
}

/// A Secret that is a pool.
pub(super) fn pool(name: &str, version: &str, candidates: &[(&str, &str)]) -> Secret {
    let data = candidates.iter().map(|(key, text)| ((*key).to_owned(), ByteString(text.as_bytes().to_vec())));
    let mut secret = Secret { data: Some(data.collect()), ..Secret::default() };
    secret.metadata.name = Some(name.into());
    secret.metadata.namespace = Some("demo".into());
    secret.metadata.resource_version = Some(version.into());
    secret
}

pub(super) fn candidate(name: &str) -> CandidateRef {
    CandidateRef { name: name.into(), version: "1".into() }
}

/// A hop's Secret with candidate `a`, written an hour before noon.
pub(super) fn secret(chain: &ValidChain<'_>, hop: usize) -> HopSecret {
    let server = EndpointAddress { ip: [198, 51, 100, 11].into(), port: 1194, protocol: Protocol::Udp };
    let files = BTreeMap::from([("client.conf".to_owned(), "remote 198.51.100.11".into())]);
    let tunnel_addresses = if hop == 1 { vec!["10.66.0.2/32".parse().unwrap()] } else { vec![] };
    let resolved = Resolved { endpoints: vec![server], tunnel_addresses, files };
    let plan = HopPlan::new(chain.plan.hops[hop].clone(), &resolved, candidate("a"), 0).unwrap();
    let stamp = Stamp { applied_at: noon() - SignedDuration::from_hours(1), recreate: 0 };
    let mut object = hop_secret(chain, &plan, &resolved.files, stamp);
    object.metadata.resource_version = Some("1".into());
    HopSecret { object, plan, stamp }
}

/// A hop's pod, made two hours before noon.
pub(super) fn pod(hop: &str, ready: bool, since: Timestamp) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": format!("berlin-{hop}-0"), "namespace": "demo", "uid": format!("uid-{hop}"),
            "labels": {"hopkeeper.io/chain": "berlin", "hopkeeper.io/hop": hop},
            "annotations": {"hopkeeper.io/recreate": "0"},
            "creationTimestamp": (noon() - SignedDuration::from_hours(2)).to_string(),
        },
        "status": {"conditions": [
            {"type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": since.to_string()},
        ]},
    }))
    .unwrap()
}

/// An incident: the hop's own server refused candidate `a` at `at`.
pub(super) fn incident(name: &str, hop: &str, at: Timestamp) -> HopIncident {
    let line = LineRef { time: MicroTime(at), position: "kafka:vpn/0/1".into() };
    let spec = HopIncidentSpec {
        chain: "berlin".into(),
        hop: hop.into(),
        pod_uid: format!("uid-{hop}"),
        pod: format!("berlin-{hop}-0"),
        candidate: candidate("a"),
        rule: "openvpn-auth-failed".into(),
        title: "The server rejected the user name or password".into(),
        verdict: Verdict::Rotate,
        evidence: Evidence::Own,
        first: line.clone(),
        last: line,
        line: "AUTH_FAILED".into(),
        detected_at: None,
    };
    let mut incident = HopIncident::new(name, spec);
    incident.metadata.namespace = Some("demo".into());
    incident.metadata.labels = Some(super::build::labels("berlin", Some(hop)));
    incident
}

/// That incident in a phase.
pub(super) fn in_phase(phase: IncidentPhase, mut incident: HopIncident) -> HopIncident {
    incident.status.get_or_insert_default().phase = phase;
    incident
}

pub(super) fn held_by(cause: Option<&str>, incident: HopIncident) -> HopIncident {
    let mut incident = in_phase(IncidentPhase::Held, incident);
    incident.status.get_or_insert_default().cause = cause.map(str::to_owned);
    incident
}

pub(super) fn closed(phase: IncidentPhase, at: Timestamp, mut incident: HopIncident) -> HopIncident {
    incident.status = Some(HopIncidentStatus { phase, closed_at: Some(MicroTime(at)), ..Default::default() });
    incident
}

/// Every hop has its Secret and is Ready since an hour before noon; there are no incidents.
pub(super) fn working(chain: &ValidChain<'_>) -> Observed {
    let since = noon() - SignedDuration::from_hours(1);
    let hops = || chain.hops().iter().map(|h| h.name.clone()).enumerate();
    Observed {
        pods: hops().map(|(_, hop)| (hop.clone(), pod(&hop, true, since))).collect(),
        secrets: hops().map(|(index, hop)| (hop, secret(chain, index))).collect(),
        unreadable: BTreeMap::new(),
        deployments: BTreeMap::new(),
        policies: BTreeMap::new(),
        incidents: Vec::new(),
        deliveries: BTreeMap::new(),
        logs: None,
    }
}

/// The README's chain, valid.
pub(super) fn with_berlin<T>(look: impl FnOnce(&ValidChain<'_>) -> T) -> T {
    look(&validate(&berlin()).unwrap())
}
