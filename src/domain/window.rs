//! Counts one rule's lines of one pod in event time: has it been seen often enough within long enough? Or, for a rule
//! about a line that should come: has it stopped?
//!
//! A window slides over the last `count` lines. After it fires it rests, so that one outage is one verdict and not one
//! each minute; a sign of health, or other parameters, end the rest. There may be a million of them: times are
//! nanoseconds, shards are numbers, and two lines fit in without an allocation (`hits`).

mod hits;

use jiff::{SignedDuration, Timestamp};

use super::rule::Threshold;
use hits::{Hits, Lines, Rest};

/// How long a rule rests after it fired; longer where its window is.
pub const REST: SignedDuration = SignedDuration::from_mins(5);

/// Nanoseconds since 1970; what lies outside of 1678 to 2261 is taken for the nearest that does not.
pub(super) fn nanos(time: Timestamp) -> i64 {
    let nanos = time.as_nanosecond();
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

/// The time that [`nanos`] was taken of.
pub(super) fn timestamp(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(nanos.into()).expect("should be a time: jiff's range is wider")
}

/// A duration in nanoseconds, at most 292 years.
pub(super) fn span(duration: impl TryInto<SignedDuration>) -> i64 {
    let nanos = duration.try_into().map_or(i128::MAX, |duration: SignedDuration| duration.as_nanos());
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

/// One counted line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// When the client wrote it, in nanoseconds since 1970.
    pub at: i64,
    /// Where in its shard it was read.
    pub sequence: u64,
    /// Its shard, by the engine's number.
    pub shard: u32,
    /// Tells a line that was shipped twice from another one of the same time.
    pub fingerprint: u32,
}

/// A line's of which only the time is known.
const NO_SHARD: u32 = u32::MAX;

/// Until when a rule rests that fired on lines of which the newest is of this time.
pub fn rests_until(threshold: &Threshold, newest: i64) -> i64 {
    newest.saturating_add(span(threshold.within).max(span(REST)))
}

/// The open lines of one rule and pod, by their times.
#[derive(Clone, Debug, Default)]
pub struct Window {
    hits: Hits,
}

impl Window {
    /// Counts a line; gives the first line of the window when the threshold is reached.
    ///
    /// A line that was counted before changes nothing. Lines may come out of order.
    pub fn count(&mut self, threshold: &Threshold, hit: Hit) -> Option<Hit> {
        let mut rest = self.hits.rest();
        if hit.at < rest.until {
            return None;
        }
        if rest.fired {
            rest = Rest { until: rest.until, ..Rest::default() };
            self.hits = Hits::new(Lines::new(), rest);
        }
        if self.hits.iter().any(|other| other.fingerprint == hit.fingerprint && other.at == hit.at) {
            return None;
        }
        let mut lines = self.hits.take();
        let place = lines.partition_point(|other| other.at <= hit.at);
        lines.insert(place, hit);
        let newest = lines[lines.len() - 1].at;
        let reach = span(threshold.within);
        let too_old = lines.partition_point(|other| newest.saturating_sub(other.at) > reach);
        lines.drain(..too_old);
        let first = lines[0];
        if lines.len() >= threshold.count {
            rest.fired = true;
            rest.until = rests_until(threshold, newest);
            lines = ends(&lines);
        }
        self.hits = Hits::new(lines, rest);
        rest.fired.then_some(first)
    }

    /// The line that a rule expects has come. One that is older than the last changes nothing.
    pub fn expect(&mut self, hit: Hit) {
        if self.last().is_some_and(|last| hit.at <= last.at) {
            return;
        }
        self.hits = Hits::new(Lines::from_slice(&[hit]), Rest::default());
    }

    /// The pod wrote another line: gives the last expected one when it is too long ago, once.
    pub fn miss(&mut self, absent: i64, at: i64) -> Option<Hit> {
        let last = self.last()?;
        if self.hits.rest().fired || at.saturating_sub(last.at) < absent {
            return None;
        }
        let rest = Rest { fired: true, done: true, until: at.saturating_add(span(REST)) };
        self.hits = Hits::new(self.hits.take(), rest);
        Some(last)
    }

    /// It fired for another reader, on lines from `first` on: rests until then, unless it counts already.
    pub fn remember(&mut self, first: i64, until: i64) {
        let rest = self.hits.rest();
        let counts = self.last().is_some() && !rest.done;
        if !counts && until > rest.until {
            let first = Hit { at: first, sequence: 0, shard: NO_SHARD, fingerprint: 0 };
            self.hits = Hits::new(Lines::from_slice(&[first]), Rest { fired: true, done: true, until });
        }
    }

    /// When [`Self::miss`] has something to tell at the earliest.
    pub fn missed_from(&self, absent: i64) -> i64 {
        self.last().filter(|_| !self.hits.rest().fired).map_or(i64::MAX, |last| last.at.saturating_add(absent))
    }

    /// Forgets lines up to the time when the tunnel worked; false when nothing is left.
    pub fn settle(&mut self, at: i64) -> bool {
        if self.hits.rest().fired && self.hits.iter().next().is_some_and(|first| first.at <= at) {
            *self = Self::default();
        }
        let rest = self.hits.rest();
        let mut lines = self.hits.take();
        lines.retain(|hit| hit.at > at);
        let is_left = !lines.is_empty();
        self.hits = Hits::new(lines, rest);
        is_left
    }

    /// The lines that a replay would need to come to the same verdicts.
    pub fn needed(&self) -> impl Iterator<Item = Hit> {
        self.hits.iter().filter(|_| !self.hits.rest().done)
    }

    /// True when a line of the shard is in it.
    pub fn is_of_shard(&self, shard: u32) -> bool {
        self.hits.iter().any(|hit| hit.shard == shard)
    }

    /// From when on no line can meet anything in it.
    pub fn ends_at(&self, threshold: &Threshold) -> i64 {
        match self.last() {
            None => i64::MIN,
            Some(_) if self.hits.rest().fired => self.hits.rest().until,
            Some(newest) => newest.at.saturating_add(span(threshold.within)).saturating_add(1),
        }
    }

    /// The same for a rule about a line that should come: it waits for as long as the pod speaks.
    pub fn wait_ends_at(&self) -> i64 {
        let rest = self.hits.rest();
        if rest.fired { rest.until } else { i64::MAX }
    }

    /// What it takes besides its own size.
    pub fn heap_bytes(&self) -> usize {
        self.hits.heap_bytes()
    }

    fn last(&self) -> Option<Hit> {
        self.hits.iter().next_back()
    }
}

/// Only the first line is still needed, and the one read first, where lines came out of order: from there a replay comes
/// to the same verdict under the same name.
fn ends(lines: &[Hit]) -> Lines {
    let mut kept = Lines::new();
    for hit in lines {
        match kept.iter_mut().find(|other| other.shard == hit.shard) {
            Some(other) if other.sequence > hit.sequence => *other = *hit,
            Some(_) => {}
            None => kept.push(*hit),
        }
    }
    if let Some(first) = lines.first().copied() {
        kept.retain(|hit| *hit != first);
        kept.insert(0, first);
    }
    kept
}

#[cfg(test)]
mod tests;
