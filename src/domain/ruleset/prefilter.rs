//! Finds the literals of all rules in one pass over a whole buffer of lines.
//!
//! A piece of each literal is entered under the bytes ("gram") at each of its first four places, so that looking at every
//! fourth place of the text is enough: a hashed bitmap says "not here" for nearly all of them, at a few bytes a cycle and
//! nearly the same with a thousand literals as with ten. Which rules a literal belongs to is `matcher`'s affair.

use std::collections::HashMap;

use super::frequency::{FOLD, Frequency};
use super::numbers::small;

/// 2^11 words of 64 bits, 16 KiB: stays in the first-level cache beside the text.
const WORD_BITS: u32 = 11;
const WORDS: usize = 1 << WORD_BITS;
/// Text is looked at in blocks of this size, and this many bytes beyond.
const BLOCK: usize = 64;
const AHEAD: usize = LONGEST_GRAM - 1;
const LONGEST_GRAM: usize = 8;
/// Literals of this length and more are looked for at every fourth place, by four bytes or more.
pub(super) const MEDIUM: usize = 7;
/// At every eighth where there are few, and all of this length: with many, pieces of texts that are so long have more in
/// common with other text, and the places found in vain cost more than the places passed over save.
const FEW: usize = 100;
const FEW_LONG: usize = 11;
/// Literals that share text are told by so many bytes of it.
const USES_GRAM: usize = 8;
/// No slot.
const EMPTY: u32 = u32::MAX;

/// Literals, found whatever their ASCII case.
#[derive(Debug)]
pub(super) struct Prefilter {
    literals: Vec<Box<[u8]>>,
    tables: Vec<Table>,
}

impl Prefilter {
    /// Compiles literals in lower case, each of [`super::literal::MIN_BYTES`] or more.
    pub(super) fn new(literals: Vec<String>) -> Self {
        let literals: Vec<Box<[u8]>> = literals.into_iter().map(|l| l.into_bytes().into_boxed_slice()).collect();
        let mut uses: HashMap<&[u8], f32> = HashMap::new();
        for literal in &literals {
            for gram in literal.windows(USES_GRAM) {
                *uses.entry(gram).or_default() += 1.0;
            }
        }
        let mut tables = Vec::new();
        // With few literals the passes are what takes the time: one for all that one can find.
        let long = if literals.len() >= FEW || literals.iter().any(|l| (MEDIUM..FEW_LONG).contains(&l.len())) {
            usize::MAX
        } else {
            FEW_LONG
        };
        for lengths in [0..MEDIUM, MEDIUM..long, long..usize::MAX] {
            let members: Vec<usize> = (0..literals.len()).filter(|at| lengths.contains(&literals[*at].len())).collect();
            if let Some(shortest) = members.iter().map(|at| literals[*at].len()).min() {
                tables.push(Table::new(Form::of(shortest, long), &literals, &members, &uses));
            }
        }
        Self { literals, tables }
    }

    /// Calls `found` with each literal's number and where it begins, all that are in the text, in no order; now and then
    /// with one that is not.
    pub(super) fn find(&self, text: &[u8], mut found: impl FnMut(usize, usize)) {
        self.tables.iter().for_each(|table| table.find(text, &mut found));
    }

    /// True when `find` calls nearly in order: with the places of a line after all of the lines before.
    pub(super) fn is_in_order(&self) -> bool {
        self.tables.len() <= 1
    }

    /// Whether a literal stands at a place.
    pub(super) fn is_at(&self, literal: usize, text: &[u8], at: usize) -> bool {
        let literal = &self.literals[literal];
        text.get(at..at + literal.len()).is_some_and(|here| here.eq_ignore_ascii_case(literal))
    }
}

/// At which places a table looks, and at how many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    stride: usize,
    gram: usize,
}

impl Form {
    /// The best for literals of this length and more.
    fn of(shortest: usize, long: usize) -> Self {
        match shortest {
            0..=3 => Self { stride: 1, gram: 3 },
            4 => Self { stride: 2, gram: 3 },
            5..MEDIUM => Self { stride: 2, gram: 4 },
            _ if shortest < long => Self { stride: 4, gram: (shortest - 3).min(LONGEST_GRAM) },
            _ => Self { stride: 8, gram: (shortest - 7).min(LONGEST_GRAM) },
        }
    }
}

#[derive(Debug)]
struct Table {
    form: Form,
    bits: Box<[u64; WORDS]>,
    slots: Box<[Slot]>,
    entries: Vec<Entry>,
}

/// Where the entries of a gram are.
#[derive(Clone, Copy, Debug)]
struct Slot {
    gram: u64,
    first: u32,
    count: u32,
}

/// A literal and where in it the gram stands.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Eight folded bytes of the literal and where they stand; nothing in a shorter literal.
    word: u64,
    literal: u32,
    length: u16,
    word_at: u16,
    gram_at: u16,
}

impl Table {
    fn new(form: Form, literals: &[Box<[u8]>], members: &[usize], uses: &HashMap<&[u8], f32>) -> Self {
        let mut by_gram: HashMap<u64, Vec<Entry>> = HashMap::new();
        for &index in members {
            let literal = &literals[index];
            let piece = rarest_piece(literal, form, uses);
            for gram_at in piece..piece + form.stride {
                let entry = Entry::new(index, literal, gram_at, form.gram);
                by_gram.entry(gram_of(&literal[gram_at..gram_at + form.gram])).or_default().push(entry);
            }
        }
        let mut bits = Box::new([0u64; WORDS]);
        let size = (by_gram.len() * 2).next_power_of_two();
        let mut slots = vec![Slot { gram: 0, first: EMPTY, count: 0 }; size].into_boxed_slice();
        let mut entries = Vec::new();
        for (gram, found) in by_gram {
            let (word, first, second) = place_of(gram);
            bits[word] |= 1 << first | 1 << second;
            let mut at = slot_of(gram, size);
            while slots[at].first != EMPTY {
                at = (at + 1) & (size - 1);
            }
            slots[at] = Slot { gram, first: small(entries.len()), count: small(found.len()) };
            entries.extend(found);
        }
        Self { form, bits, slots, entries }
    }

    fn find(&self, text: &[u8], found: &mut impl FnMut(usize, usize)) {
        let mut at_gram = |at: usize, gram: u64| self.confirm(text, at, gram, found);
        match (self.form.stride, self.form.gram) {
            (1, _) => scan::<1, 3>(&self.bits, text, &mut at_gram),
            (2, 3) => scan::<2, 3>(&self.bits, text, &mut at_gram),
            (2, _) => scan::<2, 4>(&self.bits, text, &mut at_gram),
            (8, 4) => scan::<8, 4>(&self.bits, text, &mut at_gram),
            (8, 5) => scan::<8, 5>(&self.bits, text, &mut at_gram),
            (8, 6) => scan::<8, 6>(&self.bits, text, &mut at_gram),
            (8, 7) => scan::<8, 7>(&self.bits, text, &mut at_gram),
            (8, _) => scan::<8, 8>(&self.bits, text, &mut at_gram),
            (_, 4) => scan::<4, 4>(&self.bits, text, &mut at_gram),
            (_, 5) => scan::<4, 5>(&self.bits, text, &mut at_gram),
            (_, 6) => scan::<4, 6>(&self.bits, text, &mut at_gram),
            (_, 7) => scan::<4, 7>(&self.bits, text, &mut at_gram),
            _ => scan::<4, 8>(&self.bits, text, &mut at_gram),
        }
    }

    #[inline]
    fn confirm(&self, text: &[u8], at: usize, gram: u64, found: &mut impl FnMut(usize, usize)) {
        let mut slot = slot_of(gram, self.slots.len());
        let entries = loop {
            let Slot { gram: other, first, count } = self.slots[slot];
            if first == EMPTY {
                return;
            }
            if other == gram {
                break &self.entries[first as usize..(first + count) as usize];
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        };
        for entry in entries {
            let Some(start) = at.checked_sub(usize::from(entry.gram_at)) else { continue };
            let Some(here) = text.get(start..start + usize::from(entry.length)) else { continue };
            if entry.word == word_at(here, usize::from(entry.word_at)) {
                found(entry.literal as usize, start);
            }
        }
    }
}

impl Entry {
    fn new(index: usize, literal: &[u8], gram_at: usize, gram: usize) -> Self {
        // Beside the gram, which is known to be there.
        let beside = gram_at.checked_sub(8).unwrap_or(gram_at + gram).min(literal.len().saturating_sub(8));
        Self {
            word: word_at(literal, beside),
            literal: small(index),
            length: tiny(literal.len()),
            word_at: tiny(beside),
            gram_at: tiny(gram_at),
        }
    }
}

/// Eight folded bytes; nothing where there are fewer.
#[inline]
fn word_at(text: &[u8], at: usize) -> u64 {
    text.get(at..at + 8).and_then(|word| word.try_into().ok()).map_or(0, |word| u64::from_le_bytes(word) | FOLD_WORD)
}

const FOLD_WORD: u64 = 0x0101_0101_0101_0101 * FOLD as u64;
/// Spreads the bits of a gram over its hash.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

fn tiny(number: usize) -> u16 {
    u16::try_from(number).expect("should fit: literals are cut")
}

/// Where the piece begins whose grams are rarest: in logs, and among the literals themselves, for what many rules name
/// is what programs print.
fn rarest_piece(literal: &[u8], form: Form, uses: &HashMap<&[u8], f32>) -> usize {
    let frequency = Frequency::of_logs();
    let length = form.stride - 1 + form.gram;
    let cost = |start: usize| -> f32 {
        let piece = &literal[start..start + length];
        let uses =
            |gram: &[u8]| gram.windows(USES_GRAM).map(|g| uses.get(g).copied().unwrap_or(1.0)).fold(1e9, f32::min);
        piece.windows(form.gram).map(|gram| (frequency.of_text(gram) + 1e-6) * (uses(gram).min(1e6)).powi(2)).sum()
    };
    (0..=literal.len() - length).min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap_or(0)
}

fn gram_of(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |gram, byte| (gram << 8) | u64::from(byte | FOLD))
}

/// A gram's word and its two bits in it: both are set by chance one time in hundreds, where one would be in tens.
#[inline(always)]
fn place_of(gram: u64) -> (usize, u64, u64) {
    let hash = gram.wrapping_mul(SPREAD);
    ((hash >> (64 - WORD_BITS)) as usize, (hash >> (58 - WORD_BITS)) & 63, (hash >> (52 - WORD_BITS)) & 63)
}

fn slot_of(gram: u64, size: usize) -> usize {
    (gram.wrapping_mul(SPREAD) >> 25) as usize & (size - 1)
}

/// Calls `at_gram` with each place at which a gram of the table may stand.
#[inline(always)]
fn scan<const STRIDE: usize, const LENGTH: usize>(
    bits: &[u64; WORDS],
    text: &[u8],
    at_gram: &mut impl FnMut(usize, u64),
) {
    let mut at = 0;
    while let Some(block) = text[at..].first_chunk::<{ BLOCK + AHEAD }>() {
        let mut places = probe::<STRIDE, LENGTH>(bits, block);
        while places != 0 {
            let place = places.trailing_zeros() as usize * STRIDE;
            at_gram(at + place, gram_at::<LENGTH>(block, place));
            places &= places - 1;
        }
        at += BLOCK;
    }
    // The rest, with room behind it. Places whose gram would reach beyond the text are no places.
    let mut rest = [0; 2 * BLOCK + AHEAD];
    let length = text.len() - at;
    rest[..length].copy_from_slice(&text[at..]);
    for from in (0..length).step_by(BLOCK) {
        let Some(block) = rest[from..].first_chunk() else { return };
        let mut places = probe::<STRIDE, LENGTH>(bits, block);
        while places != 0 {
            let place = places.trailing_zeros() as usize * STRIDE;
            if from + place + LENGTH > length {
                return;
            }
            at_gram(at + from + place, gram_at::<LENGTH>(block, place));
            places &= places - 1;
        }
    }
}

/// One bit for each place of the block.
#[inline(always)]
fn probe<const STRIDE: usize, const LENGTH: usize>(bits: &[u64; WORDS], block: &[u8; BLOCK + AHEAD]) -> u64 {
    let mut places = 0;
    // From the last to the first: shifting by one each time is quicker than by the place's number.
    for number in (0..BLOCK / STRIDE).rev() {
        let (word, first, second) = place_of(gram_at::<LENGTH>(block, number * STRIDE));
        let both = (bits[word] >> first) & (bits[word] >> second) & 1;
        places = places << 1 | both;
    }
    places
}

#[inline(always)]
fn gram_at<const LENGTH: usize>(block: &[u8; BLOCK + AHEAD], at: usize) -> u64 {
    let eight = u64::from_le_bytes(std::array::from_fn(|number| block[at + number]));
    (eight | FOLD_WORD) & (u64::MAX >> (64 - 8 * LENGTH))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(literals: &[String], text: &str) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let lower = literals.iter().map(|literal| literal.to_ascii_lowercase()).collect();
        let prefilter = Prefilter::new(lower);
        prefilter.find(text.as_bytes(), |literal, at| {
            if prefilter.is_at(literal, text.as_bytes(), at) {
                found.push((literal, at));
            }
        });
        found.sort_unstable();
        found
    }

    fn found_naively(literals: &[String], text: &str) -> Vec<(usize, usize)> {
        let text = text.to_ascii_lowercase();
        let mut found = Vec::new();
        for (number, literal) in literals.iter().enumerate() {
            let literal = literal.to_ascii_lowercase();
            let places = (0..text.len()).filter(|at| text.as_bytes()[*at..].starts_with(literal.as_bytes()));
            found.extend(places.map(|at| (number, at)));
        }
        found
    }

    proptest! {
        #[test]
        fn every_literal_is_found_at_every_place(
            literals in prop::collection::vec("[aB@`\0é ]{3,9}", 1..20),
            text in "[aAbB@`\0é \n]{0,150}",
        ) {
            let literals: Vec<String> = literals.into_iter().filter(|l| l.len() >= 3).collect();
            prop_assert_eq!(found(&literals, &text), found_naively(&literals, &text));
        }

        #[test]
        fn long_literals_are_found_wherever_they_stand(before in "[a-c]{0,70}", literal in "[a-d]{7,20}", after in "[a-c]{0,70}") {
            let text = format!("{before}{literal}{after}");
            prop_assert_eq!(found(std::slice::from_ref(&literal), &text), found_naively(&[literal], &text));
        }
    }
}
