//! A pattern as a few flat sequences of texts and character classes, so that a match can be told from the place of one
//! text, without a search over the line.
//!
//! Most rules are messages with parameters in them, and these come to one sequence, or to one for each alternative. It
//! tells about lines in ASCII only, which nearly all are; for other lines, and for patterns that are no such sequence,
//! the regex stays.

mod build;
mod verify;
mod window;

pub(super) use build::branches;
pub(super) use verify::{Bounds, Budget, Verdict};
pub(super) use window::{LENGTH, Window};

use std::collections::HashMap;

use memchr::memmem::Finder;
use regex_syntax::hir::Look;

use super::numbers::small;

/// One way in which a pattern matches.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    elements: Box<[Element]>,
    /// Its own among all branches of a matcher.
    id: u32,
    /// The element that is looked for.
    anchor: usize,
}

/// A part of a pattern.
#[derive(Clone, Debug)]
enum Element {
    Text(Text),
    Class(Run),
    Look(Look),
}

/// Bytes that stand one after the other.
#[derive(Clone, Debug, Default)]
struct Text {
    /// In lower case where case is ignored.
    bytes: Vec<u8>,
    /// For each byte `FOLD` where case is ignored, else 0; none at all where every byte is exact.
    folds: Vec<u8>,
    /// Where its rarest byte is.
    rare: usize,
    /// The same for the same text in all branches of a matcher.
    id: u32,
    /// Where it is searched for, beside a gap, and no case is ignored.
    finder: Option<Box<Finder<'static>>>,
}

/// Characters of a class, repeated.
#[derive(Clone, Debug)]
struct Run {
    /// Of ASCII.
    set: u128,
    min: usize,
    max: usize,
    /// What follows can't begin with one of the class: only the longest run can be followed by it.
    settled: bool,
    /// The same to the left.
    settled_before: bool,
}

/// What `.` means: everything but a line's end.
const ANY: u128 = !(1 << b'\n');

impl Run {
    fn has(&self, byte: u8) -> bool {
        byte < 128 && (self.set >> byte) & 1 == 1
    }

    fn is_gap(&self) -> bool {
        self.set & ANY == ANY && self.max == usize::MAX
    }
}

impl Branch {
    /// The text that every match of it contains, in lower case.
    pub(super) fn literal(&self) -> String {
        self.texts().find(|(at, _)| *at == self.anchor).map(|(_, text)| text).unwrap_or_default()
    }

    /// All its texts, with their place in it.
    pub(super) fn texts(&self) -> impl Iterator<Item = (usize, String)> + '_ {
        self.elements.iter().enumerate().filter_map(|(at, element)| match element {
            Element::Text(text) => Some((at, String::from_utf8_lossy(&text.bytes).to_ascii_lowercase())),
            _ => None,
        })
    }

    /// Gives each branch a number, and equal texts of several branches equal ones, so that a long line is asked for each
    /// only once.
    pub(super) fn number(branches: &mut [Self]) {
        let mut numbers: HashMap<(Vec<u8>, Vec<u8>), u32> = HashMap::new();
        for (number, branch) in (0u32..).zip(branches.iter_mut()) {
            branch.id = number;
        }
        for element in branches.iter_mut().flat_map(|branch| branch.elements.iter_mut()) {
            if let Element::Text(text) = element {
                let next = small(numbers.len());
                text.id = *numbers.entry((text.bytes.clone(), text.folds.clone())).or_insert(next);
            }
        }
    }

    /// This element is to be looked for.
    pub(super) fn look_for(&mut self, at: usize) {
        self.anchor = at;
    }
}

#[cfg(test)]
mod tests;
