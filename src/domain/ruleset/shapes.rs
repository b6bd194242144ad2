//! Finds patterns that require no text by the kinds of characters that stand side by side in them: a digit, then a dash,
//! then two letters.
//!
//! The characters that these patterns tell apart come to at most sixteen kinds, so that four neighbours are a number of
//! sixteen bits, and few of all of them are met in a log: a table of them is looked up in the first-level cache. Windows are of five, so that looking at every second
//! place is enough. `sequence` tells whether a place that was found is a match. For text in ASCII.

use super::lists::Lists;
use super::sequence::{LENGTH, Window};

/// Kinds of characters.
const KINDS: usize = 16;
/// Numbers that four kinds come to.
const GRAMS: usize = 1 << 16;
/// So many bytes are looked at, at every second place, before any of the places found is: what is found where breaks
/// the pace.
const BLOCK: usize = 2 * u64::BITS as usize;
/// Found more often than at one of so many places, a window is not worth looking for.
const RARE: usize = 24;
const PART: usize = 16;

/// Windows of patterns.
#[derive(Debug)]
pub(super) struct Shapes {
    kind_of: Box<[u8; 256]>,
    /// The kinds of two neighbours, by both; none where there is no window.
    kinds_of: Box<[u8]>,
    /// One for each gram that is looked for; none where there is no window.
    is_gram: Box<[u8]>,
    /// Those of each gram.
    entries: Lists<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    window: u32,
    /// How many of the gram's characters are behind the window's middle; one less than none where it ends before.
    behind: isize,
}

/// The two grams of a window.
const GRAM: usize = LENGTH - 1;

/// Of several windows the one that is rarest in logs, if any is rare.
pub(super) fn rarest(windows: Vec<Window>) -> Option<Window> {
    let sample = include_bytes!("log_sample.txt");
    let is_gram =
        |sets: &[u128], four: &[u8]| four.iter().zip(sets).all(|(byte, set)| *byte < 128 && set >> byte & 1 == 1);
    let count = |window: &Window| -> usize {
        window.sets.windows(GRAM).map(|sets| sample.windows(GRAM).filter(|four| is_gram(sets, four)).count()).sum()
    };
    let ranked = windows.into_iter().map(|window| (count(&window), window));
    let (count, window) = ranked.min_by_key(|(count, _)| *count)?;
    (count * RARE <= 2 * sample.len()).then_some(window)
}

impl Shapes {
    /// Compiles windows.
    pub(super) fn new(windows: &[Window]) -> Self {
        let kind_of = kinds(windows);
        let mut by_gram: Vec<Vec<Entry>> = vec![Vec::new(); if windows.is_empty() { 0 } else { GRAMS }];
        for (number, window) in (0u32..).zip(windows) {
            for (sets, ends_before) in window.sets.windows(GRAM).zip([1, 0]) {
                let behind = window.behind as isize - ends_before;
                for gram in grams(sets, &kind_of) {
                    by_gram[gram].push(Entry { window: number, behind });
                }
            }
        }
        let is_gram = by_gram.iter().map(|found| u8::from(!found.is_empty())).collect();
        let kinds_of = (0..if windows.is_empty() { 0 } else { 1usize << 16 })
            .map(|two| kind_of[two & 0xff] << 4 | kind_of[two >> 8])
            .collect();
        Self { kind_of, kinds_of, is_gram, entries: by_gram.into_iter().collect() }
    }

    /// Calls `found` with the number of each window and where its middle may be, in order; now and then where it is not.
    pub(super) fn find(&self, text: &[u8], mut found: impl FnMut(usize, usize)) {
        let (Ok(kinds_of), Ok(is_gram)) = ((&*self.kinds_of).try_into(), (&*self.is_gram).try_into()) else { return };
        // Before the text and behind it a line ends.
        let line_end = u16::from(self.kind_of[usize::from(b'\n')]);
        let mut gram = line_end * 0x1111;
        self.at_gram(gram, 0, text.len(), &mut found);
        let mut at = 0;
        while let Some(block) = text[at..].first_chunk() {
            let mut places = places_in(block, &mut gram, kinds_of, is_gram);
            while places != 0 {
                let end = at + 2 * (places.leading_zeros() as usize + 1);
                self.at_gram(self.gram_before(text, end), end, text.len(), &mut found);
                places &= !(1 << (u64::BITS - 1) >> places.leading_zeros());
            }
            at += BLOCK;
        }
        for end in (at + 2..text.len() + LENGTH + 1).step_by(2) {
            self.at_gram(self.gram_before(text, end), end, text.len(), &mut found);
        }
    }

    /// The gram of the characters before a place.
    fn gram_before(&self, text: &[u8], end: usize) -> u16 {
        (0..GRAM).fold(0, |gram, at| {
            let byte = (end + at).checked_sub(GRAM).and_then(|at| text.get(at)).copied().unwrap_or(b'\n');
            gram << 4 | u16::from(self.kind_of[usize::from(byte)])
        })
    }

    /// Calls `found` for the windows of a gram that ends before the place `end`.
    #[inline(always)]
    fn at_gram(&self, gram: u16, end: usize, length: usize, found: &mut impl FnMut(usize, usize)) {
        let entries = self.entries.of(usize::from(gram)).iter();
        let places = entries.filter_map(|e| Some((e.window as usize, end.checked_add_signed(-e.behind)?)));
        places.filter(|(_, at)| *at <= length).for_each(|(window, at)| found(window, at));
    }
}

/// A bit for every second place of the block, from the highest on, at which a gram that is looked for may end.
#[inline(always)]
fn places_in(block: &[u8; BLOCK], gram: &mut u16, kinds_of: &[u8; GRAMS], is_gram: &[u8; GRAMS]) -> u64 {
    let mut places = 0;
    for part in block.as_chunks::<PART>().0 {
        let mut of_part = 0;
        for two in part.as_chunks::<2>().0 {
            *gram = *gram << 8 | u16::from(kinds_of[usize::from(u16::from_le_bytes(*two))]);
            of_part = of_part << 1 | u64::from(is_gram[usize::from(*gram)]);
        }
        places = places << (PART / 2) | of_part;
    }
    places
}

/// Which characters are of one kind: those that no window tells apart. Where there would be more kinds than fit, the last
/// ones are taken for alike, and some places are found in vain.
fn kinds(windows: &[Window]) -> Box<[u8; 256]> {
    let mut kinds: Vec<u128> = vec![1 << b'\n', !(1 << b'\n')];
    for set in windows.iter().flat_map(|window| window.sets) {
        let mut split = Vec::with_capacity(kinds.len());
        for kind in &kinds {
            split.extend([kind & set, kind & !set].into_iter().filter(|part| *part != 0));
        }
        if split.len() <= KINDS {
            kinds = split;
        }
    }
    let mut kind_of = Box::new([0; 256]);
    for byte in 0..128 {
        let kind = kinds.iter().position(|kind| kind >> byte & 1 == 1).unwrap_or(0);
        kind_of[byte] = u8::try_from(kind).expect("should fit: there are sixteen");
    }
    kind_of
}

/// All the grams that are of these characters.
fn grams(sets: &[u128], kind_of: &[u8; 256]) -> Vec<usize> {
    sets.iter().fold(vec![0], |so_far, set| {
        let mut kinds: Vec<usize> =
            (0..128).filter(|byte| set >> byte & 1 == 1).map(|byte| usize::from(kind_of[byte])).collect();
        kinds.sort_unstable();
        kinds.dedup();
        so_far.iter().flat_map(|gram| kinds.iter().map(move |kind| gram << 4 | kind)).collect()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;
    use crate::domain::ruleset::sequence;

    const PATTERNS: [&str; 10] = [
        "[0-9]@%[a-f]",
        "^[A-Z]{3}-[0-9]",
        "[0-9]#[0-9]",
        "~[a-z]+[0-9]=",
        r"\b[x-z]{2}\|[0-9]",
        "[a-f]{4}~~",
        "[0-9]{2}@@[0-9]{2}$",
        "[0-9]+#[a-f]+[0-9]=[x-z]{3}",
        "@[a-f]?[0-9]{0,2}%-",
        "^[a-f]*~[0-9]{2,3}",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn a_match_has_its_window_in_the_line_at_whatever_place(line in "[0-9a-fA-Zx-z@%#~=|-]{0,40}", before in "[a-z]{0,40}\n", after in "(\n[a-z]{0,5})?") {
            let text = format!("{before}{line}{after}");
            for pattern in PATTERNS {
                let branch = sequence::branches(pattern).expect("should be branches").remove(0);
                let window = rarest(branch.windows()).expect(pattern);
                let mut found = Vec::new();
                Shapes::new(&[window]).find(text.as_bytes(), |_, at| found.push(at));
                let line_at = before.len()..before.len() + line.len();
                let in_line = found.iter().any(|at| (line_at.start..=line_at.end).contains(at));
                prop_assert!(in_line || !Regex::new(pattern).expect("should compile").is_match(&line), "{} in {:?}", pattern, text);
            }
        }
    }

    #[test]
    fn a_window_of_anything_is_no_window() {
        let branch = sequence::branches("[a-z]+[0-9 ]").expect("should be branches").remove(0);
        assert!(rarest(branch.windows()).is_none());
    }
}
