//! Records of a Kafka topic between two times. Reads beside the operator: assigns partitions itself, joins no consumer
//! group, stores and commits nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, ClientContext, Message};
use thiserror::Error;

use crate::domain::event::{Position, Shard};
use crate::source::kafka::explained::{discreet, explained};

/// How much later than the range's end a record may have been shipped. Offsets follow the order of arrival, and a
/// shipper may send a pod's lines long after another's: the first record of a later time is not the range's end.
const LATE: SignedDuration = SignedDuration::from_hours(1);
/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether librdkafka has said why it does not.
const LOOK: Duration = Duration::from_secs(1);
/// How long it is listened to then.
const LISTEN: Duration = Duration::from_millis(100);

/// What to read.
#[derive(Clone)]
pub struct Range {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// Further librdkafka settings.
    pub options: BTreeMap<String, String>,
    /// From this record time; none is the oldest record.
    pub from: Option<Timestamp>,
    /// Before this record time; none is the newest record at the moment. Later records are read as well, by [`LATE`], for
    /// what may stand among them.
    pub to: Option<Timestamp>,
}

/// Why a topic can't be read.
#[derive(Debug, Error)]
pub enum RangeError {
    /// A broker or a setting refuses.
    #[error("failed to {what} of topic {topic:?}; are --kafka-brokers and --kafka-topic right?")]
    Kafka {
        /// What was tried.
        what: &'static str,
        /// The topic.
        topic: String,
        /// What librdkafka says.
        #[source]
        source: Box<KafkaError>,
    },
    /// No broker is reached, and librdkafka said why.
    #[error("Kafka is not reached: {why}; {brokers} was asked")]
    NotReached {
        /// What was typed.
        brokers: String,
        /// What librdkafka said, explained.
        why: &'static str,
    },
    /// The topic has no partition.
    #[error("topic {0:?} is not there; name the one that the shipper writes to with --kafka-topic")]
    NoTopic(String),
}

/// What is left when librdkafka gives no reason at all, as for plain text sent to a port with TLS.
const BREAKS_OFF: &str = "the broker breaks off every connection: this port of the broker may want TLS: say \
                          --kafka-security-protocol ssl or sasl-ssl, or give its other port";

/// Keeps why no broker is reached: a call that waits for an answer only tells that there was none.
#[derive(Default)]
struct Reasons(Mutex<Option<&'static str>>);

impl Reasons {
    fn hear(&self, reason: &str) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(remedy) = explained(reason) {
            *heard = Some(remedy);
        } else if reason.contains("brokers are down") {
            heard.get_or_insert(BREAKS_OFF);
        }
    }

    fn heard(&self) -> Option<&'static str> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some reasons come as errors, others only as lines of its log.
impl ClientContext for Reasons {
    fn log(&self, _: RDKafkaLogLevel, _: &str, message: &str) {
        self.hear(message);
    }

    fn error(&self, _: KafkaError, reason: &str) {
        self.hear(reason);
    }
}

impl ConsumerContext for Reasons {}

/// Gives each record of the range to `each`: its payload, its place, and its own time in Kafka. Partition by partition
/// in order; `each` is told as well how many records are still to come.
///
/// # Errors
/// When a broker does not answer or refuses.
pub fn read(range: &Range, mut each: impl FnMut(&[u8], Position, Option<Timestamp>, u64)) -> Result<(), RangeError> {
    let failed = |what| {
        let topic = range.topic.clone();
        move |source| RangeError::Kafka { what, topic, source: Box::new(source) }
    };
    let mut config = ClientConfig::new();
    for (key, value) in &range.options {
        config.set(key, value);
    }
    config
        .set("client.id", "hopkeeper-replay")
        .set("bootstrap.servers", &range.brokers)
        // librdkafka wants a name, although no group is joined: partitions are assigned, not subscribed to.
        .set("group.id", "hopkeeper-replay")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("allow.auto.create.topics", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "false");
    let consumer: BaseConsumer<Reasons> =
        config.create_with_context(Reasons::default()).map_err(discreet).map_err(failed("configure the reading"))?;
    let mut left = bounds(range, &consumer)?;
    let mut assignment = TopicPartitionList::new();
    for (partition, (next, _)) in &left {
        assignment
            .add_partition_offset(&range.topic, *partition, Offset::Offset(*next))
            .map_err(failed("choose the offsets"))?;
    }
    consumer.assign(&assignment).map_err(failed("assign the partitions"))?;
    while !left.is_empty() {
        let message = match consumer.poll(PATIENCE) {
            Some(message) => message.map_err(failed("read the records"))?,
            None => {
                return Err(failed("read the records")(KafkaError::MessageConsumption(
                    rdkafka::types::RDKafkaErrorCode::OperationTimedOut,
                )));
            }
        };
        let Some((next, end)) = left.get_mut(&message.partition()) else { continue };
        if message.offset() < *end {
            *next = message.offset() + 1;
            let shard = Shard::new(format!("kafka:{}/{}", range.topic, message.partition()));
            let sequence = u64::try_from(message.offset()).unwrap_or_default();
            let time = message.timestamp().to_millis().and_then(|ms| Timestamp::from_millisecond(ms).ok());
            let position = Position::new(shard, sequence);
            let (done, payload) = (*next >= *end, message.payload().unwrap_or_default());
            if done {
                left.remove(&message.partition());
            }
            let to_come = left.values().map(|(next, end)| u64::try_from(end - next).unwrap_or_default()).sum();
            each(payload, position, time, to_come);
        } else {
            // What was to come was compacted or aborted away.
            left.remove(&message.partition());
        }
    }
    Ok(())
}

/// For each partition the first offset to read and the one after the last; partitions without records left out.
fn bounds(range: &Range, consumer: &BaseConsumer<Reasons>) -> Result<HashMap<i32, (i64, i64)>, RangeError> {
    let failed = |what| {
        let topic = range.topic.clone();
        move |source| RangeError::Kafka { what, topic, source: Box::new(source) }
    };
    let metadata = partitions_of(range, consumer)?;
    let topic = metadata.topics().iter().find(|topic| topic.name() == range.topic);
    let partitions: Vec<i32> = topic.iter().flat_map(|topic| topic.partitions()).map(|p| p.id()).collect();
    if partitions.is_empty() {
        return Err(RangeError::NoTopic(range.topic.clone()));
    }
    let from = at(range, consumer, &partitions, range.from)?;
    let to = range.to.map(|to| to.saturating_add(LATE)).transpose().unwrap_or_default();
    let to = at(range, consumer, &partitions, to)?;
    let mut bounds = HashMap::new();
    for partition in partitions {
        let (low, high) = consumer
            .fetch_watermarks(&range.topic, partition, PATIENCE)
            .map_err(failed("learn the oldest and newest offset"))?;
        let first = match range.from {
            None => low,
            // No record is as new.
            Some(_) => from.get(&partition).copied().unwrap_or(high).max(low),
        };
        let end = to.get(&partition).copied().unwrap_or(high).min(high);
        if first < end {
            bounds.insert(partition, (first, end));
        }
    }
    Ok(bounds)
}

/// The topic's partitions. Ends as soon as it is known that waiting is in vain.
fn partitions_of(range: &Range, consumer: &BaseConsumer<Reasons>) -> Result<Metadata, RangeError> {
    let started = Instant::now();
    loop {
        let error = match consumer.fetch_metadata(Some(&range.topic), LOOK) {
            Ok(metadata) => return Ok(metadata),
            Err(error) => error,
        };
        // Lets librdkafka tell; nothing is assigned yet, so no record comes.
        while consumer.context().heard().is_none() && consumer.poll(LISTEN).is_some() {}
        if let Some(remedy) = consumer.context().heard() {
            return Err(RangeError::NotReached { brokers: range.brokers.clone(), why: remedy });
        }
        if started.elapsed() > PATIENCE {
            let (what, topic) = ("learn the partitions", range.topic.clone());
            return Err(RangeError::Kafka { what, topic, source: Box::new(error) });
        }
    }
}

/// The first offset at or after a time, where there is one.
fn at(
    range: &Range,
    consumer: &BaseConsumer<Reasons>,
    partitions: &[i32],
    time: Option<Timestamp>,
) -> Result<HashMap<i32, i64>, RangeError> {
    let failed = |what| {
        let topic = range.topic.clone();
        move |source| RangeError::Kafka { what, topic, source: Box::new(source) }
    };
    let Some(time) = time else { return Ok(HashMap::new()) };
    let end = Instant::now() + PATIENCE;
    loop {
        let mut wanted = TopicPartitionList::new();
        for partition in partitions {
            wanted
                .add_partition_offset(&range.topic, *partition, Offset::Offset(time.as_millisecond()))
                .map_err(failed("choose the offsets"))?;
        }
        let found = consumer.offsets_for_times(wanted, PATIENCE).map_err(failed("find the offsets of a time"))?;
        let elements = found.elements();
        // The call succeeds when a partition does not: its offset then still is the time that was asked for.
        match elements.iter().find_map(|element| element.error().err()) {
            None => {
                let offset = |offset: Offset| offset.to_raw().filter(|raw| *raw >= 0);
                return Ok(elements.iter().filter_map(|e| Some((e.partition(), offset(e.offset())?))).collect());
            }
            Some(error) if Instant::now() >= end => return Err(failed("find the offsets of a time")(error)),
            Some(_) => std::thread::sleep(LISTEN),
        }
    }
}

#[cfg(test)]
mod tests;
