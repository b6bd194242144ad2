//! The log stream itself: what the shipper wrote, and writing the same again.

use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::json;

const TOPIC: &str = "vpn-logs";
/// As many as the lab makes (`tests/lab/lib/services.sh`).
const PARTITIONS: u32 = 3;

/// One record as it was shipped.
#[derive(Clone)]
pub struct Shipped {
    pub key: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Shipped {
    /// A line that a pod's client wrote at that time.
    pub fn line(namespace: &str, pod: &str, uid: &str, at: Timestamp, message: &str) -> Self {
        let record = json!({
            "@timestamp": format!("{at:.3}"),
            "message": message,
            "stream": "stdout",
            "log": {"offset": at.as_millisecond()},
            "kubernetes": {"namespace": namespace, "pod": {"name": pod, "uid": uid}, "container": {"name": "vpn"}},
        });
        Self { key: uid.into(), payload: record.to_string().into_bytes() }
    }
}

fn config() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", "127.0.0.1:9092").set("group.id", "e2e-reader").set("enable.auto.commit", "false");
    config
}

/// Every record of the lab's topic so far that contains `text`.
pub fn shipped(text: &str) -> Vec<Shipped> {
    shipped_to(TOPIC, text)
}

/// The same of another topic.
pub fn shipped_to(topic: &str, text: &str) -> Vec<Shipped> {
    let consumer: BaseConsumer = config().create().expect("a consumer should be made");
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).expect("the topic should be known");
    let mut list = TopicPartitionList::new();
    let mut left = 0;
    for partition in metadata.topics()[0].partitions() {
        let (low, high) =
            consumer.fetch_watermarks(topic, partition.id(), Duration::from_secs(10)).expect("offsets should be known");
        left += high - low;
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("it should be added");
    }
    consumer.assign(&list).expect("partitions should be assigned");
    let mut found = Vec::new();
    while left > 0 {
        let Some(message) = consumer.poll(Duration::from_secs(10)) else { break };
        let message = message.expect("it should be readable");
        left -= 1;
        let payload = message.payload().unwrap_or_default();
        if String::from_utf8_lossy(payload).contains(text) {
            found.push(Shipped { key: message.key().unwrap_or_default().to_vec(), payload: payload.to_vec() });
        }
    }
    found
}

/// Where Filebeat writes what has this key: FNV-1a without the sign. librdkafka's `fnv1a_random` takes a negative hash's amount
/// instead.
fn partition(key: &[u8]) -> i32 {
    let hash = key.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    i32::try_from((hash & 0x7fff_ffff) % PARTITIONS).expect("should be small")
}

#[test]
fn a_scenario_writes_for_a_pod_where_filebeat_did() {
    let recorded = include_str!("../fixtures/filebeat/partitions.txt");
    for (at, key) in recorded.lines().map(|line| line.split_once(' ').expect("should be a partition and a key")) {
        assert_eq!(partition(key.as_bytes()).to_string(), at, "{key}");
    }
    assert_eq!(recorded.lines().count(), 24);
}

/// Writes records; returns when Kafka has them.
pub async fn ship(records: &[Shipped]) {
    static PRODUCER: OnceLock<FutureProducer> = OnceLock::new();
    let config = || config().set("linger.ms", "0").create();
    let producer = PRODUCER.get_or_init(|| config().expect("a producer should be made"));
    for record in records {
        // Filebeat's: what is written for a pod stands in order with what the pod wrote.
        let partition = partition(&record.key);
        let record = FutureRecord::to(TOPIC).partition(partition).key(&record.key).payload(&record.payload);
        producer.send(record, Duration::from_secs(10)).await.expect("it should be written");
    }
}
