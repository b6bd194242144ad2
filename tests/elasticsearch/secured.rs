//! Elasticsearch with security and TLS: the rights that our docs and our chart name are enough, each one less is said in a
//! sentence, and so is every wrong way in.
//!
//! Needs `HOPKEEPER_TEST_ELASTICSEARCH_SECURE=https://127.0.0.1:port`, the lab's (`tests/lab/lab.sh up es_secure`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hopkeeper::documents::setup::Change;
use hopkeeper::elasticsearch::{Connection, Credentials};
use hopkeeper::source::cursor::FileCursor;
use hopkeeper::source::elasticsearch::{ElasticsearchSource, Reading};
use hopkeeper::source::{Payload, Record, Source};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::counted::until;
use crate::documents::{Cluster, Operator};
use crate::harness::{line, unique};
use crate::running::EXPIRED;
use crate::server::{Server, tls_file};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The bodies of a document's `POST /_security/api_key`, by the keys' names.
fn documented(name: &str) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(root().join("docs").join(name)).expect("should be readable");
    let bodies = text.split("POST /_security/api_key\n").skip(1);
    let bodies = bodies.map(|rest| rest.split("```").next().expect("should end"));
    let bodies = bodies.map(|body| serde_json::from_str::<Value>(body).expect("should be JSON"));
    bodies.map(|body| (body["name"].as_str().expect("should have a name").to_owned(), body)).collect()
}

/// The descriptor of a key that has one.
fn descriptor(body: &Value) -> &Value {
    let roles = body["role_descriptors"].as_object().expect("should have roles");
    roles.values().next().expect("should have a role")
}

/// A role without each of its privileges in turn, and which one that is.
fn each_less(role: &Value) -> Vec<(String, Value)> {
    let lists = |role: &Value| {
        let indices = role["indices"].as_array().map_or(0, Vec::len);
        let indices = (0..indices).map(|index| format!("/indices/{index}/privileges"));
        indices.chain(["/cluster".to_owned()]).filter(|at| role.pointer(at).is_some()).collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    for at in lists(role) {
        let privileges = role.pointer(&at).and_then(Value::as_array).expect("should be a list");
        for (number, privilege) in privileges.iter().enumerate() {
            let mut less = role.clone();
            let list = less.pointer_mut(&at).and_then(Value::as_array_mut).expect("should be a list");
            list.remove(number);
            if list.is_empty() && at != "/cluster" {
                // An entry of no privilege is refused.
                list.push("none".into());
            }
            all.push((format!("{at} {privilege}"), less));
        }
    }
    all
}

/// The secured server; what was made there is removed at the end.
struct Secured {
    server: Server,
    name: String,
}

impl Secured {
    fn start(name: &str) -> Option<Self> {
        let server = Server::named_by("HOPKEEPER_TEST_ELASTICSEARCH_SECURE", false)?;
        Some(Self { server, name: unique(name, '-') })
    }

    fn connection(&self, credentials: Credentials) -> Connection {
        Connection { credentials, ..self.server.connection() }
    }

    /// A new API key, as it is printed.
    async fn key(&self, role: &Value) -> String {
        let body = json!({ "name": self.name, "role_descriptors": { "role": role } });
        let answer = self.server.ask(Method::POST, "_security/api_key", Some(body.to_string())).await;
        answer["encoded"].as_str().expect("should be a text").to_owned()
    }

    async fn by_key(&self, role: &Value) -> Connection {
        self.connection(Credentials::ApiKey(self.key(role).await.into()))
    }

    /// A new user with that role.
    async fn by_password(&self, role: &Value) -> Connection {
        let (name, password) = (&self.name, "not-a-secret");
        self.server.ask(Method::PUT, &format!("_security/role/{name}"), Some(role.to_string())).await;
        let user = json!({ "password": password, "roles": [name] });
        self.server.ask(Method::PUT, &format!("_security/user/{name}"), Some(user.to_string())).await;
        self.connection(Credentials::Password(name.clone(), password.to_owned().into()))
    }

    /// A data stream of one line of that name.
    async fn stream(&self, stream: &str) {
        let template = json!({"index_patterns": [stream], "data_stream": {}, "priority": 500,
            "template": {"settings": {"number_of_replicas": 0}}});
        self.server.ask(Method::PUT, &format!("_index_template/{stream}"), Some(template.to_string())).await;
        let sent = line("p0", Timestamp::now() - SignedDuration::from_secs(30), 1, EXPIRED);
        let body = format!("{{\"create\":{{}}}}\n{sent}\n");
        self.server.ask(Method::POST, &format!("{stream}/_bulk?refresh=true"), Some(body)).await;
    }

    async fn stop(self, streams: &[&str]) {
        let name = &self.name;
        let mut paths = vec![format!("_security/user/{name}"), format!("_security/role/{name}")];
        for stream in streams {
            paths.extend([format!("_data_stream/{stream}"), format!("_index_template/{stream}")]);
        }
        for path in paths {
            let (status, answer) = self.server.try_to(Method::DELETE, &path, None).await;
            assert!(status == 200 || status == 404, "{path}: {status} {answer}");
        }
        let keys = json!({ "name": name }).to_string();
        self.server.ask(Method::DELETE, "_security/api_key", Some(keys)).await;
    }
}

/// The first line that the operator's source reads, or why it stops.
async fn first_line(connection: Connection, index: &str) -> Result<String, String> {
    let directory = tempfile::tempdir().expect("should make a directory");
    let second = Duration::from_secs(1);
    let reading = Reading {
        field: "@timestamp".into(),
        lag: Duration::from_secs(600),
        settle: second,
        poll: Duration::from_millis(100),
        sweep: second,
        patience: second,
    };
    let store = Arc::new(FileCursor(directory.path().join("cursor")));
    let source = ElasticsearchSource::new(connection, index.to_owned(), reading, store).expect("should be prepared");
    let ((sender, mut records), stop) = (mpsc::channel::<Record>(8), CancellationToken::new());
    let read = async {
        let record = tokio::time::timeout(Duration::from_secs(30), records.recv()).await.expect("should be soon");
        stop.cancel();
        record.map(|record| match record.payload {
            Payload::Bytes(bytes) => String::from_utf8(bytes).expect("should be UTF-8"),
            Payload::Event(_) | Payload::TooLarge => panic!("should be bytes"),
        })
    };
    let (ran, line) = tokio::join!(source.run(sender, stop.clone()), read);
    match ran {
        Ok(()) => Ok(line.expect("should have read")),
        Err(error) => Err(hopkeeper::telemetry::error_chain(&error)),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_read_with_the_right_that_the_docs_name() {
    let Some(lab) = Secured::start("read") else { return };
    let stream = format!("filebeat-{}", lab.name);
    lab.stream(&stream).await;
    let role = descriptor(&documented("sources.md")["hopkeeper"]).clone();
    for connection in [lab.by_key(&role).await, lab.by_password(&role).await] {
        for index in [stream.as_str(), "filebeat-*"] {
            let read = first_line(connection.clone(), index).await.expect("should be allowed");
            assert!(read.contains(EXPIRED), "{read}");
        }
    }
    lab.stop(&[&stream]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_may_not_read_is_told_so_instead_of_finding_nothing() {
    let Some(lab) = Secured::start("blind") else { return };
    let stream = format!("filebeat-{}", lab.name);
    lab.stream(&stream).await;
    let role = |names: &str, privilege: &str| json!({ "indices": [{ "names": [names], "privileges": [privilege] }] });
    let elsewhere = lab.by_key(&role("other-*", "read")).await;
    let (blind, pattern) = (lab.by_key(&role("filebeat-*", "view_index_metadata")).await, format!("{stream}*"));
    for (connection, index, expected) in [
        (&elsewhere, &stream, "answered 403: action [indices:data/read/open_point_in_time] is unauthorized"),
        (&elsewhere, &pattern, "has the key or user the privilege read on it?"),
        (&blind, &stream, "the key or user needs the privilege read on the index"),
        (&blind, &pattern, "the key or user needs the privilege read on the index"),
    ] {
        let refused = first_line(connection.clone(), index).await.expect_err("should be refused");
        assert!(refused.contains(expected), "{index}: {refused}");
    }
    lab.stop(&[&stream]).await;
}

/// A file with a secret in it.
fn secret(text: &str) -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().expect("should make a file");
    std::fs::write(file.path(), text).expect("should be writable");
    let name = file.path().display().to_string();
    (file, name)
}

/// What a command of ours says on standard error; it must fail.
fn refusal(arguments: &[&str]) -> String {
    crate::refusal::refusal(Command::new(env!("CARGO_BIN_EXE_hopkeeper")).args(arguments))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_way_in_is_told_with_the_remedy() {
    let Some(lab) = Secured::start("in") else { return };
    let path = |file: PathBuf| file.display().to_string();
    let (ca, other) = (path(tls_file("ca.crt")), path(tls_file("other.crt")));
    let (_key, key) = secret("Q0FOQVJZOkNBTkFSWQ==");
    let (_password, password) = secret("CANARY");
    let url = lab.server.url.as_str();
    let (localhost, plain) = (url.replace("127.0.0.1", "localhost"), url.replace("https:", "http:"));
    let by_key = ["--elasticsearch-api-key-file", &key];
    let by_password = ["--elasticsearch-user", "admin", "--elasticsearch-password-file", &password];
    let chain = path(root().join("examples/berlin.yaml"));
    for (url, ca, who, expected) in [
        (url, &ca, &by_key[..], "answered 401"),
        (url, &ca, &by_key, "check the API key, or user and password"),
        (url, &ca, &by_password, "check the API key, or user and password"),
        (url, &ca, &[], "answered 401: missing authentication credentials"),
        (url, &other, &by_key, "name the CA's file with --elasticsearch-ca"),
        (&localhost, &ca, &by_key, "ask by a name or address that its certificate is for"),
        (&plain, &ca, &by_key, "does it want https://?"),
    ] {
        let at = ["--elasticsearch-url", url, "--elasticsearch-ca", ca];
        for command in [&["setup"][..], &["replay", "--chain", &chain]] {
            let said = refusal(&[command, &at, who].concat());
            // Lines are broken within words, too.
            assert!(said.replace(' ', "").contains(&expected.replace(' ', "")), "{url} {who:?}: {said}");
        }
    }
    lab.stop(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn setting_up_takes_the_rights_that_the_docs_name_and_says_so_when_one_is_missing() {
    let Some(lab) = Secured::start("setup") else { return };
    let cluster =
        Cluster::on(Server::named_by("HOPKEEPER_TEST_ELASTICSEARCH_SECURE", false).expect("is there"), "rights");
    let keys = documented("documents.md");
    let role = descriptor(&keys["hopkeeper-setup"]);
    let less = each_less(role).into_iter().map(|(which, less)| (which, less, false));
    // Of the two indices each.
    let one =
        |name: &str| json!({ "cluster": role["cluster"], "indices": [{ "names": [name], "privileges": ["manage"] }] });
    let transitions = ("only transitions".to_owned(), one("logs-hopkeeper.transition-*"), false);
    let states = ("only states".to_owned(), one("hopkeeper-state-*"), false);
    let operator = ("the operator's".to_owned(), descriptor(&keys["hopkeeper"]).clone(), false);
    for (which, role, dry_run) in less.chain([transitions, states, operator]) {
        let refused = cluster.set_up_by(lab.by_key(&role).await, dry_run).await.expect_err(&which).to_string();
        assert!(
            refused.contains("answered 403") && refused.contains("manage_index_templates, and manage on"),
            "{refused}"
        );
    }
    let made = cluster.set_up_by(lab.by_key(role).await, false).await.expect("should be enough");
    assert!(made.iter().any(|done| done.part == "index template"));
    let again = cluster.set_up_by(lab.by_password(role).await, false).await.expect("should be enough");
    assert!(again.iter().all(|done| done.change == Change::None), "{again:?}");
    cluster.stop().await;
    lab.stop(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_wait_for_a_right_that_is_missing_and_none_is_lost() {
    let Some(lab) = Secured::start("write") else { return };
    let role = descriptor(&documented("documents.md")["hopkeeper"]).clone();
    let enough = lab.by_key(&role).await;
    for (which, less) in each_less(&role) {
        let server = Server::named_by("HOPKEEPER_TEST_ELASTICSEARCH_SECURE", false).expect("is there");
        let cluster = Cluster::on(server, "write");
        cluster.set_up(false).await;
        let (less, enough, given) = (lab.by_key(&less).await, enough.clone(), Arc::new(AtomicBool::new(false)));
        let granted = Arc::clone(&given);
        let operator = Operator::new(cluster.names(), 1 << 20, move || {
            Ok(if granted.load(Ordering::SeqCst) { enough.clone() } else { less.clone() })
        });
        operator.tells_all();
        let registry = operator.registry.clone();
        let counts = operator
            .write_while(async {
                until(&which, || Operator::failures(&registry, "forbidden") > 0).await;
                given.store(true, Ordering::SeqCst);
            })
            .await;
        assert_eq!((counts.written(), counts.dropped("refused"), counts.dropped("shutdown")), (9, 0, 0), "{which}");
        let transitions = cluster.search(&cluster.names().transitions, json!({})).await;
        assert_eq!(transitions["hits"]["total"]["value"], 3, "{which}");
        let states = cluster.search(&cluster.names().state, json!({})).await;
        assert_eq!(states["hits"]["total"]["value"], 0, "{which}");
        cluster.stop().await;
    }
    lab.stop(&[]).await;
}

/// The roles of the Elasticsearch that our chart installs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_does_its_work_with_the_role_of_the_chart() {
    let Some(lab) = Secured::start("chart") else { return };
    let roles =
        std::fs::read_to_string(root().join("helm/hopkeeper/files/embedded/roles.yml")).expect("should be there");
    let roles: BTreeMap<String, Value> = serde_saphyr::from_str(&roles).expect("should be YAML");
    let stream = format!("logs-hopkeeper.vpn-{}", lab.name);
    let server = Server::named_by("HOPKEEPER_TEST_ELASTICSEARCH_SECURE", false).expect("is there");
    let cluster = Cluster::on(server, "chart");
    cluster.set_up(false).await;
    lab.stream(&stream).await;
    let connection = lab.by_password(&roles["hopkeeper_operator"]).await;
    first_line(connection.clone(), &stream).await.expect("should be allowed");
    let operator = Operator::new(cluster.names(), 1 << 20, move || Ok(connection.clone()));
    operator.tells_all();
    let counts = operator.finish().await;
    assert_eq!((counts.written(), counts.dropped("refused")), (9, 0));
    cluster.stop().await;
    lab.stop(&[&stream]).await;
}
