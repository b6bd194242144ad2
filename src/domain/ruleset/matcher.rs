//! Which patterns match which lines: all of them, exactly, for a single line or a buffer of many.
//!
//! The prefilter names the few places and patterns that can match; only those meet, at that place where `sequence` can
//! tell, else by a search over the line. What a match means is left to `ruleset`.

mod candidates;
mod choice;
mod signs;

use std::ops::Range;

use regex::Regex;

pub use candidates::Candidates;

use super::combined::Combined;
use super::lists::Lists;
use super::needles::Needles;
use super::prefilter::Prefilter;
use super::sequence::{Bounds, Branch, Budget, Verdict};
use super::shapes::Shapes;

/// So much of a buffer is looked at in one go: what the passes of the prefilter share stays in the cache.
const CHUNK: usize = 32 * 1024;

/// Compiled patterns, numbered in their order; cheap to share.
#[derive(Debug)]
pub struct Matcher {
    patterns: Vec<Option<Regex>>,
    prefilter: Prefilter,
    /// For each literal of the prefilter, what it is a part of.
    owners: Lists<Owner>,
    shapes: Shapes,
    /// For each window of the shapes, what it is a part of.
    window_owners: Box<[Owner]>,
    branches: Vec<Branch>,
    /// For each pattern that is no branches, what else its matches contain.
    besides: Vec<Vec<Needles>>,
    /// The patterns of the shapes, for lines that are not in ASCII.
    beyond_ascii: Combined,
    /// Those that nothing is known of.
    combined: Combined,
}

/// What a literal is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    /// The pattern.
    number: u32,
    /// One of its branches; `NO_BRANCH` where only the regex can tell.
    branch: u32,
}

const NO_BRANCH: u32 = u32::MAX;

/// A part of a buffer.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    /// Where in the buffer it begins.
    offset: usize,
    /// True when all of it is in ASCII.
    ascii: bool,
}

/// What is reused from one buffer to the next.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Places in a chunk, and what a literal that is there is a part of.
    places: Vec<(usize, Owner)>,
    /// For each pattern, the line that it was last decided in (its start + 1).
    decided: Vec<usize>,
    numbers: Vec<u32>,
}

impl Matcher {
    /// Compiles patterns; one that is missing matches nothing.
    pub fn new(patterns: Vec<Option<Regex>>) -> Self {
        choice::matcher(patterns)
    }

    /// The patterns that may match the text or a part of it that lost something at its ends. Those without a literal are
    /// left out.
    pub fn candidates<'t>(&self, text: &'t str) -> Candidates<'_, 't> {
        let mut candidates = Candidates::new(self, text, Bounds::Anywhere);
        match signs::as_letters(text) {
            Some(plain) => self.prefilter.find(plain.as_bytes(), |literal, _| {
                self.owners.of(literal).iter().for_each(|owner| candidates.add(owner.number));
            }),
            None => self.prefilter.find(text.as_bytes(), |literal, at| {
                for owner in self.owners.of(literal) {
                    if owner.branch != NO_BRANCH || self.prefilter.is_at(literal, text.as_bytes(), at) {
                        candidates.push(*owner, at);
                    }
                }
            }),
        }
        candidates
    }

    /// True when some patterns require no literal, so that each line must meet them.
    pub fn has_patterns_without_literal(&self) -> bool {
        !(self.combined.is_empty() && self.window_owners.is_empty())
    }

    /// Calls `found` with the number of each pattern without a literal that matches; one may come more than once.
    pub fn matching_without_literal(&self, text: &str, mut found: impl FnMut(u32)) {
        self.combined.matching(text, &mut found);
        if !text.is_ascii() {
            return self.beyond_ascii.matching(text, found);
        }
        let mut matching = Candidates::new(self, text, Bounds::Line);
        self.find_windows(text, |owner, at| matching.push(owner, at));
        matching.in_order().for_each(found);
    }

    /// Calls `found` for each window of a text in ASCII.
    fn find_windows(&self, text: &str, mut found: impl FnMut(Owner, usize)) {
        self.shapes.find(text.as_bytes(), |window, at| {
            let owner = self.window_owners[window];
            if self.branches[owner.branch as usize].may_match(text.as_bytes(), at) {
                found(owner, at);
            }
        });
    }

    /// Calls `found` with each line of a buffer and the number of each pattern that matches it, both ascending.
    ///
    /// A line ends with `\n`, or `\r\n`, which are no part of it.
    pub fn scan(&self, buffer: &str, scratch: &mut Scratch, mut found: impl FnMut(Range<usize>, u32)) {
        scratch.decided.clear();
        scratch.decided.resize(self.patterns.len(), 0);
        let bytes = buffer.as_bytes();
        let mut start = 0;
        while start < bytes.len() {
            let end = end_of_chunk(bytes, start);
            self.scan_chunk(buffer, start..end, scratch, &mut found);
            start = end;
        }
    }

    /// The same for whole lines of the buffer.
    fn scan_chunk(
        &self,
        buffer: &str,
        chunk: Range<usize>,
        scratch: &mut Scratch,
        found: &mut impl FnMut(Range<usize>, u32),
    ) {
        let Scratch { places, decided, numbers } = scratch;
        let (bytes, offset) = (buffer.as_bytes(), chunk.start);
        let text = &buffer[chunk.clone()];
        let ascii = text.is_ascii();
        places.clear();
        let mut find_in = |part: &str, at_part: usize| {
            let part = part.as_bytes();
            self.prefilter.find(part, |literal, at| {
                for owner in self.owners.of(literal) {
                    if owner.branch != NO_BRANCH || self.prefilter.is_at(literal, part, at) {
                        places.push((at_part + at, *owner));
                    }
                }
            });
        };
        let mut in_order = ascii && self.prefilter.is_in_order();
        if ascii {
            find_in(text, 0);
            let of_literals = places.len();
            self.find_windows(text, |owner, at| places.push((at, owner)));
            in_order &= places.len() == of_literals;
        } else {
            signs::for_each_part(text, find_in);
        }
        let each_line = !self.combined.is_empty() || !ascii && !self.beyond_ascii.is_empty();
        if !in_order {
            // What is in order nearly, one such row after another, is quicker to merge.
            places.sort();
        }
        let mut rest = places.as_slice();
        let mut next_line = chunk.start;
        while next_line < chunk.end {
            // Lines without a place are passed over, where no pattern wants to see each.
            if !each_line {
                let Some((at, _)) = rest.first() else { return };
                let at = offset + at;
                next_line =
                    memchr::memrchr(b'\n', &bytes[next_line..at]).map_or(next_line, |newline| next_line + newline + 1);
            }
            let start = next_line;
            let end = memchr::memchr(b'\n', &bytes[start..chunk.end]).map_or(chunk.end, |newline| start + newline);
            next_line = end + 1;
            let line = start..without_return(bytes, start, end);
            let of_line = rest.iter().take_while(|(at, _)| offset + at <= end).count();
            numbers.clear();
            let chunk = Chunk { offset, ascii };
            self.decide_line(&buffer[line.clone()], start, &rest[..of_line], chunk, decided, numbers);
            rest = &rest[of_line..];
            if each_line {
                let text = &buffer[line.clone()];
                if ascii {
                    self.combined.matching(text, |number| numbers.push(number));
                } else {
                    self.matching_without_literal(text, |number| numbers.push(number));
                }
            }
            numbers.sort_unstable();
            numbers.dedup();
            numbers.iter().for_each(|number| found(line.clone(), *number));
        }
    }

    /// Takes the patterns that match a line, each once, of those that have a literal at one of the places.
    fn decide_line(
        &self,
        line: &str,
        start: usize,
        places: &[(usize, Owner)],
        chunk: Chunk,
        decided: &mut [usize],
        numbers: &mut Vec<u32>,
    ) {
        let ascii = chunk.ascii || line.is_ascii();
        let mut plain = None;
        let mut budget = Budget::of(line.len());
        for (at, owner) in places {
            if decided[owner.number as usize] == start + 1 {
                continue;
            }
            let verdict = match self.branches.get(owner.branch as usize) {
                Some(branch) if ascii => {
                    branch.verify(line.as_bytes(), chunk.offset + at - start, Bounds::Line, &mut budget)
                }
                Some(_) => Verdict::Unknown,
                None => {
                    let line = plain.get_or_insert_with(|| signs::as_letters(line)).as_deref().unwrap_or(line);
                    // What is nowhere in the line is not asked for again at the next place.
                    decided[owner.number as usize] = start + 1;
                    if self.has_besides(owner.number, line) { Verdict::Unknown } else { Verdict::No }
                }
            };
            let Some(matches) = self.settle(verdict, owner.number, line) else { continue };
            decided[owner.number as usize] = start + 1;
            if matches {
                numbers.push(owner.number);
            }
        }
    }

    /// Whether a pattern matches a line, after a look at one place of it; none where it may still match at another place.
    fn settle(&self, verdict: Verdict, number: u32, line: &str) -> Option<bool> {
        match verdict {
            Verdict::No => None,
            Verdict::Matches => Some(true),
            Verdict::Unknown => {
                Some(self.patterns[number as usize].as_ref().is_some_and(|pattern| pattern.is_match(line)))
            }
        }
    }

    /// Whether what else the pattern's matches contain is there too; quicker to ask than the pattern.
    fn has_besides(&self, number: u32, text: &str) -> bool {
        self.besides[number as usize].iter().all(|needles| needles.any_in(text.as_bytes()))
    }
}

/// Whole lines of about a chunk, from `start` on.
fn end_of_chunk(bytes: &[u8], start: usize) -> usize {
    let least = start + CHUNK;
    if least >= bytes.len() {
        return bytes.len();
    }
    memchr::memchr(b'\n', &bytes[least..]).map_or(bytes.len(), |newline| least + newline + 1)
}

fn without_return(text: &[u8], start: usize, end: usize) -> usize {
    end - text[start..end].iter().rev().take_while(|byte| **byte == b'\r').count()
}

#[cfg(test)]
mod tests;
