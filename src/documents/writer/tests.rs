//! On a server that is away, busy, refuses and forgets: nothing is lost that can be kept, and what is lost is counted.

use std::collections::VecDeque;
use std::sync::Mutex;

use prometheus::Registry;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wiremock::matchers::{any, method, path, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::documents::Document;
use crate::documents::sink::DocumentSink;
use crate::elasticsearch::Credentials;

/// A fault that happens to a bulk request.
enum Fault {
    /// The whole of it.
    Whole(ResponseTemplate),
    /// Its first document.
    First(u16, &'static str),
}

/// A server that keeps the ids that it took.
#[derive(Clone, Default)]
struct Taken {
    ids: Arc<Mutex<Vec<String>>>,
    faults: Arc<Mutex<VecDeque<Fault>>>,
}

impl Taken {
    fn ids(&self) -> Vec<String> {
        self.ids.lock().unwrap().clone()
    }

    fn answer(&self, request: &Request) -> ResponseTemplate {
        assert_eq!(request.headers["content-type"], "application/x-ndjson");
        let fault = self.faults.lock().unwrap().pop_front();
        let mut first = match fault {
            Some(Fault::Whole(answer)) => return answer,
            Some(Fault::First(status, kind)) => Some((status, kind)),
            None => None,
        };
        let body = String::from_utf8(request.body.clone()).unwrap();
        let metas = body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let items = metas.filter_map(|line| {
            let (action, id) = match &line {
                line if line["create"].is_object() => ("create", line["create"]["_id"].clone()),
                line if line["delete"].is_object() => ("delete", line["delete"]["_id"].clone()),
                _ => return None,
            };
            Some(match first.take() {
                Some((status, kind)) => json!({ action: { "status": status, "error": { "type": kind } } }),
                None => {
                    self.ids.lock().unwrap().push(id.as_str().unwrap().to_owned());
                    json!({ action: { "status": 201 } })
                }
            })
        });
        ResponseTemplate::new(200).set_body_json(json!({ "items": items.collect::<Vec<_>>() }))
    }
}

async fn server(faults: impl IntoIterator<Item = Fault>) -> (MockServer, Taken) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (server, taken) = (MockServer::start().await, Taken::default());
    *taken.faults.lock().unwrap() = faults.into_iter().collect();
    let answer = taken.clone();
    let bulk = Mock::given(method("POST")).and(path("/_bulk"));
    bulk.respond_with(move |request: &Request| answer.answer(request)).mount(&server).await;
    let there = Mock::given(method("GET")).and(path_regex("/_mapping$"));
    there.respond_with(ResponseTemplate::new(200).set_body_json(json!({}))).mount(&server).await;
    (server, taken)
}

fn connection(url: &str, credentials: Credentials) -> Connection {
    Connection { urls: vec![url.to_owned()], credentials, ca: None }
}

struct Scene {
    sink: Option<DocumentSink>,
    buffer: Arc<Buffer>,
    registry: Registry,
    metrics: DocumentMetrics,
    writer: Option<Writer>,
}

impl Scene {
    fn new(url: String, max_bytes: usize) -> Self {
        let (registry, buffer) = (Registry::new(), Arc::new(Buffer::new(max_bytes)));
        let metrics = DocumentMetrics::register(&registry).unwrap();
        let names = Names::new("default").unwrap();
        let sink = Some(DocumentSink::new(names, Arc::clone(&buffer), metrics.clone()));
        let mut scene = Self { sink, buffer, registry, metrics, writer: None };
        scene.connect(move || Ok(connection(&url, Credentials::None)));
        scene
    }

    /// Has a writer that asks there. It tries for longer than any test takes.
    fn connect(&mut self, connect: impl Fn() -> Result<Connection, String> + Send + Sync + 'static) {
        let (names, buffer) = (Names::new("default").unwrap(), Arc::clone(&self.buffer));
        let mut writer = Writer::new(Box::new(connect), names, buffer, self.metrics.clone());
        writer.last = Duration::from_secs(60);
        self.writer = Some(writer);
    }

    /// The writer soon gives up at the end.
    fn impatient(mut self) -> Self {
        self.writer.as_mut().unwrap().last = Duration::from_millis(300);
        self
    }

    /// Puts documents in, by their ids.
    fn put(&self, ids: std::ops::Range<usize>) {
        self.sink
            .as_ref()
            .unwrap()
            .put(ids.map(|id| Document::create("i", &id.to_string(), &json!({"text": "CANARY"}))));
    }

    /// Nobody puts in any more; the writer comes to its end.
    async fn finish(mut self) -> Self {
        self.sink = None;
        self.writer.take().unwrap().run().await;
        self
    }

    /// The same once such an error was counted.
    async fn finish_after_error(mut self, kind: &str) -> Self {
        let (writer, sink) = (self.writer.take().unwrap(), self.sink.take());
        let counted = async {
            while self.errors(kind) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            drop(sink);
        };
        tokio::join!(writer.run(), counted);
        self
    }

    fn metric(&self, name: &str, label: &str) -> u64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let mut found = family
            .get_metric()
            .iter()
            .filter(|metric| label.is_empty() || metric.get_label().iter().any(|pair| pair.value() == label));
        // Counts are whole.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let whole = found.next().unwrap().get_counter().get_value() as u64;
        whole
    }

    fn written(&self) -> u64 {
        self.metric("hopkeeper_documents_written_total", "")
    }

    fn dropped(&self, reason: &str) -> u64 {
        self.metric("hopkeeper_documents_dropped_total", reason)
    }

    fn errors(&self, category: &str) -> u64 {
        self.metric("hopkeeper_documents_write_errors_total", category)
    }
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|id| id.to_string()).collect()
}

#[tokio::test]
async fn what_the_sink_leaves_is_written_before_the_writer_ends() {
    let (server, taken) = server([]).await;
    let scene = Scene::new(server.uri(), 1 << 20);
    scene.put(0..1200);
    let scene = scene.finish().await;
    assert_eq!((taken.ids(), scene.written()), (ids(0..1200), 1200));
    let bulks = server.received_requests().await.unwrap();
    assert_eq!(bulks.iter().filter(|request| request.url.path() == "/_bulk").count(), 3, "500 a request");
}

#[tokio::test]
async fn refusals_that_pass_are_tried_again_in_order() {
    let busy = ResponseTemplate::new(429).set_body_json(json!({ "error": { "reason": "busy" } }));
    let (server, taken) = server([
        Fault::Whole(busy),
        Fault::Whole(ResponseTemplate::new(503).set_body_string("<html>")),
        Fault::First(429, "es_rejected_execution_exception"),
    ])
    .await;
    let scene = Scene::new(server.uri(), 1 << 20);
    scene.put(0..3);
    let scene = scene.finish().await;
    assert_eq!(taken.ids(), ["1", "2", "0"]);
    assert_eq!((scene.written(), scene.errors("busy"), scene.errors("unreachable")), (3, 2, 1));
    assert_eq!(scene.dropped("refused") + scene.dropped("shutdown"), 0);
}

#[tokio::test]
async fn a_document_that_is_refused_is_counted_and_the_others_are_written() {
    let (server, taken) = server([Fault::First(400, "strict_dynamic_mapping_exception")]).await;
    let scene = Scene::new(server.uri(), 1 << 20);
    scene.put(0..3);
    let scene = scene.finish().await;
    assert_eq!((taken.ids(), scene.written(), scene.dropped("refused")), (ids(1..3), 2, 1));
}

#[tokio::test]
async fn a_document_that_is_there_already_is_written() {
    let (server, _) = server([Fault::First(409, "version_conflict_engine_exception")]).await;
    let scene = Scene::new(server.uri(), 1 << 20);
    scene.put(0..2);
    let scene = scene.finish().await;
    assert_eq!((scene.written(), scene.dropped("refused")), (2, 0));
}

#[tokio::test]
async fn a_request_that_is_too_large_goes_out_in_halves_down_to_the_one_at_fault() {
    let too_large = || Fault::Whole(ResponseTemplate::new(413));
    // Of four: all, the first two, the first alone.
    let (server, taken) = server([too_large(), too_large(), too_large()]).await;
    let scene = Scene::new(server.uri(), 1 << 20);
    scene.put(0..4);
    let scene = scene.finish().await;
    assert_eq!((taken.ids(), scene.dropped("refused"), scene.written()), (ids(1..4), 1, 3));
}

#[tokio::test]
async fn nothing_is_written_to_a_cluster_that_is_not_set_up() {
    let (server, taken) = server([]).await;
    let missing = Mock::given(method("GET")).and(path("/hopkeeper-state-default/_mapping"));
    let missing = missing.respond_with(ResponseTemplate::new(404).set_body_json(json!({})));
    missing.with_priority(1).mount(&server).await;
    let scene = Scene::new(server.uri(), 1 << 20).impatient();
    scene.put(0..2);
    let scene = scene.finish_after_error("not_set_up").await;
    assert!(taken.ids().is_empty());
    assert_eq!(scene.dropped("shutdown"), 2);
}

#[tokio::test]
async fn an_index_that_was_removed_is_waited_for() {
    let (server, taken) = server([Fault::First(404, "index_not_found_exception")]).await;
    let scene = Scene::new(server.uri(), 1 << 20);
    scene.put(0..2);
    let scene = scene.finish().await;
    assert_eq!((taken.ids(), scene.errors("not_set_up")), (vec!["1".to_owned(), "0".to_owned()], 1));
}

#[tokio::test]
async fn a_document_that_the_key_has_no_right_for_waits_for_the_right() {
    let (server, taken) = server([Fault::First(403, "security_exception")]).await;
    let scene = Scene::new(server.uri(), 1 << 20);
    scene.put(0..2);
    let scene = scene.finish().await;
    assert_eq!((taken.ids(), scene.errors("forbidden")), (vec!["1".to_owned(), "0".to_owned()], 1));
}

#[tokio::test]
async fn a_key_that_was_replaced_is_read_again() {
    let (server, taken) = server([]).await;
    let old = Mock::given(any()).and(wiremock::matchers::header("authorization", "ApiKey old"));
    old.respond_with(ResponseTemplate::new(401).set_body_json(json!({}))).with_priority(1).mount(&server).await;
    let mut scene = Scene::new(server.uri(), 1 << 20);
    let keys = Mutex::new(VecDeque::from(["old", "new"]));
    let url = server.uri();
    scene.connect(move || {
        let key = keys.lock().unwrap().pop_front().ok_or("asked too often")?;
        Ok(connection(&url, Credentials::ApiKey(key.to_owned().into())))
    });
    scene.put(0..1);
    let scene = scene.finish().await;
    assert_eq!((taken.ids(), scene.errors("forbidden")), (ids(0..1), 1));
}

/// A server that is set up, and breaks off every connection by which something is written.
async fn breaks_off() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::task::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 4096];
            while let Ok(read @ 1..) = connection.read(&mut request).await {
                if !request[..read].starts_with(b"GET ") {
                    break;
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
                connection.write_all(answer).await.unwrap();
            }
        }
    });
    address
}

#[tokio::test]
async fn settings_are_read_again_when_a_connection_is_lost() {
    let (server, taken) = server([]).await;
    let mut scene = Scene::new(server.uri(), 1 << 20);
    let urls = Mutex::new(VecDeque::from([breaks_off().await, server.uri()]));
    scene.connect(move || {
        let url = urls.lock().unwrap().pop_front().ok_or("asked too often")?;
        Ok(connection(&url, Credentials::None))
    });
    scene.put(0..1);
    let scene = scene.finish().await;
    assert_eq!((taken.ids(), scene.errors("unreachable")), (ids(0..1), 1));
}

#[tokio::test]
async fn while_elasticsearch_is_away_memory_is_bounded_and_the_newest_documents_are_kept() {
    let (server, taken) = server([]).await;
    const BOUND: usize = 20_000;
    let mut away = Scene::new(server.uri(), BOUND);
    for begin in (0..10_000).step_by(100) {
        away.put(begin..begin + 100);
        assert!(away.buffer.size().1 <= BOUND);
    }
    let kept = away.buffer.size().0;
    assert_eq!(away.dropped("overflow"), 10_000 - kept as u64);
    // For the first tries nobody answers; then it returns.
    let (url, tries) = (server.uri(), std::sync::atomic::AtomicUsize::new(0));
    away.connect(move || {
        let away = tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2;
        Ok(connection(if away { "http://127.0.0.1:9" } else { &url }, Credentials::None))
    });
    let away = away.finish().await;
    assert_eq!(away.errors("unreachable"), 2);
    assert_eq!((taken.ids(), away.written()), (ids(10_000 - kept..10_000), kept as u64));
    assert_eq!(away.buffer.size(), (0, 0));
}

#[tokio::test]
async fn the_end_is_not_held_up_by_a_server_that_does_not_answer() {
    // It takes connections and never says anything.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scene = Scene::new(format!("http://{}", silent.local_addr().unwrap()), 1 << 20).impatient();
    scene.put(0..3);
    let scene = scene.finish().await;
    assert_eq!(scene.dropped("shutdown"), 3);
    assert_eq!(scene.buffer.size(), (0, 0));
}
