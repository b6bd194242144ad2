//! Chain-state documents on the real Elasticsearch: what setup makes, that every field of every document is taken, and
//! what an outage leaves. Each test has names of its own, and removes what stands under them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hopkeeper::crd::{HopIncident, VpnChain, VpnChainStatus};
use hopkeeper::documents::fields::FIELDS;
use hopkeeper::documents::setup::{self, Change, Done, Wanted};
use hopkeeper::documents::sink::{DocumentSink, Servers};
use hopkeeper::documents::writer::Writer;
use hopkeeper::documents::{Buffer, Names};
use hopkeeper::elasticsearch::Connection;
use hopkeeper::elasticsearch::error::ElasticsearchError;
use hopkeeper::internal_event::documents::DocumentMetrics;
use jiff::{SignedDuration, Timestamp};
use prometheus::Registry;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::counted::until;
use crate::harness::unique;
use crate::server::Server;

/// Names of a test's own.
pub(crate) struct Cluster {
    pub(crate) server: Server,
    wanted: Wanted,
}

impl Cluster {
    pub(crate) fn start(name: &str) -> Option<Self> {
        Some(Self::on(Server::start(false)?, name))
    }

    pub(crate) fn on(server: Server, name: &str) -> Self {
        let names = Names::new(&unique(name, '_')).expect("should be a namespace");
        Self { server, wanted: Wanted { names, keep: "90d".into() } }
    }

    pub(crate) fn names(&self) -> &Names {
        &self.wanted.names
    }

    pub(crate) async fn set_up(&self, dry_run: bool) -> Vec<Done> {
        self.set_up_by(self.server.connection(), dry_run).await.expect("should be set up")
    }

    pub(crate) async fn set_up_by(&self, who: Connection, dry_run: bool) -> Result<Vec<Done>, ElasticsearchError> {
        setup::run(who, &self.wanted, dry_run).await
    }

    pub(crate) async fn stop(self) {
        let Names { namespace, transitions, state } = self.names();
        for path in [
            format!("_data_stream/{transitions}"),
            state.clone(),
            format!("_index_template/{transitions}"),
            format!("_index_template/{state}"),
            format!("_component_template/hopkeeper-{namespace}@base"),
            format!("_component_template/hopkeeper-{namespace}@custom"),
        ] {
            let (status, answer) = self.server.try_to(Method::DELETE, &path, None).await;
            assert!(status == 200 || status == 404, "{path}: {status} {answer}");
        }
    }

    pub(crate) async fn search(&self, index: &str, query: Value) -> Value {
        self.server.ask(Method::POST, &format!("{index}/_refresh"), None).await;
        self.server.ask(Method::POST, &format!("{index}/_search"), Some(query.to_string())).await
    }
}

/// Sink and writer of one operator.
pub(crate) struct Operator {
    pub(crate) sink: DocumentSink,
    writer: Writer,
    pub(crate) registry: Registry,
}

impl Operator {
    pub(crate) fn new(
        names: &Names,
        bytes: usize,
        connect: impl Fn() -> Result<Connection, String> + Send + Sync + 'static,
    ) -> Self {
        let (registry, buffer) = (Registry::new(), Arc::new(Buffer::new(bytes)));
        let metrics = DocumentMetrics::register(&registry).expect("should register");
        let writer = Writer::new(Box::new(connect), names.clone(), Arc::clone(&buffer), metrics.clone());
        let sink = DocumentSink::new(names.clone(), buffer, metrics).naming_traces(true);
        Self { sink, writer, registry }
    }

    pub(crate) fn on(cluster: &Cluster) -> Self {
        let connection = cluster.server.connection();
        Self::new(cluster.names(), 1 << 20, move || Ok(connection.clone()))
    }

    fn gauge(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).expect("should be registered");
        family.get_metric()[0].get_gauge().get_value()
    }

    /// What an operator tells of a hop that comes up, and of its chain when it is deleted: six documents, and the removal of three.
    pub(crate) fn tells_all(&self) {
        self.sink.chain(&chain(None), &status("Up", None), &servers(), Some("7"), noon());
        self.sink.chain_gone(&chain(Some(status("Up", None))), noon() + SignedDuration::from_secs(1));
    }

    /// Writes until the end of this; gives the counts.
    pub(crate) async fn write_while(self, what: impl Future<Output = ()>) -> Counts {
        let Self { sink, writer, registry } = self;
        let end = async {
            what.await;
            drop(sink);
        };
        tokio::join!(writer.run(), end);
        Counts(registry)
    }

    /// How often writing failed for this reason.
    pub(crate) fn failures(registry: &Registry, category: &str) -> u64 {
        Counts(registry.clone()).of("hopkeeper_documents_write_errors_total", category)
    }

    /// Writes what was told, and ends; gives the counts.
    pub(crate) async fn finish(self) -> Counts {
        drop(self.sink);
        self.writer.run().await;
        Counts(self.registry)
    }
}

pub(crate) struct Counts(Registry);

impl Counts {
    fn of(&self, name: &str, label: &str) -> u64 {
        let families = self.0.gather();
        let family = families.iter().find(|family| family.name() == name).expect("should be registered");
        let is_meant = |metric: &&prometheus::proto::Metric| {
            label.is_empty() || metric.get_label().iter().any(|pair| pair.value() == label)
        };
        let metric = family.get_metric().iter().find(is_meant).expect("should have that label");
        // Counts are whole.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let whole = metric.get_counter().get_value() as u64;
        whole
    }

    pub(crate) fn written(&self) -> u64 {
        self.of("hopkeeper_documents_written_total", "")
    }

    pub(crate) fn dropped(&self, reason: &str) -> u64 {
        self.of("hopkeeper_documents_dropped_total", reason)
    }
}

fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().expect("should be a time")
}

fn status(middle: &str, cause: Option<&str>) -> VpnChainStatus {
    let mut status = json!({
        "phase": if middle == "Up" { "Up" } else { "Degraded" }, "hopsUp": "2/2", "openIncidents": 1,
        "lastRecovery": "2026-11-22T11:00:00Z", "message": "every hop carries traffic",
        "hops": [
            {"name": "entry", "state": "Up", "candidate": "nl-1@3", "pod": "berlin-entry-0", "since": "2026-11-22T11:00:00Z"},
            {"name": "middle", "state": middle, "candidate": "se-1@1", "pod": "berlin-middle-0", "since": "2026-11-22T11:00:00Z"},
        ],
        "conditions": [{"type": "Ready", "status": "True", "reason": "Up", "message": "m",
            "lastTransitionTime": "2026-11-22T11:00:00Z"}],
    });
    if let Some(cause) = cause {
        status["hops"][1]["cause"] = cause.into();
    }
    serde_json::from_value(status).expect("should be a status")
}

fn chain(before: Option<VpnChainStatus>) -> VpnChain {
    let pool = |path: &str| json!({"vault": {"mount": "secret", "path": path}});
    let mut chain: VpnChain = serde_json::from_value(json!({
        "apiVersion": "hopkeeper.io/v1alpha1", "kind": "VpnChain",
        "metadata": {"name": "berlin", "namespace": "demo", "uid": "uid-berlin"},
        "spec": {"gateway": {"cidr": "10.200.7.0/24"}, "hops": [
            {"name": "entry", "client": "OpenVPN", "parameters": pool("vpn/entry")},
            {"name": "middle", "client": "WireGuard", "parameters": pool("vpn/middle")},
        ]},
    }))
    .expect("should be a chain");
    chain.status = before;
    chain
}

fn servers() -> Servers {
    Servers::from([("entry".into(), vec![[203, 0, 113, 1].into()]), ("middle".into(), vec![[203, 0, 113, 2].into()])])
}

fn incident(version: u64, status: Option<Value>) -> HopIncident {
    let mut incident = json!({
        "apiVersion": "hopkeeper.io/v1alpha1", "kind": "HopIncident",
        "metadata": {"name": "berlin-middle-0a1b", "namespace": "demo", "uid": "5f1cbb7a-3a0e-4d2c-9c1b-0d9a7c2e4f61",
            "resourceVersion": version.to_string(), "creationTimestamp": "2026-11-22T12:00:03Z"},
        "spec": {
            "chain": "berlin", "hop": "middle", "podUid": "uid-middle", "pod": "berlin-middle-0",
            "candidate": {"name": "se-1", "version": "1"}, "rule": "health-stalled", "title": "No packet comes back",
            "verdict": "rotate", "evidence": "path", "line": "{\"state\":\"stalled\"}",
            "first": {"time": "2026-11-22T12:00:00.500000Z", "position": "x"},
            "last": {"time": "2026-11-22T12:00:02.000000Z", "position": "x"},
        },
    });
    if let Some(status) = status {
        incident["status"] = status;
    }
    serde_json::from_value(incident).expect("should be an incident")
}

/// The story of one incident: held as a symptom, then repaired.
fn story() -> Vec<HopIncident> {
    let step = json!({"action": "RotateInPlace", "candidate": {"name": "se-2", "version": "4"}, "revision": 1, "recreate": 0,
        "startedAt": "2026-11-22T12:00:04.000000Z", "appliedAt": "2026-11-22T12:00:05.000000Z", "outcome": "Up"});
    vec![
        incident(1, None),
        incident(2, Some(json!({"phase": "Held", "cause": "entry", "reason": "SymptomOfOuterHop", "message": "m"}))),
        incident(3, Some(json!({"phase": "Acting", "reason": "RotateInPlace", "message": "m"}))),
        incident(
            4,
            Some(json!({"phase": "Recovered", "reason": "TunnelUp", "message": "the hop carries traffic again",
            "steps": [step], "closedAt": "2026-11-22T12:00:15.250000Z"})),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn setting_up_again_changes_nothing_and_mends_what_was_changed() {
    let Some(mut cluster) = Cluster::start("setup") else { return };
    let would = cluster.set_up(true).await;
    assert!(would.iter().all(|done| done.change == Change::Create), "{would:?}");
    let (missing, _) = cluster.server.try_to(Method::GET, &cluster.names().state, None).await;
    assert_eq!(missing, 404, "a dry run made something");
    let first = cluster.set_up(false).await;
    let made: Vec<_> = first.iter().filter(|done| done.change != Change::None).map(|done| &done.request).collect();
    assert_eq!(made, would.iter().map(|done| &done.request).collect::<Vec<_>>(), "not what the dry run said");
    let second = cluster.set_up(false).await;
    assert!(second.iter().all(|done| done.change == Change::None), "{second:?}");

    // Another lifetime is wanted, more replicas; and somebody spoiled the template of states.
    cluster.wanted.keep = "7d".into();
    let template = format!("_index_template/{}", cluster.names().state);
    let spoiled = json!({"index_patterns": [cluster.names().state], "priority": 300});
    cluster.server.ask(Method::PUT, &template, Some(spoiled.to_string())).await;
    let custom = format!("_component_template/hopkeeper-{}@custom", cluster.names().namespace);
    let replicas = json!({"template": {"settings": {"index": {"auto_expand_replicas": "0-2"}}}});
    cluster.server.ask(Method::PUT, &custom, Some(replicas.to_string())).await;
    let third = cluster.set_up(false).await;
    let updated: Vec<_> = third.iter().filter(|done| done.change == Change::Update).collect();
    let parts: Vec<_> = updated.iter().map(|done| (done.part, &done.name)).collect();
    let (stream, state) = (&cluster.names().transitions, &cluster.names().state);
    assert_eq!(parts, [("index template", stream), ("index template", state), ("lifecycle", stream)]);
    let fourth = cluster.set_up(false).await;
    assert!(fourth.iter().all(|done| done.change == Change::None), "{fourth:?}");
    let simulated = format!("_index_template/_simulate_index/{}", cluster.names().state);
    let simulated = cluster.server.ask(Method::POST, &simulated, None).await;
    assert_eq!(simulated["template"]["settings"]["index"]["auto_expand_replicas"], "0-2", "what users make wins");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_from_before_learns_the_fields_that_were_added_since() {
    let Some(cluster) = Cluster::start("older") else { return };
    let older = json!({"mappings": {"dynamic": "strict", "properties": {"@timestamp": {"type": "date"}}}});
    cluster.server.ask(Method::PUT, &cluster.names().state, Some(older.to_string())).await;
    let done = cluster.set_up(false).await;
    let updated: Vec<_> = done.iter().filter(|done| done.change == Change::Update).collect();
    let parts: Vec<_> = updated.iter().map(|done| (done.part, &done.name)).collect();
    assert_eq!(parts, [("mapping", &cluster.names().state)]);
    let operator = Operator::on(&cluster);
    operator.sink.chain(&chain(None), &status("Up", None), &servers(), None, noon());
    let counts = operator.finish().await;
    assert_eq!((counts.written(), counts.dropped("refused")), (3, 0));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_every_document_is_taken_and_found() {
    let Some(cluster) = Cluster::start("fields") else { return };
    cluster.set_up(false).await;
    let operator = Operator::on(&cluster);
    operator.sink.chain(
        &chain(Some(status("Up", None))),
        &status("Held", Some("entry")),
        &servers(),
        Some("7"),
        noon(),
    );
    let (before, later) = (chain(Some(status("Held", Some("entry")))), noon() + SignedDuration::from_secs(1));
    operator.sink.chain(&before, &status("Up", None), &servers(), Some("8"), later);
    for pair in story().windows(2) {
        operator.sink.incident(&chain(None), &pair[0], &pair[1], noon());
    }
    let counts = operator.finish().await;
    // Two transitions and three states; two of each when the hop is back; one incident detected and three decisions.
    assert_eq!((counts.written(), counts.dropped("refused")), (13, 0));

    let both = format!("{},{}", cluster.names().transitions, cluster.names().state);
    let exists =
        FIELDS.iter().map(|field| (field.name.to_owned(), json!({"filter": {"exists": {"field": field.name}}})));
    let answer = cluster.search(&both, json!({"size": 0, "aggs": exists.collect::<Map<_, _>>()})).await;
    for field in FIELDS {
        let found = answer["aggregations"][field.name]["doc_count"].as_u64();
        assert!(found > Some(0), "{} is in no document: {found:?}", field.name);
    }

    let closed = json!({"query": {"term": {"hopkeeper.incident.closed": true}},
        "aggs": {"recover": {"avg": {"field": "hopkeeper.incident.seconds_to_recover"}}}});
    let answer = cluster.search(&cluster.names().transitions, closed).await;
    assert_eq!(answer["aggregations"]["recover"]["value"], json!(14.75));
    assert_eq!(answer["hits"]["hits"][0]["_source"]["event"]["action"], "incident-recovered");
    let words = json!({"query": {"match": {"hopkeeper.incident.line": "stalled"}}});
    let answer = cluster.search(&cluster.names().transitions, words).await;
    assert_eq!(answer["hits"]["total"]["value"], 4);

    // A field that nobody listed is refused, not guessed.
    let path = format!("{}/_create/x", cluster.names().transitions);
    let stranger = json!({"@timestamp": noon().to_string(), "hopkeeper": {"hop": {"stranger": 1}}});
    let (refused, answer) = cluster.server.try_to(Method::PUT, &path, Some(stranger.to_string())).await;
    assert_eq!((refused, &answer["error"]["type"]), (400, &json!("strict_dynamic_mapping_exception")));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_twice_is_there_once_and_of_states_the_newest_stays() {
    let Some(cluster) = Cluster::start("order") else { return };
    cluster.set_up(false).await;
    let at = |second| noon() + SignedDuration::from_secs(second);
    // The second operator was the leader before: what it still has is older.
    for (state, time) in [("Suspect", at(10)), ("Up", at(0))] {
        let operator = Operator::on(&cluster);
        operator.sink.chain(&chain(None), &status(state, None), &servers(), Some("7"), time);
        let counts = operator.finish().await;
        assert_eq!((counts.written(), counts.dropped("refused")), (6, 0));
    }
    let middle = json!({"query": {"term": {"hopkeeper.hop.name": "middle"}}});
    let states = cluster.search(&cluster.names().state, middle.clone()).await;
    assert_eq!(states["hits"]["total"]["value"], 1);
    assert_eq!(states["hits"]["hits"][0]["_id"], "demo/berlin/middle");
    assert_eq!(states["hits"]["hits"][0]["_source"]["hopkeeper"]["hop"]["state"], "Suspect");
    let transitions = cluster.search(&cluster.names().transitions, middle).await;
    assert_eq!(transitions["hits"]["total"]["value"], 1, "the same status, told twice");

    let operator = Operator::on(&cluster);
    operator.sink.chain_gone(&chain(Some(status("Up", None))), at(20));
    operator.finish().await;
    let left = cluster.search(&cluster.names().state, json!({})).await;
    assert_eq!(left["hits"]["total"]["value"], 0);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_costs_the_oldest_documents_and_the_current_state_is_right_after_it() {
    const BOUND: usize = 64 * 1024;
    let Some(cluster) = Cluster::start("outage") else { return };
    cluster.set_up(false).await;
    let (there, tries) = (cluster.server.connection(), Arc::new(AtomicUsize::new(0)));
    let away = Connection { urls: vec!["http://127.0.0.1:9".into()], ..there.clone() };
    let counted = Arc::clone(&tries);
    let operator = Operator::new(cluster.names(), BOUND, move || {
        Ok(if counted.fetch_add(1, Ordering::SeqCst) < 2 { away.clone() } else { there.clone() })
    });
    let (up, down) = (status("Up", None), status("Suspect", None));
    for flap in 0..500 {
        let (before, now) = if flap % 2 == 0 { (&up, &down) } else { (&down, &up) };
        let time = noon() + SignedDuration::from_millis(flap);
        operator.sink.chain(&chain(Some(before.clone())), now, &servers(), Some(&flap.to_string()), time);
    }
    assert!(operator.gauge("hopkeeper_documents_waiting_bytes") <= BOUND as f64);
    let counts = operator.finish().await;
    assert!(tries.load(Ordering::SeqCst) > 2 && counts.written() > 0);
    // Each flap is four documents: the chain's and the hop's transition and state; the first tells the other hop's too.
    assert_eq!(counts.written() + counts.dropped("overflow"), 4 * 500 + 1);
    assert!(counts.dropped("overflow") > 0 && counts.dropped("shutdown") + counts.dropped("refused") == 0);
    let state = json!({"query": {"term": {"hopkeeper.hop.name": "middle"}}});
    let found = cluster.search(&cluster.names().state, state).await;
    assert_eq!(found["hits"]["hits"][0]["_source"]["hopkeeper"]["hop"]["state"], "Up");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_made_by_accident_in_a_cluster_that_is_not_set_up() {
    let Some(cluster) = Cluster::start("bare") else { return };
    let Operator { sink, writer, registry, .. } = Operator::on(&cluster);
    sink.chain(&chain(None), &status("Up", None), &servers(), Some("7"), noon());
    let writing = tokio::spawn(writer.run());
    let counts = Counts(registry);
    let name = "hopkeeper_documents_write_errors_total";
    until("the writer to find nothing", || counts.of(name, "not_set_up") >= 2).await;
    for name in [&cluster.names().transitions, &cluster.names().state] {
        assert_eq!(cluster.server.try_to(Method::GET, name, None).await.0, 404, "{name}");
    }
    // Now it is set up, and what waited is written.
    cluster.set_up(false).await;
    until("the documents", || counts.written() == 6).await;
    drop(sink);
    writing.await.expect("should not panic");
    cluster.stop().await;
}
