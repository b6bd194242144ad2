//! A data stream of a test's own on the real Elasticsearch, a pipeline that reads it, and a sink that writes down what
//! it is asked to create.

use crate::server::Server;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hopkeeper::domain::engine::{Detection, Engine};
use hopkeeper::domain::envelope;
use hopkeeper::domain::event::{HopIdentity, Position, Shard};
use hopkeeper::domain::incident::{Finding, incident_name};
use hopkeeper::domain::ruleset::RuleSet;
use hopkeeper::domain::types::{CandidateRef, HopId, Implementation};
use hopkeeper::elasticsearch::{Connection, Credentials};
use hopkeeper::internal_event::pipeline::PipelineMetrics;
use hopkeeper::pipeline::{Created, FindingsError, HopDirectory, IncidentSink, Pipeline, SinkError};
use hopkeeper::source::cursor::FileCursor;
use hopkeeper::source::elasticsearch::{ElasticsearchSource, Reading};
use hopkeeper::source::{Source, SourceError};
use jiff::{SignedDuration, Timestamp};
use prometheus::Registry;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A line that its rule decides at once.
pub(crate) const EXPIRED: &str = "2026-11-22 16:25:44 WARNING: Your certificate has expired!";
/// A line that decides when it comes twice.
pub(crate) const REFUSED: &str = "AUTH: Received control message: AUTH_FAILED";
const PATIENCE: Duration = Duration::from_secs(240);

/// So many seconds after ten minutes ago, which the lag window reaches.
pub(crate) fn at(second: i64) -> Timestamp {
    static BASE: std::sync::OnceLock<Timestamp> = std::sync::OnceLock::new();
    *BASE.get_or_init(|| Timestamp::now() - SignedDuration::from_mins(10)) + SignedDuration::from_secs(second)
}

pub(crate) fn pod(name: &str) -> HopIdentity {
    HopIdentity {
        id: HopId { namespace: "lab".into(), chain: "berlin".into(), hop: "entry".into() },
        pod_uid: format!("uid-{name}"),
        pod_name: name.into(),
        implementation: Implementation::OpenVpn,
        candidate: CandidateRef { name: "a".into(), version: "1".into() },
        plan_id: "a@1#0".into(),
        applied_at: at(0) - SignedDuration::from_hours(1),
    }
}

/// A document as Filebeat sends it; `number` is its offset.
pub(crate) fn line(pod: &str, time: Timestamp, number: i64, text: &str) -> Value {
    json!({
        "@timestamp": format!("{time:.3}"),
        "message": text,
        "stream": "stdout",
        "log": {"offset": number, "file": {"path": format!("/var/log/containers/{pod}_lab_vpn-0a1b.log")}},
        "kubernetes": {"namespace": "lab", "pod": {"name": pod, "uid": format!("uid-{pod}")}, "container": {"name": "vpn"}},
    })
}

/// The names that the lines' incidents must have, read in order from any source.
pub(crate) fn expected_names(lines: &[Value]) -> BTreeSet<String> {
    let mut lines: Vec<&Value> = lines.iter().collect();
    lines.sort_by_key(|line| (line["@timestamp"].as_str().map(str::to_owned), line["log"]["offset"].as_i64()));
    let mut engine = Engine::new(Arc::new(RuleSet::shipped()));
    let mut names = BTreeSet::new();
    for line in lines {
        let position = Position::new(Shard::new("anywhere"), 0);
        let event = envelope::decode(line.to_string().as_bytes(), position, None).expect("should decode");
        let found = engine.observe(&event, &pod(&event.pod));
        names.extend(found.iter().map(incident_name));
    }
    names
}

pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !done() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Server {
    pub(crate) fn connection(&self) -> Connection {
        Connection { urls: vec![self.url.clone()], credentials: Credentials::None, ca: None }
    }
}

/// A name that no other test has; `join` stands between its parts.
pub(crate) fn unique(name: &str, join: char) -> String {
    format!("hkt{join}{name}{join}{}{join}{}", std::process::id(), Timestamp::now().as_millisecond())
}

/// One data stream on the real Elasticsearch.
pub(crate) struct Lab {
    server: Server,
    pub(crate) stream: String,
    cursor: tempfile::TempDir,
}

impl Lab {
    /// None without an Elasticsearch; under CI that is a failure.
    pub(crate) async fn start(name: &str) -> Option<Self> {
        Self::start_with(name, false).await
    }

    /// The same for who stops the server: nobody else uses it meanwhile.
    pub(crate) async fn alone(name: &str) -> Option<Self> {
        Self::start_with(name, true).await
    }

    async fn start_with(name: &str, alone: bool) -> Option<Self> {
        let server = Server::start(alone)?;
        let cursor = tempfile::tempdir().expect("should make a directory");
        let lab = Self { server, stream: unique(name, '-'), cursor };
        let mappings = json!({"properties": {"@timestamp": {"type": "date"}}});
        let template = json!({"index_patterns": [lab.stream], "data_stream": {}, "priority": 500,
            "template": {"settings": {"number_of_replicas": 0, "refresh_interval": "100ms"}, "mappings": mappings}});
        lab.server
            .ask(reqwest::Method::PUT, &format!("_index_template/{}", lab.stream), Some(template.to_string()))
            .await;
        lab.server.ask(reqwest::Method::PUT, &format!("_data_stream/{}", lab.stream), None).await;
        Some(lab)
    }

    pub(crate) async fn stop(self) {
        self.server.ask(reqwest::Method::DELETE, &format!("_data_stream/{}", self.stream), None).await;
        self.server.ask(reqwest::Method::DELETE, &format!("_index_template/{}", self.stream), None).await;
    }

    /// Indexes documents; they show themselves within the refresh interval.
    pub(crate) async fn send(&self, lines: &[Value]) {
        for lines in lines.chunks(10_000) {
            let body: String = lines.iter().map(|line| format!("{{\"create\":{{}}}}\n{line}\n")).collect();
            let answer = self.server.ask(reqwest::Method::POST, &format!("{}/_bulk", self.stream), Some(body)).await;
            assert_eq!(answer["errors"], json!(false), "{}", answer["items"][0]);
        }
    }

    /// The data stream goes on in another index.
    pub(crate) async fn roll_over(&self) {
        self.server.ask(reqwest::Method::POST, &format!("{}/_rollover", self.stream), None).await;
    }

    /// Open points in time on this data stream.
    pub(crate) async fn open_contexts(&self) -> u64 {
        let stats = self.server.ask(reqwest::Method::GET, &format!("{}/_stats/search", self.stream), None).await;
        stats["_all"]["total"]["search"]["open_contexts"].as_u64().expect("should be a number")
    }

    /// Ends the server's process and starts it again.
    pub(crate) fn restart(between: Duration) {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab.sh");
        let run = |arguments: &[&str]| {
            let status = Command::new(&script).args(arguments).status().expect("the lab's script should run");
            assert!(status.success(), "lab.sh {arguments:?}");
        };
        run(&["halt", "es"]);
        std::thread::sleep(between);
        run(&["up", "es"]);
    }

    pub(crate) fn source(&self) -> ElasticsearchSource {
        let reading = Reading {
            field: "@timestamp".into(),
            lag: Duration::from_secs(3600),
            settle: Duration::from_secs(2),
            poll: Duration::from_millis(200),
            sweep: Duration::from_millis(500),
            // A server that starts on a busy machine may need more than a minute.
            patience: PATIENCE,
        };
        let store = Arc::new(FileCursor(self.cursor.path().join("cursor")));
        ElasticsearchSource::new(self.server.connection(), self.stream.clone(), reading, store)
            .expect("should be prepared")
    }

    /// The time that is stored.
    pub(crate) fn stored(&self) -> Option<Timestamp> {
        let text = std::fs::read_to_string(self.cursor.path().join("cursor")).ok()?;
        let cursor: Value = serde_json::from_str(&text).expect("should be JSON");
        Some(cursor["from"].as_str().expect("should be text").parse().expect("should be a time"))
    }
}

/// Writes down what it is asked to create.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    created: Arc<Mutex<Vec<String>>>,
    failing: Arc<AtomicBool>,
}

impl Recorder {
    pub(crate) fn names(&self) -> Vec<String> {
        self.created.lock().expect("should lock").clone()
    }

    pub(crate) fn distinct(&self) -> BTreeSet<String> {
        self.names().into_iter().collect()
    }

    pub(crate) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }
}

impl IncidentSink for Recorder {
    async fn create(&self, detection: &Detection) -> Result<Created, SinkError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(SinkError::Unavailable("the API server is away".into()));
        }
        self.created.lock().expect("should lock").push(incident_name(detection));
        Ok(Created::New)
    }

    /// Each reader has a sink of its own here, and knows of no other.
    async fn findings(&self) -> Result<Vec<Finding>, FindingsError> {
        Ok(Vec::new())
    }
}

/// A pipeline at work.
pub(crate) struct Running {
    pub(crate) sink: Recorder,
    registry: Registry,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(lab: &Lab, pods: impl IntoIterator<Item = String>) -> Self {
        let sources: Arc<Mutex<Vec<ElasticsearchSource>>> =
            Arc::new(Mutex::new((0..20).map(|_| lab.source()).collect()));
        Self::start_on(pods, move || Ok(sources.lock().expect("should lock").pop().expect("should not fail so often")))
    }

    /// On any source.
    pub(crate) fn start_on<S: Source>(
        pods: impl IntoIterator<Item = String>,
        connect: impl FnMut() -> Result<S, SourceError> + Send + 'static,
    ) -> Self {
        let directory = HopDirectory::new();
        pods.into_iter().for_each(|name| directory.insert(pod(&name)));
        directory.set_synced();
        let (sink, registry, stop) = (Recorder::default(), Registry::new(), CancellationToken::new());
        let metrics = PipelineMetrics::register(&registry).expect("should register");
        let pipeline = Pipeline::new(Arc::new(RuleSet::shipped()), directory, sink.clone(), metrics);
        let task = tokio::spawn(pipeline.run(connect, stop.clone()));
        Self { sink, registry, stop, task }
    }

    pub(crate) fn received(&self) -> usize {
        let families = self.registry.gather();
        let name = "hopkeeper_records_received_total";
        let family = families.iter().find(|family| family.name() == name).expect("should be registered");
        let sum: f64 = family.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum();
        // Counts are whole.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let whole = sum as usize;
        whole
    }

    pub(crate) async fn wait_until_received(&self, records: usize) {
        until("the records", || self.received() >= records).await;
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("should stop").expect("should not panic");
    }

    /// Ends without storing anything.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.expect_err("should be aborted").is_cancelled());
    }
}
