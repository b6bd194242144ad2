//! The pass over the text that looks at every so many places.

use super::bitmap::{Bitmap, FOLD_WORD, first, word_at};

/// Text is looked at in blocks of this size, and this many bytes beyond.
const BLOCK: usize = 64;
const AHEAD: usize = 7;
/// So many words of places, a bit for each, are filled before any of the places found is looked at: what is found where
/// breaks the pace.
const SECTION: usize = 4;

type Block = [u8; BLOCK + AHEAD];

/// Calls `at_gram` with each place at which a gram may stand, and the eight folded bytes there; with zeros folded behind
/// the end of the text.
#[inline(always)]
pub(super) fn scan<const STRIDE: usize, const BYTES: usize>(
    bitmap: &Bitmap,
    text: &[u8],
    at_gram: &mut impl FnMut(usize, u64),
) {
    let has = |eight| bitmap.has(first(BYTES, eight));
    match bitmap.narrow() {
        None => scan_with::<STRIDE>(text, has, at_gram),
        Some(narrow) => scan_with::<STRIDE>(text, |eight| has(eight) | narrow.has(eight), at_gram),
    }
}

#[inline(always)]
fn scan_with<const STRIDE: usize>(text: &[u8], has: impl Fn(u64) -> u64, at_gram: &mut impl FnMut(usize, u64)) {
    let mut at = 0;
    let mut places = [0; SECTION];
    loop {
        let section = &text[at..];
        let mut blocks = 0;
        for places in &mut places {
            *places = 0;
            for part in 0..STRIDE {
                let Some(block) = section.get(blocks * BLOCK..).and_then(<[u8]>::first_chunk) else { break };
                *places |= probe::<STRIDE>(block, &has) << (part * BLOCK / STRIDE);
                blocks += 1;
            }
        }
        for (number, places) in places.iter().enumerate() {
            for_each_place::<STRIDE>(*places, |place| {
                let place = number * BLOCK * STRIDE + place;
                if let Some(eight) = word_at(section, place) {
                    at_gram(at + place, eight);
                }
            });
        }
        at += blocks * BLOCK;
        if blocks < SECTION * STRIDE {
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
