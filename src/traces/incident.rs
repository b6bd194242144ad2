//! From a closed incident to the spans of its trace. Pure: two that have the same object make the same spans.
//!
//! Names of attributes are OpenTelemetry's where it has one; those under `hopkeeper` are the ones of the chain-state documents
//! where these have one (`documents::fields`).

use jiff::Timestamp;
use kube::ResourceExt;
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, SpanFlags, Status};

use super::attributes::Attributes;
use crate::crd::incident::{HopIncidentStatus, IncidentPhase, Step, StepAction, StepOutcome};
use crate::crd::{HopIncident, VpnChain};
use crate::domain::trace::{span_id, trace_id};
use crate::domain::types::CandidateRef;

/// Recorded and not remote: OTLP's flags of every span.
const FLAGS: u32 = 1 | SpanFlags::ContextHasIsRemoteMask as u32;
/// The span of the whole incident.
const ROOT: &str = "incident";

/// The trace of an incident that is closed; `others` are those of its chain.
pub(super) fn spans(chain: &VpnChain, incident: &HopIncident, others: &[HopIncident]) -> Vec<Span> {
    let uid = incident.uid().unwrap_or_default();
    let (spec, status) = (&incident.spec, incident.status.clone().unwrap_or_default());
    let (first, last) = (spec.first.time.0, spec.last.time.0);
    let detected = incident.detected_at().unwrap_or(last);
    let end = status.closed_at.as_ref().map_or(detected, |at| at.0);
    let told = Told { uid: &uid, end };

    let mut spans = vec![told.root(chain, incident, &status, others)];
    if first != last {
        let at = Attributes::default().text("hopkeeper.line.position", spec.first.position.clone());
        spans.push(told.part("lines", "count lines", (first, last), at));
    }
    let at = Attributes::default().text("hopkeeper.line.position", spec.last.position.clone());
    spans.push(told.part("ship", "ship line", (last, detected), at));
    let acted = status.steps.first().map_or(end, |step| step.started_at.0);
    let held = status.held_since.as_ref().map(|at| at.0);
    let judged = Attributes::default().text("hopkeeper.incident.evidence", spec.evidence.to_string());
    spans.push(told.part("judge", "judge", (detected, held.unwrap_or(acted)), judged));
    if let Some(held) = held {
        let cause = Attributes::default().text("hopkeeper.incident.cause", status.cause.clone());
        spans.push(told.part("hold", "hold", (held, acted), cause));
    }
    for (index, step) in status.steps.iter().enumerate() {
        spans.extend(told.step(index, step, &status));
    }
    spans
}

/// One incident that is told.
struct Told<'a> {
    uid: &'a str,
    /// When it was closed.
    end: Timestamp,
}

impl Told<'_> {
    fn root(
        &self,
        chain: &VpnChain,
        incident: &HopIncident,
        status: &HopIncidentStatus,
        others: &[HopIncident],
    ) -> Span {
        let spec = &incident.spec;
        let position = chain.spec.hops.iter().position(|hop| hop.name == spec.hop).map(|index| index + 1);
        let attributes = Attributes::default()
            .text("k8s.namespace.name", chain.namespace())
            .text("k8s.pod.name", spec.pod.clone())
            .text("k8s.pod.uid", spec.pod_uid.clone())
            .text("hopkeeper.chain.name", chain.name_any())
            .text("hopkeeper.hop.name", spec.hop.clone())
            .number("hopkeeper.hop.position", position)
            .text("hopkeeper.rule.id", spec.rule.clone())
            .text("hopkeeper.rule.name", spec.title.clone())
            .text("hopkeeper.incident.name", incident.name_any())
            .text("hopkeeper.incident.verdict", spec.verdict.to_string())
            .text("hopkeeper.incident.evidence", spec.evidence.to_string())
            .text("hopkeeper.incident.line", spec.line.clone())
            .text("hopkeeper.incident.cause", status.cause.clone())
            .text("hopkeeper.incident.outcome", format!("{:?}", status.phase))
            .text("hopkeeper.incident.reason", status.reason.clone())
            .text("hopkeeper.incident.message", status.message.clone())
            .number("hopkeeper.incident.steps", Some(status.steps.len()));
        let message = status.message.clone().unwrap_or_default();
        let (links, name) = (cause(incident, self.end, others).map(link), format!("incident {}", spec.rule));
        Span {
            parent_span_id: Vec::new(),
            links: links.into_iter().collect(),
            status: Some(match status.phase {
                IncidentPhase::Recovered => Status { code: StatusCode::Ok.into(), message: String::new() },
                IncidentPhase::Escalated => failed(message),
                _ => Status::default(),
            }),
            ..self.part(ROOT, &name, (spec.first.time.0, self.end), candidate(attributes, &spec.candidate))
        }
    }

    /// A step, writing its objects, and waiting for the tunnel.
    fn step(&self, index: usize, step: &Step, status: &HopIncidentStatus) -> Vec<Span> {
        let id = format!("step {index}");
        let (started, finished) = (step.started_at.0, step.finished_at.as_ref().map_or(self.end, |at| at.0));
        let attributes = Attributes::default()
            .text("hopkeeper.step.action", format!("{:?}", step.action))
            .text("hopkeeper.step.outcome", step.outcome.map(|outcome| format!("{outcome:?}")))
            .number("hopkeeper.step.number", Some(index + 1));
        let name = match step.action {
            StepAction::RotateInPlace => "rotate in place",
            StepAction::RestartInPlace => "restart in place",
            StepAction::RotateAndRecreate => "rotate and recreate pod",
            StepAction::Recreate => "recreate pod",
        };
        let mut whole = self.part(&id, name, (started, finished), candidate(attributes, &step.candidate));
        whole.status = match step.outcome {
            Some(StepOutcome::Up) => None,
            Some(StepOutcome::TimedOut) => Some(failed("the hop carried no traffic within the time".to_owned())),
            Some(StepOutcome::Failed) => Some(failed("new evidence about the same candidate came first".to_owned())),
            None => Some(failed(status.message.clone().unwrap_or_default())),
        };
        let mut spans = vec![whole];
        if let Some(applied) = step.applied_at.as_ref().map(|at| at.0) {
            for (part, name, times) in
                [("write", "write parameters", (started, applied)), ("verify", "verify tunnel", (applied, finished))]
            {
                let span = self.part(&format!("{id} {part}"), name, times, Attributes::default());
                spans.push(Span { parent_span_id: span_id(self.uid, &id).to_vec(), ..span });
            }
        }
        spans
    }

    /// One span within the incident's. Clocks of nodes and operator may differ a little: nothing takes less than no time.
    fn part(&self, id: &str, name: &str, (start, end): (Timestamp, Timestamp), attributes: Attributes) -> Span {
        Span {
            trace_id: trace_id(self.uid).to_vec(),
            span_id: span_id(self.uid, id).to_vec(),
            parent_span_id: span_id(self.uid, ROOT).to_vec(),
            flags: FLAGS,
            name: name.to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: nanoseconds(start),
            end_time_unix_nano: nanoseconds(end.max(start)),
            attributes: attributes.done(),
            ..Span::default()
        }
    }
}

/// The incident whose symptom this one was: of the hop that was found at fault, and open at the same time.
fn cause<'a>(incident: &HopIncident, end: Timestamp, others: &'a [HopIncident]) -> Option<&'a HopIncident> {
    let hop = incident.status.as_ref()?.cause.as_ref()?;
    let began = incident.spec.first.time.0;
    let is_open_then = |other: &&HopIncident| {
        let closed = other.status.as_ref().and_then(|status| status.closed_at.as_ref());
        other.spec.first.time.0 <= end && closed.is_none_or(|at| at.0 >= began)
    };
    let of_hop = others.iter().filter(|other| other.spec.hop == *hop && other.uid().is_some());
    of_hop.filter(is_open_then).max_by_key(|other| other.spec.last.time.0)
}

fn link(to: &HopIncident) -> Link {
    let uid = to.uid().unwrap_or_default();
    let attributes = Attributes::default().text("hopkeeper.incident.name", to.name_any());
    Link {
        trace_id: trace_id(&uid).to_vec(),
        span_id: span_id(&uid, ROOT).to_vec(),
        attributes: attributes.done(),
        flags: FLAGS,
        ..Link::default()
    }
}

fn candidate(attributes: Attributes, candidate: &CandidateRef) -> Attributes {
    attributes
        .text("hopkeeper.candidate.name", candidate.name.clone())
        .text("hopkeeper.candidate.version", candidate.version.clone())
}

fn failed(message: String) -> Status {
    Status { code: StatusCode::Error.into(), message }
}

/// Since 1970; lines of an earlier time have none.
fn nanoseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_nanosecond()).unwrap_or(0)
}
