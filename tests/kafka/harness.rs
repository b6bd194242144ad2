//! A topic and group of a test's own, a pipeline on them, and a sink that writes down what it is asked to create.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hopkeeper::domain::engine::{Detection, Engine};
use hopkeeper::domain::envelope;
use hopkeeper::domain::event::{HopIdentity, Position, Shard};
use hopkeeper::domain::incident::{Finding, incident_name};
use hopkeeper::domain::ruleset::RuleSet;
use hopkeeper::domain::types::{CandidateRef, HopId, Implementation};
use hopkeeper::internal_event::pipeline::PipelineMetrics;
use hopkeeper::pipeline::{Created, FindingsError, HopDirectory, IncidentSink, Pipeline, SinkError};
use hopkeeper::source::SourceError;
use hopkeeper::source::kafka::{KafkaConfig, KafkaSource};
use jiff::{SignedDuration, Timestamp};
use prometheus::Registry;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A line that its rule decides at once.
pub(crate) const EXPIRED: &str = "2026-11-22 16:25:44 WARNING: Your certificate has expired!";
const PATIENCE: Duration = Duration::from_secs(30);

/// All lines' times count from here: long enough ago that none is in the future.
fn base() -> Timestamp {
    static BASE: std::sync::OnceLock<Timestamp> = std::sync::OnceLock::new();
    *BASE.get_or_init(|| Timestamp::now() - SignedDuration::from_hours(2))
}

pub(crate) fn pod(name: &str) -> HopIdentity {
    HopIdentity {
        id: HopId { namespace: "lab".into(), chain: "berlin".into(), hop: "entry".into() },
        pod_uid: format!("uid-{name}"),
        pod_name: name.into(),
        implementation: Implementation::OpenVpn,
        candidate: CandidateRef { name: "a".into(), version: "1".into() },
        plan_id: "a@1#0".into(),
        applied_at: base() - SignedDuration::from_hours(1),
    }
}

/// A record as Filebeat sends it.
pub(crate) fn line(pod: &str, second: i64, text: &str) -> String {
    serde_json::json!({
        "@timestamp": (base() + SignedDuration::from_secs(second)).to_string(),
        "@metadata": {"beat": "filebeat", "type": "_doc", "version": "9.1.0"},
        "message": text,
        "stream": "stdout",
        "log": {"offset": second, "file": {"path": format!("/var/log/containers/{pod}_lab_vpn-0a1b.log")}},
        "kubernetes": {"namespace": "lab", "pod": {"name": pod, "uid": format!("uid-{pod}")}, "container": {"name": "vpn"}},
    })
    .to_string()
}

pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !done() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One topic and one group on the real Kafka.
pub(crate) struct Lab {
    brokers: String,
    topic: String,
    group: String,
    producer: FutureProducer,
}

impl Lab {
    /// None without a Kafka; under CI that is a failure.
    pub(crate) async fn start(name: &str, partitions: i32) -> Option<Self> {
        let Ok(brokers) = std::env::var("HOPKEEPER_TEST_KAFKA") else {
            assert!(std::env::var_os("CI").is_none(), "needs Kafka: set HOPKEEPER_TEST_KAFKA=host:port");
            println!("skipped: needs Kafka (HOPKEEPER_TEST_KAFKA=host:port)");
            return None;
        };
        let unique = format!("hopkeeper-test-{name}-{}-{}", std::process::id(), Timestamp::now().as_millisecond());
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &brokers);
        let lab = Self {
            topic: unique.clone(),
            group: unique,
            producer: client.create().expect("should make a producer"),
            brokers,
        };
        let topic = NewTopic::new(&lab.topic, partitions, TopicReplication::Fixed(1));
        let made = lab.admin().create_topics([&topic], &AdminOptions::new()).await.expect("Kafka should answer");
        made.into_iter().next().expect("should have a result").expect("should create the topic");
        Some(lab)
    }

    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", &self.brokers).create().expect("should make an admin client")
    }

    pub(crate) async fn stop(self) {
        let admin = self.admin();
        let options = AdminOptions::new();
        admin.delete_topics(&[&self.topic], &options).await.expect("should delete the topic");
        admin.delete_groups(&[&self.group], &options).await.expect("should delete the group");
    }

    pub(crate) async fn send(&self, partition: i32, payload: &str) {
        let record = FutureRecord::<str, str>::to(&self.topic).partition(partition).payload(payload);
        self.producer.send(record, PATIENCE).await.expect("should be delivered");
    }

    /// Sends without waiting; a later `send` to the same partition comes after it.
    pub(crate) fn send_later(&self, partition: i32, payload: &str) {
        let record = FutureRecord::<str, str>::to(&self.topic).partition(partition).payload(payload);
        drop(self.producer.send_result(record).expect("should be queued"));
    }

    /// The group's committed offset.
    pub(crate) fn committed(&self, partition: i32) -> Option<i64> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", &self.group)
            .create()
            .expect("should make a consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, partition);
        let list = consumer.committed_offsets(list, PATIENCE).expect("Kafka should answer");
        match list.elements()[0].offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }

    fn config(&self) -> KafkaConfig {
        KafkaConfig {
            brokers: self.brokers.clone(),
            topics: vec![self.topic.clone()],
            group: self.group.clone(),
            options: BTreeMap::new(),
        }
    }

    /// The name that a single line's incident must have.
    pub(crate) fn expected_name(&self, pod_name: &str, second: i64, text: &str) -> String {
        let position = Position::new(Shard::new("anywhere"), 0);
        let event = envelope::decode(line(pod_name, second, text).as_bytes(), position, None).expect("should decode");
        let mut engine = Engine::new(Arc::new(RuleSet::shipped()));
        incident_name(&engine.observe(&event, &pod(pod_name)).pop().expect("should fire"))
    }
}

/// Writes down what it is asked to create.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    created: Arc<Mutex<Vec<(String, Instant)>>>,
    failing: Arc<AtomicBool>,
    hanging: Arc<AtomicBool>,
}

impl Recorder {
    pub(crate) fn names(&self) -> Vec<String> {
        self.created.lock().expect("should lock").iter().map(|(name, _)| name.clone()).collect()
    }

    /// When each was asked for.
    pub(crate) fn times(&self) -> Vec<Instant> {
        self.created.lock().expect("should lock").iter().map(|(_, at)| *at).collect()
    }

    pub(crate) async fn wait_for(&self, number: usize) {
        until("the sink to be called", || self.names().len() >= number).await;
    }

    pub(crate) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    /// As if the process were killed between the create and storing the place.
    pub(crate) fn hang_after_recording(&self) {
        self.hanging.store(true, Ordering::SeqCst);
    }
}

impl IncidentSink for Recorder {
    async fn create(&self, detection: &Detection) -> Result<Created, SinkError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(SinkError::Unavailable("the API server is away".into()));
        }
        self.created.lock().expect("should lock").push((incident_name(detection), Instant::now()));
        if self.hanging.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
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
    pub(crate) fn start(lab: &Lab, pods: &[&str]) -> Self {
        let directory = HopDirectory::new();
        for name in pods {
            directory.insert(pod(name));
        }
        directory.set_synced();
        Self::start_with(lab, directory, 0)
    }

    /// The first `failures` connections fail.
    pub(crate) fn start_with(lab: &Lab, directory: HopDirectory, mut failures: u32) -> Self {
        let (sink, registry, stop) = (Recorder::default(), Registry::new(), CancellationToken::new());
        let metrics = PipelineMetrics::register(&registry).expect("should register");
        let pipeline = Pipeline::new(Arc::new(RuleSet::shipped()), directory, sink.clone(), metrics);
        let config = lab.config();
        let connect = move || {
            if failures > 0 {
                failures -= 1;
                return Err(SourceError::Read("the network is away".into()));
            }
            KafkaSource::connect(&config)
        };
        let task = tokio::spawn(pipeline.run(connect, stop.clone()));
        Self { sink, registry, stop, task }
    }

    /// The sum of a metric's values.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).expect("should be registered");
        family.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum()
    }

    pub(crate) async fn wait_until_received(&self, records: f64) {
        until("the records", || self.metric("hopkeeper_records_received_total") >= records).await;
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
