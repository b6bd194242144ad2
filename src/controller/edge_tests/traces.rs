//! Traces of what the reconciler did: when an incident is closed, once, and again by whoever comes after a crash.

use super::*;
use crate::outbox::Outbox;
use crate::traces::Trace;
use crate::traces::tests::{sink, told};

/// The names of the spans of each trace that waits, and the id of its trace.
fn names(outbox: &Outbox<Trace>) -> Vec<(Vec<String>, Vec<u8>)> {
    let told = told(outbox);
    let spans = told.iter().map(|of| &of.scope_spans[0].spans);
    spans.map(|spans| (spans.iter().map(|span| span.name.clone()).collect(), spans[0].trace_id.clone())).collect()
}

const UID: &str = "5f1cbb7a-3a0e-4d2c-9c1b-0d9a7c2e4f61";

/// An incident with that UID.
fn refused(scene: &Scene) {
    let mut incident = scene.incident();
    incident.metadata.uid = Some(UID.into());
    scene.server.put(INCIDENT, &incident);
}

/// The hop's pod runs with what it was given, and is Ready.
fn the_hop_comes_up(scene: &Scene) {
    scene.server.put("/api/v1/namespaces/demo/pods/berlin-entry-0", &pod("entry", true, Timestamp::now()));
}

#[tokio::test]
async fn an_incident_is_told_as_one_trace_when_its_hop_works_again_and_by_the_next_operator_as_the_same() {
    let mut scene = Scene::two_candidates().await;
    let (traces, outbox) = sink();
    scene.ctx = scene.ctx.tracing(Some(traces));
    refused(&scene);

    scene.pass().await.unwrap();
    assert_eq!(scene.recovery(), (IncidentPhase::Verifying, 1));
    assert!(names(&outbox).is_empty(), "it is not over yet");
    the_hop_comes_up(&scene);
    scene.pass().await.unwrap();
    assert_eq!(scene.recovery(), (IncidentPhase::Recovered, 1));
    let first = names(&outbox);
    let [(spans, id)] = &first[..] else { panic!("one trace: {first:?}") };
    assert_eq!(
        spans[..],
        ["incident openvpn-auth-failed", "ship line", "judge", "rotate in place", "write parameters", "verify tunnel"]
    );
    assert_eq!(id[..3], [0x5f, 0x1c, 0xbb]);
    scene.pass().await.unwrap();
    assert!(names(&outbox).is_empty());

    // The operator dies with that unsent.
    let (traces, outbox) = sink();
    scene.ctx = context(scene.server.client(), &prometheus::Registry::new()).tracing(Some(traces));
    scene.pass().await.unwrap();
    assert_eq!(names(&outbox), first);
}

#[tokio::test]
async fn what_was_refused_is_no_end_that_is_told() {
    let mut scene = Scene::two_candidates().await;
    let (traces, outbox) = sink();
    scene.ctx = scene.ctx.tracing(Some(traces));
    refused(&scene);
    scene.pass().await.unwrap();
    the_hop_comes_up(&scene);
    scene.server.fail(Fault { method: "PUT", path: "/hopincidents/x/status", code: 409, reason: "Conflict" });
    assert!(is_conflict(&scene.pass().await));
    assert!(names(&outbox).is_empty());
    scene.pass().await.unwrap();
    assert_eq!(names(&outbox).len(), 1);
}

#[tokio::test]
async fn documents_name_the_trace_where_there_is_one() {
    for traced in [false, true] {
        let mut scene = Scene::two_candidates().await;
        let buffer = Arc::new(Buffer::new(1 << 20));
        let metrics = DocumentMetrics::register(&prometheus::Registry::new()).unwrap();
        let sink = DocumentSink::new(Names::new("default").unwrap(), Arc::clone(&buffer), metrics);
        scene.ctx = scene.ctx.documenting(Some(sink.naming_traces(traced)));
        refused(&scene);
        scene.pass().await.unwrap();
        let mut named = 0;
        buffer.begin(usize::MAX, usize::MAX, |document| {
            named += usize::from(document.lines().contains(r#""trace":{"id":"5f1cbb7a3a0e4d2c9c1b0d9a7c2e4f61"}"#));
        });
        assert_eq!(named, if traced { 3 } else { 0 }, "detected, acting, verifying");
    }
}
