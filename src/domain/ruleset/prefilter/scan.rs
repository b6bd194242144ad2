//! The pass over the text: a bitmap in the first-level cache says of nearly every place that nothing begins there.

use crate::domain::ruleset::frequency::FOLD;

/// 2^11 words of 64 bits, 16 KiB: stays in the first-level cache beside the text.
const WORD_BITS: u32 = 11;
const WORDS: usize = 1 << WORD_BITS;
/// As many bits again, in a quarter of the space, for grams of four bytes beside those of eight.
const NARROW_WORD_BITS: u32 = 9;
const NARROW_WORDS: usize = 1 << NARROW_WORD_BITS;
/// Text is looked at in blocks of this size, and this many bytes beyond.
const BLOCK: usize = 64;
const AHEAD: usize = WIDE - 1;
/// So many blocks are looked at before any of the places found in them is: what is found where breaks the pace.
const SECTION: usize = 16;

/// Bytes of a gram where texts are long enough.
pub(super) const WIDE: usize = 8;
/// Bytes of a gram of a text that is too short for a wide one.
pub(super) const NARROW: usize = 4;

const FOLD_WORD: u64 = 0x0101_0101_0101_0101 * FOLD as u64;
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
        let (word, first, second) = place_of(hash(gram));
        self.words[word] |= 1 << first | 1 << second;
    }

    /// Adds a gram of [`NARROW`] bytes beside those of [`WIDE`].
    pub(super) fn add_narrow(&mut self, gram: u64) {
        let (word, bit) = narrow_place_of(hash(gram));
        self.narrow.get_or_insert_with(|| Box::new([0; NARROW_WORDS]))[word] |= 1 << bit;
    }

    /// Calls `at_gram` with each place at which a gram may stand, and the eight folded bytes there; with zeros folded
    /// behind the end of the text.
    #[inline(always)]
    pub(super) fn find<const STRIDE: usize, const BYTES: usize>(
        &self,
        text: &[u8],
        at_gram: &mut impl FnMut(usize, u64),
    ) {
        match &self.narrow {
            None => scan::<STRIDE>(text, |eight| self.has::<BYTES>(eight), at_gram),
            Some(narrow) => scan::<STRIDE>(
                text,
                |eight| {
                    let (word, bit) = narrow_place_of(hash(eight));
                    self.has::<BYTES>(eight) | narrow[word] >> bit
                },
                at_gram,
            ),
        }
    }

    /// Set in the lowest bit if the first bytes may be a gram.
    #[inline(always)]
    fn has<const BYTES: usize>(&self, eight: u64) -> u64 {
        let (word, first, second) = place_of(hash(first::<BYTES>(eight)));
        (self.words[word] >> first) & (self.words[word] >> second)
    }
}

/// The first of eight bytes.
#[inline(always)]
fn first<const BYTES: usize>(eight: u64) -> u64 {
    eight & (u64::MAX >> (64 - 8 * BYTES))
}

#[inline(always)]
pub(super) fn hash(gram: u64) -> u64 {
    gram.wrapping_mul(SPREAD)
}

/// A gram's word and its two bits in it: both are set by chance one time in hundreds, where one would be in tens.
#[inline(always)]
fn place_of(hash: u64) -> (usize, u64, u64) {
    ((hash >> (64 - WORD_BITS)) as usize, (hash >> (58 - WORD_BITS)) & 63, (hash >> (52 - WORD_BITS)) & 63)
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

/// Eight folded bytes; nothing where there are fewer.
#[inline(always)]
pub(super) fn word_at(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..)?.first_chunk().map(|word| u64::from_le_bytes(*word) | FOLD_WORD)
}

type Block = [u8; BLOCK + AHEAD];

#[inline(always)]
fn scan<const STRIDE: usize>(text: &[u8], has: impl Fn(u64) -> u64, at_gram: &mut impl FnMut(usize, u64)) {
    let mut at = 0;
    let mut places = [0; SECTION];
    loop {
        let section = &text[at..];
        let mut blocks = 0;
        while blocks < SECTION
            && let Some(block) = section[blocks * BLOCK..].first_chunk()
        {
            places[blocks] = probe::<STRIDE>(block, &has);
            blocks += 1;
        }
        for (number, places) in places[..blocks].iter().enumerate() {
            for_each_place::<STRIDE>(*places, |place| {
                let place = number * BLOCK + place;
                if let Some(eight) = word_at(section, place) {
                    at_gram(at + place, eight);
                }
            });
        }
        at += blocks * BLOCK;
        if blocks < SECTION {
            break;
        }
    }
    // The rest, with room behind it.
    let mut rest = [0; 2 * BLOCK + AHEAD];
    let length = text.len() - at;
    rest[..length].copy_from_slice(&text[at..]);
    for from in (0..length).step_by(BLOCK) {
        let Some(block) = rest[from..].first_chunk() else { return };
        for_each_place::<STRIDE>(probe::<STRIDE>(block, &has), |place| {
            at_gram(at + from + place, eight_at(block, place));
        });
    }
}

/// One bit for each place of the block.
#[inline(always)]
fn probe<const STRIDE: usize>(block: &Block, has: &impl Fn(u64) -> u64) -> u64 {
    // From the last to the first: shifting by one each time is quicker than by the place's number.
    (0..BLOCK / STRIDE).rev().fold(0, |places, number| places << 1 | has(eight_at(block, number * STRIDE)) & 1)
}

#[inline(always)]
fn for_each_place<const STRIDE: usize>(mut places: u64, mut each: impl FnMut(usize)) {
    while places != 0 {
        each(places.trailing_zeros() as usize * STRIDE);
        places &= places - 1;
    }
}

#[inline(always)]
fn eight_at(block: &Block, at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|number| block[at + number])) | FOLD_WORD
}
