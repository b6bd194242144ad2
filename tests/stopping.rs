//! The operator ends soon after SIGTERM, whatever the Kubernetes API server does meanwhile: the program itself, on a fake API
//! server that never answers, or answered once and is away or silent now.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A busy machine starts a program slowly.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
/// Of these only the Kubernetes API is there.
const SOURCES: [&[&str]; 4] = [
    &["--source", "pod-logs"],
    &["--source", "stdin"],
    &["--kafka-brokers", "127.0.0.1:1", "--kafka-topic", "vpn"],
    &["--elasticsearch-url", "http://127.0.0.1:1"],
];

/// What a request meets.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Answers,
    Silent,
}

/// As much of an API server as the operator needs without a chain: Leases, and lists and watches of nothing.
#[derive(Clone)]
struct Api {
    mood: watch::Receiver<Mood>,
    asked: Arc<AtomicUsize>,
    /// Requests about Leases that have no answer.
    unanswered: Arc<AtomicUsize>,
    leases: Leases,
}

type Leases = Arc<Mutex<HashMap<String, Value>>>;

impl Api {
    async fn answer(self, method: Method, uri: Uri, body: Bytes) -> Response {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if *self.mood.borrow() == Mood::Silent {
            self.unanswered.fetch_add(usize::from(uri.path().contains("/leases/")), Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        if uri.query().is_some_and(|query| query.contains("watch=true")) {
            return Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>()).into_response();
        }
        let name = uri.path().split_once("/leases/").map(|(_, name)| name);
        let mut leases = self.leases.lock().expect("nobody panicked");
        match (method, name) {
            (Method::GET, Some(name)) => match leases.get(name) {
                Some(lease) => lease.to_string().into_response(),
                None => {
                    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
                        "code": 404, "message": "none" });
                    (StatusCode::NOT_FOUND, status.to_string()).into_response()
                }
            },
            (Method::GET, None) => {
                let list =
                    json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": [] });
                list.to_string().into_response()
            }
            (_, name) => {
                let sent: Value = serde_json::from_slice(&body).expect("a Lease should be sent");
                let name =
                    name.or_else(|| sent["metadata"]["name"].as_str()).expect("it should have a name").to_owned();
                let lease = leases.entry(name).or_insert_with(|| json!({}));
                merge(lease, sent);
                lease["metadata"]["resourceVersion"] = json!("1");
                lease.to_string().into_response()
            }
        }
    }
}

/// A merge patch.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.into_iter().for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value));
        }
        (into, from) => *into = from,
    }
}

/// A server on a runtime of its own: with that it goes away, connections and all.
struct Server {
    runtime: tokio::runtime::Runtime,
    mood: watch::Sender<Mood>,
    asked: Arc<AtomicUsize>,
    unanswered: Arc<AtomicUsize>,
    leases: Leases,
    address: String,
}

impl Server {
    fn start(mood: Mood) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("should be made");
        let (mood, moods) = watch::channel(mood);
        let (asked, unanswered, leases): (Arc<_>, Arc<_>, Leases) = Default::default();
        let api = Api {
            mood: moods,
            asked: Arc::clone(&asked),
            unanswered: Arc::clone(&unanswered),
            leases: Arc::clone(&leases),
        };
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("should listen");
        let address = format!("http://{}", listener.local_addr().expect("it has an address"));
        let answer = |State(api): State<Api>, method, uri, body| api.answer(method, uri, body);
        runtime.spawn(async move { axum::serve(listener, Router::new().fallback(answer).with_state(api)).await });
        Self { runtime, mood, asked, unanswered, leases, address }
    }

    /// Waits until somebody asks for something.
    fn asked(&self) {
        Self::one_of(&self.asked);
    }

    /// Waits until a request about a Lease has no answer.
    fn does_not_answer(&self) {
        Self::one_of(&self.unanswered);
    }

    fn one_of(requests: &AtomicUsize) {
        let limit = Instant::now() + PATIENCE;
        while requests.load(Ordering::Relaxed) == 0 {
            assert!(Instant::now() < limit, "nobody asks");
            std::thread::sleep(LOOK);
        }
    }
}

/// The operator; killed when dropped.
struct Operator {
    child: Child,
    log: PathBuf,
}

impl Operator {
    fn start(directory: &Path, address: &str, source: &[&str]) -> Self {
        let config = json!({ "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "clusters": [{ "name": "c", "cluster": { "server": address } }], "users": [{ "name": "u", "user": {} }],
            "contexts": [{ "name": "x", "context": { "cluster": "c", "user": "u" } }] });
        let (kubeconfig, log) = (directory.join("config"), directory.join("log"));
        std::fs::write(&kubeconfig, config.to_string()).expect("should be written");
        let child = Command::new(env!("CARGO_BIN_EXE_hopkeeper"))
            .args(["run", "--listen", "127.0.0.1:0", "--status-listen", "127.0.0.1:0", "--log", "info"])
            .args(source)
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).expect("should be made"))
            .spawn()
            .expect("should start");
        Self { child, log }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("should be read")
    }

    fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("should be asked")
    }

    fn until_it_says(&mut self, words: &str) {
        let limit = Instant::now() + PATIENCE;
        while !self.log().contains(words) {
            let ended = self.has_ended();
            assert!(ended.is_none() && Instant::now() < limit, "{words:?} is not said, {ended:?}:\n{}", self.log());
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until it has ended, in good order: every task came to its end.
    fn ends(&mut self) -> ExitStatus {
        let limit = Instant::now() + PATIENCE;
        loop {
            let ended = self.has_ended();
            let log = self.log();
            if let Some(status) = ended {
                assert!(log.contains("Stopping.") && !log.contains("did not finish in time"), "{status}:\n{log}");
                return status;
            }
            assert!(Instant::now() < limit, "it goes on:\n{log}");
            std::thread::sleep(LOOK);
        }
    }

    fn terminate(&mut self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.expect("kill should run").success());
        let status = self.ends();
        assert!(status.success(), "{status}:\n{}", self.log());
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has an operator with each log source end while its API server is as `then` leaves it.
fn each(mood: Mood, then: impl Fn(&mut Operator, Server) -> Option<Server> + Sync) {
    std::thread::scope(|scope| {
        for source in SOURCES {
            let then = &then;
            scope.spawn(move || {
                let (directory, api) = (tempfile::tempdir().expect("should be made"), Server::start(mood));
                let mut operator = Operator::start(directory.path(), &api.address, source);
                let _api = then(&mut operator, api);
                operator.terminate();
            });
        }
    });
}

#[test]
fn an_operator_whose_api_server_has_never_answered_ends_soon() {
    each(Mood::Silent, |operator, api| {
        operator.until_it_says("Serving the status page.");
        api.asked();
        Some(api)
    });
}

#[test]
fn an_operator_whose_api_server_has_gone_silent_ends_soon() {
    each(Mood::Answers, |operator, api| {
        operator.until_it_says("Leading: reconciling chains.");
        operator.until_it_says("Reading the log source.");
        api.mood.send_replace(Mood::Silent);
        Some(api)
    });
}

#[test]
fn an_operator_whose_api_server_has_gone_away_ends_soon() {
    each(Mood::Answers, |operator, api| {
        operator.until_it_says("Leading: reconciling chains.");
        operator.until_it_says("Reading the log source.");
        api.runtime.shutdown_background();
        operator.until_it_says("A watch on the Kubernetes API failed");
        // And why: what the client's own words leave out.
        operator.until_it_says("Connection refused");
        None
    });
}

#[test]
fn an_operator_that_finds_no_api_server_gives_up_soon() {
    let directory = tempfile::tempdir().expect("should be made");
    let mut operator = Operator::start(directory.path(), "http://127.0.0.1:1", SOURCES[0]);
    assert_eq!(operator.ends().code(), Some(1));
    let log = operator.log();
    assert!(log.contains("failed to prepare leader election"), "{log}");
}

/// Whoever drops a connection on the way says nothing: what was asked by it is never answered, and the next request is.
#[test]
fn an_operator_whose_requests_were_lost_on_the_way_sees_that_another_one_leads() {
    let (directory, api) = (tempfile::tempdir().expect("should be made"), Server::start(Mood::Answers));
    let mut operator = Operator::start(directory.path(), &api.address, SOURCES[0]);
    operator.until_it_says("Leading: reconciling chains.");
    api.mood.send_replace(Mood::Silent);
    api.does_not_answer();
    {
        let mut leases = api.leases.lock().expect("nobody panicked");
        let lease = leases.get_mut("hopkeeper").expect("it was taken");
        lease["spec"]["holderIdentity"] = json!("another");
        lease["spec"]["leaseDurationSeconds"] = json!(3600);
    }
    api.mood.send_replace(Mood::Answers);
    operator.until_it_says("lost the leader election");
    assert_eq!(operator.ends().code(), Some(1));
}

#[test]
fn an_operator_to_whom_somebody_has_sent_half_a_request_ends_soon() {
    let (directory, api) = (tempfile::tempdir().expect("should be made"), Server::start(Mood::Answers));
    let mut operator = Operator::start(directory.path(), &api.address, SOURCES[1]);
    operator.until_it_says("Serving the status page.");
    operator.until_it_says("Leading: reconciling chains.");
    let log = operator.log();
    let address = log.split_once("url=http://").and_then(|(_, rest)| rest.split_once('/')).expect("it says where").0;
    let mut half = std::net::TcpStream::connect(address).expect("it should listen");
    half.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n").expect("it should take it");
    operator.terminate();
}
