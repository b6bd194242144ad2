//! Kafka, with Filebeat's key, partitioner and acknowledgement.

use std::collections::VecDeque;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};

use super::{Place, Record, SinkError};

/// The producer, and what the broker has not acknowledged yet.
pub(crate) struct Kafka {
    producer: FutureProducer,
    topic: String,
    sent: VecDeque<(Place, Timestamp, DeliveryFuture)>,
}

impl Kafka {
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
            .map_err(SinkError::Kafka)?;
        Ok(Self { producer, topic: topic.to_owned(), sent: VecDeque::new() })
    }

    pub(super) fn under_way(&self) -> usize {
        self.sent.len()
    }

    /// Sends what waits; gives what has arrived.
    pub(super) fn turn(&mut self, waiting: &mut VecDeque<Record>) -> Result<Vec<(Place, Timestamp)>, SinkError> {
        while let Some(record) = waiting.pop_front() {
            let message = FutureRecord::to(&self.topic)
                .key(&record.key)
                .payload(&record.payload)
                .timestamp(record.time.as_millisecond());
            match self.producer.send_result(message) {
                Ok(delivery) => self.sent.push_back((record.place, record.time, delivery)),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    waiting.push_front(record);
                    break;
                }
                Err((error, _)) => return Err(SinkError::Kafka(error)),
            }
        }
        let mut arrived = Vec::new();
        while let Some((_, _, delivery)) = self.sent.front_mut() {
            match delivery.now_or_never() {
                None => break,
                Some(Ok(Ok(_))) => arrived.extend(self.sent.pop_front().map(|(place, time, _)| (place, time))),
                Some(Ok(Err((error, _)))) => return Err(SinkError::Kafka(error)),
                Some(Err(_)) => return Err(SinkError::Kafka(KafkaError::Canceled)),
            }
        }
        Ok(arrived)
    }

    pub(super) fn flush(&self) {
        if let Err(error) = self.producer.flush(Duration::from_secs(2)) {
            tracing::warn!(%error, "Kafka did not take everything");
        }
    }
}
