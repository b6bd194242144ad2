//! The pass over the text that first leaves out, many together, the places with a byte that no gram has: of a log's numbers,
//! dates and signs hardly any is left, and what is looked up in a table of grams is little more than words.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, u8x16, u8x64, u32x16};

use super::bitmap::{FOLD_WORD, WIDE, word_at};
use crate::domain::ruleset::avx512;
use crate::domain::ruleset::frequency::FOLD;

/// Text is looked at in blocks of this size, and one block beyond.
const BLOCK: usize = 64;
/// So many blocks are gone through before any of the places found is looked at: what is found where breaks the pace.
const BLOCKS: usize = 16;
/// The least stride: a block has so many places at most.
pub(super) const STRIDE: usize = 4;
const PLACES: usize = BLOCK / STRIDE;
/// In a text shorter than this it costs more than it saves.
pub(super) const LEAST: usize = 512;

/// 2^17 bits for grams, 16 KiB: stays in the first-level cache beside the text; a quarter as many for narrow ones.
const WORDS: usize = 1 << 12;
const NARROW_WORDS: usize = 1 << 10;
/// Spread the two halves of a gram over its hash.
const SPREAD: [u32; 2] = [0x9e37_79b1, 0x85eb_ca77];
const FOLD_HALF: u32 = FOLD_WORD as u32;

/// Which bytes grams have, and which grams there are.
#[derive(Debug)]
pub(super) struct Sieve {
    level: Level,
    /// A bit for each upper half of folded bytes; set for a lower half if no gram has the byte of both.
    low: [u8; 16],
    /// For each upper half its bit.
    high: [u8; 16],
    /// One for each place of a block that is looked at.
    looked_at: u64,
    wide: Box<[u32; WORDS]>,
    /// Where there are grams of four bytes, those.
    narrow: Option<Box<[u32; NARROW_WORDS]>>,
}

/// Places of a section that are left, with the hashes of their grams. Those of one block more have room.
struct Places {
    places: [u32; ROOM],
    wide: [u32; ROOM],
    narrow: [u32; ROOM],
    length: usize,
}

const ROOM: usize = (BLOCKS + 1) * PLACES;

impl Sieve {
    /// None for a processor on which that is no quicker, and where so many places are looked at that most would be left.
    /// The grams are folded, and of four bytes or eight.
    pub(super) fn new(stride: usize, grams: &[(usize, u64)]) -> Option<Self> {
        Self::with(avx512::level()?, stride, grams)
    }

    fn with(level: Level, stride: usize, grams: &[(usize, u64)]) -> Option<Self> {
        let looked_at = match stride {
            STRIDE => 0xffff,
            8 => 0x5555,
            _ => return None,
        };
        let bit_of = |byte: u8| 1 << (byte >> 6 << 1 | byte >> 4 & 1);
        let high = std::array::from_fn(|half| bit_of((half as u8) << 4 | FOLD));
        let mut low = [u8::MAX; 16];
        let (mut wide, mut narrow) = (Box::new([0; WORDS]), None);
        for (bytes, gram) in grams {
            for byte in gram.to_le_bytes().into_iter().take(*bytes).map(|byte| byte | FOLD) {
                low[usize::from(byte & 15)] &= !bit_of(byte);
            }
            let [first, last] = [*gram as u32, (*gram >> 32) as u32].map(|half| half | FOLD_HALF);
            let hash = first.wrapping_mul(SPREAD[0]);
            let (words, hash): (&mut [u32], _) = if *bytes == WIDE {
                (&mut wide[..], hash.wrapping_add(last.wrapping_mul(SPREAD[1])))
            } else {
                (&mut narrow.get_or_insert_with(|| Box::new([0; NARROW_WORDS]))[..], hash)
            };
            let (word, bit) = place_of(words.len(), hash);
            words[word] |= 1 << bit;
        }
        Some(Self { level, low, high, looked_at, wide, narrow })
    }

    /// Calls `at_gram` with each place at which a gram may stand, and the eight folded bytes there; with zeros folded behind
    /// the end of the text.
    #[inline(always)]
    pub(super) fn scan(&self, text: &[u8], at_gram: &mut impl FnMut(usize, u64)) {
        let mut places = Places { places: [0; ROOM], wide: [0; ROOM], narrow: [0; ROOM], length: 0 };
        let mut tell = |section: &[u8], at: usize| {
            self.leave(section, &mut places);
            for place in &places.places[..places.length] {
                if let Some(eight) = word_at(section, *place as usize) {
                    at_gram(at + *place as usize, eight);
                }
            }
        };
        let mut at = 0;
        while at + 2 * BLOCK <= text.len() {
            let blocks = ((text.len() - at) / BLOCK - 1).min(BLOCKS);
            tell(&text[at..at + (blocks + 1) * BLOCK], at);
            at += blocks * BLOCK;
        }
        // The rest, with room behind it.
        let mut rest = [0; 3 * BLOCK];
        let length = text.len() - at;
        rest[..length].copy_from_slice(&text[at..]);
        tell(&rest[..(length.div_ceil(BLOCK) + 1) * BLOCK], at);
    }

    /// Leaves the places of a section at which a gram may stand.
    #[inline(never)]
    fn leave(&self, section: &[u8], places: &mut Places) {
        dispatch!(self.level, simd => match &self.narrow {
            None => {
                fitting::<_, false>(simd, self, section, places);
                known(places, |wide, _| has(&self.wide[..], wide));
            }
            Some(narrow) => {
                fitting::<_, true>(simd, self, section, places);
                known(places, |wide, four| has(&self.wide[..], wide) | has(&narrow[..], four));
            }
        });
    }
}

/// Takes the places where all bytes are ones that grams have.
#[inline(always)]
fn fitting<S: Simd, const NARROW: bool>(simd: S, sieve: &Sieve, section: &[u8], places: &mut Places) {
    let low = u8x64::block_splat(u8x16::from_slice(simd, &sieve.low));
    let high = u8x64::block_splat(u8x16::from_slice(simd, &sieve.high));
    let (half, none) = (u8x64::splat(simd, 15), u32x16::splat(simd, 0));
    let looked_at = <u32x16<S> as SimdBase<S>>::Mask::from_bitmask(simd, sieve.looked_at);
    let others = |bytes: u8x64<S>| -> u32x16<S> {
        (low.swizzle_dyn_within_blocks(bytes & half) & high.swizzle_dyn_within_blocks(bytes >> 4)).bitcast()
    };
    let fours = |bytes: u8x64<S>| -> u32x16<S> { bytes.bitcast::<u32x16<S>>() | FOLD_HALF };
    let (blocks, _) = section.as_chunks::<BLOCK>();
    let Some((first, ahead)) = blocks.split_first() else { return };
    let mut here = u8x64::from_slice(simd, first);
    let mut others_here = others(here);
    let mut numbers = u32x16::from_fn(simd, |number| (number * STRIDE) as u32);
    let mut length = 0;
    for block in ahead {
        let next = u8x64::from_slice(simd, block);
        let others_next = others(next);
        let fits = if NARROW { others_here } else { others_here | others_here.slide::<1>(others_next) };
        let fits = fits.simd_eq(none) & looked_at;
        let (Some(to_places), Some(to_wide)) =
            (places.places.get_mut(length..length + PLACES), places.wide.get_mut(length..length + PLACES))
        else {
            break;
        };
        let four = fours(here) * SPREAD[0];
        let wide = four + fours(here.slide::<4>(next)) * SPREAD[1];
        numbers.compress(fits).store_slice(to_places);
        wide.compress(fits).store_slice(to_wide);
        if NARROW && let Some(to_narrow) = places.narrow.get_mut(length..length + PLACES) {
            four.compress(fits).store_slice(to_narrow);
        }
        length += fits.to_bitmask().count_ones() as usize;
        numbers += BLOCK as u32;
        (here, others_here) = (next, others_next);
    }
    places.length = length;
}

/// Of the places those at which there may be a gram.
#[inline(always)]
fn known(places: &mut Places, has: impl Fn(u32, u32) -> u32) {
    let mut length = 0;
    for number in 0..places.length.min(ROOM) {
        let place = places.places[number];
        let has = has(places.wide[number], places.narrow[number]);
        places.places[length.min(number)] = place;
        length += has as usize;
    }
    places.length = length;
}

/// One if there is a bit for the hash.
#[inline(always)]
fn has(words: &[u32], hash: u32) -> u32 {
    let (word, bit) = place_of(words.len(), hash);
    words[word] >> bit & 1
}

/// The word and bit of a hash in so many words: a power of two.
#[inline(always)]
fn place_of(words: usize, hash: u32) -> (usize, u32) {
    let bits = words.trailing_zeros();
    ((hash >> (u32::BITS - bits)) as usize, hash >> (27 - bits) & 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::bitmap::gram_of;
    use super::*;

    proptest! {
        #[test]
        fn every_gram_is_told_at_its_place_in_order_on_whatever_processor(
            wide in prop::collection::vec("[a-d]{8}", 1..4),
            narrow in prop::collection::vec("[a-c=]{4}", 0..2),
            text in "([a-d= \n]{0,9}[A-Da-d]{4,9}[\0-\x7fé]{0,3}){0,200}",
        ) {
            let grams: Vec<(usize, u64)> =
                wide.iter().chain(&narrow).map(|gram| (gram.len(), gram_of(gram.as_bytes()))).collect();
            for (level, stride) in [(Level::new(), STRIDE), (Level::baseline(), STRIDE), (Level::new(), 2 * STRIDE)] {
                let mut told = Vec::new();
                let sieve = Sieve::with(level, stride, &grams).expect("should be a stride for it");
                sieve.scan(text.as_bytes(), &mut |at, eight| told.push((at, eight)));
                prop_assert!(told.is_sorted() && told.iter().all(|(at, _)| at % stride == 0));
                for at in (0..text.len()).step_by(stride) {
                    let here = &text.as_bytes()[at..text.len().min(at + WIDE)];
                    let is_here = |(bytes, gram): &(usize, u64)| here.len() >= *bytes && gram_of(&here[..*bytes]) == *gram;
                    if grams.iter().any(is_here) {
                        let padded = [here, &[0; WIDE][here.len()..]].concat();
                        prop_assert!(told.contains(&(at, gram_of(&padded))), "{} in {:?}", at, text);
                    }
                }
            }
        }
    }

    #[test]
    fn places_with_other_bytes_are_left_out() {
        let Some(mut sieve) = Sieve::new(STRIDE, &[(WIDE, gram_of(b"handshak")), (WIDE, gram_of(b"andshake"))]) else {
            return;
        };
        sieve.wide.fill(u32::MAX);
        let mut left = Vec::new();
        sieve.scan(b"2026:11:HANDhakehandhake.", &mut |at, _| left.push(at));
        assert_eq!(left, [8, 12, 16]);
    }
}
