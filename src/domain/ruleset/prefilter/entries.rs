//! Which literals a key may be of.

use crate::domain::ruleset::lists::Lists;
use crate::domain::ruleset::numbers::small;

/// Literals by their keys.
#[derive(Debug)]
pub(super) struct Entries {
    /// Those of each slot: of the keys that begin with the same bits.
    slots: Lists<Entry>,
    shift: u32,
}

/// A literal and the place in it that it is known by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// What else of the key tells it from others.
    tag: u32,
    literal: u32,
    gram_at: u32,
}

impl Entry {
    /// A literal, known by the gram at this place in it.
    pub(super) fn new(literal: usize, gram_at: usize) -> Self {
        Self { tag: 0, literal: small(literal), gram_at: small(gram_at) }
    }
}

impl Entries {
    pub(super) fn new(mut keyed: Vec<(u64, Entry)>) -> Self {
        let bits = (keyed.len() * 2).next_power_of_two().trailing_zeros().max(1);
        let shift = 64 - bits;
        keyed.sort_by_key(|(key, _)| *key);
        let mut slots = vec![Vec::new(); 1 << bits];
        for (key, entry) in keyed {
            slots[(key >> shift) as usize].push(Entry { tag: tag_of(key), ..entry });
        }
        Self { slots: slots.into_iter().collect(), shift }
    }

    /// Calls `found` with each literal that a key which was met at a place is of, and where it begins then.
    #[inline(always)]
    pub(super) fn at(&self, key: u64, at: usize, found: &mut impl FnMut(usize, usize)) {
        let slot = (key >> self.shift) as usize;
        let tag = tag_of(key);
        for entry in self.slots.of(slot) {
            if entry.tag == tag
                && let Some(start) = at.checked_sub(entry.gram_at as usize)
            {
                found(entry.literal as usize, start);
            }
        }
    }
}

fn tag_of(key: u64) -> u32 {
    (key >> 8) as u32
}
