//! A window's lines and whether it fired, in as few bytes as will do: there may be a million windows, most of one or two
//! lines. What the lines mean is left to `window`.

use smallvec::SmallVec;

use super::Hit;

/// So many lines fit in without an allocation.
const FEW: usize = 2;

const FIRED: u8 = 0x80;
const MISSED: u8 = 0x40;
const COUNT: u8 = 0x3f;

/// Lines by their times, while they are changed.
pub(super) type Lines = SmallVec<[Hit; FEW]>;

/// What is told of a window besides its lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// It fired on these lines and rests.
    pub(super) fired: bool,
    /// It fired since they stopped: they have done their part.
    pub(super) missed: bool,
}

/// Field by field rather than line by line: so nothing is lost between them.
#[derive(Clone, Debug)]
pub(super) enum Hits {
    Few {
        /// How many, and the flags.
        state: u8,
        /// Their lower three bytes; a line of a shard of a larger number is not among the few.
        shards: [[u8; 3]; FEW],
        fingerprints: [u32; FEW],
        at: [i64; FEW],
        sequences: [u64; FEW],
    },
    Many {
        state: u8,
        lines: Vec<Hit>,
    },
}

const _: () = assert!(size_of::<Hits>() == 48);

impl Default for Hits {
    fn default() -> Self {
        Self::Few { state: 0, shards: Default::default(), fingerprints: [0; FEW], at: [0; FEW], sequences: [0; FEW] }
    }
}

impl Hits {
    pub(super) fn new(lines: Lines, flags: Flags) -> Self {
        let fired = if flags.fired { FIRED } else { 0 };
        let state = if flags.missed { fired | MISSED } else { fired };
        if lines.len() > FEW || lines.iter().any(|hit| hit.shard >> 24 != 0) {
            return Self::Many { state, lines: lines.into_vec() };
        }
        let mut few = Self::default();
        if let Self::Few { state: count, shards, fingerprints, at, sequences } = &mut few {
            for (place, hit) in lines.iter().enumerate() {
                let [low, middle, high, _] = hit.shard.to_le_bytes();
                shards[place] = [low, middle, high];
                (fingerprints[place], at[place], sequences[place]) = (hit.fingerprint, hit.at, hit.sequence);
                *count += 1;
            }
            *count |= state;
        }
        few
    }

    /// Its lines, to be changed and put back by [`Self::new`].
    pub(super) fn take(&mut self) -> Lines {
        match std::mem::take(self) {
            Self::Many { lines, .. } => Lines::from_vec(lines),
            few @ Self::Few { .. } => few.iter().collect(),
        }
    }

    pub(super) fn flags(&self) -> Flags {
        let (Self::Few { state, .. } | Self::Many { state, .. }) = self;
        Flags { fired: state & FIRED != 0, missed: state & MISSED != 0 }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Hit> {
        let count = match self {
            Self::Few { state, .. } => usize::from(state & COUNT),
            Self::Many { lines, .. } => lines.len(),
        };
        (0..count).map(|place| self.at(place))
    }

    fn at(&self, place: usize) -> Hit {
        match self {
            Self::Many { lines, .. } => lines[place],
            Self::Few { shards, fingerprints, at, sequences, .. } => {
                let [low, middle, high] = shards[place];
                Hit {
                    at: at[place],
                    sequence: sequences[place],
                    shard: u32::from_le_bytes([low, middle, high, 0]),
                    fingerprint: fingerprints[place],
                }
            }
        }
    }

    /// What they take besides their own size.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Few { .. } => 0,
            Self::Many { lines, .. } => lines.capacity() * size_of::<Hit>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_and_flags_are_given_back_as_they_were_put_in(
            lines in prop::collection::vec(
                (any::<i64>(), any::<u64>(), prop_oneof![3 => 0u32..9, 1 => any::<u32>()], any::<u32>()), 0..6,
            ),
            (fired, missed) in any::<(bool, bool)>(),
        ) {
            let hit = |(at, sequence, shard, fingerprint)| Hit { at, sequence, shard, fingerprint };
            let lines: Lines = lines.into_iter().map(hit).collect();
            let flags = Flags { fired, missed };
            let mut hits = Hits::new(lines.clone(), flags);
            prop_assert_eq!(hits.flags(), flags);
            prop_assert_eq!(hits.iter().collect::<Lines>(), lines.clone());
            prop_assert_eq!(hits.take(), lines);
            prop_assert_eq!((hits.iter().count(), hits.flags()), (0, Flags::default()));
        }
    }
}
