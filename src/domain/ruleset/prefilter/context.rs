//! What is looked at a second time where a gram stands: more of the text around it.

use super::bitmap::{first, hash, word_at};

/// So many bytes behind a wide gram are looked at too.
pub(super) const MORE: usize = 4;
/// Spreads a gram and the text beside it over a key.
const SPREAD: u64 = 0xd6e8_feb8_6659_fd93;
/// Keys that are none are let through once in so many times.
const BITS_PER_KEY: usize = 64;

/// What is looked at: a gram and, where literals are long enough, so many bytes more behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Context {
    bytes: usize,
    /// The bits of the eight bytes that end behind the gram by [`MORE`] which are looked at: all or none.
    mask: u64,
}

impl Context {
    /// That of a gram of so many bytes.
    pub(super) fn new(bytes: usize, has_more: bool) -> Self {
        Self { bytes, mask: if has_more { u64::MAX } else { 0 } }
    }

    /// A number for what is looked at, given eight folded bytes from the gram's first on.
    #[inline(always)]
    pub(super) fn key(self, eight: u64, text: &[u8], at: usize) -> u64 {
        let gram = hash(first(self.bytes, eight));
        let more = word_at(text, at + MORE).unwrap_or(0) & self.mask;
        (gram.rotate_left(32) ^ more).wrapping_mul(SPREAD)
    }
}

/// Which keys there are: a bit for each, now and then for one that there is not.
#[derive(Debug)]
pub(super) struct Keys {
    words: Box<[u64]>,
    shift: u32,
}

impl Keys {
    pub(super) fn new(keys: impl ExactSizeIterator<Item = u64>) -> Self {
        let bits = (keys.len() * BITS_PER_KEY).next_power_of_two().trailing_zeros().max(u64::BITS.trailing_zeros());
        let mut words = vec![0u64; (1 << bits) / 64].into_boxed_slice();
        let shift = u64::BITS - bits;
        for key in keys {
            let bit = (key >> shift) as usize;
            words[bit / 64] |= 1 << (bit % 64);
        }
        Self { words, shift }
    }

    #[inline(always)]
    pub(super) fn has(&self, key: u64) -> bool {
        let bit = (key >> self.shift) as usize;
        self.words[bit / 64] >> (bit % 64) & 1 == 1
    }
}
