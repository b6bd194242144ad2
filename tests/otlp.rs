//! Traces on a real OpenTelemetry Collector: what it took, as it wrote it down. It is the collector's own code for OTLP and
//! nothing of ours that reads what we send.
//!
//! Each test starts its own (`HOPKEEPER_TEST_OTELCOL`, else the lab's program); the lab need not run.
#![cfg(feature = "otlp")]

#[path = "shared/collector.rs"]
mod collector;
#[path = "shared/counted.rs"]
mod counted;
#[path = "shared/lab_dir.rs"]
mod lab_dir;
#[path = "shared/needs.rs"]
mod needs;

use clap::Parser;
use collector::{Collector, Place};
use counted::{count, until};
use hopkeeper::config::otlp::OtlpArgs;
use hopkeeper::crd::{HopIncident, VpnChain};
use hopkeeper::traces::{Exporter, TraceSink, prepare};
use prometheus::Registry;
use serde_json::{Value, json};

const UID: &str = "5f1cbb7a-3a0e-4d2c-9c1b-0d9a7c2e4f61";
const TRACE: &str = "5f1cbb7a3a0e4d2c9c1b0d9a7c2e4f61";

fn berlin() -> VpnChain {
    let manifest = serde_saphyr::from_str(include_str!("../examples/berlin.yaml")).expect("should be YAML");
    let mut chain = hopkeeper::manifest::check(&manifest).expect("should be valid");
    chain.metadata.namespace = Some("vpn".into());
    chain
}

/// An incident whose rotation took two steps, the second one with a new pod.
fn recovered(uid: &str) -> HopIncident {
    let step = |action: &str, candidate: &str, times: [&str; 3], outcome: &str| {
        let [started, applied, finished] = times.map(|second| format!("2026-11-22T12:00:{second}Z"));
        json!({"action": action, "candidate": {"name": candidate, "version": "1"}, "revision": 1, "recreate": 0,
            "startedAt": started, "appliedAt": applied, "finishedAt": finished, "outcome": outcome})
    };
    serde_json::from_value(json!({
        "apiVersion": "hopkeeper.io/v1alpha1", "kind": "HopIncident",
        "metadata": {"name": "berlin-entry-0a1b2c3d4e5f", "namespace": "vpn", "uid": uid},
        "spec": {
            "chain": "berlin", "hop": "entry", "podUid": "2b6e3c1a-0000-4000-8000-000000000001", "pod": "berlin-entry-0",
            "candidate": {"name": "a", "version": "3"}, "rule": "openvpn-auth-failed",
            "title": "The server rejected the user name or password", "verdict": "rotate", "evidence": "own",
            "first": {"time": "2026-11-22T12:00:00.000001Z", "position": "kafka:vpn-logs/2/4711"},
            "last": {"time": "2026-11-22T12:00:01.500000Z", "position": "kafka:vpn-logs/2/4720"},
            "detectedAt": "2026-11-22T12:00:01.620000Z",
            "line": "AUTH: Received control message: AUTH_FAILED \u{1f6ab}",
        },
        "status": {
            "phase": "Recovered", "reason": "TunnelUp", "message": "the hop carries traffic again",
            "heldSince": "2026-11-22T12:00:01.700000Z", "closedAt": "2026-11-22T12:00:40.000000Z",
            "steps": [
                step("RotateInPlace", "b", ["02.000000", "02.300000", "32.300000"], "TimedOut"),
                step("RotateAndRecreate", "c", ["32.400000", "33.000000", "40.000000"], "Up"),
            ],
        },
    }))
    .expect("should be an incident")
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    otlp: OtlpArgs,
}

fn exporter(arguments: &[&str]) -> (TraceSink, Exporter, Registry) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let line = Line::try_parse_from(["hopkeeper"].iter().chain(arguments)).expect("should be arguments");
    let registry = Registry::new();
    let both = prepare(&line.otlp, &registry).expect("should be usable").expect("should be wanted");
    (both.0, both.1, registry)
}

fn close(sink: &TraceSink, uids: &[&str]) {
    let incidents: Vec<_> = uids.iter().map(|uid| recovered(uid)).collect();
    sink.look(&berlin(), &incidents, "2026-11-22T12:00:41Z".parse().expect("should be a time"));
}

/// An attribute's value, whatever its type.
fn attribute<'v>(of: &'v Value, key: &str) -> &'v str {
    let all = of["attributes"].as_array().into_iter().flatten();
    let found = all.filter(|attribute| attribute["key"] == key).collect::<Vec<_>>();
    let [one] = found[..] else { panic!("{key} should be there once: {of}") };
    let value = one["value"].as_object().and_then(|value| value.values().next());
    value.and_then(Value::as_str).unwrap_or_else(|| panic!("{key}: {one}"))
}

fn spans(resource: &Value) -> &[Value] {
    resource["scopeSpans"][0]["spans"].as_array().expect("should have spans")
}

fn nanoseconds(value: &Value) -> i128 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value}"))
}

#[tokio::test]
async fn a_collector_takes_an_incident_as_one_trace_from_its_line_to_its_recovery() {
    let Some(place) = Place::new() else { return };
    let collector = Collector::start(&place);
    let (sink, exporter, registry) = exporter(&["--otlp-endpoint", &place.url()]);
    close(&sink, &[UID]);
    drop(sink);
    exporter.run().await;
    assert_eq!(count(&registry, "hopkeeper_traces_exported_total"), 1);

    let taken = collector.stop();
    let [resource] = &taken[..] else { panic!("one: {taken:?}") };
    assert_eq!(attribute(&resource["resource"], "service.name"), "hopkeeper");
    assert_eq!(resource["scopeSpans"][0]["scope"]["name"], "hopkeeper");
    let spans = spans(resource);
    let names: Vec<_> = spans.iter().map(|span| span["name"].as_str().expect("should be text")).collect();
    assert_eq!(
        names,
        [
            "incident openvpn-auth-failed",
            "count lines",
            "ship line",
            "judge",
            "hold",
            "rotate in place",
            "write parameters",
            "verify tunnel",
            "rotate and recreate pod",
            "write parameters",
            "verify tunnel",
        ]
    );
    let root = &spans[0];
    assert!(root.get("parentSpanId").is_none_or(|id| id == ""), "{root}");
    for (span, parent) in spans[1..].iter().zip([0, 0, 0, 0, 0, 5, 5, 0, 8, 8]) {
        assert_eq!(span["parentSpanId"], spans[parent]["spanId"], "{span}");
    }
    for span in spans {
        assert_eq!((&span["traceId"], &span["kind"]), (&json!(TRACE), &json!(1)));
        let (start, end) = (nanoseconds(&span["startTimeUnixNano"]), nanoseconds(&span["endTimeUnixNano"]));
        assert!(
            start <= end
                && nanoseconds(&root["startTimeUnixNano"]) <= start
                && end <= nanoseconds(&root["endTimeUnixNano"])
        );
    }
    assert_eq!(nanoseconds(&root["startTimeUnixNano"]), 1_795_348_800_000_001_000);
    assert_eq!(nanoseconds(&root["endTimeUnixNano"]), 1_795_348_840_000_000_000);
    for (key, expected) in [
        ("k8s.namespace.name", "vpn"),
        ("k8s.pod.name", "berlin-entry-0"),
        ("k8s.pod.uid", "2b6e3c1a-0000-4000-8000-000000000001"),
        ("hopkeeper.chain.name", "berlin"),
        ("hopkeeper.hop.position", "1"),
        ("hopkeeper.incident.line", "AUTH: Received control message: AUTH_FAILED \u{1f6ab}"),
        ("hopkeeper.incident.outcome", "Recovered"),
    ] {
        assert_eq!(attribute(root, key), expected);
    }
    // 0 unset, 1 ok, 2 error.
    let codes: Vec<_> = [0, 5, 8].map(|span| spans[span]["status"]["code"].as_i64().unwrap_or(0)).into();
    assert_eq!(codes, [1, 2, 0], "recovered in the end; the first step timed out");
}

#[tokio::test]
async fn what_was_closed_before_the_collector_is_there_arrives_when_it_comes() {
    let Some(place) = Place::new() else { return };
    let (sink, exporter, registry) = exporter(&["--otlp-traces-endpoint", &format!("{}/v1/traces", place.url())]);
    let sending = tokio::spawn(exporter.run());
    close(&sink, &[UID, "2"]);
    until("it was tried in vain", || count(&registry, "hopkeeper_traces_export_errors_total") > 0).await;
    let collector = Collector::start(&place);
    until("it was sent", || count(&registry, "hopkeeper_traces_exported_total") >= 2).await;
    drop(sink);
    sending.await.expect("should end when there will be no more");
    let taken = collector.stop();
    let ids: Vec<_> = taken.iter().map(|resource| &spans(resource)[0]["traceId"]).collect();
    assert_eq!((ids.len(), ids[0]), (2, &json!(TRACE)));
    assert_eq!(count(&registry, "hopkeeper_traces_dropped_total"), 0);
}

#[tokio::test]
async fn a_collector_with_tls_is_trusted_by_its_ca_alone() {
    let Some(place) = Place::with_tls() else { return };
    let collector = Collector::start(&place);
    let ca = place.ca();
    let (sink, exporter, _) = exporter(&["--otlp-endpoint", &place.url(), "--otlp-ca", &ca]);
    close(&sink, &[UID]);
    drop(sink);
    exporter.run().await;

    let (sink, stranger, registry) = self::exporter(&["--otlp-endpoint", &place.url()]);
    let sending = tokio::spawn(stranger.run());
    close(&sink, &["2"]);
    until("it was tried in vain", || count(&registry, "hopkeeper_traces_export_errors_total") > 0).await;
    sending.abort();
    let taken = collector.stop();
    let ids: Vec<_> = taken.iter().map(|resource| &spans(resource)[0]["traceId"]).collect();
    assert_eq!(ids, [&json!(TRACE)], "nobody sends to a server that it does not trust");
}
