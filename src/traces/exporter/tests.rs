//! On a stand-in for a collector, which decodes what comes: away, slow, busy, refusing, and in a hurry at the end. The real
//! one is asked in `tests/otlp.rs`.

use std::collections::VecDeque;
use std::io::Read as _;
use std::sync::Mutex;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prometheus::Registry;
use prost::Message as _;
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::super::collector::Refusal;
use super::super::request::Origin;
use super::super::settings::{Headers, Settings};
use super::super::sink::TraceSink;
use super::super::tests::{hex, recovered, spans_of, time};
use super::*;
use crate::overview::tests::berlin;

/// A collector that keeps the ids of the traces that it took, and answers otherwise as often as it is told to.
#[derive(Clone, Default)]
struct Taken {
    ids: Arc<Mutex<Vec<String>>>,
    faults: Arc<Mutex<VecDeque<ResponseTemplate>>>,
}

impl Taken {
    fn ids(&self) -> Vec<String> {
        self.ids.lock().unwrap().clone()
    }

    fn answer(&self, request: &Request) -> ResponseTemplate {
        assert_eq!(request.headers["content-type"], "application/x-protobuf");
        if let Some(fault) = self.faults.lock().unwrap().pop_front() {
            return fault;
        }
        let mut body = request.body.clone();
        if request.headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
            body.clear();
            flate2::read::GzDecoder::new(request.body.as_slice()).read_to_end(&mut body).unwrap();
        }
        let decoded = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        self.ids.lock().unwrap().extend(decoded.resource_spans.iter().map(|of| hex(&spans_of(of)[0].trace_id)));
        answer(&ExportTraceServiceResponse::default())
    }
}

fn answer(answer: &ExportTraceServiceResponse) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(answer.encode_to_vec(), "application/x-protobuf")
}

async fn server(faults: impl IntoIterator<Item = ResponseTemplate>) -> (MockServer, Taken) {
    let (server, taken) = (MockServer::start().await, Taken::default());
    *taken.faults.lock().unwrap() = faults.into_iter().collect();
    let all = taken.clone();
    let traces = Mock::given(method("POST")).and(path("/v1/traces"));
    traces.respond_with(move |request: &Request| all.answer(request)).mount(&server).await;
    (server, taken)
}

fn settings(url: &str) -> Settings {
    let headers = Headers::Variable("HEADERS".into(), "authorization=Bearer%20CANARY".to_owned().into());
    let url = format!("{url}/v1/traces").parse().unwrap();
    Settings { url, ca: None, headers, timeout: Duration::from_secs(10), gzip: false, resource: Vec::new() }
}

struct Scene {
    sink: Option<TraceSink>,
    outbox: Arc<Outbox<Trace>>,
    registry: Registry,
    exporter: Exporter,
}

impl Scene {
    /// An exporter that tries for longer than any test takes.
    fn new(settings: Settings) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (registry, outbox) = (Registry::new(), Arc::new(Outbox::new(1 << 20)));
        let metrics = TraceMetrics::register(&registry).unwrap();
        let sink = Some(TraceSink::new(Origin::new(&[]), Arc::clone(&outbox), metrics.clone()));
        let mut exporter = Exporter::new(Collector::new(settings).unwrap(), Arc::clone(&outbox), metrics);
        exporter.last = Duration::from_secs(60);
        Self { sink, outbox, registry, exporter }
    }

    /// So many incidents are closed.
    fn close(&self, count: usize) {
        let incidents: Vec<_> = (0..count)
            .map(|number| {
                let mut incident = recovered();
                incident.metadata.uid = Some(uid(number));
                incident
            })
            .collect();
        self.sink.as_ref().unwrap().look(&berlin(), &incidents, time("05"));
    }

    /// Nobody tells any more; the exporter comes to its end.
    async fn finish(self) -> Registry {
        drop(self.sink);
        self.exporter.run().await;
        assert_eq!(self.outbox.size(), (0, 0));
        self.registry
    }
}

fn uid(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| uid(number).replace('-', "")).collect()
}

/// A counter's series with that label, or its only one.
fn count(registry: &Registry, name: &str, label: &str) -> u64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name).unwrap();
    let of =
        |metric: &&prometheus::proto::Metric| label.is_empty() || metric.get_label().iter().any(|l| l.value() == label);
    let value = family.get_metric().iter().find(of).unwrap().get_counter().get_value();
    // Counts are whole.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let whole = value as u64;
    whole
}

fn exported(registry: &Registry) -> u64 {
    count(registry, "hopkeeper_traces_exported_total", "")
}

fn dropped(registry: &Registry, reason: &str) -> u64 {
    count(registry, "hopkeeper_traces_dropped_total", reason)
}

fn errors(registry: &Registry, category: &str) -> u64 {
    count(registry, "hopkeeper_traces_export_errors_total", category)
}

#[tokio::test]
async fn what_the_sink_leaves_is_sent_in_batches_before_the_exporter_ends() {
    let (server, taken) = server([]).await;
    let scene = Scene::new(settings(&server.uri()));
    scene.close(150);
    let registry = scene.finish().await;
    assert_eq!((taken.ids(), exported(&registry)), (ids(0..150), 150));
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 2, "100 a request");
    assert!(requests.iter().all(|request| request.headers["authorization"] == "Bearer CANARY"));
}

#[tokio::test]
async fn requests_are_compressed_where_that_is_wanted() {
    let (server, taken) = server([]).await;
    let scene = Scene::new(Settings { gzip: true, ..settings(&server.uri()) });
    scene.close(2);
    scene.finish().await;
    assert_eq!(taken.ids(), ids(0..2));
    assert_eq!(server.received_requests().await.unwrap()[0].headers["content-encoding"], "gzip");
}

#[tokio::test]
async fn a_collector_that_is_busy_or_starting_gets_the_same_again_once() {
    let faults = [429, 502, 503, 504].map(ResponseTemplate::new);
    let (server, taken) = server(faults).await;
    let scene = Scene::new(settings(&server.uri()));
    scene.close(3);
    let registry = scene.finish().await;
    assert_eq!((taken.ids(), exported(&registry)), (ids(0..3), 3));
    assert_eq!((errors(&registry, "busy"), errors(&registry, "unreachable")), (1, 3));
    assert_eq!(dropped(&registry, "refused"), 0);
}

#[tokio::test]
async fn what_is_refused_for_good_is_dropped_counted_and_does_not_hold_up_the_next() {
    for (status, category) in
        [(400, "refused"), (401, "forbidden"), (403, "forbidden"), (404, "refused"), (500, "refused")]
    {
        let (server, taken) = server([ResponseTemplate::new(status)]).await;
        let mut scene = Scene::new(settings(&server.uri()));
        scene.close(2);
        scene.exporter.send().await.unwrap();
        scene.close(3);
        let registry = scene.finish().await;
        assert_eq!((taken.ids(), exported(&registry)), (ids(2..3), 1), "{status}");
        assert_eq!((dropped(&registry, "refused"), errors(&registry, category)), (2, 1), "{status}");
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_goes_out_in_halves_down_to_the_one_at_fault() {
    let (server, taken) = server([413, 413, 413].map(ResponseTemplate::new)).await;
    let scene = Scene::new(settings(&server.uri()));
    scene.close(4);
    let registry = scene.finish().await;
    assert_eq!((taken.ids(), dropped(&registry, "refused")), (ids(1..4), 1));
}

#[tokio::test]
async fn spans_that_are_not_taken_are_counted_and_nothing_is_sent_again() {
    let partial = ExportTracePartialSuccess { rejected_spans: 3, error_message: "too old".into() };
    let (server, _) = server([answer(&ExportTraceServiceResponse { partial_success: Some(partial) })]).await;
    let scene = Scene::new(settings(&server.uri()));
    scene.close(1);
    let registry = scene.finish().await;
    assert_eq!((exported(&registry), errors(&registry, "partial")), (1, 1));
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_waits_for_a_collector_that_does_not_answer_and_what_is_unsent_at_the_end_is_counted() {
    let silent = ResponseTemplate::new(200).set_delay(Duration::from_secs(3600));
    let (server, _) = server(vec![silent; 9]).await;
    let mut scene = Scene::new(settings(&server.uri()));
    scene.exporter.last = Duration::from_millis(300);
    // Were it waited for, this test would take an hour.
    scene.close(5);
    let registry = scene.finish().await;
    assert_eq!((exported(&registry), dropped(&registry, "shutdown")), (0, 5));
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_none() {
    let silent = ResponseTemplate::new(200).set_delay(Duration::from_secs(3600));
    let (server, taken) = server([silent]).await;
    let scene = Scene::new(Settings { timeout: Duration::from_millis(100), ..settings(&server.uri()) });
    scene.close(1);
    let registry = scene.finish().await;
    assert_eq!((taken.ids(), errors(&registry, "unreachable")), (ids(0..1), 1));
}

#[tokio::test]
async fn while_the_collector_is_away_memory_is_bounded_and_the_newest_traces_are_kept() {
    let mut scene = Scene::new(settings("http://127.0.0.1:9"));
    scene.exporter.last = Duration::from_millis(300);
    for _ in 0..9 {
        scene.close(300);
        scene.sink.as_ref().unwrap().forget_chain("vpn", "berlin");
        let why = scene.exporter.send().await.unwrap_err();
        assert!(why.is_passing(), "{why}");
        assert!(scene.outbox.size().1 <= 1 << 20);
    }
    let (waiting, _) = scene.outbox.size();
    let registry = scene.finish().await;
    assert_eq!(dropped(&registry, "overflow"), 9 * 300 - waiting as u64);
    assert_eq!((dropped(&registry, "shutdown"), exported(&registry)), (waiting as u64, 0));
}

#[tokio::test]
async fn no_other_server_is_sent_the_headers() {
    let elsewhere = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&elsewhere).await;
    let there = ResponseTemplate::new(307).insert_header("location", format!("{}/v1/traces", elsewhere.uri()));
    let (server, _) = server([there]).await;
    let scene = Scene::new(settings(&server.uri()));
    scene.close(1);
    let registry = scene.finish().await;
    assert_eq!(dropped(&registry, "refused"), 1);
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_refusal_says_where_why_and_what_helps_but_no_secret() {
    let said = Refusal { message: "key CANARY of Bearer CANARY is unknown\u{1b}[2J".into() }.encode_to_vec();
    let (server, _) = server([401, 404].map(|status| {
        ResponseTemplate::new(status)
            .insert_header("retry-after", "7")
            .set_body_raw(said.clone(), "application/x-protobuf")
    }))
    .await;
    let collector = Collector::new(settings(&server.uri())).unwrap();
    let why = collector.send(Vec::new()).await.unwrap_err();
    let text = why.to_string();
    assert_eq!(
        text,
        format!(
            "the collector at {}/v1/traces answered 401: key *** of *** is unknown[2J; check OTEL_EXPORTER_OTLP_HEADERS, or \
             --otlp-headers-file",
            server.uri()
        )
    );
    assert_eq!(why.retry_after(), Some(Duration::from_secs(7)));
    let why = collector.send(Vec::new()).await.unwrap_err().to_string();
    assert!(why.contains("v1/traces is added to --otlp-endpoint"), "{why}");
}

#[tokio::test]
async fn the_port_of_grpc_is_told_from_that_of_http() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for (url, expected) in [("http://127.0.0.1:4317", true), ("http://127.0.0.1:9", false)] {
        let collector = Collector::new(settings(url)).unwrap();
        let address = collector.address();
        // Whether anybody listens there does not matter for what is said of the port.
        let error = reqwest::get("http://127.0.0.1:9").await.unwrap_err();
        let text = collector.unreachable(error).to_string();
        assert_eq!(text.contains("OTLP over HTTP has 4318"), expected, "{text}");
        assert!(text.contains(&address), "{text}");
    }
}
