//! Which literals a key may be of.

use super::bitmap::{WIDE, gram_of, word_at};
use crate::domain::ruleset::lists::Lists;
use crate::domain::ruleset::numbers::small;

/// So many literals are kept before they are told.
const LIKELY: usize = 32;

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
    /// The literal's last eight bytes, folded: literals that begin alike are told apart by their ends.
    end: u64,
    /// How far behind the place these are.
    end_at: i32,
    /// What else of the key tells it from others.
    tag: u32,
    literal: u32,
    gram_at: u16,
    /// It has no eight bytes.
    short: bool,
}

impl Entry {
    /// A literal, by its number, known by the gram at this place in it.
    pub(super) fn new(number: usize, literal: &[u8], gram_at: u16) -> Self {
        let end_at = literal.len().saturating_sub(WIDE);
        let far = i32::try_from(end_at).unwrap_or(i32::MAX).saturating_sub(i32::from(gram_at));
        Self {
            end: gram_of(&literal[end_at..]),
            end_at: far,
            tag: 0,
            literal: small(number),
            gram_at,
            short: literal.len() < WIDE,
        }
    }

    /// Whether it may be there, if its key was met at this place.
    #[inline(always)]
    fn ends_there(&self, text: &[u8], place: usize) -> bool {
        let end = place.checked_add_signed(self.end_at as isize).and_then(|at| word_at(text, at));
        self.short | (end.unwrap_or(0) == self.end)
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

    /// Calls `found` with each literal that a key which was met at a place is of, and where it begins then, if it may be
    /// there. All ends are looked at before any literal is told, since it can't be foreseen which are there.
    #[inline(always)]
    pub(super) fn at(&self, text: &[u8], keys: &[(u64, usize)], found: &mut impl FnMut(usize, usize)) {
        let mut likely = [(0, 0); LIKELY];
        let mut length = 0;
        for (key, place) in keys {
            let tag = tag_of(*key);
            for entry in self.slots.of((key >> self.shift) as usize) {
                let Some(start) = place.checked_sub(usize::from(entry.gram_at)) else { continue };
                if length == LIKELY {
                    likely.iter().for_each(|(literal, start)| found(*literal as usize, *start));
                    length = 0;
                }
                likely[length] = (entry.literal, start);
                length += usize::from((entry.tag == tag) & entry.ends_there(text, *place));
            }
        }
        likely[..length].iter().for_each(|(literal, start)| found(*literal as usize, *start));
    }
}

fn tag_of(key: u64) -> u32 {
    (key >> 8) as u32
}
