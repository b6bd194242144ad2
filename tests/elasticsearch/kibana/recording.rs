//! A real run, played into Elasticsearch through the production sink and writer.
//!
//! tests/fixtures/kibana holds what the API server told a watch while three scenarios of tests/e2e ran on the lab (`rotation`,
//! `outage`, `budget`), without managedFields, with the servers of the candidates in use; and the raw lines of one of them as the
//! lab's shipper sent them, without the fields that nobody looks at. That run had no hop whose log fell silent: two such
//! transitions are made of its last status.

use std::collections::BTreeMap;

use hopkeeper::crd::chain::HopState;
use hopkeeper::crd::{HopIncident, VpnChain, VpnChainStatus};
use hopkeeper::documents::sink::Servers;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::root;
use crate::documents::{Cluster, Operator};
use crate::harness::unique;

/// One event of the watch.
#[derive(Deserialize)]
struct Event {
    at: Timestamp,
    object: Value,
    #[serde(default)]
    servers: Servers,
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join("tests/fixtures/kibana").join(file)).expect("should be readable")
}

/// The recording, written under names of its own.
pub(super) struct Recording {
    pub(super) cluster: Cluster,
    /// The index of the raw lines.
    stream: String,
    /// How many raw lines there are.
    pub(super) lines: usize,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Recording {
    /// None without an Elasticsearch. `name` is that of the test: others play it at the same time.
    pub(super) async fn play(name: &str) -> Option<Self> {
        let cluster = Cluster::start(name)?;
        cluster.set_up(false).await;
        let operator = Operator::on(&cluster);
        let text = read("objects.jsonl");
        let events: Vec<Event> =
            text.lines().map(|line| serde_json::from_str(line).expect("should be an event")).collect();
        let (from, last) = (events[0].at, events.last().expect("should have events").at);
        let mut chains: BTreeMap<String, (VpnChain, Servers)> = BTreeMap::new();
        let mut incidents: BTreeMap<String, HopIncident> = BTreeMap::new();
        for Event { at, object, servers } in events {
            let of = |object: &Value| object["metadata"]["namespace"].as_str().expect("should have one").to_owned();
            if object["kind"] == "VpnChain" {
                let namespace = of(&object);
                let now: VpnChain = serde_json::from_value(object).expect("should be a chain");
                let before = chains.get(&namespace).map(|(chain, _)| chain.status.clone()).unwrap_or_default();
                if let Some(status) = now.status.clone().filter(|status| before.as_ref() != Some(status)) {
                    tell(&operator, &now, before, &status, &servers, at);
                }
                chains.insert(namespace, (now, servers));
            } else {
                let chain = &chains[&of(&object)].0;
                let now: HopIncident = serde_json::from_value(object).expect("should be an incident");
                if let Some(before) = incidents.get(&now.name_any()) {
                    operator.sink.incident(chain, before, &now, at);
                }
                incidents.insert(now.name_any(), now);
            }
        }
        let (silent, servers) = chains.get_mut("e2e-rotation").expect("should be there");
        fall_silent(&operator, silent, servers, last);
        // The operator confirms what stays the same.
        let to = last + SignedDuration::from_mins(5);
        for (chain, servers) in chains.values() {
            let status = chain.status.clone().expect("should have a status");
            operator.sink.chain(chain, &status, servers, None, to);
        }
        let counts = operator.finish().await;
        assert_eq!(counts.dropped("refused") + counts.dropped("shutdown"), 0);
        assert!(counts.written() > 100, "{}", counts.written());
        let (stream, lines) = (unique(&format!("{name}-lines"), '-'), read("lines.jsonl"));
        let recording =
            Self { cluster, stream, lines: lines.lines().count(), from, to: to + SignedDuration::from_secs(1) };
        recording.send(&lines).await;
        Some(recording)
    }

    /// Sends the raw lines, kept as the Elastic Common Schema has it.
    async fn send(&self, lines: &str) {
        let strings = json!([{ "strings": { "match_mapping_type": "string", "mapping": { "type": "keyword" } } }]);
        let properties = json!({ "@timestamp": { "type": "date" }, "message": { "type": "text" } });
        let index = json!({ "mappings": { "dynamic_templates": strings, "properties": properties } });
        let server = &self.cluster.server;
        server.ask(Method::PUT, &self.stream, Some(index.to_string())).await;
        let body: String = lines.lines().map(|line| format!("{{\"create\":{{}}}}\n{line}\n")).collect();
        let answer = server.ask(Method::POST, &format!("{}/_bulk", self.stream), Some(body)).await;
        assert_eq!(answer["errors"], json!(false), "{}", answer["items"][0]);
    }

    /// What stands here for an index of the committed objects.
    pub(super) fn index(&self, committed: &str) -> String {
        match committed {
            "hopkeeper-state-default" => self.cluster.names().state.clone(),
            "logs-hopkeeper.transition-default" => self.cluster.names().transitions.clone(),
            lines => {
                assert!(lines.contains("filebeat-*"), "{lines}");
                self.stream.clone()
            }
        }
    }

    pub(super) async fn stop(self) {
        self.cluster.server.ask(Method::DELETE, &self.stream, None).await;
        self.cluster.stop().await;
    }
}

/// Tells the sink of a status that was written.
fn tell(
    operator: &Operator,
    chain: &VpnChain,
    before: Option<VpnChainStatus>,
    now: &VpnChainStatus,
    servers: &Servers,
    at: Timestamp,
) {
    let version = format!("{}-{}", chain.resource_version().unwrap_or_default(), at.as_millisecond());
    let chain = VpnChain { status: before, ..chain.clone() };
    operator.sink.chain(&chain, now, servers, Some(&version), at);
}

/// The log of one hop stops and comes back, and that of another one stops.
fn fall_silent(operator: &Operator, chain: &mut VpnChain, servers: &Servers, last: Timestamp) {
    let up = chain.status.clone().expect("should have a status");
    let silent = |hop: usize| {
        let mut status = up.clone();
        // It is not heard, and carries traffic as before.
        (status.hops[hop].state, status.hops[hop].ready) = (HopState::Unknown, true);
        status
    };
    let times = [4, 8, 12].map(|seconds| last + SignedDuration::from_secs(seconds));
    tell(operator, chain, Some(up.clone()), &silent(1), servers, times[0]);
    tell(operator, chain, Some(silent(1)), &up, servers, times[1]);
    tell(operator, chain, Some(up.clone()), &silent(2), servers, times[2]);
    chain.status = Some(silent(2));
}
