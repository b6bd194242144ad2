//! Who is heard in the log stream, and when last: a reader's own account of it, from which is judged whom nobody hears
//! (`domain/silence`).
//!
//! The worker notes a pod's line in its own map and tells of it a few times a second, so that a line costs no lock.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::domain::event::Shard;
use crate::domain::silence::Heard;

/// The worker may be busy so long with one thing before that counts as not having listened.
const DEAF_AFTER: Duration = Duration::from_secs(1);

/// Tells what time has passed.
type Clock = fn() -> Instant;

/// One reader's account. Cheap to clone.
#[derive(Clone)]
pub struct Hearing {
    /// What came within it came lately, and what was written within it is new.
    within: Duration,
    clock: Clock,
    state: Arc<Mutex<State>>,
}

struct State {
    /// Since when it has been listened without a break.
    since: Instant,
    /// Since when the worker is busy with something else than lines.
    busy: Option<Instant>,
    pods: HashMap<String, Last>,
    shards: HashMap<Shard, Last>,
}

/// When something came last.
struct Last {
    any: Instant,
    /// The same of what was new then.
    fresh: Option<Instant>,
}

fn note<K: Eq + Hash>(all: &mut HashMap<K, Last>, key: K, now: Instant, is_fresh: bool) {
    let last = all.entry(key).or_insert(Last { any: now, fresh: None });
    last.any = now;
    last.fresh = if is_fresh { Some(now) } else { last.fresh };
}

impl Hearing {
    /// Nothing was heard so far.
    #[must_use]
    pub fn new(within: Duration) -> Self {
        Self::with_clock(within, Instant::now)
    }

    fn with_clock(within: Duration, clock: Clock) -> Self {
        let (pods, shards) = Default::default();
        let state = State { since: clock(), busy: None, pods, shards };
        Self { within, clock, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom this reader hears.
    #[must_use]
    pub fn heard(&self) -> Heard {
        let (now, within) = ((self.clock)(), self.within);
        let lately = |at: Instant| now.duration_since(at) < within;
        let is_fresh = |last: &Last| last.fresh.is_some_and(lately);
        let mut state = self.state();
        // What was not heard lately is as if it never was: that bounds both.
        state.pods.retain(|_, last| lately(last.any));
        state.shards.retain(|_, last| lately(last.any));
        let with = |fresh: bool| -> BTreeSet<String> {
            state.pods.iter().filter(|(_, last)| is_fresh(last) == fresh).map(|(uid, _)| uid.clone()).collect()
        };
        Heard { fresh: with(true), late: with(false), behind: state.shards.values().any(|last| !is_fresh(last)) }
    }

    /// Whether it has been listened for long enough that who was not heard is silent.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        let now = (self.clock)();
        let state = self.state();
        let is_deaf = state.busy.is_some_and(|since| now.duration_since(since) >= DEAF_AFTER);
        !is_deaf && now.duration_since(state.since) >= self.within
    }

    /// Listening begins now: what was not heard before says nothing.
    pub fn begin(&self) {
        self.state().since = (self.clock)();
    }

    /// Until the guard is dropped the worker does something else. Where that takes long, listening begins anew after it.
    pub(super) fn busy(&self) -> Busy {
        let since = (self.clock)();
        self.state().busy = Some(since);
        Busy { hearing: self.clone(), since }
    }

    /// Takes the worker's notes: of each pod and shard the newest line's time.
    pub(crate) fn tell(
        &self,
        pods: &mut HashMap<String, Timestamp>,
        shards: impl Iterator<Item = (Shard, Timestamp)>,
        now: Timestamp,
    ) {
        let is_fresh =
            |line: Timestamp| Duration::try_from(now.duration_since(line)).map_or(line > now, |age| age < self.within);
        let at = (self.clock)();
        let mut state = self.state();
        for (uid, line) in pods.drain() {
            note(&mut state.pods, uid, at, is_fresh(line));
        }
        for (shard, line) in shards {
            note(&mut state.shards, shard, at, is_fresh(line));
        }
    }
}

/// While it lives, lines may be waiting.
pub(super) struct Busy {
    hearing: Hearing,
    since: Instant,
}

impl Drop for Busy {
    fn drop(&mut self) {
        let now = (self.hearing.clock)();
        let mut state = self.hearing.state();
        state.busy = None;
        if now.duration_since(self.since) >= DEAF_AFTER {
            state.since = now;
        }
    }
}

/// A clock that moves when it is told to, in each test its own.
#[cfg(test)]
pub(crate) mod testing {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
        static BEGAN: Instant = Instant::now();
    }

    pub(crate) fn pass(seconds: f64) {
        PASSED.set(PASSED.get() + Duration::from_secs_f64(seconds));
    }

    pub(crate) fn hearing(within: Duration) -> Hearing {
        Hearing::with_clock(within, || BEGAN.with(|began| *began + PASSED.get()))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::testing::{hearing, pass};
    use super::*;

    const WITHIN: Duration = Duration::from_secs(60);

    /// A reader and the time that its lines are measured by, which stands still.
    struct Ear(Hearing);

    fn noon() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().expect("should be a time")
    }

    impl Ear {
        fn new() -> Self {
            Self(hearing(WITHIN))
        }

        /// A line of a pod arrives that is so many seconds old.
        fn line(&self, pod: &str, age: i64) {
            let time = noon() - SignedDuration::from_secs(age);
            let shard = Shard::new(format!("shard of {pod}"));
            self.0.tell(&mut [(pod.to_owned(), time)].into(), [(shard, time)].into_iter(), noon());
        }

        fn told(&self) -> (Vec<String>, Vec<String>, bool) {
            let Heard { fresh, late, behind } = self.0.heard();
            (fresh.into_iter().collect(), late.into_iter().collect(), behind)
        }
    }

    fn told(fresh: &[&str], late: &[&str], behind: bool) -> (Vec<String>, Vec<String>, bool) {
        let texts = |pods: &[&str]| pods.iter().map(|&pod| pod.to_owned()).collect();
        (texts(fresh), texts(late), behind)
    }

    #[test]
    fn a_pod_is_heard_for_as_long_as_its_last_line_is_lately() {
        let ear = Ear::new();
        ear.line("a", 0);
        pass(59.0);
        ear.line("b", 0);
        assert_eq!(ear.told(), told(&["a", "b"], &[], false));
        pass(1.0);
        assert_eq!(ear.told(), told(&["b"], &[], false));
        pass(59.0);
        assert_eq!(ear.told(), told(&[], &[], false), "a stream that gives nothing is not behind");
    }

    #[test]
    fn a_backlog_is_told_from_silence() {
        let ear = Ear::new();
        ear.line("a", 300);
        assert_eq!(ear.told(), told(&[], &["a"], true));
        ear.line("a", 60);
        assert_eq!(ear.told(), told(&[], &["a"], true));
        ear.line("a", 59);
        assert_eq!(ear.told(), told(&["a"], &[], false));
        // A shipper that catches up beside others that don't have to: the shard is not behind, only that pod is late.
        pass(30.0);
        ear.line("a", 300);
        assert_eq!(ear.told(), told(&["a"], &[], false));
        pass(30.0);
        ear.line("a", 290);
        assert_eq!(ear.told(), told(&[], &["a"], true));
        // A clock that runs ahead writes nothing old.
        ear.line("b", -3600);
        assert_eq!(ear.told().0, ["b"]);
    }

    #[test]
    fn who_has_not_listened_for_long_enough_is_not_sure() {
        let ear = Ear::new();
        pass(59.0);
        assert!(!ear.0.is_sure());
        pass(1.0);
        assert!(ear.0.is_sure());
        ear.0.begin();
        assert!(!ear.0.is_sure());
    }

    #[test]
    fn a_worker_that_was_busy_for_long_begins_to_listen_anew() {
        let ear = Ear::new();
        pass(60.0);
        let short = ear.0.busy();
        pass(0.999);
        assert!(ear.0.is_sure(), "an incident is created in no time");
        drop(short);
        assert!(ear.0.is_sure());
        let long = ear.0.busy();
        pass(1.0);
        assert!(!ear.0.is_sure());
        drop(long);
        pass(59.0);
        assert!(!ear.0.is_sure());
        pass(1.0);
        assert!(ear.0.is_sure());
    }
}
