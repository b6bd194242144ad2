//! Which literals a place may be a part of.

use super::bitmap::{Bitmap, NARROW, WIDE, gram_of};
use super::context::{Context, Keys, MORE};
use super::entries::{Entries, Entry};
use super::rarity::Uses;
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
    contexts: Box<[Context]>,
    keys: Keys,
    entries: Entries,
}

impl Table {
    pub(super) fn new(form: Form, literals: &[Box<[u8]>], members: &[usize], uses: &Uses<'_>) -> Self {
        let mut bitmap = Bitmap::new();
        let (mut keyed, mut contexts) = (Vec::new(), Vec::new());
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
                if bytes == form.bytes {
                    bitmap.add(gram)
                } else {
                    bitmap.add_narrow(gram)
                }
                let entry = Entry::new(index, gram_at);
                keyed.push((context.key(gram, literal, gram_at), entry));
            }
        }
        contexts.sort_unstable();
        contexts.dedup();
        let keys = Keys::new(keyed.iter().map(|(key, _)| *key));
        Self { form, bitmap, contexts: contexts.into(), keys, entries: Entries::new(keyed) }
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
        match (self.form.stride, self.form.bytes) {
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
        kept[..length].iter().for_each(|(key, place)| self.entries.at(*key, *place, found));
    }
}

/// Places to be looked at, with the eight bytes that the pass told.
struct Batch {
    places: [(usize, u64); BATCH],
    length: usize,
    kept: Kept,
}

type Kept = [(u64, usize); MAX_CONTEXTS * BATCH];
