//! A window's lines and its rest, in as few bytes as will do: there may be a million windows, most of one or two lines.
//! What the lines mean is left to `window`.

use smallvec::SmallVec;

use super::Hit;

/// Lines by their times, while they are changed; so many fit in without an allocation.
pub(super) type Lines = SmallVec<[Hit; 2]>;

/// What is told of a window besides its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// It fired on these lines.
    pub(super) fired: bool,
    /// They have done their part, and no replay needs them: it fired since they stopped, or for another reader.
    pub(super) done: bool,
    /// Set when it first fired: only lines from here on count anew.
    pub(super) until: i64,
}

impl Default for Rest {
    fn default() -> Self {
        Self { fired: false, done: false, until: i64::MIN }
    }
}

/// Field by field rather than line by line: so nothing is lost between them.
#[derive(Clone, Debug)]
pub(super) enum Hits {
    One {
        fired: bool,
        done: bool,
        until: i64,
        at: i64,
        sequence: u64,
        shard: u32,
        fingerprint: u32,
    },
    /// Of one shard, before it first fired. The second line is told by its distance from the first one.
    Two {
        at: i64,
        sequence: u64,
        shard: u32,
        fingerprints: [u32; 2],
        /// In nanoseconds, the lowest byte first: three days at most.
        later: [u8; 6],
        /// In records.
        further: i32,
    },
    /// All others.
    Any {
        fired: bool,
        done: bool,
        until: i64,
        lines: Vec<Hit>,
    },
}

const _: () = assert!(size_of::<Hits>() == 40);

impl Default for Hits {
    fn default() -> Self {
        Self::new(Lines::new(), Rest::default())
    }
}

impl Hits {
    pub(super) fn new(lines: Lines, rest: Rest) -> Self {
        let Rest { fired, done, until } = rest;
        let few = match *lines {
            [Hit { at, sequence, shard, fingerprint }] => {
                Some(Self::One { fired, done, until, at, sequence, shard, fingerprint })
            }
            [first, second] if rest == Rest::default() => Self::two(first, second),
            _ => None,
        };
        few.unwrap_or_else(|| Self::Any { fired, done, until, lines: lines.into_vec() })
    }

    fn two(first: Hit, second: Hit) -> Option<Self> {
        let later = u64::try_from(second.at.checked_sub(first.at)?).ok()?;
        let [later @ .., 0, 0] = later.to_le_bytes() else { return None };
        let further = i128::from(second.sequence) - i128::from(first.sequence);
        let Hit { at, sequence, shard, fingerprint } = first;
        (second.shard == shard).then_some(Self::Two {
            at,
            sequence,
            shard,
            fingerprints: [fingerprint, second.fingerprint],
            later,
            further: i32::try_from(further).ok()?,
        })
    }

    /// Its lines, to be changed and put back by [`Self::new`].
    pub(super) fn take(&mut self) -> Lines {
        match std::mem::take(self) {
            Self::Any { lines, .. } => Lines::from_vec(lines),
            few => few.iter().collect(),
        }
    }

    pub(super) fn rest(&self) -> Rest {
        match *self {
            Self::Two { .. } => Rest::default(),
            Self::One { fired, done, until, .. } | Self::Any { fired, done, until, .. } => Rest { fired, done, until },
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Hit> {
        let count = match self {
            Self::One { .. } => 1,
            Self::Two { .. } => 2,
            Self::Any { lines, .. } => lines.len(),
        };
        (0..count).map(|place| self.at(place))
    }

    fn at(&self, place: usize) -> Hit {
        match *self {
            Self::Any { ref lines, .. } => lines[place],
            Self::One { at, sequence, shard, fingerprint, .. } => Hit { at, sequence, shard, fingerprint },
            Self::Two { at, sequence, shard, fingerprints, later, further } => {
                let fingerprint = fingerprints[place];
                if place == 0 {
                    return Hit { at, sequence, shard, fingerprint };
                }
                let [a, b, c, d, e, f] = later;
                let later = i64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
                Hit { at: at + later, sequence: sequence.wrapping_add_signed(further.into()), shard, fingerprint }
            }
        }
    }

    /// What they take besides their own size.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::One { .. } | Self::Two { .. } => 0,
            Self::Any { lines, .. } => lines.capacity() * size_of::<Hit>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Near each other, as lines of a window are, or anywhere.
    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![4 => 1_795_000_000_000_000_000..1_795_000_000_000_000_009i64, 1 => any::<i64>()]
    }

    proptest! {
        #[test]
        fn lines_and_rest_are_given_back_as_they_were_put_in(
            lines in prop::collection::vec((number(), number(), prop_oneof![9 => 0u32..2, 1 => any::<u32>()], any::<u32>()), 0..5),
            rest in prop_oneof![
                Just(Rest::default()),
                any::<(bool, bool, i64)>().prop_map(|(fired, done, until)| Rest { fired, done, until }),
            ],
        ) {
            let hit = |(at, sequence, shard, fingerprint): (i64, i64, u32, u32)| {
                Hit { at, sequence: sequence.cast_unsigned(), shard, fingerprint }
            };
            let lines: Lines = lines.into_iter().map(hit).collect();
            let mut hits = Hits::new(lines.clone(), rest);
            prop_assert_eq!(hits.rest(), rest);
            prop_assert_eq!(hits.iter().collect::<Lines>(), lines.clone());
            prop_assert_eq!(hits.take(), lines);
            prop_assert_eq!((hits.iter().count(), hits.rest()), (0, Rest::default()));
        }
    }

    #[test]
    fn two_lines_a_day_apart_take_no_memory_of_their_own_and_two_that_are_further_apart_do() {
        let first = Hit { at: 1_795_000_000_000_000_000, sequence: 1 << 40, shard: 7, fingerprint: 1 };
        let day = 86_400_000_000_000;
        for (later, further, fits) in [
            (0, 1, true),
            (day, -2_000_000_000, true),
            (day, 2_000_000_000, true),
            (4 * day, 1, false),
            (-1, 1, false),
            (day, 3_000_000_000, false),
        ] {
            let sequence = first.sequence.wrapping_add_signed(further);
            let second = Hit { at: first.at + later, sequence, ..first };
            let hits = Hits::new(Lines::from_slice(&[first, second]), Rest::default());
            assert_eq!(hits.heap_bytes() == 0, fits, "{later} {further}");
            assert!(hits.iter().eq([first, second]), "{later} {further}");
        }
    }
}
