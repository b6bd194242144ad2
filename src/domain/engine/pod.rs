//! What is known of one pod with one set of parameters, besides its windows.

use super::list::{Links, Newest};
use super::uid::Uid;
use crate::domain::window::Hit;

const SECOND: i64 = 1_000_000_000;
/// Without word from the health sidecar, a client is taken to run with its parameters so long after they were written.
const TAKES_EFFECT: i64 = 20 * SECOND;
/// A health sidecar speaks every 5 s; what it said last stands for so long.
const STANDS: i64 = 60 * SECOND;
/// A fault inside the pod that no other parameters mend (`own`, `alert`) explains its `path` symptoms for so long after
/// its last line: a pod whose kill switch drops every packet must not lose candidates over the silence.
const EXPLAINS: i64 = 120 * SECOND;

/// One pod with one set of parameters. Times are nanoseconds; `i64::MIN` is never.
#[derive(Debug)]
pub(super) struct Pod {
    pub(super) uid: Uid,
    /// Tells its parameters from others.
    pub(super) parameters: u64,
    applied_at: i64,
    /// When the health sidecar last named what the client runs with.
    said_at: i64,
    /// Where `is_confirmed`, the line that first named these parameters.
    confirmed: Hit,
    /// Older lines are history: the tunnel worked after them.
    recovered_at: i64,
    /// The last line of a fault inside the pod that explains its other symptoms.
    blamed_at: i64,
    /// The newest line's time.
    pub(super) newest: i64,
    pub(super) windows: Newest,
    /// No window of the pod is over before.
    pub(super) ends_from: i64,
    /// No expected line is missed before.
    pub(super) missed_from: i64,
    /// Grows with each use, over all pods.
    pub(super) used: u64,
    pub(super) by_use: Links,
    /// Silent for long: without windows.
    pub(super) quiet: bool,
    /// It wrote something since windows were last expired.
    pub(super) spoke: bool,
    /// Whether it was these parameters that the health sidecar last named.
    said_these: bool,
    is_confirmed: bool,
}

// A pod has few windows, and each carries its share: tests/window_memory.rs measures it.
const _: () = assert!(size_of::<Option<Pod>>() == 136);

impl Pod {
    pub(super) fn new(uid: Uid, parameters: u64, applied_at: i64) -> Self {
        Self {
            uid,
            parameters,
            applied_at,
            said_at: i64::MIN,
            confirmed: Hit { at: 0, sequence: 0, shard: 0, fingerprint: 0 },
            recovered_at: i64::MIN,
            blamed_at: i64::MIN,
            newest: i64::MIN,
            windows: Newest::default(),
            ends_from: i64::MAX,
            missed_from: i64::MAX,
            used: 0,
            by_use: Links::default(),
            quiet: false,
            spoke: false,
            said_these: false,
            is_confirmed: false,
        }
    }

    /// Other parameters: nothing is known. Its windows must be closed.
    pub(super) fn renew(&mut self, parameters: u64, applied_at: i64) {
        let fresh = Self::new(self.uid.clone(), parameters, applied_at);
        *self = Self { by_use: self.by_use, quiet: self.quiet, spoke: self.spoke, ..fresh };
    }

    /// A health line names what the client runs with. What is older than the parameters says nothing about them. True
    /// when it is the first that names these.
    pub(super) fn says(&mut self, line: Hit, these: bool) -> bool {
        if line.at < self.applied_at || line.at < self.said_at {
            return false;
        }
        (self.said_at, self.said_these) = (line.at, these);
        let first = these && !self.is_confirmed;
        if first {
            (self.confirmed, self.is_confirmed) = (line, true);
        }
        first
    }

    /// The line that first named these parameters.
    pub(super) fn confirmed(&self) -> Option<Hit> {
        self.is_confirmed.then_some(self.confirmed)
    }

    /// That line's shard has another reader.
    pub(super) fn take_confirmed(&mut self, shard: u32) -> Option<Hit> {
        let taken = self.confirmed().filter(|line| line.shard == shard);
        self.is_confirmed &= taken.is_none();
        taken
    }

    /// Whether the client runs with these parameters, as far as is known: what it writes is about them.
    pub(super) fn runs_these(&self, at: i64) -> bool {
        let has_said = self.said_at != i64::MIN;
        if has_said && self.said_these {
            return true;
        }
        let says_others = has_said && at.saturating_sub(self.said_at) <= STANDS;
        !says_others && at >= self.takes_effect()
    }

    pub(super) fn takes_effect(&self) -> i64 {
        self.applied_at.saturating_add(TAKES_EFFECT)
    }

    pub(super) fn is_history(&self, at: i64) -> bool {
        at < self.recovered_at
    }

    /// A line of a fault inside the pod: counts when its rule fired, or while it goes on.
    pub(super) fn blame(&mut self, at: i64, fired: bool) {
        if fired || self.is_explained(at) {
            self.blamed_at = self.blamed_at.max(at);
        }
    }

    pub(super) fn is_explained(&self, at: i64) -> bool {
        self.blamed_at != i64::MIN && at.saturating_sub(self.blamed_at) <= EXPLAINS
    }

    /// The tunnel worked.
    pub(super) fn recovered(&mut self, at: i64) {
        if self.blamed_at <= at {
            self.blamed_at = i64::MIN;
        }
        self.recovered_at = self.recovered_at.max(at);
    }
}
