//! Which partitions are ours, and how offsets get back: the consumer's rebalance callbacks and the pipeline meet here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tracing::{debug, error, info, warn};

use super::explained::explained;
use crate::domain::event::Shard;
use crate::source::{ShardHandle, SourceError};

type Partition = (String, i32);
type SharedConsumer = Arc<Mutex<Weak<StreamConsumer<Context>>>>;

/// The partitions held now.
#[derive(Default)]
pub(super) struct Assignment {
    held: Mutex<HashMap<Partition, Arc<Handle>>>,
    consumer: SharedConsumer,
}

impl Assignment {
    pub(super) fn attach(&self, consumer: &Arc<StreamConsumer<Context>>) {
        *locked(&self.consumer) = Arc::downgrade(consumer);
    }

    /// No offset is stored from here on.
    pub(super) fn detach(&self) {
        *locked(&self.consumer) = Weak::new();
        for (_, handle) in locked(&self.held).drain() {
            handle.lost.store(true, Ordering::Release);
        }
    }

    /// The hold on a partition; none when it was taken away with records still under way.
    pub(super) fn handle(&self, topic: &str, partition: i32) -> Option<Arc<Handle>> {
        locked(&self.held).get(&(topic.to_owned(), partition)).map(Arc::clone)
    }

    fn gain(&self, partitions: &TopicPartitionList) {
        let mut held = locked(&self.held);
        for element in partitions.elements() {
            let partition = (element.topic().to_owned(), element.partition());
            let handle = Handle {
                shard: Shard::new(format!("kafka:{}/{}", partition.0, partition.1)),
                partition: partition.clone(),
                lost: AtomicBool::new(false),
                consumer: Arc::clone(&self.consumer),
            };
            if let Some(before) = held.insert(partition, Arc::new(handle)) {
                before.lost.store(true, Ordering::Release);
            }
        }
    }

    fn lose(&self, partitions: &TopicPartitionList) {
        let mut held = locked(&self.held);
        for element in partitions.elements() {
            if let Some(handle) = held.remove(&(element.topic().to_owned(), element.partition())) {
                handle.lost.store(true, Ordering::Release);
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The hold on one partition, from its assignment to its revocation.
pub(super) struct Handle {
    pub(super) shard: Shard,
    partition: Partition,
    lost: AtomicBool,
    consumer: SharedConsumer,
}

impl Handle {
    /// Whether it is the hold on this partition, and still one.
    pub(super) fn is_on(&self, topic: &str, partition: i32) -> bool {
        !self.is_lost() && self.partition.1 == partition && self.partition.0 == topic
    }
}

impl ShardHandle for Handle {
    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    fn done_below(&self, sequence: u64) -> Result<(), SourceError> {
        let consumer = locked(&self.consumer).upgrade();
        let Some(consumer) = consumer.filter(|_| !self.is_lost()) else { return Ok(()) };
        let offset = i64::try_from(sequence).unwrap_or(i64::MAX);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.partition.0, self.partition.1, Offset::Offset(offset))
            .and_then(|()| consumer.store_offsets(&list))
            .map_err(|e| SourceError::Store(e.into()))
    }
}

/// librdkafka's callbacks.
pub(super) struct Context {
    assignment: Arc<Assignment>,
}

impl Context {
    pub(super) fn new(assignment: Arc<Assignment>) -> Self {
        Self { assignment }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
                error!(target: "librdkafka", facility, "{message}");
            }
            RDKafkaLogLevel::Warning => warn!(target: "librdkafka", facility, "{message}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => info!(target: "librdkafka", facility, "{message}"),
            RDKafkaLogLevel::Debug => debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // librdkafka goes on by itself; what it can't mend, reading returns.
        match explained(reason) {
            Some(remedy) => warn!(target: "librdkafka", %error, reason, "Kafka is not reached: {remedy}."),
            None => warn!(target: "librdkafka", %error, "{reason}"),
        }
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                info!(partitions = partitions.count(), "Kafka assigned partitions.");
                self.assignment.gain(partitions);
            }
            Rebalance::Revoke(partitions) => {
                info!(partitions = partitions.count(), "Kafka took partitions away.");
                self.assignment.lose(partitions);
                // Partitions lost by a timeout are another's already: a commit would only be refused.
                if consumer.assignment_lost() {
                    return;
                }
                match consumer.commit_consumer_state(CommitMode::Sync) {
                    Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
                    Err(error) => debug!(%error, "Did not commit before the partitions went."),
                }
            }
            Rebalance::Error(error) => warn!(%error, "Kafka's rebalance failed."),
        }
    }
}
