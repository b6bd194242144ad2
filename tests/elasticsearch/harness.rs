//! A data stream of a test's own on the real Elasticsearch, and a pipeline that reads it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hopkeeper::domain::engine::Engine;
use hopkeeper::domain::envelope;
use hopkeeper::domain::event::{HopIdentity, Position, Shard};
use hopkeeper::domain::incident::incident_name;
use hopkeeper::domain::ruleset::RuleSet;
use hopkeeper::elasticsearch::{Connection, Credentials};
use hopkeeper::pipeline::HopDirectory;
use hopkeeper::source::cursor::FileCursor;
use hopkeeper::source::elasticsearch::{ElasticsearchSource, Reading};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::counted::PATIENCE;
use crate::running::{Running, directory, pod_since};
use crate::server::{ADMIN, Server, tls_file};

/// A line that decides when it comes twice.
pub(crate) const REFUSED: &str = "AUTH: Received control message: AUTH_FAILED";

/// So many seconds after ten minutes ago, which the lag window reaches.
pub(crate) fn at(second: i64) -> Timestamp {
    static BASE: std::sync::OnceLock<Timestamp> = std::sync::OnceLock::new();
    *BASE.get_or_init(|| Timestamp::now() - SignedDuration::from_mins(10)) + SignedDuration::from_secs(second)
}

pub(crate) fn pod(name: &str) -> HopIdentity {
    pod_since(name, at(0) - SignedDuration::from_hours(1))
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

impl Server {
    pub(crate) fn connection(&self) -> Connection {
        let credentials = match &self.password {
            Some(password) => Credentials::Password(ADMIN.into(), password.clone().into()),
            None => Credentials::None,
        };
        let ca = self.password.is_some().then(|| tls_file("ca.crt"));
        Connection { urls: vec![self.url.clone()], credentials, ca }
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

    /// Ends the server's process and starts it again: the part `es` of the lab, unless another is named.
    pub(crate) fn restart(between: Duration) {
        let part = std::env::var("HOPKEEPER_TEST_ELASTICSEARCH_PART").unwrap_or_else(|_| "es".into());
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab.sh");
        let run = |arguments: &[&str]| {
            let status = Command::new(&script).args(arguments).status().expect("the lab's script should run");
            assert!(status.success(), "lab.sh {arguments:?}");
        };
        run(&["halt", &part]);
        std::thread::sleep(between);
        run(&["up", &part]);
    }

    pub(crate) fn source(&self) -> ElasticsearchSource {
        let reading = Reading {
            field: "@timestamp".into(),
            lag: Duration::from_secs(3600),
            settle: Duration::from_secs(2),
            poll: Duration::from_millis(200),
            sweep: Duration::from_millis(500),
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

/// A pipeline on the data stream.
pub(crate) fn start(lab: &Lab, pods: impl IntoIterator<Item = String>) -> Running {
    let mut sources: Vec<ElasticsearchSource> = (0..20).map(|_| lab.source()).collect();
    Running::start_on(known(pods), move || Ok(sources.pop().expect("should not fail so often")))
}

/// A directory that knows the pods.
pub(crate) fn known(pods: impl IntoIterator<Item = String>) -> HopDirectory {
    directory(pods.into_iter().map(|name| pod(&name)))
}
