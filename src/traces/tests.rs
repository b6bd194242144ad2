//! The trace of an incident, span by span, read from the bytes that are sent.

use std::fmt::Write as _;
use std::sync::Arc;

use kube::ResourceExt;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message as _;
use serde_json::json;

use super::*;
use crate::crd::HopIncident;
use crate::crd::incident::{IncidentPhase, StepOutcome};
use crate::domain::trace::trace_id;
use crate::overview::tests::{berlin, rotated, symptom};

pub(super) const UID: &str = "5f1cbb7a-3a0e-4d2c-9c1b-0d9a7c2e4f61";

pub(super) fn time<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_value(json!(format!("2026-11-22T12:00:{text}Z"))).unwrap()
}

/// The entry's rotation, which was held for a while before.
pub(super) fn recovered() -> HopIncident {
    let mut incident = rotated(Some("Up"));
    incident.metadata.uid = Some(UID.to_owned());
    incident.spec.detected_at = Some(time("01.550000"));
    incident.status.as_mut().unwrap().held_since = Some(time("01.600000"));
    incident
}

/// The exit's symptom of it, which went when it was repaired.
fn followed() -> HopIncident {
    let mut incident = symptom();
    incident.metadata.uid = Some("e2a4c7d0-6b1f-4c3e-8a55-1f0e9d8c7b6a".to_owned());
    let status = incident.status.as_mut().unwrap();
    status.phase = IncidentPhase::Recovered;
    (status.reason, status.closed_at) = (Some("CauseRecovered".into()), Some(time("09.000000")));
    status.message = Some("outer hop \"entry\" was repaired, and this one followed".into());
    status.held_since = Some(time("06.600000"));
    incident
}

pub(super) fn metrics() -> TraceMetrics {
    TraceMetrics::register(&Registry::new()).unwrap()
}

/// A sink, and what it fills.
pub(crate) fn sink() -> (TraceSink, Arc<Outbox<Trace>>) {
    let outbox = Arc::new(Outbox::new(MAX_BYTES));
    (TraceSink::new(Origin::new(&[]), Arc::clone(&outbox), metrics()), outbox)
}

/// What waits there, decoded; it is taken out.
pub(crate) fn told(outbox: &Outbox<Trace>) -> Vec<ResourceSpans> {
    let mut request = Vec::new();
    outbox.begin(usize::MAX, usize::MAX, |trace| request.extend_from_slice(&trace.request));
    outbox.abandon();
    ExportTraceServiceRequest::decode(request.as_slice()).unwrap().resource_spans
}

pub(super) fn spans_of(told: &ResourceSpans) -> &[Span] {
    let [scope] = &told.scope_spans[..] else { panic!("one scope") };
    &scope.spans
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(all: &[KeyValue]) -> Vec<String> {
    let value = |attribute: &KeyValue| match attribute.value.clone().unwrap().value.unwrap() {
        Any::StringValue(text) => text,
        Any::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    all.iter().map(|attribute| format!("{} = {}", attribute.key, value(attribute))).collect()
}

/// A trace as a tree: when each span began, after noon, how long it took, and what it says.
fn tree(spans: &[Span]) -> String {
    let mut text = String::new();
    let noon = 1_795_348_800_000_000_000_u64;
    // Whole microseconds.
    let seconds =
        |nanoseconds: u64| format!("{}.{:06} s", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000 / 1000);
    fn below(spans: &[Span], parent: &[u8], depth: usize, tell: &mut dyn FnMut(&Span, usize)) {
        for span in spans.iter().filter(|span| span.parent_span_id == parent) {
            tell(span, depth);
            below(spans, &span.span_id, depth + 1, tell);
        }
    }
    let mut shown = 0;
    below(spans, &[], 0, &mut |span, depth| {
        shown += 1;
        let indent = "    ".repeat(depth);
        let (began, took) = (span.start_time_unix_nano - noon, span.end_time_unix_nano - span.start_time_unix_nano);
        let status = span.status.as_ref().map(|s| format!(" {:?} {}", s.code(), s.message)).unwrap_or_default();
        writeln!(text, "{indent}{}: +{}, {}{}", span.name, seconds(began), seconds(took), status.trim_end()).unwrap();
        for attribute in attributes(&span.attributes) {
            writeln!(text, "{indent}  {attribute}").unwrap();
        }
        for link in &span.links {
            writeln!(text, "{indent}  link {} {}", hex(&link.trace_id), attributes(&link.attributes).join(", "))
                .unwrap();
        }
    });
    assert_eq!(shown, spans.len(), "every span hangs on the tree");
    text
}

fn spans(incident: &HopIncident, others: &[HopIncident]) -> Vec<Span> {
    incident::spans(&berlin(), incident, others)
}

#[test]
fn a_rotation_is_told_from_its_line_to_the_working_hop() {
    let tree = tree(&spans(&recovered(), &[]));
    assert!(include_str!("../../docs/tracing.md").contains(&tree), "docs/tracing.md should show:\n{tree}");
}

#[test]
fn a_symptom_leads_to_the_incident_of_its_cause() {
    let mut earlier = rotated(Some("Up"));
    earlier.metadata.uid = Some("00000000-0000-4000-8000-000000000001".to_owned());
    earlier.status.as_mut().unwrap().closed_at =
        Some(serde_json::from_value(json!("2026-11-22T11:59:59.000000Z")).unwrap());
    earlier.spec.first.time.0 -= jiff::SignedDuration::from_mins(1);
    let all = [earlier.clone(), recovered(), followed()];
    let spans_of_symptom = spans(&followed(), &all);
    insta::assert_snapshot!(tree(&spans_of_symptom));
    assert_eq!(spans_of_symptom[0].links[0].span_id, spans(&recovered(), &all)[0].span_id, "the whole incident's");
    assert!(spans(&followed(), &[earlier, followed()])[0].links.is_empty(), "that one was over before");
}

#[test]
fn a_step_that_failed_and_an_incident_that_nobody_could_repair_are_errors() {
    let mut incident = recovered();
    let status = incident.status.as_mut().unwrap();
    (status.phase, status.message) = (IncidentPhase::Escalated, Some("every rung of recovery.ladder was tried".into()));
    let mut last = status.steps[0].clone();
    status.steps[0].outcome = Some(StepOutcome::TimedOut);
    // Its candidate was gone when it was to be written.
    (last.started_at, last.applied_at, last.finished_at, last.outcome) = (time("04.000000"), None, None, None);
    status.steps.push(last);
    status.closed_at = Some(time("05.000000"));
    let spans = spans(&incident, &[]);
    let failed: Vec<_> = spans
        .iter()
        .filter(|span| span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error))
        .map(|span| (span.name.as_str(), span.status.as_ref().unwrap().message.as_str()))
        .collect();
    assert_eq!(
        failed,
        [
            ("incident openvpn-auth-failed", "every rung of recovery.ladder was tried"),
            ("rotate in place", "the hop carried no traffic within the time"),
            ("rotate in place", "every rung of recovery.ladder was tried"),
        ]
    );
    assert_eq!(spans.iter().filter(|span| span.name == "write parameters").count(), 1, "the last one never was");
}

#[test]
fn an_incident_of_one_line_that_needed_nothing_has_no_more_than_its_line_and_its_judgement() {
    let mut incident = recovered();
    incident.spec.first = incident.spec.last.clone();
    let status = incident.status.as_mut().unwrap();
    (status.phase, status.held_since) = (IncidentPhase::Suppressed, None);
    status.steps.clear();
    let spans = spans(&incident, &[]);
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["incident openvpn-auth-failed", "ship line", "judge"]);
    assert_eq!(spans[0].status.as_ref().unwrap().code(), StatusCode::Unset);
}

#[test]
fn no_span_takes_less_than_no_time_where_clocks_differ() {
    let mut incident = recovered();
    let status = incident.status.as_mut().unwrap();
    let early = || Some(time("00.000000"));
    (status.steps[0].applied_at, status.steps[0].finished_at, status.closed_at) = (early(), early(), early());
    for span in spans(&incident, &[]) {
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{}", span.name);
    }
}

#[test]
fn ids_are_of_the_right_length_distinct_and_follow_from_the_incident() {
    let once = spans(&recovered(), &[]);
    assert_eq!(once, spans(&recovered(), &[]), "whoever tells it tells the same");
    let mut ids: Vec<_> = once.iter().map(|span| span.span_id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), once.len());
    for span in &once {
        assert_eq!((span.trace_id.as_slice(), span.span_id.len()), (trace_id(UID).as_slice(), 8));
    }
    assert!(once[0].parent_span_id.is_empty() && once[1..].iter().all(|span| span.parent_span_id.len() == 8));
}

#[test]
fn who_tells_is_the_program_and_what_the_installation_says_goes_first() {
    let own = [("service.name", "vpn"), ("deployment.environment.name", "prod")];
    let own: Vec<_> = own.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let trace = Origin::new(&own).trace(spans(&recovered(), &[]));
    let told = ExportTraceServiceRequest::decode(trace.request.as_slice()).unwrap().resource_spans;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        attributes(&told[0].resource.as_ref().unwrap().attributes),
        [
            "service.name = vpn",
            "deployment.environment.name = prod",
            &format!("service.version = {version}"),
            "telemetry.sdk.name = hopkeeper",
            "telemetry.sdk.language = rust",
            &format!("telemetry.sdk.version = {version}"),
        ]
    );
    assert_eq!(told[0].scope_spans[0].scope.as_ref().unwrap().name, "hopkeeper");
}

#[test]
fn traces_one_after_the_other_are_one_request() {
    let (sink, outbox) = sink();
    let (first, second) = (recovered(), followed());
    sink.look(&berlin(), &[first.clone(), second.clone()], time("10"));
    let told = told(&outbox);
    let ids: Vec<_> = told.iter().map(|of| hex(&spans_of(of)[0].trace_id)).collect();
    let expected = [first, second].map(|incident| incident.uid().unwrap().replace('-', ""));
    assert_eq!(ids, expected);
}
