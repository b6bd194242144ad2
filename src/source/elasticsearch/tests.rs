//! On a server that refuses, breaks off, answers in part and forgets: what reading makes of it.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::*;
use crate::elasticsearch::{Credentials, MAX_ANSWER_BYTES};
use crate::source::Payload;
use crate::source::cursor::CursorError;

/// Where the last process was.
struct Place(Timestamp);

impl CursorStore for Place {
    fn load(&self) -> BoxFuture<'_, Result<Option<String>, CursorError>> {
        let cursor = json!({ "from": self.0 }).to_string();
        async { Ok(Some(cursor)) }.boxed()
    }

    fn save(&self, _: String) -> BoxFuture<'_, Result<(), CursorError>> {
        async { Ok(()) }.boxed()
    }
}

fn source(server: &MockServer, script: &Script, reading: Reading) -> ElasticsearchSource {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let connection = Connection { urls: vec![server.uri()], credentials: Credentials::None, ca: None };
    ElasticsearchSource::new(connection, "logs-*".into(), reading, Arc::new(Place(script.start))).unwrap()
}

/// Ten documents, one a second, and what happens before a search is answered.
struct Script {
    faults: Mutex<Vec<ResponseTemplate>>,
    opened: AtomicUsize,
    /// Those that were given back; whoever is stopped before the answer gives back once more.
    closed: Mutex<BTreeSet<String>>,
    start: Timestamp,
}

struct Answers(Arc<Script>);

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let (path, script) = (request.url.path(), &self.0);
        if path.ends_with("/_pit") && request.method == wiremock::http::Method::POST {
            let number = script.opened.fetch_add(1, Ordering::SeqCst);
            return ResponseTemplate::new(200).set_body_json(json!({ "id": format!("pit-{number}") }));
        }
        if path == "/_pit" {
            let body: Value = request.body_json().unwrap();
            script.closed.lock().unwrap().insert(body["id"].as_str().unwrap().to_owned());
            return ResponseTemplate::new(200).set_body_json(json!({ "succeeded": true }));
        }
        assert_eq!(request.url.query(), Some("allow_partial_search_results=false"));
        if let Some(fault) = script.faults.lock().unwrap().pop() {
            return fault;
        }
        ResponseTemplate::new(200).set_body_json(script.search(&request.body_json().unwrap()))
    }
}

impl Script {
    fn search(&self, body: &Value) -> Value {
        let size = body["size"].as_u64().unwrap() as usize;
        let after = body["search_after"][0].as_i64().unwrap_or(i64::MIN);
        let from = earliest(&body["query"]).map_or(i64::MIN, |from| from.as_nanosecond() as i64);
        let hits: Vec<Value> = (0..10)
            .map(|number| (number, (self.start.as_nanosecond() as i64) + number * 1_000_000_000))
            .filter(|(_, time)| *time > after && *time >= from)
            .take(size)
            .map(|(number, time)| {
                json!({ "_index": "a", "_id": number.to_string(), "_source": { "n": number }, "sort": [time, number] })
            })
            .collect();
        json!({ "timed_out": false, "_shards": { "total": 1, "failed": 0 }, "hits": { "total": { "value": 10 }, "hits": hits } })
    }
}

/// From when on a query asks.
fn earliest(query: &Value) -> Option<Timestamp> {
    let filters = query["bool"]["filter"].as_array()?;
    filters.iter().find_map(|filter| filter["range"]["@timestamp"]["gte"].as_str()?.parse().ok())
}

async fn server(faults: Vec<ResponseTemplate>) -> (MockServer, Arc<Script>) {
    let start = Timestamp::now() - jiff::SignedDuration::from_secs(60);
    let (opened, closed) = (AtomicUsize::new(0), Mutex::default());
    let script = Arc::new(Script { faults: Mutex::new(faults), opened, closed, start });
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(Answers(Arc::clone(&script))).mount(&server).await;
    (server, script)
}

fn error(status: u16, kind: &str) -> ResponseTemplate {
    let body = json!({ "status": status, "error": { "type": kind, "reason": kind,
        "root_cause": [{ "type": kind, "reason": format!("{kind} for a reason") }] } });
    ResponseTemplate::new(status).set_body_json(body)
}

fn partial() -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({ "timed_out": false, "_shards": { "total": 5, "failed": 2 }, "hits": { "hits": [] } }))
}

/// What a reader delivers until `number` records came, and whether it gave back what it opened.
async fn read(server: &MockServer, script: &Script, number: usize) -> Vec<Payload> {
    counted(server, script, number).await.0
}

/// The same, and how many failures were counted.
async fn counted(server: &MockServer, script: &Script, number: usize) -> (Vec<Payload>, u64) {
    counted_with(server, script, number, Duration::from_secs(600)).await
}

async fn counted_with(server: &MockServer, script: &Script, number: usize, lag: Duration) -> (Vec<Payload>, u64) {
    let registry = prometheus::Registry::new();
    let reading = Reading {
        field: "@timestamp".into(),
        lag,
        settle: Duration::from_secs(1),
        poll: Duration::from_millis(20),
        sweep: Duration::from_millis(50),
        patience: Duration::from_secs(60),
    };
    let metrics = PipelineMetrics::register(&registry).unwrap();
    let source = source(server, script, reading).counting(Arc::new(metrics));
    let (sender, mut records) = mpsc::channel::<Record>(2);
    let stop = CancellationToken::new();
    let worker = async {
        let mut payloads = Vec::new();
        for _ in 0..number {
            let record = tokio::time::timeout(Duration::from_secs(20), records.recv()).await;
            payloads.push(record.expect("waited in vain").expect("should go on").payload);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(records.try_recv().is_err(), "a document came twice");
        stop.cancel();
        payloads
    };
    let (result, payloads) = tokio::join!(source.run(sender, stop.clone()), worker);
    result.unwrap();
    let opened: BTreeSet<String> = (0..script.opened.load(Ordering::SeqCst)).map(|n| format!("pit-{n}")).collect();
    assert_eq!(*script.closed.lock().unwrap(), opened, "not every point in time was given back");
    let families = registry.gather();
    let errors = families.iter().filter(|family| family.name() == "hopkeeper_source_errors_total");
    let errors: f64 =
        errors.flat_map(|family| family.get_metric()).map(|metric| metric.get_counter().get_value()).sum();
    (payloads, errors as u64)
}

fn numbers(payloads: &[Payload]) -> Vec<i64> {
    let number = |payload: &Payload| match payload {
        Payload::Bytes(bytes) => serde_json::from_slice::<Value>(bytes).unwrap()["n"].as_i64().unwrap(),
        Payload::Event(_) | Payload::TooLarge => -1,
    };
    payloads.iter().map(number).collect()
}

#[tokio::test]
async fn refusals_half_answers_and_expired_points_in_time_lose_and_repeat_nothing() {
    let faults = vec![
        error(404, "search_context_missing_exception"),
        error(503, "no_shard_available_action_exception"),
        error(429, "es_rejected_execution_exception").insert_header("retry-after", "1"),
        partial(),
        ResponseTemplate::new(502).set_body_string("<html>bad gateway</html>"),
    ];
    let (server, script) = server(faults).await;
    let (payloads, errors) = counted(&server, &script, 10).await;
    // A point in time that expired is none.
    assert_eq!(errors, 4);
    assert_eq!(numbers(&payloads), (0..10).collect::<Vec<_>>());
    assert!(script.faults.lock().unwrap().is_empty());
}

#[tokio::test]
async fn with_however_short_a_lag_no_document_comes_twice() {
    let (server, script) = server(Vec::new()).await;
    let (payloads, _) = counted_with(&server, &script, 10, Duration::from_secs(1)).await;
    assert_eq!(numbers(&payloads), (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_does_not_pass_ends_the_reading_with_the_remedy() {
    let (server, script) = server(vec![error(403, "security_exception")]).await;
    let second = Duration::from_secs(1);
    let field = "@timestamp".to_owned();
    let reading = Reading { field, lag: second, settle: second, poll: second, sweep: second, patience: second };
    let source = source(&server, &script, reading);
    let (sender, records) = mpsc::channel(1);
    let stop = CancellationToken::new();
    // The worker ends with the records, and then the source is stopped.
    let worker = async {
        let mut records = records;
        assert!(records.recv().await.is_none());
        stop.cancel();
    };
    let (result, ()) = tokio::join!(source.run(sender, stop.clone()), worker);
    let error = result.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("security_exception for a reason") && cause.contains("the privilege read"), "{cause}");
    assert_eq!(*script.closed.lock().unwrap(), BTreeSet::from(["pit-0".to_owned()]));
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_asked_for_in_smaller_pages() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (server, script) = server(Vec::new()).await;
    // Document 3 is longer than any answer may be.
    struct Long(Arc<Script>);
    impl Respond for Long {
        fn respond(&self, request: &Request) -> ResponseTemplate {
            let body: Value = request.body_json().unwrap();
            let mut answer = self.0.search(&body);
            let hits = answer["hits"]["hits"].as_array_mut().unwrap();
            if body["_source"] == false {
                hits.iter_mut().for_each(|hit| drop(hit.as_object_mut().unwrap().remove("_source")));
            } else if hits.iter().any(|hit| hit["_id"] == "3") {
                return ResponseTemplate::new(200).set_body_string("x".repeat(MAX_ANSWER_BYTES + 1));
            }
            ResponseTemplate::new(200).set_body_json(answer)
        }
    }
    let long = Mock::given(wiremock::matchers::path("/_search")).respond_with(Long(Arc::clone(&script)));
    long.with_priority(1).mount(&server).await;
    let payloads = read(&server, &script, 10).await;
    assert_eq!(numbers(&payloads), [0, 1, 2, -1, 4, 5, 6, 7, 8, 9]);
}
