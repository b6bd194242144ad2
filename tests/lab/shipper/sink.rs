//! Events on their way out: in order, none given up, and a file's progress is recorded only when the other side has the event.

mod elasticsearch;
mod kafka;

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

pub(crate) use elasticsearch::Elasticsearch;
pub(crate) use kafka::Kafka;

use crate::registry::{Entry, Registry};

/// An event ready to be sent, and what its arrival means.
pub(crate) struct Record {
    /// The pod's UID: one pod's lines stay in order, in one partition.
    pub(crate) key: String,
    /// The encoded event.
    pub(crate) payload: Vec<u8>,
    /// The event's time.
    pub(crate) time: Timestamp,
    /// What it stands for in the registry.
    pub(crate) place: Place,
}

/// How far a file is sent once its event has arrived.
pub(crate) struct Place {
    /// The file's key in the registry.
    pub(crate) file: String,
    /// The file's progress.
    pub(crate) entry: Entry,
}

/// How many delays are kept for the summary.
const DELAYS: usize = 10_000;
/// At most so many events are on their way.
const UNDER_WAY: usize = 10_000;

/// Where events go.
pub(crate) enum Output {
    /// A topic.
    Kafka(Kafka),
    /// A data stream.
    Elasticsearch(Elasticsearch),
}

/// Why nothing can be sent any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkError {
    /// Kafka's client gave up.
    #[error("failed to send an event to Kafka")]
    Kafka(#[source] rdkafka::error::KafkaError),
    /// The task that writes is gone.
    #[error("failed to send events to Elasticsearch")]
    Elasticsearch(#[source] tokio::task::JoinError),
    /// No client could be made.
    #[error("failed to prepare the client for Elasticsearch")]
    Client(#[source] reqwest::Error),
}

/// The output and its queue.
pub(crate) struct Sink {
    output: Output,
    waiting: VecDeque<Record>,
    /// Events that the other side has.
    pub(crate) delivered: u64,
    /// From the runtime's time of a line to the acknowledgement, of the latest events.
    delays: VecDeque<Duration>,
}

impl Sink {
    /// Nothing waits yet.
    pub(crate) fn new(output: Output) -> Self {
        Self { output, waiting: VecDeque::new(), delivered: 0, delays: VecDeque::new() }
    }

    /// Whether there is room: readers stop until what they gave has gone.
    pub(crate) fn ready(&self) -> bool {
        self.waiting.is_empty() && self.under_way() < UNDER_WAY
    }

    /// Whether something is under way.
    pub(crate) fn busy(&self) -> bool {
        !self.waiting.is_empty() || self.under_way() > 0
    }

    fn under_way(&self) -> usize {
        match &self.output {
            Output::Kafka(kafka) => kafka.under_way(),
            Output::Elasticsearch(elasticsearch) => elasticsearch.under_way(),
        }
    }

    /// Takes an event.
    pub(crate) fn push(&mut self, record: Record) {
        self.waiting.push_back(record);
    }

    /// Sends what waits, and records what has arrived.
    pub(crate) fn turn(&mut self, registry: &mut Registry) -> Result<(), SinkError> {
        let arrived = match &mut self.output {
            Output::Kafka(kafka) => kafka.turn(&mut self.waiting)?,
            Output::Elasticsearch(elasticsearch) => elasticsearch.turn(&mut self.waiting)?,
        };
        for (place, time) in arrived {
            registry.acknowledged(&place.file, place.entry);
            self.delivered += 1;
            if self.delays.len() == DELAYS {
                self.delays.pop_front();
            }
            self.delays.push_back(Timestamp::now().duration_since(time).try_into().unwrap_or_default());
        }
        Ok(())
    }

    /// The delay that this share (0 to 1) of the latest events did not exceed.
    pub(crate) fn delay(&self, share: f64) -> Duration {
        let mut delays: Vec<_> = self.delays.iter().copied().collect();
        delays.sort_unstable();
        delays.get(((delays.len().saturating_sub(1)) as f64 * share) as usize).copied().unwrap_or_default()
    }

    /// Gives the other side a last moment.
    pub(crate) async fn close(&mut self, registry: &mut Registry) -> Result<(), SinkError> {
        self.turn(registry)?;
        match &mut self.output {
            Output::Kafka(kafka) => kafka.flush(),
            Output::Elasticsearch(elasticsearch) => elasticsearch.flush().await,
        }
        self.turn(registry)?;
        if self.busy() {
            tracing::warn!(
                unsent = self.waiting.len() + self.under_way(),
                "stopped before everything had arrived: it is read again at the next start"
            );
        }
        Ok(())
    }
}
