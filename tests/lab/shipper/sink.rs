//! Events on their way to Kafka, with Filebeat's key, partitioner and acknowledgement: in order, none given up, and a file's progress
//! is recorded only when the broker has the event.

use std::collections::VecDeque;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};

use crate::registry::{Entry, Registry};

/// An event ready to be sent, and what its arrival means.
pub(crate) struct Record {
    /// The pod's UID: one pod's lines stay in order, in one partition.
    pub(crate) key: String,
    /// The encoded event.
    pub(crate) payload: Vec<u8>,
    /// The event's time.
    pub(crate) time: Timestamp,
    /// The file's key in the registry.
    pub(crate) file: String,
    /// The file's progress once this has arrived.
    pub(crate) entry: Entry,
}

/// An event that the broker has not acknowledged yet.
struct Sent {
    file: String,
    entry: Entry,
    time: Timestamp,
    delivery: DeliveryFuture,
}

/// How many delays are kept for the summary.
const DELAYS: usize = 10_000;

/// Why nothing can be sent any more.
#[derive(Debug, thiserror::Error)]
#[error("failed to send an event to Kafka")]
pub(crate) struct SinkError(#[source] KafkaError);

/// The producer and its queue.
pub(crate) struct Sink {
    producer: FutureProducer,
    topic: String,
    waiting: VecDeque<Record>,
    sent: VecDeque<Sent>,
    /// Events that the broker has.
    pub(crate) delivered: u64,
    /// From the runtime's time of a line to the broker's acknowledgement, of the latest events.
    delays: VecDeque<Duration>,
}

impl Sink {
    /// Connects in the background; a broker that is away is waited for without an end.
    pub(crate) fn new(brokers: &str, topic: &str) -> Result<Self, SinkError> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("client.id", "lab-shipper")
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            .set("linger.ms", "1")
            .set("compression.codec", "gzip")
            .set("partitioner", "fnv1a_random") // Filebeat's 'partition.hash' (Sarama)
            .set("reconnect.backoff.max.ms", "1000")
            .create()
            .map_err(SinkError)?;
        Ok(Self {
            producer,
            topic: topic.to_owned(),
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
            delivered: 0,
            delays: VecDeque::new(),
        })
    }

    /// Whether there is room: readers stop until what they gave has gone.
    pub(crate) fn ready(&self) -> bool {
        self.waiting.is_empty() && self.sent.len() < 10_000
    }

    /// Whether something is under way.
    pub(crate) fn busy(&self) -> bool {
        !self.waiting.is_empty() || !self.sent.is_empty()
    }

    /// Takes an event.
    pub(crate) fn push(&mut self, record: Record) {
        self.waiting.push_back(record);
    }

    /// Sends what waits, and records what has arrived.
    pub(crate) fn turn(&mut self, registry: &mut Registry) -> Result<(), SinkError> {
        while let Some(record) = self.waiting.pop_front() {
            let message = FutureRecord::to(&self.topic)
                .key(&record.key)
                .payload(&record.payload)
                .timestamp(record.time.as_millisecond());
            match self.producer.send_result(message) {
                Ok(delivery) => {
                    self.sent.push_back(Sent { file: record.file, entry: record.entry, time: record.time, delivery })
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.waiting.push_front(record);
                    break;
                }
                Err((e, _)) => return Err(SinkError(e)),
            }
        }
        while let Some(first) = self.sent.front_mut() {
            match (&mut first.delivery).now_or_never() {
                None => break,
                Some(Ok(Ok(_))) => {
                    if let Some(Sent { file, entry, time, .. }) = self.sent.pop_front() {
                        registry.acknowledged(&file, entry);
                        self.delivered += 1;
                        if self.delays.len() == DELAYS {
                            self.delays.pop_front();
                        }
                        self.delays.push_back(Timestamp::now().duration_since(time).try_into().unwrap_or_default());
                    }
                }
                Some(Ok(Err((e, _)))) => return Err(SinkError(e)),
                Some(Err(_)) => return Err(SinkError(KafkaError::Canceled)),
            }
        }
        Ok(())
    }

    /// The delay that this share (0 to 1) of the latest events did not exceed.
    pub(crate) fn delay(&self, share: f64) -> Duration {
        let mut delays: Vec<_> = self.delays.iter().copied().collect();
        delays.sort_unstable();
        delays.get(((delays.len().saturating_sub(1)) as f64 * share) as usize).copied().unwrap_or_default()
    }

    /// Gives the broker a last moment.
    pub(crate) fn close(&mut self, registry: &mut Registry) -> Result<(), SinkError> {
        self.turn(registry)?;
        if let Err(e) = self.producer.flush(Duration::from_secs(2)) {
            tracing::warn!(error = %e, unsent = self.sent.len(), "stopped before Kafka had everything: it is read again at the next start");
        }
        self.turn(registry)
    }
}
