//! Where the strings of a JSON text may end: every quote, backslash and control character, found sixty-four places at
//! once before the text is read. What they mean where they stand is for `json`.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, u8x64};
use smallvec::SmallVec;

/// Places that a word tells of.
const BLOCK: usize = 64;
/// Words that need no allocation: a record of 4 KiB, which few are longer than.
const WORDS: usize = 64;

/// A bit for each place, and one for the end.
pub(super) struct Marks(SmallVec<[u64; WORDS]>);

impl Marks {
    pub(super) fn of(text: &[u8]) -> Self {
        Self::with_level(Level::new(), text)
    }

    fn with_level(level: Level, text: &[u8]) -> Self {
        let mut words = SmallVec::from_elem(0, text.len() / BLOCK + 1);
        dispatch!(level, simd => mark(simd, text, &mut words));
        Self(words)
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.0
    }
}

/// The first mark from a place on, or the text's end; what is behind the end is its own.
#[inline(always)]
pub(super) fn next(words: &[u64], from: usize) -> usize {
    let Some(word) = words.get(from / BLOCK) else { return from };
    let rest = word >> (from % BLOCK);
    if rest != 0 { from + rest.trailing_zeros() as usize } else { in_words(words, from / BLOCK + 1) }
}

#[inline(always)]
fn in_words(words: &[u64], mut number: usize) -> usize {
    loop {
        match words.get(number) {
            Some(0) => number += 1,
            Some(word) => return number * BLOCK + word.trailing_zeros() as usize,
            None => return number * BLOCK,
        }
    }
}

/// Also marks the end, and all that is behind it in its word.
#[inline(always)]
fn mark<S: Simd>(simd: S, text: &[u8], words: &mut [u64]) {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    for (word, block) in words.iter_mut().zip(blocks.iter().chain([&last])) {
        *word = mark_block(simd, block);
    }
}

#[inline(always)]
fn mark_block<S: Simd>(simd: S, block: &[u8; BLOCK]) -> u64 {
    let bytes = u8x64::from_slice(simd, block);
    let (quote, backslash) = (bytes.simd_eq(b'"'), bytes.simd_eq(b'\\'));
    (quote | backslash | bytes.simd_lt(b' ')).to_bitmask()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_mark_is_found_from_wherever_it_is_looked_for_on_whatever_processor(
            text in prop_oneof!["[a-zé \"\\\\\n\x1f\x7f]{0,200}", "[a-z]{0,300}\"?[a-z]{0,300}"],
        ) {
            let text = text.as_bytes();
            for level in [Level::new(), Level::baseline()] {
                let marks = Marks::with_level(level, text);
                for from in 0..text.len() + 2 * BLOCK {
                    let is_mark = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
                    let rest = text.get(from..).unwrap_or_default();
                    let expected = from + rest.iter().position(is_mark).unwrap_or(rest.len());
                    prop_assert_eq!(next(marks.words(), from), expected, "from {}", from);
                }
            }
        }
    }
}
