//! Which literals a place may be a part of.

use super::bitmap::{Bitmap, NARROW, WIDE, gram_of};
use super::context::{Context, Keys, MORE};
use super::entries::{Entries, Entry};
use super::rarity::Uses;
use super::sieve::{self, Sieve};
use super::stride;

/// Of a longer literal only so much is looked at.
const MOST: usize = 1024;
/// So many places are looked at together.
const BATCH: usize = 16;
/// As many contexts as there can be: grams of two lengths, and one with more.
const MAX_CONTEXTS: usize = 3;

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
    /// Where places can be looked at together.
    sieve: Option<Sieve>,
    contexts: Box<[Context]>,
    keys: Keys,
    entries: Entries,
}

impl Table {
    pub(super) fn new(form: Form, literals: &[Box<[u8]>], members: &[usize], uses: &Uses<'_>) -> Self {
        let mut bitmap = Bitmap::new();
        let (mut keyed, mut contexts, mut grams) = (Vec::new(), Vec::new(), Vec::new());
        for &index in members {
            let literal = &literals[index][..literals[index].len().min(MOST)];
            let bytes = form.gram_of(literal.len());
            let has_more = bytes == WIDE && literal.len() >= form.stride - 1 + WIDE + MORE;
            let context = Context::new(bytes, has_more);
            contexts.push(context);
            let more = if has_more { MORE } else { 0 };
            let piece = uses.rarest_piece(literal, form.stride, bytes, more);
            for gram_at in piece..piece + form.stride {
                let gram = gram_of(&literal[gram_at..gram_at + bytes]);
                grams.push((bytes, gram));
                if bytes == form.bytes {
                    bitmap.add(gram)
                } else {
                    bitmap.add_narrow(gram)
                }
                let at = u16::try_from(gram_at).expect("should fit: only so much of a literal is looked at");
                let entry = Entry::new(index, &literals[index], at);
                keyed.push((context.key(gram, literal, gram_at), entry));
            }
        }
        contexts.sort_unstable();
        contexts.dedup();
        let keys = Keys::new(keyed.iter().map(|(key, _)| *key));
        let sieve = Sieve::new(form.stride, &grams);
        Self { form, bitmap, sieve, contexts: contexts.into(), keys, entries: Entries::new(keyed) }
    }

    /// Calls `found` with each literal's number and where it begins, all that are in the text, in the order of the places
    /// that they are known by; now and then with one that is not.
    pub(super) fn find(&self, text: &[u8], found: &mut impl FnMut(usize, usize)) {
        let mut batch = Batch { places: [(0, 0); BATCH], length: 0, kept: [(0, 0); MAX_CONTEXTS * BATCH] };
        let at_gram = &mut |place, eight| {
            batch.places[batch.length] = (place, eight);
            batch.length += 1;
            if batch.length == BATCH {
                self.look_at(text, &batch.places, &mut batch.kept, found);
                batch.length = 0;
            }
        };
        let sieve = self.sieve.as_ref().filter(|_| text.len() >= sieve::LEAST);
        match (self.form.stride, self.form.bytes) {
            (_, WIDE) if let Some(sieve) = sieve => sieve.scan(text, at_gram),
            (1, _) => stride::scan::<1, 3>(&self.bitmap, text, at_gram),
            (2, 3) => stride::scan::<2, 3>(&self.bitmap, text, at_gram),
            (2, _) => stride::scan::<2, NARROW>(&self.bitmap, text, at_gram),
            (4, _) => stride::scan::<4, WIDE>(&self.bitmap, text, at_gram),
            _ => stride::scan::<8, WIDE>(&self.bitmap, text, at_gram),
        }
        self.look_at(text, &batch.places[..batch.length], &mut batch.kept, found);
    }

    /// Looks at all contexts of a few places before at any entry: whether one is there can't be foreseen, and a processor
    /// that guesses wrong loses more than the looks take.
    #[inline(always)]
    fn look_at(&self, text: &[u8], places: &[(usize, u64)], kept: &mut Kept, found: &mut impl FnMut(usize, usize)) {
        let mut length = 0;
        for (place, eight) in places {
            for context in &self.contexts {
                let key = context.key(*eight, text, *place);
                kept[length] = (key, *place);
                length += usize::from(self.keys.has(key));
            }
        }
        self.entries.at(text, &kept[..length], found);
    }
}

/// Places to be looked at, with the eight bytes that the pass told.
struct Batch {
    places: [(usize, u64); BATCH],
    length: usize,
    kept: Kept,
}

type Kept = [(u64, usize); MAX_CONTEXTS * BATCH];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_looked_at_together_or_one_by_one_tell_the_same(
            literals in prop::collection::vec("[a-d =]{7,24}", 1..30),
            text in "[a-dA-D =0-9]{0,300}",
            joined in prop::collection::vec(0..30usize, 0..30),
        ) {
            let text = text.repeat(1 + sieve::LEAST / text.len().max(1));
            let text = joined.iter().filter_map(|at| literals.get(*at)).fold(text, |text, literal| text + literal);
            let literals: Vec<Box<[u8]>> = literals.into_iter().map(|literal| literal.into_bytes().into()).collect();
            let (members, uses): (Vec<usize>, _) = ((0..literals.len()).collect(), Uses::among(&literals));
            let table = Table::new(Form { stride: 4, bytes: WIDE }, &literals, &members, &uses);
            let found_by = |table: &Table| {
                let mut found = Vec::new();
                table.find(text.as_bytes(), &mut |literal, at| found.push((literal, at)));
                found.retain(|(literal, at)| {
                    text.get(*at..).is_some_and(|here| here.to_ascii_lowercase().as_bytes().starts_with(&literals[*literal]))
                });
                found
            };
            let together = found_by(&table);
            prop_assert_eq!(together, found_by(&Table { sieve: None, ..table }));
        }
    }
}
