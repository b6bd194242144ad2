//! Which literals a key may be of.

use crate::domain::ruleset::numbers::small;

/// Literals by their keys.
#[derive(Debug)]
pub(super) struct Entries {
    /// For each slot where its entries are; one more for the end.
    starts: Box<[u32]>,
    shift: u32,
    entries: Box<[Entry]>,
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
        let starts = (0..=1 << bits).map(|slot| small(keyed.partition_point(|(key, _)| key >> shift < slot)));
        let starts = starts.collect();
        let entries = keyed.into_iter().map(|(key, entry)| Entry { tag: tag_of(key), ..entry }).collect();
        Self { starts, shift, entries }
    }

    /// Calls `found` with each literal that a key which was met at a place is of, and where it begins then.
    #[inline(always)]
    pub(super) fn at(&self, key: u64, at: usize, found: &mut impl FnMut(usize, usize)) {
        let slot = (key >> self.shift) as usize;
        let tag = tag_of(key);
        for entry in &self.entries[self.starts[slot] as usize..self.starts[slot + 1] as usize] {
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
