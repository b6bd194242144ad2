//! What is known of one pod with one set of parameters, besides its windows.

use super::list::{Links, Newest};
use super::uid::Uid;
use super::word::Word;

const SECOND: i64 = 1_000_000_000;
/// A fault inside the pod that no other parameters mend (`own`, `alert`) explains its `path` symptoms for so long after
/// its last line: a pod whose kill switch drops every packet must not lose candidates over the silence.
const EXPLAINS: i64 = 120 * SECOND;

/// Whole seconds since 1970, for a look that is not worth while before: half of what a time in nanoseconds takes. One
/// outside of 1970 to 2106 is taken for the nearest that is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NotBefore(u32);

impl NotBefore {
    pub(super) const NEVER: Self = Self(u32::MAX);

    pub(super) fn new(at: i64) -> Self {
        Self(u32::try_from((at / SECOND).max(0)).unwrap_or(u32::MAX))
    }

    /// Whether it is worth while at a time: always so from then on, and perhaps up to a second too early.
    pub(super) fn is_due(self, at: i64) -> bool {
        Self::new(at) >= self
    }
}

/// One pod with one set of parameters. Times are nanoseconds; `i64::MIN` is never.
#[derive(Debug)]
pub(super) struct Pod {
    pub(super) uid: Uid,
    /// Tells its parameters from others that were applied at the same time.
    parameters: u32,
    /// Which of its lines are about them.
    pub(super) word: Word,
    /// Older lines are history: the tunnel worked after them.
    recovered_at: i64,
    /// The last line of a fault inside the pod that explains its other symptoms.
    blamed_at: i64,
    /// The newest line's time.
    pub(super) newest: i64,
    pub(super) windows: Newest,
    /// No window of the pod is over before.
    pub(super) ends: NotBefore,
    /// No expected line is missed before.
    pub(super) misses: NotBefore,
    /// The tick of its last use.
    pub(super) used: u32,
    pub(super) by_use: Links,
    /// Its windows are in the index: there were too many of them to look at each.
    pub(super) is_indexed: bool,
    /// Silent for long: without windows.
    pub(super) quiet: bool,
    /// It wrote something since windows were last expired.
    pub(super) spoke: bool,
}

// A pod has few windows, and each carries its share: tests/window_memory.rs measures it.
const _: () = assert!(size_of::<Option<Pod>>() == 112);

impl Pod {
    pub(super) fn new(uid: Uid, parameters: u32, applied_at: i64) -> Self {
        Self {
            uid,
            parameters,
            word: Word::new(applied_at),
            recovered_at: i64::MIN,
            blamed_at: i64::MIN,
            newest: i64::MIN,
            windows: Newest::default(),
            ends: NotBefore::NEVER,
            misses: NotBefore::NEVER,
            used: 0,
            by_use: Links::default(),
            is_indexed: false,
            quiet: false,
            spoke: false,
        }
    }

    /// Other parameters: nothing is known. Its windows must be closed.
    pub(super) fn renew(&mut self, parameters: u32, applied_at: i64) {
        let fresh = Self::new(self.uid.clone(), parameters, applied_at);
        *self = Self { by_use: self.by_use, quiet: self.quiet, spoke: self.spoke, ..fresh };
    }

    pub(super) fn has(&self, parameters: u32, applied_at: i64) -> bool {
        (self.parameters, self.word.applied_at()) == (parameters, applied_at)
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
