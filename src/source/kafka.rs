//! Records from Kafka: one consumer of a consumer group, partition by partition.
//!
//! Offsets are committed by librdkafka, but only those that the pipeline stored. When partitions are taken away what was
//! stored is committed first, so the next reader begins where this one's work ends.

mod assignment;
mod config;
pub(crate) mod explained;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use rdkafka::Message;
use rdkafka::consumer::{CommitMode, Consumer, MessageStream, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::explained::discreet;
use super::{Payload, Record, Source, SourceError};
use crate::domain::event::Position;
use assignment::{Assignment, Context, Handle};
pub use config::KafkaConfig;

/// A reader that is behind gets on at the pace of the engine; only one whose engine stands still for so long pauses its
/// partitions: librdkafka then throws away what it has fetched ahead, and fetches it again.
const STANDS_STILL: Duration = Duration::from_secs(1);
/// Leaving a group that does not answer takes no longer.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connected consumer.
pub struct KafkaSource {
    consumer: Arc<StreamConsumer<Context>>,
    assignment: Arc<Assignment>,
}

impl KafkaSource {
    /// Subscribes to the topics. Brokers that can't be reached show up when reading.
    ///
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn connect(config: &KafkaConfig) -> Result<Self, SourceError> {
        let refused = |error: KafkaError| SourceError::Configure(discreet(error).into());
        let assignment = Arc::new(Assignment::default());
        let context = Context::new(Arc::clone(&assignment));
        let consumer: StreamConsumer<Context> = config.client().create_with_context(context).map_err(refused)?;
        let topics: Vec<&str> = config.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(refused)?;
        let consumer = Arc::new(consumer);
        assignment.attach(&consumer);
        Ok(Self { consumer, assignment })
    }

    /// None for a partition that was taken away meanwhile: its next reader gets the record. Keeps the hold for the next
    /// one, which mostly is of the same partition.
    fn record(&self, message: &BorrowedMessage<'_>, hold: &mut Option<Arc<Handle>>) -> Option<Record> {
        let (topic, partition) = (message.topic(), message.partition());
        if !hold.as_ref().is_some_and(|hold| hold.is_on(topic, partition)) {
            *hold = self.assignment.handle(topic, partition);
        }
        let handle = Arc::clone(hold.as_ref()?);
        let sequence = u64::try_from(message.offset()).ok()?;
        let position = Position::new(handle.shard.clone(), sequence);
        let received = message.timestamp().to_millis().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let payload = Payload::read(message.payload().unwrap_or_default(), &position, received);
        Some(Record { payload, received, position, shard: handle })
    }

    async fn read(&self, records: &mpsc::Sender<Record>) -> Result<(), KafkaError> {
        // One for all messages: each stream takes a lock to begin and to end.
        let mut messages = self.consumer.stream();
        let mut hold = None;
        while let Some(message) = messages.next().await {
            let Some(record) = taken(message)?.and_then(|message| self.record(&message, &mut hold)) else { continue };
            match records.try_send(record) {
                Ok(()) => {}
                Err(TrySendError::Full(record)) => match tokio::time::timeout(STANDS_STILL, records.reserve()).await {
                    Ok(Ok(permit)) => permit.send(record),
                    Ok(Err(_)) => return Ok(()),
                    Err(_) => self.wait(&mut messages, record, records).await?,
                },
                Err(TrySendError::Closed(_)) => return Ok(()),
            }
        }
        Ok(())
    }

    /// While `records` stays full, keeps polling with the partitions paused, or the group would think us dead.
    async fn wait(
        &self,
        messages: &mut MessageStream<'_, Context>,
        first: Record,
        records: &mpsc::Sender<Record>,
    ) -> Result<(), KafkaError> {
        let (mut waiting, mut hold) = (VecDeque::from([first]), None);
        self.consumer.pause(&self.consumer.assignment()?)?;
        while !waiting.is_empty() {
            tokio::select! {
                permit = records.reserve() => {
                    let Ok(permit) = permit else { return Ok(()) };
                    if let Some(record) = waiting.pop_front() {
                        permit.send(record);
                    }
                }
                Some(message) = messages.next() => {
                    waiting.extend(taken(message)?.and_then(|message| self.record(&message, &mut hold)));
                    // Each time: partitions may have been assigned since.
                    self.consumer.pause(&self.consumer.assignment()?)?;
                }
            }
        }
        self.consumer.resume(&self.consumer.assignment()?)
    }
}

/// A message. None where one broker is not reached, of which librdkafka tells here as well: it goes on with the others and tries that one
/// again. When all are down it says so.
fn taken<M>(message: Result<M, KafkaError>) -> Result<Option<M>, KafkaError> {
    match message {
        Ok(message) => Ok(Some(message)),
        Err(KafkaError::MessageConsumption(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve)) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Source for KafkaSource {
    async fn run(self, records: mpsc::Sender<Record>, stop: CancellationToken) -> Result<(), SourceError> {
        let result = stop.run_until_cancelled(self.read(&records)).await.unwrap_or(Ok(()));
        // Lets the worker come to its end and store its last places, before the group is left.
        drop(records);
        stop.cancelled().await;
        self.assignment.detach();
        let left = tokio::task::spawn_blocking(move || {
            if let Err(error) = self.consumer.commit_consumer_state(CommitMode::Sync) {
                debug!(%error, "Nothing to commit on leaving.");
            }
        });
        if tokio::time::timeout(LEAVE_TIMEOUT, left).await.is_err() {
            warn!("Kafka did not answer on leaving the group; what is not committed is read again.");
        }
        result.map_err(|e| SourceError::Read(e.into()))
    }
}
