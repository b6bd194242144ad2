//! A log that is read again from a little before where it broke off: which of its lines are new.
//!
//! A reader can ask for a second, not for a line. So the lines of the last second are remembered, by time and text, as
//! often as they came.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use jiff::Timestamp;

/// A second that has more lines repeats some; the engine knows a repeated line by its time.
const CAPACITY: usize = 16 * 1024;

/// What was read last of one log.
#[derive(Clone, Default)]
pub struct Overlap {
    hasher: RandomState,
    /// The lines of the last line's second and later, in the order in which they were read.
    recent: VecDeque<(Timestamp, u64)>,
    /// Those that a new connection will repeat.
    repeated: HashMap<(Timestamp, u64), u32>,
    since: Option<Timestamp>,
}

impl Overlap {
    /// Begins at a time that another process left behind.
    pub fn from(since: Option<Timestamp>) -> Self {
        Self { since: since.map(second), ..Self::default() }
    }

    /// The second of the last line.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// A connection begins: gives from which second on to ask.
    pub fn resume(&mut self) -> Option<Timestamp> {
        self.repeated.clear();
        for line in &self.recent {
            *self.repeated.entry(*line).or_default() += 1;
        }
        self.since
    }

    /// Whether a line of this connection was not read by one before.
    pub fn is_new(&mut self, time: Timestamp, text: &str) -> bool {
        let line = (time, self.hasher.hash_one(text));
        if let Some(times) = self.repeated.get_mut(&line).filter(|times| **times > 0) {
            *times -= 1;
            return false;
        }
        // The last line decides, not the latest: a clock that was set back is followed.
        let since = second(time);
        self.since = Some(since);
        while self.recent.front().is_some_and(|(before, _)| *before < since) || self.recent.len() >= CAPACITY {
            self.recent.pop_front();
        }
        self.recent.push_back(line);
        true
    }
}

fn second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_nanosecond().div_euclid(1_000_000_000).try_into().unwrap_or_default())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A log whose lines are `step` milliseconds apart, some of one time, and some with the same text.
    fn log(steps: &[u16]) -> Vec<(Timestamp, String)> {
        let mut millis = 1_800_000_000_000;
        let line = |(number, step): (usize, &u16)| {
            millis += i64::from(*step);
            (Timestamp::from_millisecond(millis).unwrap(), format!("line {}", number % 3))
        };
        steps.iter().enumerate().map(line).collect()
    }

    proptest! {
        #[test]
        fn each_line_is_read_once_however_often_the_connection_breaks(
            steps in proptest::collection::vec(prop_oneof![Just(0u16), 0u16..3000], 1..60),
            breaks in proptest::collection::vec(0usize..60, 0..10),
        ) {
            let log = log(&steps);
            let mut overlap = Overlap::from(None);
            let mut read = Vec::new();
            let mut breaks: Vec<usize> = breaks.into_iter().map(|place| place.min(log.len())).collect();
            breaks.sort_unstable();
            breaks.push(log.len());
            for end in breaks {
                let since = overlap.resume();
                for (time, text) in log[..end].iter().filter(|(time, _)| since.is_none_or(|since| *time >= since)) {
                    if overlap.is_new(*time, text) {
                        read.push((*time, text.clone()));
                    }
                }
            }
            prop_assert_eq!(read, log);
        }
    }

    #[test]
    fn a_stored_place_is_asked_for_by_its_second() {
        let mut overlap = Overlap::from(Some("2026-11-22T16:25:43.9Z".parse().unwrap()));
        assert_eq!(overlap.resume(), Some("2026-11-22T16:25:43Z".parse().unwrap()));
        assert!(overlap.is_new("2026-11-22T16:25:43.1Z".parse().unwrap(), "x"));
        assert_eq!(overlap.resume(), Some("2026-11-22T16:25:43Z".parse().unwrap()));
    }
}
