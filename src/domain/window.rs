//! Counts one rule's lines of one pod in event time: has it been seen often enough within long enough?
//!
//! A window slides over the last `count` lines. After it fires it rests, so that one outage is one verdict and not one
//! each minute; a sign of health, or other parameters, end the rest.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::event::LineRef;
use super::rule::Threshold;

/// How long a rule rests after it fired; longer where its window is.
pub const REST: SignedDuration = SignedDuration::from_mins(5);

/// One counted line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which line.
    pub line: LineRef,
    /// Tells a line that was shipped twice.
    pub fingerprint: u64,
}

/// The open lines of one rule and pod.
#[derive(Clone, Debug, Default)]
pub struct Window {
    hits: VecDeque<Hit>,
    /// It fired on these lines and rests.
    fired: bool,
    /// Set when it first fired: only lines from here on count anew.
    rests_until: Option<Timestamp>,
}

impl Window {
    /// Counts a line; gives the first line of the window when the threshold is reached.
    ///
    /// A line that was counted before changes nothing. Lines may come out of order.
    pub fn count(&mut self, threshold: &Threshold, hit: Hit) -> Option<LineRef> {
        if self.rests_until.is_some_and(|until| hit.line.time < until) {
            return None;
        }
        if self.fired {
            self.fired = false;
            self.hits.clear();
        }
        let twice = |other: &Hit| other.fingerprint == hit.fingerprint && other.line.time == hit.line.time;
        if self.hits.iter().any(twice) {
            return None;
        }
        let at = self.hits.partition_point(|other| other.line.time <= hit.line.time);
        self.hits.insert(at, hit);
        let newest = self.hits.back().map(|hit| hit.line.time)?;
        let reach = SignedDuration::try_from(threshold.within).unwrap_or(SignedDuration::MAX);
        while self.hits.front().is_some_and(|first| newest.duration_since(first.line.time) > reach) {
            self.hits.pop_front();
        }
        if self.hits.len() < threshold.count {
            return None;
        }
        self.fired = true;
        self.rests_until = Some(newest.saturating_add(reach.max(REST)).unwrap_or(Timestamp::MAX));
        // Only the first line is still needed: from there a replay comes to the same verdict under the same name.
        self.hits.truncate(1);
        self.hits.front().map(|first| first.line.clone())
    }

    /// Forgets lines up to the time when the tunnel worked; false when nothing is left.
    pub fn settle(&mut self, at: Timestamp) -> bool {
        let first_is_older = self.hits.front().is_some_and(|first| first.line.time <= at);
        if first_is_older && self.fired {
            *self = Self::default();
        }
        self.hits.retain(|hit| hit.line.time > at);
        !self.hits.is_empty()
    }

    /// The lines that a replay would need to come to the same state.
    pub fn needed(&self) -> impl Iterator<Item = &LineRef> {
        self.hits.iter().map(|hit| &hit.line)
    }

    /// True when no line at or after `now` can meet anything in it.
    pub fn is_over(&self, threshold: &Threshold, now: Timestamp) -> bool {
        let reach = SignedDuration::try_from(threshold.within).unwrap_or(SignedDuration::MAX);
        let newest = self.hits.back().map(|hit| hit.line.time);
        match (newest, self.rests_until) {
            (None, _) => true,
            (Some(_), Some(until)) if self.fired => now >= until,
            (Some(newest), _) => now.duration_since(newest) > reach,
        }
    }
}

#[cfg(test)]
mod tests;
