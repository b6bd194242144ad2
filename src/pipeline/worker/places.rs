//! How far each shard is done: what is stored as the place to begin from, and how far behind the reader is.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::domain::event::{Position, Shard};
use crate::internal_event::pipeline::{PipelineMetrics, PlaceStoreFailed};
use crate::source::{Record, ShardHandle};

/// A shard in which nothing came for longer says nothing about how far behind the reader is.
const LAG_STANDS: SignedDuration = SignedDuration::from_secs(60);

/// How far a shard is done.
struct Progress {
    handle: Arc<dyn ShardHandle>,
    /// Every record below is through the engine and the sink, or held back.
    next: u64,
    stored: Option<u64>,
    /// How old the last line was when it was read, and when that was.
    lag: Option<(Timestamp, SignedDuration)>,
    /// The newest line's time since it was last told who is heard.
    newest: Option<Timestamp>,
}

/// The shards that are read.
#[derive(Default)]
pub(super) struct Places(HashMap<Shard, Progress>);

impl Places {
    /// Whether what is held about the record's shard is about this assignment of it.
    pub(super) fn has(&self, record: &Record) -> bool {
        self.0.get(&record.position.shard).is_some_and(|held| Arc::ptr_eq(&held.handle, &record.shard))
    }

    /// Begins the record's shard anew, with it.
    pub(super) fn begin(&mut self, record: &Record) {
        let (handle, next) = (Arc::clone(&record.shard), record.position.sequence);
        let progress = Progress { handle, next, stored: None, lag: None, newest: None };
        self.0.insert(record.position.shard.clone(), progress);
    }

    /// A record is through, or held back; `time` is its line's, if it is one.
    pub(super) fn pass(&mut self, position: &Position, time: Option<Timestamp>, now: Timestamp) {
        let Some(progress) = self.0.get_mut(&position.shard) else { return };
        progress.next = position.sequence + 1;
        progress.lag = time.map(|time| (now, now.duration_since(time).max(SignedDuration::ZERO))).or(progress.lag);
        progress.newest = progress.newest.max(time);
    }

    /// Forgets the shards that went away, and names them.
    pub(super) fn forget_lost(&mut self) -> Vec<Shard> {
        self.0.extract_if(|_, held| held.handle.is_lost()).map(|(shard, _)| shard).collect()
    }

    /// The newest line's time in each shard that had one since this was last asked.
    pub(super) fn take_newest(&mut self) -> impl Iterator<Item = (Shard, Timestamp)> {
        self.0.iter_mut().filter_map(|(shard, held)| Some((shard.clone(), held.newest.take()?)))
    }

    /// How old the lines are, in the shard that is furthest behind.
    pub(super) fn lag(&self, now: Timestamp) -> SignedDuration {
        let stands = |(at, lag): (Timestamp, SignedDuration)| (now.duration_since(at) <= LAG_STANDS).then_some(lag);
        self.0.values().filter_map(|shard| stands(shard.lag?)).max().unwrap_or_default()
    }

    /// Stores for each shard where all is done below, but for what is still `needed` of it.
    pub(super) fn store(&mut self, mut needed: impl FnMut(&Shard) -> Option<u64>, metrics: &PipelineMetrics) {
        for (shard, progress) in &mut self.0 {
            let place = needed(shard).map_or(progress.next, |needed| needed.min(progress.next));
            if progress.stored == Some(place) {
                continue;
            }
            match progress.handle.done_below(place) {
                Ok(()) => progress.stored = Some(place),
                Err(error) => PlaceStoreFailed { shard, error: &error }.emit(metrics),
            }
        }
    }
}
