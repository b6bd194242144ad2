//! Says of nearly every place in a text that no literal is there: a bitmap in the first-level cache.

use crate::domain::ruleset::frequency::FOLD;

/// 2^11 words of 64 bits, 16 KiB: stays in the first-level cache beside the text.
const WORD_BITS: u32 = 11;
const WORDS: usize = 1 << WORD_BITS;
/// As many bits again, in a quarter of the space, for grams of four bytes beside those of eight.
const NARROW_WORD_BITS: u32 = 9;
const NARROW_WORDS: usize = 1 << NARROW_WORD_BITS;

/// Bytes of a gram where texts are long enough.
pub(super) const WIDE: usize = 8;
/// Bytes of a gram of a text that is too short for a wide one.
pub(super) const NARROW: usize = 4;

pub(super) const FOLD_WORD: u64 = 0x0101_0101_0101_0101 * FOLD as u64;
/// Spreads the bits of a gram over its hash.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Which grams there are.
#[derive(Clone, Debug)]
pub(super) struct Bitmap {
    words: Box<[u64; WORDS]>,
    narrow: Option<Box<[u64; NARROW_WORDS]>>,
}

impl Bitmap {
    pub(super) fn new() -> Self {
        Self { words: Box::new([0; WORDS]), narrow: None }
    }

    pub(super) fn add(&mut self, gram: u64) {
        let (word, bit) = place_of(hash(gram));
        self.words[word] |= 1 << bit;
    }

    /// Adds a gram of [`NARROW`] bytes beside those of [`WIDE`].
    pub(super) fn add_narrow(&mut self, gram: u64) {
        let (word, bit) = narrow_place_of(hash(gram));
        self.narrow.get_or_insert_with(|| Box::new([0; NARROW_WORDS]))[word] |= 1 << bit;
    }

    /// The narrow grams; none where all are wide.
    #[inline(always)]
    pub(super) fn narrow(&self) -> Option<Narrow<'_>> {
        self.narrow.as_deref().map(Narrow)
    }

    /// Set in the lowest bit if this may be a gram.
    #[inline(always)]
    pub(super) fn has(&self, gram: u64) -> u64 {
        let (word, bit) = place_of(hash(gram));
        self.words[word] >> bit
    }
}

/// The narrow grams of a bitmap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Narrow<'b>(&'b [u64; NARROW_WORDS]);

impl Narrow<'_> {
    /// Set in the lowest bit if the first four of eight bytes may be a gram.
    #[inline(always)]
    pub(super) fn has(self, eight: u64) -> u64 {
        let (word, bit) = narrow_place_of(hash(eight));
        self.0[word] >> bit
    }
}

/// The first of eight bytes.
#[inline(always)]
pub(super) fn first(bytes: usize, eight: u64) -> u64 {
    eight & (u64::MAX >> (64 - 8 * bytes))
}

#[inline(always)]
pub(super) fn hash(gram: u64) -> u64 {
    gram.wrapping_mul(SPREAD)
}

/// A gram's word and bit.
#[inline(always)]
fn place_of(hash: u64) -> (usize, u64) {
    ((hash >> (64 - WORD_BITS)) as usize, (hash >> (58 - WORD_BITS)) & 63)
}

/// The word and bit of the first four bytes: the lower half of a product is that of the lower halves.
#[inline(always)]
fn narrow_place_of(hash: u64) -> (usize, u64) {
    let hash = hash as u32;
    ((hash >> (32 - NARROW_WORD_BITS)) as usize, u64::from(hash >> (26 - NARROW_WORD_BITS)) & 63)
}

/// Up to eight bytes, case folded.
pub(super) fn gram_of(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |gram, byte| (gram << 8) | u64::from(byte | FOLD))
}

/// Eight bytes, case folded.
#[inline(always)]
pub(super) fn folded(eight: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*eight) | FOLD_WORD
}

/// Eight folded bytes; nothing where there are fewer.
#[inline(always)]
pub(super) fn word_at(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..)?.first_chunk().map(folded)
}
