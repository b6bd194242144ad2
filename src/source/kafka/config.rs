//! How to reach Kafka.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;

/// Settings of the Kafka source.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// Topics to read.
    pub topics: Vec<String>,
    /// The consumer group: readers with one group share the partitions.
    pub group: String,
    /// Further librdkafka settings (TLS, SASL, timeouts). What the delivery guarantee rests on can't be set here.
    pub options: BTreeMap<String, String>,
}

/// Without the values of the further settings: a password is among them.
impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { brokers, topics, group, options } = self;
        let (keys, mut shown): (Vec<_>, _) = (options.keys().collect(), f.debug_struct("KafkaConfig"));
        shown.field("brokers", brokers).field("topics", topics).field("group", group).field("options", &keys).finish()
    }
}

/// How often stored offsets are committed; what is between is read again after a crash.
const COMMIT_INTERVAL_MS: &str = "1000";

impl KafkaConfig {
    pub(super) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("client.id", "hopkeeper")
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "3000")
            // A chain must not wait for a broker's long poll: one record is worth a wake-up.
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "200")
            .set("reconnect.backoff.max.ms", "2000")
            .set("queued.max.messages.kbytes", "4096")
            // So little is fetched ahead that a second, the default, would be most of the time of a reader that is behind.
            .set("fetch.queue.backoff.ms", "5");
        for (key, value) in &self.options {
            client.set(key, value);
        }
        client
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", &self.group)
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", COMMIT_INTERVAL_MS)
            .set("enable.auto.offset.store", "false")
            // A new group reads what there is: lines older than a hop's parameters are stale anyway.
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.partition.eof", "false")
            .set("allow.auto.create.topics", "false");
        client
    }
}
