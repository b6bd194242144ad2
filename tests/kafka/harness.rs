//! A topic and group of a test's own, and a pipeline on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hopkeeper::domain::engine::Engine;
use hopkeeper::domain::envelope;
use hopkeeper::domain::event::{HopIdentity, Position, Shard};
use hopkeeper::domain::incident::incident_name;
use hopkeeper::domain::ruleset::RuleSet;
use hopkeeper::pipeline::HopDirectory;
use hopkeeper::source::SourceError;
use hopkeeper::source::kafka::{KafkaConfig, KafkaSource};
use jiff::{SignedDuration, Timestamp};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::counted::PATIENCE;
use crate::needs::pass_over;
use crate::running::{Running, directory, pod_since};

/// All lines' times count from here: long enough ago that none is in the future.
fn base() -> Timestamp {
    static BASE: std::sync::OnceLock<Timestamp> = std::sync::OnceLock::new();
    *BASE.get_or_init(|| Timestamp::now() - SignedDuration::from_hours(2))
}

pub(crate) fn at(second: i64) -> Timestamp {
    base() + SignedDuration::from_secs(second)
}

pub(crate) fn pod(name: &str) -> HopIdentity {
    pod_since(name, base() - SignedDuration::from_hours(1))
}

/// A record as Filebeat sends it.
pub(crate) fn line(pod: &str, second: i64, text: &str) -> String {
    serde_json::json!({
        "@timestamp": at(second).to_string(),
        "@metadata": {"beat": "filebeat", "type": "_doc", "version": "9.1.0"},
        "message": text,
        "stream": "stdout",
        "log": {"offset": second, "file": {"path": format!("/var/log/containers/{pod}_lab_vpn-0a1b.log")}},
        "kubernetes": {"namespace": "lab", "pod": {"name": pod, "uid": format!("uid-{pod}")}, "container": {"name": "vpn"}},
    })
    .to_string()
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
            pass_over("Kafka: set HOPKEEPER_TEST_KAFKA=host:port");
            return None;
        };
        let unique = format!("hopkeeper-test-{name}-{}-{}", std::process::id(), Timestamp::now().as_millisecond());
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &brokers);
        let lab = Self {
            topic: unique.clone(),
            group: unique,
            // Without idempotence a batch that is sent again may come after the one that followed it.
            producer: client.set("enable.idempotence", "true").create().expect("should make a producer"),
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
        self.drop_group(&self.group).await;
        self.admin().delete_topics(&[&self.topic], &AdminOptions::new()).await.expect("should delete the topic");
    }

    pub(crate) async fn drop_group(&self, group: &str) {
        self.admin().delete_groups(&[group], &AdminOptions::new()).await.expect("should delete the group");
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
        self.committed_by(&self.group, partition)
    }

    pub(crate) fn committed_by(&self, group: &str, partition: i32) -> Option<i64> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", group)
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

    pub(crate) fn config(&self) -> KafkaConfig {
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

/// A pipeline on the topic.
pub(crate) fn start(lab: &Lab, pods: &[&str]) -> Running {
    start_with(lab, directory(pods.iter().map(|name| pod(name))), 0)
}

/// The first `failures` connections fail.
pub(crate) fn start_with(lab: &Lab, directory: HopDirectory, mut failures: u32) -> Running {
    let config = lab.config();
    Running::start_on(directory, move || {
        if failures > 0 {
            failures -= 1;
            return Err(SourceError::Read("the network is away".into()));
        }
        KafkaSource::connect(&config)
    })
}
