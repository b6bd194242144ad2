//! How far a reader without offsets is done: by the lines' times instead of places.
//!
//! A source that is asked by time can only be asked by time again. So what is kept of each record that is under way is
//! its time, and what is stored is the oldest of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::{ShardHandle, SourceError};
use crate::domain::event::{Position, Shard};

/// The hold on one shard of such a source.
pub struct Progress {
    shard: Shard,
    lost: AtomicBool,
    marks: Mutex<Marks>,
}

#[derive(Default)]
struct Marks {
    next: u64,
    /// Records that are not done: of each second the last, and none that an older one comes after. So the first one is
    /// the oldest of all, and there are never more of them than seconds.
    open: VecDeque<(u64, i64)>,
    /// Where to go on when nothing is under way.
    reached: Option<Timestamp>,
}

impl Progress {
    /// A shard of which nothing was read yet.
    pub fn new(shard: Shard) -> Self {
        Self { shard, lost: AtomicBool::new(false), marks: Mutex::default() }
    }

    /// The next record's place; it is under way from here on.
    pub fn deliver(&self, time: Timestamp) -> Position {
        let mut marks = self.marks();
        let (sequence, second) = (marks.next, time.as_second());
        marks.next += 1;
        while marks.open.back().is_some_and(|(_, other)| *other >= second) {
            marks.open.pop_back();
        }
        marks.open.push_back((sequence, second));
        Position::new(self.shard.clone(), sequence)
    }

    /// Everything before `time` was delivered, but for what comes late.
    pub fn reach(&self, time: Timestamp) {
        let mut marks = self.marks();
        marks.reached = marks.reached.max(Some(time));
    }

    /// Where another reader must begin: the oldest record that is not done, or the time that was reached.
    pub fn resume_from(&self) -> Option<Timestamp> {
        let marks = self.marks();
        let open = marks.open.front().and_then(|(_, second)| Timestamp::from_second(*second).ok());
        match (open, marks.reached) {
            (Some(open), Some(reached)) => Some(open.min(reached)),
            (open, reached) => open.or(reached),
        }
    }

    /// No record of it counts any more.
    pub fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ShardHandle for Progress {
    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    fn done_below(&self, sequence: u64) -> Result<(), SourceError> {
        let mut marks = self.marks();
        while marks.open.front().is_some_and(|(open, _)| *open < sequence) {
            marks.open.pop_front();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_late_record_holds_the_place_until_it_is_done() {
        let progress = Progress::new(Shard::new("x"));
        assert_eq!(progress.resume_from(), None);
        for second in [100, 101, 40, 102] {
            progress.deliver(at(second));
        }
        progress.reach(at(102));
        assert_eq!(progress.resume_from(), Some(at(40)));
        progress.done_below(2).unwrap();
        assert_eq!(progress.resume_from(), Some(at(40)));
        progress.done_below(3).unwrap();
        assert_eq!(progress.resume_from(), Some(at(102)));
        progress.done_below(4).unwrap();
        assert_eq!(progress.resume_from(), Some(at(102)));
    }

    proptest! {
        #[test]
        fn the_place_is_the_oldest_time_that_is_not_done(
            times in proptest::collection::vec(0i64..50, 1..200),
            done in 0usize..200,
        ) {
            let progress = Progress::new(Shard::new("x"));
            times.iter().for_each(|second| { progress.deliver(at(*second)); });
            progress.reach(at(1000));
            let done = done.min(times.len());
            progress.done_below(done as u64).unwrap();
            let expected = times[done..].iter().min().copied().unwrap_or(1000);
            prop_assert_eq!(progress.resume_from(), Some(at(expected)));
            prop_assert!(progress.marks().open.len() <= 50);
        }
    }
}
