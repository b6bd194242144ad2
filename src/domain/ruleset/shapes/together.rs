//! Leaves of a text the places at which a gram of kinds may end, thirty-two places at once.
//!
//! A character's kind is looked up in one table of the whole of ASCII. The grams are dealt into eight groups, a bit for each;
//! for each of four neighbours a table tells by the kind which groups have it there. Where all four agree on a bit, a gram of
//! that group may end, and only the places that are left are looked up by all four. Which windows a gram is of is for
//! `shapes` to tell.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, u8x64, u16x32};

use super::{GRAM, GRAMS, KINDS, LENGTH};
use crate::domain::ruleset::avx512;

/// Text is looked at in blocks of this size, and one block beyond.
const BLOCK: usize = 64;
/// A block has so many second places.
const PLACES: usize = BLOCK / 2;
/// So many blocks are gone through before any of the places left is looked at: what is found where breaks the pace.
const BLOCKS: usize = 16;
const ROOM: usize = (BLOCKS + 1) * PLACES;
/// As many as a byte has bits.
const GROUPS: usize = 8;
/// What may stand at each of a gram's places, a bit for each kind.
pub(super) type Kinds = [u16; GRAM];

/// The tables.
#[derive(Debug)]
pub(super) struct Together {
    level: Level,
    /// The kind of each character of ASCII.
    kind_of: [u8; 2 * BLOCK],
    /// For a kind, the groups that have it first in a gram; behind these, those that have it second.
    first: [u8; BLOCK],
    /// The same for third and fourth.
    second: [u8; BLOCK],
}

/// Places of a section that are left, and their grams. Those of one block more have room.
struct Left {
    places: [u16; ROOM],
    grams: [u16; ROOM],
    length: usize,
}

impl Left {
    /// Keeps the places at which there is a gram. That can't be foreseen, so nothing depends on it but where the next is put.
    #[inline(always)]
    fn keep(&mut self, is_gram: &[u8; GRAMS]) {
        let mut kept = 0;
        for number in 0..self.length.min(ROOM) {
            let (place, gram) = (self.places[number], self.grams[number]);
            (self.places[kept.min(number)], self.grams[kept.min(number)]) = (place, gram);
            kept += usize::from(is_gram[usize::from(gram)]);
        }
        self.length = kept;
    }
}

impl Together {
    /// None for a processor on which that is no quicker.
    pub(super) fn new(grams: &[Kinds], kind_of: &[u8; 256]) -> Option<Self> {
        Some(Self::with(avx512::level()?, grams, kind_of))
    }

    pub(super) fn with(level: Level, grams: &[Kinds], kind_of: &[u8; 256]) -> Self {
        let (mut first, mut second) = ([0; BLOCK], [0; BLOCK]);
        for (number, group) in groups(grams, kind_of).iter().enumerate() {
            for (at, kinds) in group.iter().enumerate() {
                let table = if at < 2 { &mut first } else { &mut second };
                let has = |kind: &usize| kinds >> kind & 1 == 1;
                (0..KINDS).filter(has).for_each(|kind| table[at % 2 * KINDS + kind] |= 1 << number);
            }
        }
        Self { level, kind_of: std::array::from_fn(|byte| kind_of[byte]), first, second }
    }

    /// Calls `at_gram` with each gram, and where it ends, of those that end at an even place behind the text's first four
    /// characters, in order; also with those that end behind the text, where ends of lines stand, up to a window's length.
    #[inline(always)]
    pub(super) fn find(&self, text: &[u8], is_gram: &[u8; GRAMS], mut at_gram: impl FnMut(u16, usize)) {
        let mut left = Left { places: [0; ROOM], grams: [0; ROOM], length: 0 };
        let mut tell = |section: &[u8], at: usize| {
            self.leave(section, &mut left);
            left.keep(is_gram);
            let Left { places, grams, length } = &left;
            places[..*length]
                .iter()
                .zip(grams)
                .for_each(|(place, gram)| at_gram(*gram, at + usize::from(*place) + GRAM));
        };
        let mut at = 0;
        while at + 2 * BLOCK <= text.len() {
            let blocks = ((text.len() - at) / BLOCK - 1).min(BLOCKS);
            tell(&text[at..at + (blocks + 1) * BLOCK], at);
            at += blocks * BLOCK;
        }
        // The rest, with ends of lines behind it.
        let mut rest = [b'\n'; 4 * BLOCK];
        let length = text.len() - at;
        rest[..length].copy_from_slice(&text[at..]);
        tell(&rest[..(length + LENGTH).next_multiple_of(BLOCK) + BLOCK], at);
    }

    /// Leaves the places of a section, but for its last block.
    #[inline(never)]
    fn leave(&self, section: &[u8], left: &mut Left) {
        dispatch!(self.level, simd => leave(simd, self, section, left))
    }
}

/// The tables as vectors.
#[derive(Clone, Copy)]
struct Vectors<S: Simd> {
    low: u8x64<S>,
    high: u8x64<S>,
    first: u8x64<S>,
    second: u8x64<S>,
    /// The second of two neighbours has tables of its own, behind those of the first.
    later: u8x64<S>,
    /// The lower half of two neighbours.
    byte: u16x32<S>,
}

impl<S: Simd> Vectors<S> {
    #[inline(always)]
    fn of(simd: S, tables: &Together) -> Self {
        let (low, high) = tables.kind_of.split_at(BLOCK);
        Self {
            low: u8x64::from_slice(simd, low),
            high: u8x64::from_slice(simd, high),
            first: u8x64::from_slice(simd, &tables.first),
            second: u8x64::from_slice(simd, &tables.second),
            later: u16x32::splat(simd, (KINDS as u16) << 8).bitcast(),
            byte: u16x32::splat(simd, 0xff),
        }
    }

    /// Of each two neighbours the groups that have them first and second; and, with their kinds in the upper half, the
    /// groups that have them third and fourth.
    #[inline(always)]
    fn look(self, bytes: u8x64<S>) -> (u16x32<S>, u16x32<S>) {
        let kinds = self.low.concat_swizzle_dyn(self.high, bytes);
        let places = kinds | self.later;
        let first: u16x32<S> = self.first.swizzle_dyn(places).bitcast();
        let second: u16x32<S> = self.second.swizzle_dyn(places).bitcast();
        let kinds: u16x32<S> = kinds.bitcast();
        let two = kinds << 12 | kinds & !self.byte;
        (first & first >> 8, second & second >> 8 & self.byte | two)
    }
}

#[inline(always)]
fn leave<S: Simd>(simd: S, tables: &Together, section: &[u8], left: &mut Left) {
    let vectors = Vectors::of(simd, tables);
    let none = u16x32::splat(simd, 0);
    let (blocks, _) = section.as_chunks::<BLOCK>();
    let Some((block, ahead)) = blocks.split_first() else { return };
    let (mut first_here, mut second_here) = vectors.look(u8x64::from_slice(simd, block));
    let mut numbers = u16x32::from_fn(simd, |number| 2 * number as u16);
    let mut length = 0;
    for block in ahead {
        let (first_next, second_next) = vectors.look(u8x64::from_slice(simd, block));
        let second = second_here.slide::<1>(second_next);
        let fits = !(first_here & second & vectors.byte).simd_eq(none);
        let (Some(to_places), Some(to_grams)) =
            (left.places.get_mut(length..length + PLACES), left.grams.get_mut(length..length + PLACES))
        else {
            break;
        };
        numbers.compress(fits).store_slice(to_places);
        (second_here & !vectors.byte | second >> 8).compress(fits).store_slice(to_grams);
        length += fits.to_bitmask().count_ones() as usize;
        numbers += BLOCK as u16;
        (first_here, second_here) = (first_next, second_next);
    }
    left.length = length;
}

/// The grams in few groups, each of which is met at few places more than its grams are by themselves.
fn groups(grams: &[Kinds], kind_of: &[u8; 256]) -> Vec<Kinds> {
    let met = Met::in_logs(kind_of);
    let mut costs: Vec<(f32, Kinds)> = grams.iter().map(|kinds| (met.often(kinds), *kinds)).collect();
    // What is met most decides first.
    costs.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    costs.dedup();
    let mut groups: Vec<(f32, Kinds)> = Vec::new();
    for (own, kinds) in costs {
        let joined = |(cost, group): &(f32, Kinds)| {
            let group: Kinds = std::array::from_fn(|at| group[at] | kinds[at]);
            let often = met.often(&group);
            (often - cost, (often, group))
        };
        let best = groups.iter().map(joined).enumerate().min_by(|a, b| a.1.0.total_cmp(&b.1.0));
        match best {
            Some((at, (more, group))) if more <= own || groups.len() == GROUPS => groups[at] = group,
            _ => groups.push((own, kinds)),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// How often kinds are met in logs.
struct Met {
    /// Each four neighbours of a sample, a bit for each one's kind, and how many there are of them.
    fours: Vec<(Kinds, f32)>,
    /// Of each kind how many there are, of all.
    each: [f32; KINDS],
}

impl Met {
    fn in_logs(kind_of: &[u8; 256]) -> Self {
        let kinds: Vec<u8> =
            include_bytes!("../log_sample.txt").iter().map(|byte| kind_of[usize::from(*byte)]).collect();
        let mut each = [0.0; KINDS];
        kinds.iter().for_each(|kind| each[usize::from(*kind)] += 1.0 / kinds.len() as f32);
        let mut fours: Vec<Kinds> =
            kinds.windows(GRAM).map(|four| std::array::from_fn(|at| 1u16 << four[at])).collect();
        fours.sort_unstable();
        let fours = fours.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f32)).collect();
        Self { fours, each }
    }

    /// Where the sample has none, what chance would have tells.
    fn often(&self, kinds: &Kinds) -> f32 {
        let is_one = |four: &Kinds| four.iter().zip(kinds).all(|(one, kinds)| one & kinds != 0);
        let seen: f32 = self.fours.iter().filter(|(four, _)| is_one(four)).map(|(_, times)| times).sum();
        let any =
            |kinds: u16| (0..KINDS).filter(|kind| kinds >> kind & 1 == 1).map(|kind| self.each[kind]).sum::<f32>();
        seen + kinds.iter().map(|kinds| any(*kinds)).product::<f32>()
    }
}
