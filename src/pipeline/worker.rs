//! The pipeline's loop: one record after the other through decode, directory, engine and sink, and the places stored.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::sink::IncidentSink;
use super::{HopDirectory, pauses};
use crate::domain::engine::{Detection, Engine};
use crate::domain::envelope;
use crate::domain::event::Shard;
use crate::domain::rule::Client;
use crate::domain::ruleset::RuleSet;
use crate::internal_event::pipeline::{
    IncidentCreateFailed, IncidentCreated, IncidentRefused, LineClamped, LinesCounted, PipelineMetrics,
    PlaceStoreFailed, RecordDiscarded, RecordReceived,
};
use crate::source::{Payload, Record, ShardHandle, SourceError};

/// How often places are stored and windows expired.
const TICK: Duration = Duration::from_millis(200);

/// A line's time may be so far after its record's: clocks of two machines differ.
const AHEAD_OF_RECORD: SignedDuration = SignedDuration::from_secs(5);
/// And so far after this machine's: where the shipper stamps its records, they are as wrong as its lines. Wider, since
/// this bound is another one when the record is read again.
const AHEAD_OF_NOW: SignedDuration = SignedDuration::from_secs(60);

/// Tells the time.
pub(super) type Clock = fn() -> Timestamp;

/// How far a shard is done.
struct Progress {
    handle: Arc<dyn ShardHandle>,
    /// Every record below is through the engine and the sink.
    next: u64,
    stored: Option<u64>,
}

/// What became of a detection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    /// Stopped, or the shard went away: the record is not done.
    Abandoned,
}

pub(super) struct Worker<'a, K> {
    engine: Engine,
    directory: &'a HopDirectory,
    sink: &'a K,
    metrics: &'a PipelineMetrics,
    shards: HashMap<Shard, Progress>,
    now: Clock,
}

impl<'a, K: IncidentSink> Worker<'a, K> {
    pub(super) fn new(
        rules: &Arc<RuleSet>,
        directory: &'a HopDirectory,
        sink: &'a K,
        metrics: &'a PipelineMetrics,
        now: Clock,
    ) -> Self {
        Self { engine: Engine::new(Arc::clone(rules)), directory, sink, metrics, shards: HashMap::new(), now }
    }

    /// Works until stopped or until the source is gone; stores the last places in the end.
    pub(super) async fn run(
        &mut self,
        mut records: mpsc::Receiver<Record>,
        stop: &CancellationToken,
    ) -> Result<(), SourceError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = tick.tick() => self.settle(),
                record = records.recv() => match record {
                    Some(record) => self.handle(record, stop).await,
                    None => break,
                },
            }
        }
        self.settle();
        Ok(())
    }

    async fn handle(&mut self, record: Record, stop: &CancellationToken) {
        RecordReceived.emit(self.metrics);
        if record.shard.is_lost() {
            RecordDiscarded { reason: "shard_lost", error: None }.emit(self.metrics);
            return;
        }
        self.enter(&record);
        let detections = self.decode_and_observe(&record);
        for detection in &detections {
            if self.create(detection, &record, stop).await == Outcome::Abandoned {
                // The windows stay as they are; `next` does not move, so the record comes again.
                return;
            }
            fail::fail_point!("pipeline::created");
        }
        if let Some(progress) = self.shards.get_mut(&record.position.shard) {
            progress.next = record.position.sequence + 1;
        }
    }

    /// Makes sure that what is held about the record's shard is about this assignment of it.
    fn enter(&mut self, record: &Record) {
        let shard = &record.position.shard;
        if self.shards.get(shard).is_some_and(|held| Arc::ptr_eq(&held.handle, &record.shard)) {
            return;
        }
        self.engine.drop_shard(shard);
        let progress = Progress { handle: Arc::clone(&record.shard), next: record.position.sequence, stored: None };
        self.shards.insert(shard.clone(), progress);
    }

    fn decode_and_observe(&mut self, record: &Record) -> Vec<Detection> {
        let Payload::Bytes(payload) = &record.payload else {
            RecordDiscarded { reason: "too_large", error: None }.emit(self.metrics);
            return Vec::new();
        };
        let mut event = match envelope::decode(payload, record.position.clone(), record.received) {
            Ok(event) => event,
            Err(error) => {
                RecordDiscarded { reason: error.category(), error: Some(&error) }.emit(self.metrics);
                return Vec::new();
            }
        };
        if event.clamp(latest((self.now)(), record.received)) {
            LineClamped.emit(self.metrics);
        }
        let Some(hop) = self.directory.find(&event) else {
            RecordDiscarded { reason: "unknown_pod", error: None }.emit(self.metrics);
            return Vec::new();
        };
        if Client::of(hop.implementation, &event.container).is_none() {
            RecordDiscarded { reason: "other_container", error: None }.emit(self.metrics);
            return Vec::new();
        }
        self.engine.observe(&event, &hop)
    }

    /// Creates the incident, trying for as long as that is of use.
    async fn create(&self, detection: &Detection, record: &Record, stop: &CancellationToken) -> Outcome {
        let mut pauses = pauses();
        for tries in 1.. {
            let Some(result) = stop.run_until_cancelled(self.sink.create(detection)).await else {
                return Outcome::Abandoned;
            };
            match result {
                Ok(created) => {
                    IncidentCreated { detection, created, received: record.received }.emit(self.metrics);
                    return Outcome::Done;
                }
                Err(error) if error.is_final(tries, self.directory.get(&detection.hop.pod_uid).is_some()) => {
                    IncidentRefused { detection, error: &error }.emit(self.metrics);
                    return Outcome::Done;
                }
                Err(error) => {
                    let pause = pauses.next().unwrap_or(super::MAX_PAUSE);
                    IncidentCreateFailed { detection, error: &error, pause }.emit(self.metrics);
                    stop.run_until_cancelled(tokio::time::sleep(pause)).await;
                }
            }
            if stop.is_cancelled() || record.shard.is_lost() {
                break;
            }
        }
        Outcome::Abandoned
    }

    /// Expires windows, forgets lost shards, and stores for each shard the oldest record still needed.
    fn settle(&mut self) {
        let lost: Vec<Shard> =
            self.shards.iter().filter(|(_, held)| held.handle.is_lost()).map(|(shard, _)| shard.clone()).collect();
        for shard in lost {
            self.shards.remove(&shard);
            self.engine.drop_shard(&shard);
        }
        self.engine.expire((self.now)());
        let tally = self.engine.take_tally();
        LinesCounted { tally, open_windows: self.engine.open_windows() }.emit(self.metrics);
        for (shard, progress) in &mut self.shards {
            let place = self.engine.needed_from(shard).map_or(progress.next, |needed| needed.min(progress.next));
            if progress.stored == Some(place) {
                continue;
            }
            match progress.handle.done_below(place) {
                Ok(()) => progress.stored = Some(place),
                Err(error) => PlaceStoreFailed { shard, error: &error }.emit(self.metrics),
            }
        }
    }
}

/// The latest time that a line of a record can have.
fn latest(now: Timestamp, received: Option<Timestamp>) -> Timestamp {
    let after = |time: Timestamp, margin| time.saturating_add(margin).unwrap_or(Timestamp::MAX);
    received.map_or(Timestamp::MAX, |received| after(received, AHEAD_OF_RECORD)).min(after(now, AHEAD_OF_NOW))
}

#[cfg(test)]
mod tests;
