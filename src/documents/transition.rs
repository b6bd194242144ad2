//! From what a chain or an incident was and is to the documents of that transition. Pure.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::body::{Body, time};
use super::{DATASET, Document, Names};
use crate::crd::chain::{ChainPhase, HopStatus};
use crate::crd::incident::{HopIncidentStatus, IncidentPhase};
use crate::crd::{HopIncident, VpnChain, VpnChainStatus};
use crate::domain::types::CandidateRef;

/// So much of the raw lines is shown before the first and after the last line of an incident.
const AROUND: SignedDuration = SignedDuration::from_mins(1);

/// The servers of the candidates in use, by hop.
pub type Servers = BTreeMap<String, Vec<Ipv4Addr>>;

/// A chain at one moment.
pub(super) struct Moment<'a> {
    pub(super) chain: &'a VpnChain,
    pub(super) status: &'a VpnChainStatus,
    pub(super) servers: &'a Servers,
    pub(super) at: Timestamp,
}

impl Moment<'_> {
    /// What both kinds of documents say of the chain.
    pub(super) fn chain_body(&self) -> Body {
        let Self { chain, status, servers, at } = self;
        let up = status.hops.iter().filter(|h| h.carries_traffic()).count();
        let path: Vec<_> = chain.spec.hops.iter().map(|h| h.name.clone()).collect();
        let exit = path.last().and_then(|exit| servers.get(exit));
        Body::of_chain(chain, *at, "chain")
            .set("message", status.message.clone())
            .set("server.ip", exit.map(|servers| addresses(servers)))
            .set("hopkeeper.chain.route", path.join(" → "))
            .set("hopkeeper.chain.path", path)
            .set("hopkeeper.chain.phase", status.phase.map(|phase| format!("{phase:?}")))
            .set("hopkeeper.chain.up", status.phase == Some(ChainPhase::Up))
            .set("hopkeeper.chain.since", ready_since(status).map(time))
            .set("hopkeeper.chain.hops_up", up)
            .set("hopkeeper.chain.hops_total", chain.spec.hops.len())
            .set("hopkeeper.chain.open_incidents", status.open_incidents)
            .set("hopkeeper.chain.last_recovery", status.last_recovery.as_ref().map(|t| time(t.0)))
    }

    /// The same of one hop.
    pub(super) fn hop_body(&self, hop: &HopStatus) -> Body {
        let Self { chain, servers, at, .. } = self;
        let candidate = hop.candidate.as_deref().and_then(candidate);
        Body::of_chain(chain, *at, "hop")
            .set("server.ip", servers.get(&hop.name).map(|servers| addresses(servers)))
            .set("kubernetes.pod.name", hop.pod.clone())
            .hop(chain, &hop.name)
            .set("hopkeeper.hop.state", format!("{:?}", hop.state))
            .set("hopkeeper.hop.up", hop.carries_traffic())
            .set("hopkeeper.hop.carrying", u8::from(hop.carries_traffic()))
            .set("hopkeeper.hop.since", hop.since.as_ref().map(|t| time(t.0)))
            .set("hopkeeper.hop.cause", hop.cause.clone())
            .candidate(chain, &hop.name, candidate.as_ref())
    }
}

/// Since when every hop carries traffic, or not every one does.
pub(super) fn ready_since(status: &VpnChainStatus) -> Option<Timestamp> {
    status.conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.last_transition_time.0)
}

fn addresses(servers: &[Ipv4Addr]) -> Vec<String> {
    servers.iter().map(ToString::to_string).collect()
}

/// `name@version`; names may hold an `@`, versions do not.
fn candidate(text: &str) -> Option<CandidateRef> {
    let (name, version) = text.rsplit_once('@')?;
    Some(CandidateRef { name: name.to_owned(), version: version.to_owned() })
}

/// What is new in a chain's status, one document a hop, and one of the chain where its phase is another; `version` is the
/// resourceVersion that the status was written as.
pub(super) fn of_chain(moment: &Moment<'_>, version: &str, names: &Names) -> Vec<Document> {
    let before = moment.chain.status.clone().unwrap_or_default();
    let uid = moment.chain.uid().unwrap_or_default();
    let mut documents = Vec::new();
    if before.phase != moment.status.phase {
        let previous = before.phase.map(|phase| format!("{phase:?}"));
        let body = moment
            .chain_body()
            .set("hopkeeper.chain.previous_phase", previous)
            .set("hopkeeper.chain.seconds_down", outage(&before, moment.status));
        documents.push(document(body, "change", "chain-phase-changed", &format!("{uid}:{version}"), names));
    }
    for hop in &moment.status.hops {
        let previous = before.hops.iter().find(|h| h.name == hop.name);
        let Some((action, message)) = change(previous, hop) else { continue };
        let body = moment
            .hop_body(hop)
            .set("message", message)
            .set("hopkeeper.hop.previous_state", previous.map(|h| format!("{:?}", h.state)));
        documents.push(document(body, "change", action, &format!("{uid}:{version}:{}", hop.name), names));
    }
    documents
}

/// How long a chain that came up was down, in seconds.
fn outage(before: &VpnChainStatus, now: &VpnChainStatus) -> Option<f64> {
    let up = now.phase == Some(ChainPhase::Up);
    let (down_since, up_since) = (ready_since(before)?, ready_since(now)?);
    up.then(|| up_since.duration_since(down_since).as_secs_f64().max(0.0))
}

/// What is new about a hop, and in words.
fn change(before: Option<&HopStatus>, now: &HopStatus) -> Option<(&'static str, String)> {
    let name = &now.name;
    let Some(before) = before else {
        return Some(("hop-state-changed", format!("hop {name:?} is {:?}", now.state)));
    };
    let of = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    match () {
        () if before.state != now.state => {
            Some(("hop-state-changed", format!("hop {name:?} went from {:?} to {:?}", before.state, now.state)))
        }
        () if before.candidate != now.candidate => {
            let (old, new) = (of(&before.candidate), of(&now.candidate));
            Some(("hop-candidate-changed", format!("hop {name:?} went from candidate {old} to {new}")))
        }
        () if before.cause != now.cause => {
            Some(("hop-cause-changed", format!("hop {name:?} waits for: {}", of(&now.cause))))
        }
        () => None,
    }
}

/// What is new about an incident: that it was found, where nothing was written about it before, and what was decided.
pub(super) fn of_incident(
    chain: &VpnChain,
    before: &HopIncident,
    now: &HopIncident,
    at: Timestamp,
    trace_id: Option<String>,
    names: &Names,
) -> Vec<Document> {
    let uid = now.uid().unwrap_or_default();
    let mut documents = Vec::new();
    if before.status.is_none() {
        let found = detected_at(now);
        let late = found.duration_since(now.spec.last.time.0).as_secs_f64();
        let body = incident_body(chain, before, found)
            .set("message", now.spec.title.clone())
            .set("trace.id", trace_id.clone())
            .set("hopkeeper.incident.seconds_late", late);
        documents.push(document(body, "start", "incident-detected", &format!("{uid}:detected"), names));
    }
    let status = now.status.clone().unwrap_or_default();
    let (type_, action) = match status.phase {
        IncidentPhase::Detected => return documents,
        IncidentPhase::Held => ("change", "incident-held"),
        IncidentPhase::Acting => ("change", "incident-acting"),
        IncidentPhase::Verifying => ("change", "incident-verifying"),
        IncidentPhase::Recovered => ("end", "incident-recovered"),
        IncidentPhase::Escalated => ("end", "incident-escalated"),
        IncidentPhase::Suppressed => ("end", "incident-suppressed"),
    };
    let previous = before.status.as_ref().map(|s| s.phase).unwrap_or_default();
    let mut body = incident_body(chain, now, at)
        .set("message", status.message.clone())
        .set("event.reason", status.reason.clone())
        .set("trace.id", trace_id)
        .set("hopkeeper.incident.previous_phase", format!("{previous:?}"));
    if status.phase.is_closed() {
        body = closing(body, now, &status);
    }
    let version = now.resource_version().unwrap_or_default();
    documents.push(document(body, type_, action, &format!("{uid}:{version}"), names));
    documents
}

fn incident_body(chain: &VpnChain, incident: &HopIncident, at: Timestamp) -> Body {
    let (spec, status) = (&incident.spec, incident.status.clone().unwrap_or_default());
    let step = status.steps.last();
    Body::of_chain(chain, at, "incident")
        .set("kubernetes.pod.name", spec.pod.clone())
        .set("kubernetes.pod.uid", spec.pod_uid.clone())
        .set("rule.id", spec.rule.clone())
        .set("rule.name", spec.title.clone())
        .hop(chain, &spec.hop)
        .candidate(chain, &spec.hop, Some(step.map_or(&spec.candidate, |s| &s.candidate)))
        .set("hopkeeper.incident.name", incident.name_any())
        .set("hopkeeper.incident.phase", format!("{:?}", status.phase))
        .set("hopkeeper.incident.closed", status.phase.is_closed())
        .set("hopkeeper.incident.verdict", spec.verdict.to_string())
        .set("hopkeeper.incident.evidence", spec.evidence.to_string())
        .set("hopkeeper.incident.cause", status.cause.clone())
        .set("hopkeeper.incident.line", spec.line.clone())
        .set("hopkeeper.incident.first_line_at", time(spec.first.time.0))
        .set("hopkeeper.incident.last_line_at", time(spec.last.time.0))
        .set("hopkeeper.incident.discover", discover(incident))
        .set("hopkeeper.incident.steps", status.steps.len())
        .set("hopkeeper.incident.action", step.map(|s| format!("{:?}", s.action)))
        .set("hopkeeper.incident.action_outcome", step.and_then(|s| s.outcome).map(|outcome| format!("{outcome:?}")))
}

/// The end of the address of Discover, as Kibana writes it: time and query in Rison. Neither has a letter that would have to be
/// escaped, as a pod's UID has none.
fn discover(incident: &HopIncident) -> Option<String> {
    let (spec, uid) = (&incident.spec, &incident.spec.pod_uid);
    let plain = !uid.is_empty() && uid.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let (from, to) = (spec.first.time.0 - AROUND, spec.last.time.0 + AROUND);
    plain.then(|| {
        format!(
            "_g=(time:(from:'{}',to:'{}'))&_a=(query:(language:kuery,query:'kubernetes.pod.uid:{uid}'))",
            time(from),
            time(to)
        )
    })
}

/// How it went, in the last document only: averages over all documents are then averages over incidents.
fn closing(body: Body, incident: &HopIncident, status: &HopIncidentStatus) -> Body {
    let first = incident.spec.first.time.0;
    let seconds = |until: Timestamp| until.duration_since(first).as_secs_f64().max(0.0);
    let acted = status.steps.iter().find_map(|step| step.applied_at.as_ref()).map(|t| t.0);
    let closed = status.closed_at.as_ref().map(|t| t.0);
    let recovered = closed.filter(|_| status.phase == IncidentPhase::Recovered);
    let outcome = match status.phase {
        IncidentPhase::Recovered => "success",
        IncidentPhase::Escalated => "failure",
        _ => "unknown",
    };
    let duration =
        closed.map(|closed| i64::try_from(closed.duration_since(first).as_nanos().max(0)).unwrap_or(i64::MAX));
    body.set("event.outcome", outcome)
        .set("event.start", time(first))
        .set("event.end", closed.map(time))
        .set("hopkeeper.incident.confirmed", u8::from(status.phase != IncidentPhase::Suppressed))
        .set("event.duration", duration)
        .set("hopkeeper.incident.seconds_to_detect", seconds(detected_at(incident)))
        .set("hopkeeper.incident.seconds_to_act", acted.map(seconds))
        .set("hopkeeper.incident.seconds_to_recover", recovered.map(seconds))
}

fn detected_at(incident: &HopIncident) -> Timestamp {
    incident.detected_at().unwrap_or(incident.spec.last.time.0)
}

fn document(body: Body, type_: &str, action: &str, id: &str, names: &Names) -> Document {
    let body = body
        .set("data_stream.type", "logs")
        .set("data_stream.dataset", DATASET)
        .set("data_stream.namespace", names.namespace.clone())
        .set("event.dataset", DATASET)
        .set("event.kind", "event")
        .set("event.type", vec![type_])
        .set("event.action", action);
    Document::create(&names.transitions, id, &body.done())
}
