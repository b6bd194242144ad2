//! The pipeline's loop: one record after the other through decode, directory, engine and sink. How far that came is kept by `places`.

mod places;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::hearing::Hearing;
use super::held::{self, Entry, Held, PodKey, Stream, Waiting};
use super::sink::IncidentSink;
use super::{HopDirectory, pauses};
use crate::domain::engine::{Detection, Engine};
use crate::domain::envelope;
use crate::domain::event::{HopIdentity, LogEvent, Position, Shard};
use crate::domain::incident::Finding;
use crate::domain::rule::Client;
use crate::domain::ruleset::RuleSet;
use crate::internal_event::pipeline::{
    FindingsListFailed, HandshakeSeen, IncidentCreateFailed, IncidentCreated, IncidentRefused, LagSeen, LineClamped,
    LinesCounted, PipelineMetrics, PodsChanged, RecordDiscarded, RecordReceived, RecordsHeld, RulesTaken,
};
use crate::source::{Payload, Record, SourceError};
use places::Places;

/// How often places are stored and windows expired.
const TICK: Duration = Duration::from_millis(200);

/// So many records are handled without a look at anything else; a source that is behind always has more.
const BATCH: usize = 64;

/// For so long the incidents that are there are not asked for again: a reader gets many shards at once.
const FINDINGS_LAST: SignedDuration = SignedDuration::from_secs(2);

/// A line's time may be so far after its record's: clocks of two machines differ.
const AHEAD_OF_RECORD: SignedDuration = SignedDuration::from_secs(5);
/// And so far after this machine's: where the shipper stamps its records, they are as wrong as its lines. Wider, since
/// this bound is another one when the record is read again.
const AHEAD_OF_NOW: SignedDuration = SignedDuration::from_secs(60);

/// Tells the time.
pub(super) type Clock = fn() -> Timestamp;

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    /// Which parameters its line is about is not known yet.
    AwaitsWord,
    /// Stopped, or the shard went away: the record is not done.
    Abandoned,
}

/// Whether a line must be known to be about the hop's parameters, or was waited for long enough.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Certainty {
    Needed,
    GivenUp,
}

pub(super) struct Worker<'a, K> {
    engine: Engine,
    directory: &'a HopDirectory,
    sink: &'a K,
    metrics: &'a PipelineMetrics,
    places: Places,
    held: Held,
    /// What was found before, and when that was asked.
    findings: Option<(Timestamp, Vec<Finding>)>,
    /// The directory's changes that the engine does not know of.
    changes: watch::Receiver<u64>,
    rules: watch::Receiver<Arc<RuleSet>>,
    hearing: Option<Hearing>,
    /// The newest line's time of each pod that was heard since that was last told.
    heard: HashMap<String, Timestamp>,
    now: Clock,
}

impl<'a, K: IncidentSink> Worker<'a, K> {
    pub(super) fn new(
        mut rules: watch::Receiver<Arc<RuleSet>>,
        directory: &'a HopDirectory,
        sink: &'a K,
        metrics: &'a PipelineMetrics,
        now: Clock,
    ) -> Self {
        let engine = Engine::new(Arc::clone(&rules.borrow_and_update()));
        let changes = directory.changes();
        let (places, held, heard) = Default::default();
        let (findings, hearing) = (None, None);
        Self { engine, directory, sink, metrics, places, held, findings, changes, rules, hearing, heard, now }
    }

    /// Keeps account of whom it hears.
    pub(super) fn noting(self, hearing: Option<Hearing>) -> Self {
        Self { hearing, ..self }
    }

    /// Works until stopped or until the source is gone; stores the last places in the end.
    pub(super) async fn run(
        &mut self,
        mut records: mpsc::Receiver<Record>,
        stop: &CancellationToken,
    ) -> Result<(), SourceError> {
        let mut tick = tokio::time::interval(TICK);
        let mut changes = self.directory.changes();
        let mut rules = self.rules.clone();
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = tick.tick() => {
                    self.take_up(stop).await;
                    self.settle();
                }
                Ok(()) = changes.changed() => self.take_up(stop).await,
                Ok(()) = rules.changed() => self.take_rules(),
                record = records.recv() => match record {
                    Some(record) => self.handle_batch(record, &mut records, stop).await,
                    None => break,
                },
            }
        }
        self.settle();
        Ok(())
    }

    /// Goes on with other rules: what the others counted so far is kept.
    fn take_rules(&mut self) {
        let rules = Arc::clone(&self.rules.borrow_and_update());
        let dropped_windows = self.engine.reload(rules);
        RulesTaken { dropped_windows, kept_windows: self.engine.open_windows() }.emit();
    }

    /// Handles a record and some of those that are there already: what else is waited for needs no look between them.
    async fn handle_batch(&mut self, first: Record, more: &mut mpsc::Receiver<Record>, stop: &CancellationToken) {
        let mut record = first;
        for _ in 1..BATCH {
            self.handle(record, stop).await;
            if stop.is_cancelled() {
                return;
            }
            let Ok(next) = more.try_recv() else { return };
            record = next;
        }
        self.handle(record, stop).await;
    }

    async fn handle(&mut self, record: Record, stop: &CancellationToken) {
        let now = (self.now)();
        RecordReceived { at: now }.emit(self.metrics);
        if record.shard.is_lost() {
            self.discard("shard_lost");
            return;
        }
        self.enter(&record, stop).await;
        let Record { payload, received, position, shard } = record;
        let decoded = self.decode(payload, &position, received, now);
        let time = decoded.as_ref().map(|event| event.time);
        if let Some(event) = decoded {
            let entry = Entry { event, received, shard };
            if self.deliver(entry, stop).await == Outcome::Abandoned {
                return;
            }
        }
        self.places.pass(&position, time, now);
    }

    /// Makes sure that what is held about the record's shard is about this assignment of it.
    async fn enter(&mut self, record: &Record, stop: &CancellationToken) {
        if self.places.has(record) {
            return;
        }
        self.drop_shard(&record.position.shard);
        self.places.begin(record);
        self.remember(stop).await;
    }

    /// Lets those rules rest that fired for whoever read the shard before: its place may be before lines which their rests
    /// swallowed.
    async fn remember(&mut self, stop: &CancellationToken) {
        let now = (self.now)();
        let lasts = |at: &Timestamp| now.duration_since(*at).abs() <= FINDINGS_LAST;
        if !self.findings.as_ref().is_some_and(|(at, _)| lasts(at)) {
            let _busy = self.hearing.as_ref().map(Hearing::busy);
            let Some(findings) = stop.run_until_cancelled(self.sink.findings()).await else { return };
            let findings = findings.unwrap_or_else(|error| {
                FindingsListFailed { error: &error }.emit(self.metrics);
                Vec::new()
            });
            self.findings = Some((now, findings));
        }
        for found in self.findings.iter().flat_map(|(_, findings)| findings) {
            if let Some(hop) = self.directory.get(&found.pod_uid) {
                self.engine.remember(found, &hop);
            }
        }
    }

    fn decode(
        &self,
        payload: Payload,
        position: &Position,
        received: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Box<LogEvent>> {
        let read = match payload {
            Payload::Event(event) => Ok(event),
            Payload::Bytes(bytes) => envelope::decode(&bytes, position.clone(), received).map(Box::new),
            Payload::TooLarge => {
                self.discard("too_large");
                return None;
            }
        };
        match read {
            Ok(mut event) => {
                if event.clamp(latest(now, received)) {
                    LineClamped.emit(self.metrics);
                }
                Some(event)
            }
            Err(error) => {
                RecordDiscarded { reason: error.category(), error: Some(&error) }.emit(self.metrics);
                None
            }
        }
    }

    fn discard(&self, reason: &'static str) {
        RecordDiscarded { reason, error: None }.emit(self.metrics);
    }

    /// Brings a record to its pod's windows; after those that were held back for the pod, or behind them.
    async fn deliver(&mut self, entry: Entry, stop: &CancellationToken) -> Outcome {
        // Asked first: a pod that becomes known meanwhile must not have this line before those that wait.
        let Some(hop) = self.directory.find(&entry.event) else {
            self.hold_back(entry);
            return Outcome::Done;
        };
        if Client::of(hop.implementation, &entry.event.container).is_none() {
            self.discard("other_container");
            return Outcome::Done;
        }
        self.hear(&hop.pod_uid, entry.event.time);
        // Mostly nothing waits: no key is made then.
        let mut is_behind = false;
        if !self.held.is_empty() {
            let pod = PodKey::of(&entry.event);
            if self.held.has(&pod) {
                self.engine.hear(&entry.event, &hop);
                if self.take_up_pod(&pod, stop).await == Outcome::Abandoned {
                    return Outcome::Abandoned;
                }
            }
            is_behind = self.held.holds(&pod, Stream::of(&entry.event));
        }
        let outcome =
            if is_behind { Outcome::AwaitsWord } else { self.observe(&entry, &hop, Certainty::Needed, stop).await };
        if outcome == Outcome::AwaitsWord {
            self.hold(entry, true, later((self.now)()));
            return Outcome::Done;
        }
        outcome
    }

    /// Keeps the record of a pod that may only be too new to be known.
    fn hold_back(&mut self, entry: Entry) {
        let now = (self.now)();
        let until = later(entry.received.map_or(now, |received| received.min(now)));
        if until <= now || !Client::reads_container(&entry.event.container) {
            self.discard("unknown_pod");
            return;
        }
        self.hold(entry, false, until);
    }

    fn hold(&mut self, entry: Entry, awaits_word: bool, until: Timestamp) {
        let pod = PodKey::of(&entry.event);
        for _ in 0..self.held.push(pod, entry, awaits_word, until) {
            self.discard("held_overflow");
        }
    }

    /// Takes up what was held back for pods that are known now.
    async fn take_up(&mut self, stop: &CancellationToken) {
        for pod in self.held.pods() {
            if self.take_up_pod(&pod, stop).await == Outcome::Abandoned {
                return;
            }
        }
    }

    /// Takes up what was held back for a pod, if it is known now: but for the client's lines that still wait for the health
    /// sidecar's word. Abandoned only when stopped.
    async fn take_up_pod(&mut self, pod: &PodKey, stop: &CancellationToken) -> Outcome {
        let (mut awaits_word, mut heard) = (false, None);
        while let Some(stream) = self.held.next(pod, awaits_word) {
            let Some(Waiting { entry: first, number, .. }) = self.held.first(&stream) else { break };
            let is_lost = first.shard.is_lost();
            let hop = if is_lost { None } else { self.directory.find(&first.event) };
            if !is_lost && hop.is_none() {
                break;
            }
            if awaits_word
                && heard != Some(*number)
                && let Some(hop) = &hop
            {
                // First what it says of the parameters, then the lines that wait for that, then what else it says.
                self.engine.hear(&first.event, hop);
                (awaits_word, heard) = (false, Some(*number));
                continue;
            }
            let Some(mut waiting) = self.held.pop(&stream) else { break };
            let Some(hop) = hop else {
                self.discard("shard_lost");
                continue;
            };
            let now = (self.now)();
            if !waiting.awaits_word {
                self.hear(&hop.pod_uid, waiting.entry.event.time);
                waiting.until = later(now);
            }
            let certainty = if waiting.until <= now { Certainty::GivenUp } else { Certainty::Needed };
            match self.observe(&waiting.entry, &hop, certainty, stop).await {
                Outcome::AwaitsWord => {
                    waiting.awaits_word = true;
                    self.held.put_back(stream, waiting);
                    awaits_word = true;
                }
                // Else its shard went away, which is no affair of the pod's other records.
                Outcome::Abandoned if stop.is_cancelled() => {
                    self.held.put_back(stream, waiting);
                    return Outcome::Abandoned;
                }
                Outcome::Done | Outcome::Abandoned => {}
            }
        }
        Outcome::Done
    }

    async fn observe(
        &mut self,
        entry: &Entry,
        hop: &HopIdentity,
        certainty: Certainty,
        stop: &CancellationToken,
    ) -> Outcome {
        let detections = match certainty {
            Certainty::Needed => self.engine.observe_if_certain(&entry.event, hop),
            Certainty::GivenUp => Some(self.engine.observe(&entry.event, hop)),
        };
        let Some(detections) = detections else { return Outcome::AwaitsWord };
        for detection in &detections {
            if self.create(detection, entry, stop).await == Outcome::Abandoned {
                // The windows stay as they are; the record's place is not done, so it comes again.
                return Outcome::Abandoned;
            }
            fail::fail_point!("pipeline::created");
        }
        Outcome::Done
    }

    /// Notes that a pod is heard.
    fn hear(&mut self, pod_uid: &str, time: Timestamp) {
        if self.hearing.is_none() {
            return;
        }
        match self.heard.get_mut(pod_uid) {
            Some(newest) => *newest = time.max(*newest),
            None => drop(self.heard.insert(pod_uid.to_owned(), time)),
        }
    }

    /// Creates the incident, trying for as long as that is of use.
    async fn create(&self, detection: &Detection, entry: &Entry, stop: &CancellationToken) -> Outcome {
        let _busy = self.hearing.as_ref().map(Hearing::busy);
        let mut pauses = pauses();
        loop {
            let Some(result) = stop.run_until_cancelled(self.sink.create(detection)).await else {
                return Outcome::Abandoned;
            };
            match result {
                Ok(created) => {
                    IncidentCreated { detection, created, received: entry.received }.emit(self.metrics);
                    return Outcome::Done;
                }
                Err(error) if error.is_final(self.directory.knows(&detection.hop.pod_uid)) => {
                    IncidentRefused { detection, error: &error }.emit(self.metrics);
                    return Outcome::Done;
                }
                Err(error) => {
                    let pause = pauses.next().unwrap_or(super::MAX_PAUSE);
                    IncidentCreateFailed { detection, error: &error, pause }.emit(self.metrics);
                    stop.run_until_cancelled(tokio::time::sleep(pause)).await;
                }
            }
            if stop.is_cancelled() || entry.shard.is_lost() {
                return Outcome::Abandoned;
            }
        }
    }

    /// Expires windows, forgets lost shards and pods that are gone, and stores for each shard the oldest record still needed.
    fn settle(&mut self) {
        for shard in self.places.forget_lost() {
            self.drop_shard(&shard);
        }
        if self.changes.has_changed().unwrap_or_default() {
            self.changes.mark_unchanged();
            self.engine.keep_pods(|uid| self.directory.knows(uid));
            PodsChanged { hops: self.directory.hops() }.emit(self.metrics);
        }
        let now = (self.now)();
        if let Some(hearing) = &self.hearing {
            hearing.tell(&mut self.heard, self.places.take_newest(), now);
        }
        self.engine.expire(now);
        for (hop, at) in self.engine.take_handshakes() {
            HandshakeSeen { hop: &hop, at }.emit(self.metrics);
        }
        LagSeen { lag: self.places.lag(now) }.emit(self.metrics);
        let tally = self.engine.take_tally();
        let (open_windows, window_bytes) = (self.engine.open_windows(), self.engine.window_bytes());
        LinesCounted { tally, open_windows, window_bytes }.emit(self.metrics);
        for _ in 0..self.held.expire(now, |event| self.directory.find(event).is_some()) {
            self.discard("unknown_pod");
        }
        RecordsHeld { records: self.held.len() }.emit(self.metrics);
        let held = self.held.needed();
        let needed = |shard: &Shard| self.engine.needed_from(shard).into_iter().chain(held.get(shard).copied()).min();
        self.places.store(needed, self.metrics);
    }

    /// Forgets what is held of a shard.
    fn drop_shard(&mut self, shard: &Shard) {
        self.engine.drop_shard(shard);
        self.held.drop_shard(shard);
    }
}

/// Until when a record waits that begins now.
fn later(now: Timestamp) -> Timestamp {
    now.saturating_add(held::PATIENCE).unwrap_or(Timestamp::MAX)
}

/// The latest time that a line of a record can have.
fn latest(now: Timestamp, received: Option<Timestamp>) -> Timestamp {
    let after = |time: Timestamp, margin| time.saturating_add(margin).unwrap_or(Timestamp::MAX);
    received.map_or(Timestamp::MAX, |received| after(received, AHEAD_OF_RECORD)).min(after(now, AHEAD_OF_NOW))
}

#[cfg(test)]
mod both_ways_tests;
#[cfg(test)]
mod tests;
