//! A replay of a time range of a real Elasticsearch, beside the same records in a file.
//!
//! Needs `HOPKEEPER_TEST_ELASTICSEARCH=http://host:port` (the lab's: `tests/lab/lab.sh up es`).

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::command::{directory, out, run, shipped};
use crate::server::Server;
use crate::support::scenarios;

/// The server, for tests that are not asynchronous.
struct Lab {
    server: Server,
    runtime: tokio::runtime::Runtime,
}

impl Lab {
    /// None without an Elasticsearch; under CI that is a failure.
    fn find() -> Option<Self> {
        let server = Server::start(false)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("should make a runtime");
        Some(Self { server, runtime })
    }

    fn ask(&self, method: Method, path: &str, body: String) -> Value {
        self.runtime.block_on(self.server.ask(method, path, Some(body)))
    }
}

#[test]
fn a_time_range_of_a_data_stream_comes_to_the_same_as_the_file() {
    let Some(lab) = Lab::find() else { return };
    let temporary = tempfile::tempdir().unwrap();
    for (number, scenario) in scenarios().into_iter().step_by(9).enumerate() {
        let stream = format!("hkt-replay-{number}-{}", std::process::id());
        let template = json!({"index_patterns": [stream], "data_stream": {}, "priority": 500,
            "template": {"settings": {"number_of_replicas": 0},
                "mappings": {"properties": {"@timestamp": {"type": "date_nanos"}}}}});
        lab.ask(Method::PUT, &format!("_index_template/{stream}"), template.to_string());
        lab.ask(Method::PUT, &format!("_data_stream/{stream}"), String::new());
        let records = shipped(&scenario);
        // The half that was written last comes first, and a rollover lies between.
        let lines: Vec<&str> = records.lines().collect();
        for half in lines.chunks(lines.len().div_ceil(2)).rev() {
            let body: String = half.iter().map(|line| format!("{{\"create\":{{}}}}\n{line}\n")).collect();
            let answer = lab.ask(Method::POST, &format!("{stream}/_bulk?refresh=true"), body);
            assert_eq!(answer["errors"], json!(false), "{}", answer["items"][0]);
            lab.ask(Method::POST, &format!("{stream}/_rollover"), String::new());
        }
        let file = temporary.path().join("records.ndjson");
        std::fs::write(&file, &records).unwrap();
        let file = file.display().to_string();
        let (chain, _) = directory(&scenario.name);
        let middle: Timestamp = scenario.records.iter().map(|record| record.time).min().unwrap();
        let middle = (middle + SignedDuration::from_secs(60)).to_string();
        for range in [&[][..], &["--from", &middle], &["--to", &middle]] {
            let replay = |source: &[&str]| {
                run(&[&["replay", "--chain", &chain, "--format", "json"], source, range].concat(), "")
            };
            let (stored, expected) = (
                replay(&["--elasticsearch-url", &lab.server.url, "--elasticsearch-index", &stream]),
                replay(&["--logs", &file]),
            );
            assert_eq!(out(&stored), out(&expected), "{} {range:?}", scenario.name);
        }
        lab.ask(Method::DELETE, &format!("_data_stream/{stream}"), String::new());
        lab.ask(Method::DELETE, &format!("_index_template/{stream}"), String::new());
    }
}

#[test]
fn a_server_or_an_index_that_is_not_there_is_told_with_the_remedy() {
    let Some(lab) = Lab::find() else { return };
    let (chain, _) = directory("ok-ovpn-ovpn-ovpn");
    for (url, index, expected) in [
        (lab.server.url.as_str(), "hkt-none", "does --elasticsearch-index name the data stream"),
        ("http://127.0.0.1:9", "filebeat-*", "elasticsearch does not answer"),
        ("127.0.0.1:9200", "filebeat-*", "for example https://elasticsearch:9200"),
        ("http://user:CANARY@127.0.0.1:9200", "filebeat-*", "--elasticsearch-user"),
    ] {
        let arguments = ["replay", "--chain", &chain, "--elasticsearch-url", url, "--elasticsearch-index", index];
        let output = run(&arguments, "");
        let error = String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        let error = error.replace("│ ", "");
        assert!(!output.status.success() && error.contains(expected), "{url} {index}: {error}");
        assert!(!error.contains("CANARY"), "{error}");
    }
}
