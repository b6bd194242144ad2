//! Finds patterns that require no text by the kinds of characters that stand side by side in them: a digit, then a dash,
//! then two letters.
//!
//! The characters that these patterns tell apart come to at most sixteen kinds, so that four neighbours are a number of
//! sixteen bits, and few of all of them are met in a log: a table of them is looked up in the first-level cache. Windows are of five, so that looking at every second
//! place is enough; where the processor can, it looks at many together first. `sequence` tells whether a place that was found
//! is a match. For text in ASCII.

mod together;

use super::lists::Lists;
use super::sequence::{LENGTH, Window};
use together::Together;

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
    /// Where places can be looked at together.
    together: Option<Together>,
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
    behind: i16,
    /// Where, from the gram's end on, the window's character is that the gram lacks.
    other_at: i16,
    /// What it may be, a bit for each kind.
    other: u16,
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
            let kinds = window.sets.map(|set| kinds_in(set, &kind_of));
            let bits = bits(window, &kind_of);
            let behind = i16::try_from(window.behind).expect("should fit: a window is short");
            let (first, last) = (&kinds[..GRAM], &kinds[1..]);
            let ends_before = Entry { window: number, behind: behind - 1, other_at: 0, other: bits[GRAM] };
            let ends = Entry { window: number, behind, other_at: -(LENGTH as i16), other: bits[0] };
            for (kinds, entry) in [(first, ends_before), (last, ends)] {
                grams(kinds).into_iter().for_each(|gram| by_gram[gram].push(entry));
            }
        }
        let is_gram = by_gram.iter().map(|found| u8::from(!found.is_empty())).collect();
        let kinds_of = (0..if windows.is_empty() { 0 } else { 1usize << 16 })
            .map(|two| kind_of[two & 0xff] << 4 | kind_of[two >> 8])
            .collect();
        let together = Together::new(&bits_of_grams(windows, &kind_of), &kind_of);
        Self { kind_of, together, kinds_of, is_gram, entries: by_gram.into_iter().collect() }
    }

    /// Calls `found` with the number of each window and where its middle may be, in order; now and then where it is not.
    pub(super) fn find(&self, text: &[u8], mut found: impl FnMut(usize, usize)) {
        let (Ok(kinds_of), Ok(is_gram)) = ((&*self.kinds_of).try_into(), (&*self.is_gram).try_into()) else { return };
        // Before the text and behind it a line ends.
        let line_end = u16::from(self.kind_of[usize::from(b'\n')]);
        let mut gram = line_end * 0x1111;
        self.at_gram(gram, 0, text, &mut found);
        if let Some(together) = &self.together {
            self.at_gram(self.gram_before(text, 2), 2, text, &mut found);
            return together.find(text, is_gram, |gram, end| self.at_gram(gram, end, text, &mut found));
        }
        let mut at = 0;
        while let Some(block) = text[at..].first_chunk() {
            let mut places = places_in(block, &mut gram, kinds_of, is_gram);
            while places != 0 {
                let end = at + 2 * (places.leading_zeros() as usize + 1);
                self.at_gram(self.gram_before(text, end), end, text, &mut found);
                places &= !(1 << (u64::BITS - 1) >> places.leading_zeros());
            }
            at += BLOCK;
        }
        for end in (at + 2..text.len() + LENGTH + 1).step_by(2) {
            self.at_gram(self.gram_before(text, end), end, text, &mut found);
        }
    }

    /// The gram of the characters before a place.
    fn gram_before(&self, text: &[u8], end: usize) -> u16 {
        (0..GRAM).fold(0, |gram, at| gram << 4 | u16::from(self.kind_at(text, (end + at).checked_sub(GRAM))))
    }

    /// The kind of a character; outside of the text there are ends of lines.
    #[inline(always)]
    fn kind_at(&self, text: &[u8], at: Option<usize>) -> u8 {
        self.kind_of[usize::from(at.and_then(|at| text.get(at)).copied().unwrap_or(b'\n'))]
    }

    /// Calls `found` for the windows of a gram that ends before the place `end`.
    #[inline(always)]
    fn at_gram(&self, gram: u16, end: usize, text: &[u8], found: &mut impl FnMut(usize, usize)) {
        for entry in self.entries.of(usize::from(gram)) {
            let other = self.kind_at(text, end.checked_add_signed(entry.other_at.into()));
            let middle = end.checked_add_signed(-isize::from(entry.behind)).filter(|at| *at <= text.len());
            if entry.other >> other & 1 == 1
                && let Some(at) = middle
            {
                found(entry.window as usize, at);
            }
        }
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

/// All the grams that are of these kinds.
fn grams(kinds: &[Vec<usize>]) -> Vec<usize> {
    kinds.iter().fold(vec![0], |so_far, kinds| {
        so_far.iter().flat_map(|gram| kinds.iter().map(move |kind| gram << 4 | kind)).collect()
    })
}

/// What may stand at each place of a window, a bit for each kind.
fn bits(window: &Window, kind_of: &[u8; 256]) -> [u16; LENGTH] {
    window.sets.map(|set| kinds_in(set, kind_of).iter().fold(0, |bits, kind| bits | 1 << kind))
}

/// The same for the two grams of each window.
fn bits_of_grams(windows: &[Window], kind_of: &[u8; 256]) -> Vec<[u16; GRAM]> {
    let of_window = |window| {
        let bits = bits(window, kind_of);
        [0, 1].map(|from| std::array::from_fn(|at| bits[from + at]))
    };
    windows.iter().flat_map(of_window).collect()
}

/// The kinds of some characters, each once.
fn kinds_in(set: u128, kind_of: &[u8; 256]) -> Vec<usize> {
    let mut kinds: Vec<usize> =
        (0..128).filter(|byte| set >> byte & 1 == 1).map(|byte| usize::from(kind_of[byte])).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use regex::Regex;

    use super::*;
    use crate::domain::ruleset::sequence;

    // More kinds of characters than there is room for.
    const PATTERNS: [&str; 11] = [
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
        "[0-9]/&[A-M]",
    ];

    /// Each pattern by itself: what takes long is to compile its shape.
    static ALONE: LazyLock<Vec<(Regex, Shapes)>> = LazyLock::new(|| {
        let of = |pattern| (Regex::new(pattern).expect("should compile"), Shapes::new(&windows(&[pattern])));
        PATTERNS.into_iter().map(of).collect()
    });

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn a_match_has_its_window_in_the_line_at_whatever_place(line in "[0-9a-fA-Zx-z@%#~=|-]{0,40}", before in "[a-z]{0,40}\n", after in "(\n[a-z]{0,5})?") {
            let text = format!("{before}{line}{after}");
            for (pattern, shapes) in &*ALONE {
                let line_at = before.len()..before.len() + line.len();
                let in_line = found(shapes, &text).iter().any(|(at, _)| (line_at.start..=line_at.end).contains(at));
                prop_assert!(in_line || !pattern.is_match(&line), "{} in {:?}", pattern, text);
            }
        }
    }

    fn windows(patterns: &[&str]) -> Vec<Window> {
        let of_pattern = |pattern| sequence::branches(pattern).expect("should be branches").remove(0).windows();
        patterns.iter().map(|pattern| rarest(of_pattern(*pattern)).expect(pattern)).collect()
    }

    fn found(shapes: &Shapes, text: &str) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        shapes.find(text.as_bytes(), |window, at| found.push((at, window)));
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn places_looked_at_together_or_one_by_one_tell_the_same_on_whatever_processor(
            patterns in prop::collection::vec(prop::sample::select(&PATTERNS[..]), 1..10),
            text in "([0-9a-f]{0,3}[A-Z]{0,3}[@%#~|=/&-]{0,2}\n?){0,40}",
            filling in "[ a-f0-9]{0,70}",
            times in 0..20_usize,
        ) {
            let text = text.clone() + &filling.repeat(times) + &text;
            let windows = windows(&patterns);
            let mut shapes = Shapes { together: None, ..Shapes::new(&windows) };
            let (one_by_one, grams) = (found(&shapes, &text), bits_of_grams(&windows, &shapes.kind_of));
            for level in [fearless_simd::Level::new(), fearless_simd::Level::baseline()] {
                shapes.together = Some(Together::with(level, &grams, &shapes.kind_of));
                prop_assert_eq!(&found(&shapes, &text), &one_by_one);
            }
        }
    }

    #[test]
    fn a_window_is_found_at_both_ends_of_a_text_and_between_what_is_looked_at_together() {
        let window = windows(&["@%-[0-9]#"]);
        let shapes = Shapes::new(&window);
        let (element, lengths) =
            ("@%-7#", [0, 1, 2, 3, 59, 60, 61, 62, 63, 64, 65, 127, 128, 1020, 1023, 1024, 1025, 1088]);
        for (before, after) in lengths.into_iter().flat_map(|before| lengths.map(|after| (before, after))) {
            let text = "a".repeat(before) + element + &"a".repeat(after);
            let places = found(&shapes, &text);
            assert!(!places.is_empty(), "{before} before and {after} behind");
            let away = |(at, _): &(usize, usize)| !(before..=before + element.len()).contains(at);
            assert!(!places.iter().any(away), "{before} before and {after} behind: {places:?}");
        }
    }

    #[test]
    fn a_place_with_another_character_beside_a_gram_is_left_out() {
        let shapes = Shapes::new(&windows(&["[0-9]-[0-9a-f]{3}"]));
        assert_eq!(found(&shapes, "2026-11-22 2026-11-22"), []);
        assert!(!found(&shapes, "2026-112").is_empty());
    }

    #[test]
    fn a_window_of_anything_is_no_window() {
        let branch = sequence::branches("[a-z]+[0-9 ]").expect("should be branches").remove(0);
        assert!(rarest(branch.windows()).is_none());
    }
}
