//! Which literals a place may be a part of.

use std::collections::HashMap;

use super::scan::{Bitmap, NARROW, WIDE, gram_of, hash, word_at};
use crate::domain::ruleset::frequency::Frequency;
use crate::domain::ruleset::numbers::small;

/// Literals that share text are told by so many bytes of it.
const USES_GRAM: usize = 8;
/// Of a longer literal only so much is looked at.
const MOST: usize = 1024;

/// How often pieces of literals are a part of one.
pub(super) type Uses<'l> = HashMap<&'l [u8], f32>;

pub(super) fn uses(literals: &[Box<[u8]>]) -> Uses<'_> {
    let mut uses = Uses::new();
    literals
        .iter()
        .flat_map(|literal| literal.windows(USES_GRAM))
        .for_each(|gram| *uses.entry(gram).or_default() += 1.0);
    uses
}

/// At which places a table looks, and at how many bytes: those of the longest grams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) stride: usize,
    pub(super) bytes: usize,
}

impl Form {
    /// How many bytes of a literal of this length are a gram.
    fn gram_of(self, length: usize) -> usize {
        if self.bytes == WIDE && length < self.stride - 1 + WIDE { NARROW } else { self.bytes }
    }
}

/// Literals to be found in one pass.
#[derive(Debug)]
pub(super) struct Table {
    form: Form,
    bitmap: Bitmap,
    grams: Grams,
    /// Those of fewer bytes than the form's.
    narrow: Option<Grams>,
}

impl Table {
    pub(super) fn new(form: Form, literals: &[Box<[u8]>], members: &[usize], uses: &Uses<'_>) -> Self {
        let mut bitmap = Bitmap::new();
        let (mut grams, mut narrow) = (Vec::new(), Vec::new());
        for &index in members {
            let literal = &literals[index][..literals[index].len().min(MOST)];
            let bytes = form.gram_of(literal.len());
            let piece = rarest_piece(literal, form.stride, bytes, uses);
            for gram_at in piece..piece + form.stride {
                let gram = gram_of(&literal[gram_at..gram_at + bytes]);
                let entry = Entry::new(index, literal, gram_at, bytes);
                if bytes == form.bytes {
                    bitmap.add(gram);
                    grams.push((gram, entry));
                } else {
                    bitmap.add_narrow(gram);
                    narrow.push((gram, entry));
                }
            }
        }
        let narrow = (!narrow.is_empty()).then(|| Grams::new(narrow));
        Self { form, bitmap, grams: Grams::new(grams), narrow }
    }

    /// Calls `found` with each literal's number and where it begins, all that are in the text, in no order; now and then
    /// with one that is not.
    pub(super) fn find(&self, text: &[u8], found: &mut impl FnMut(usize, usize)) {
        match (self.form.stride, self.form.bytes) {
            (1, _) => self.find_at::<1, 3>(text, found),
            (2, 3) => self.find_at::<2, 3>(text, found),
            (2, _) => self.find_at::<2, NARROW>(text, found),
            (4, _) => self.find_at::<4, WIDE>(text, found),
            _ => self.find_at::<8, WIDE>(text, found),
        }
    }

    #[inline(always)]
    fn find_at<const STRIDE: usize, const BYTES: usize>(&self, text: &[u8], found: &mut impl FnMut(usize, usize)) {
        self.bitmap.find::<STRIDE, BYTES>(text, &mut |at, eight| {
            self.grams.at(eight & (u64::MAX >> (64 - 8 * BYTES)), text, at, found);
            if let Some(narrow) = &self.narrow {
                narrow.at(eight & (u64::MAX >> (64 - 8 * NARROW)), text, at, found);
            }
        });
    }
}

/// Entries by their gram.
#[derive(Debug)]
struct Grams {
    /// For each hash where its entries are; one more for the end.
    starts: Box<[u32]>,
    shift: u32,
    entries: Box<[Entry]>,
}

/// A literal and where in it a gram stands.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Eight folded bytes of the literal.
    word: u64,
    literal: u32,
    /// What else of the gram's hash tells it from others.
    tag: u16,
    gram_at: u16,
    /// Where the eight bytes stand; `SHORT` in a literal that has fewer.
    word_at: u16,
}

const SHORT: u16 = u16::MAX;

impl Grams {
    fn new(mut grams: Vec<(u64, Entry)>) -> Self {
        let bits = (grams.len() * 2).next_power_of_two().trailing_zeros().max(1);
        let shift = 64 - bits;
        grams.sort_by_key(|(gram, _)| hash(*gram) >> shift);
        let starts = (0..=1 << bits).map(|slot| small(grams.partition_point(|(gram, _)| hash(*gram) >> shift < slot)));
        let starts = starts.collect();
        let entries = grams.into_iter().map(|(gram, entry)| Entry { tag: tag_of(gram), ..entry }).collect();
        Self { starts, shift, entries }
    }

    #[inline(always)]
    fn at(&self, gram: u64, text: &[u8], at: usize, found: &mut impl FnMut(usize, usize)) {
        let slot = (hash(gram) >> self.shift) as usize;
        let tag = tag_of(gram);
        for entry in &self.entries[self.starts[slot] as usize..self.starts[slot + 1] as usize] {
            if entry.tag == tag
                && let Some(start) = at.checked_sub(usize::from(entry.gram_at))
                && entry.may_be_at(text, start)
            {
                found(entry.literal as usize, start);
            }
        }
    }
}

fn tag_of(gram: u64) -> u16 {
    (hash(gram) >> 16) as u16
}

impl Entry {
    fn new(index: usize, literal: &[u8], gram_at: usize, bytes: usize) -> Self {
        // Beside the gram, which is known to be there.
        let beside = gram_at.checked_sub(8).unwrap_or(gram_at + bytes).min(literal.len().saturating_sub(8));
        let word = word_at(literal, beside);
        Self {
            word: word.unwrap_or(0),
            literal: small(index),
            tag: 0,
            gram_at: tiny(gram_at),
            word_at: if word.is_some() { tiny(beside) } else { SHORT },
        }
    }

    #[inline(always)]
    fn may_be_at(&self, text: &[u8], start: usize) -> bool {
        self.word_at == SHORT || word_at(text, start + usize::from(self.word_at)) == Some(self.word)
    }
}

fn tiny(number: usize) -> u16 {
    u16::try_from(number).expect("should fit: only so much of a literal is looked at")
}

/// Where the piece begins whose grams are rarest: in logs, and among the literals themselves, for what many rules name
/// is what programs print.
fn rarest_piece(literal: &[u8], stride: usize, bytes: usize, uses: &Uses<'_>) -> usize {
    let frequency = Frequency::of_logs();
    let length = stride - 1 + bytes;
    let cost = |start: usize| -> f32 {
        let piece = &literal[start..start + length];
        let uses =
            |gram: &[u8]| gram.windows(USES_GRAM).map(|g| uses.get(g).copied().unwrap_or(1.0)).fold(1e9, f32::min);
        piece.windows(bytes).map(|gram| (frequency.of_text(gram) + 1e-6) * (uses(gram).min(1e6)).powi(2)).sum()
    };
    (0..=literal.len() - length).min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap_or(0)
}
