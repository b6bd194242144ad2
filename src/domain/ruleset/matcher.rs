//! Which patterns match which lines: all of them, exactly, for a single line or a buffer of many.
//!
//! The prefilter names the few lines and patterns that can match; only those meet. What a match means is left to
//! `ruleset`.

use std::collections::HashMap;
use std::ops::Range;

use regex::Regex;

use super::combined::Combined;
use super::frequency::Frequency;
use super::literal;
use super::needles::Needles;
use super::prefilter::Prefilter;

/// Texts that share so many bytes are taken for alike.
const SHARED: usize = 4;
/// So many more texts are asked for before a pattern is.
const MAX_BESIDES: usize = 2;

/// Compiled patterns, numbered in their order; cheap to share.
#[derive(Debug)]
pub struct Matcher {
    patterns: Vec<Option<Regex>>,
    prefilter: Prefilter,
    /// The patterns that a literal of the prefilter belongs to.
    owners: Vec<Vec<u32>>,
    /// For each pattern, what else its matches contain.
    besides: Vec<Vec<Needles>>,
    /// Patterns without a look at what stands around: what matches a part of a line matches the line.
    free: Vec<bool>,
    combined: Combined,
}

/// What is reused from one buffer to the next.
#[derive(Debug, Default)]
pub struct Scratch {
    /// For each literal, the line that it was last seen in (its start + 1).
    seen: Vec<usize>,
    candidates: Vec<(usize, usize, u32)>,
    numbers: Vec<u32>,
}

impl Matcher {
    /// Compiles patterns; one that is missing matches nothing.
    pub fn new(patterns: Vec<Option<Regex>>) -> Self {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let (mut literals, mut owners) = (Vec::new(), Vec::<Vec<u32>>::new());
        let (mut without, mut besides) = (Vec::new(), Vec::with_capacity(patterns.len()));
        for ((number, pattern), options) in (0u32..).zip(&patterns).zip(rarest_first(&patterns)) {
            if let Some(pattern) = pattern
                && options.is_empty()
            {
                without.push((number, pattern.clone()));
            }
            let mut options = options.into_iter();
            for text in options.next().unwrap_or_default() {
                let at = *numbers.entry(text.clone()).or_insert_with(|| {
                    literals.push(text);
                    owners.push(Vec::new());
                    owners.len() - 1
                });
                owners[at].push(number);
            }
            besides.push(options.take(MAX_BESIDES).map(Needles::new).collect::<Vec<_>>());
        }
        let (prefilter, combined) = (Prefilter::new(literals), Combined::new(without));
        let free = patterns.iter().map(|p| p.as_ref().is_some_and(looks_nowhere)).collect();
        Self { patterns, prefilter, owners, besides, free, combined }
    }

    /// Calls `found` with the number of each pattern whose literal is in the text; one may come more than once.
    pub fn candidates(&self, text: &str, mut found: impl FnMut(u32)) {
        self.prefilter.find(text.as_bytes(), |literal, _| self.owners[literal].iter().for_each(|n| found(*n)));
    }

    /// True when some patterns require no literal, so that each line must meet them.
    pub fn has_patterns_without_literal(&self) -> bool {
        !self.combined.is_empty()
    }

    /// Calls `found` with the number of each pattern without a literal that matches.
    pub fn matching_without_literal(&self, text: &str, found: impl FnMut(u32)) {
        self.combined.matching(text, found);
    }

    /// Calls `found` with each line of a buffer and the number of each pattern that matches it, both ascending.
    ///
    /// A line ends with `\n`, or `\r\n`, which are no part of it.
    pub fn scan(&self, buffer: &str, scratch: &mut Scratch, mut found: impl FnMut(Range<usize>, u32)) {
        self.candidate_lines(buffer, scratch, |line, numbers| {
            let text = &buffer[line.clone()];
            let matches = |number: u32| self.is_match(number, text);
            if self.combined.is_empty() {
                numbers.iter().filter(|n| matches(**n)).for_each(|n| found(line.clone(), *n));
                return;
            }
            numbers.retain(|n| matches(*n));
            self.combined.matching(text, |number| numbers.push(number));
            numbers.sort_unstable();
            numbers.iter().for_each(|n| found(line.clone(), *n));
        });
    }

    /// Calls `each` with every line that a pattern's literal is in and those patterns, ascending and once; with every
    /// line where there are patterns without one.
    pub fn candidate_lines(
        &self,
        buffer: &str,
        scratch: &mut Scratch,
        mut each: impl FnMut(Range<usize>, &mut Vec<u32>),
    ) {
        let Scratch { seen, candidates, numbers } = scratch;
        candidates.clear();
        self.collect(buffer.as_bytes(), seen, candidates);
        if self.prefilter.passes() > 1 {
            candidates.sort_unstable();
        }
        let mut rest = candidates.as_slice();
        if self.combined.is_empty() {
            while let Some(&(start, end, _)) = rest.first() {
                rest = take_line(rest, start, numbers);
                each(start..end, numbers);
            }
            return;
        }
        let mut start = 0;
        while start < buffer.len() {
            let end = memchr::memchr(b'\n', &buffer.as_bytes()[start..]).map_or(buffer.len(), |at| start + at);
            rest = take_line(rest, start, numbers);
            each(start..without_return(buffer.as_bytes(), start, end), numbers);
            start = end + 1;
        }
    }

    fn collect(&self, text: &[u8], seen: &mut Vec<usize>, candidates: &mut Vec<(usize, usize, u32)>) {
        for pass in 0..self.prefilter.passes() {
            seen.clear();
            seen.resize(self.owners.len(), 0);
            // The line of the place that was found last: where it begins, ends, and ends without its `\r`.
            let (mut start, mut end, mut trimmed) = (0, 0, 0);
            self.prefilter.find_in_pass(pass, text, &mut |literal, at| {
                if at >= end {
                    start = memchr::memrchr(b'\n', &text[end..at]).map_or(end, |newline| end + newline + 1);
                    end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |newline| at + newline);
                    trimmed = without_return(text, start, end);
                }
                if seen[literal] != start + 1 {
                    seen[literal] = start + 1;
                    candidates.extend(self.owners[literal].iter().map(|number| (start, trimmed, *number)));
                }
            });
        }
    }

    /// False when the pattern matches no part of the line, as far as that can be told without knowing which part.
    pub fn may_match(&self, number: u32, line: &str) -> bool {
        let in_any_part = self.free[number as usize];
        self.has_besides(number, line)
            && (!in_any_part || self.patterns[number as usize].as_ref().is_some_and(|pattern| pattern.is_match(line)))
    }

    /// Whether what else the pattern's matches contain is there too; quicker to ask than the pattern.
    fn has_besides(&self, number: u32, text: &str) -> bool {
        self.besides[number as usize].iter().all(|needles| needles.any_in(text.as_bytes()))
    }

    fn is_match(&self, number: u32, text: &str) -> bool {
        self.may_match(number, text)
            && self.patterns[number as usize].as_ref().is_some_and(|pattern| pattern.is_match(text))
    }
}

/// Takes the patterns of the line that begins at `start` into `numbers`, ascending and once each; gives what is left.
fn take_line<'a>(
    candidates: &'a [(usize, usize, u32)],
    start: usize,
    numbers: &mut Vec<u32>,
) -> &'a [(usize, usize, u32)] {
    let of_line = candidates.iter().take_while(|(at, _, _)| *at == start).count();
    numbers.clear();
    numbers.extend(candidates[..of_line].iter().map(|(_, _, number)| *number));
    numbers.sort_unstable();
    numbers.dedup();
    &candidates[of_line..]
}

fn without_return(text: &[u8], start: usize, end: usize) -> usize {
    end - text[start..end].iter().rev().take_while(|byte| **byte == b'\r').count()
}

fn looks_nowhere(pattern: &Regex) -> bool {
    regex_syntax::Parser::new().parse(pattern.as_str()).is_ok_and(|hir| hir.properties().look_set().is_empty())
}

/// For each pattern its answers, rarest first: in logs, and among the patterns themselves, for what many rules name is what
/// programs print.
fn rarest_first(patterns: &[Option<Regex>]) -> Vec<Vec<literal::Literals>> {
    let options_of = |pattern: &Option<Regex>| pattern.as_ref().map_or_else(Vec::new, |p| literal::options(p.as_str()));
    let mut options: Vec<Vec<literal::Literals>> = patterns.iter().map(options_of).collect();
    let mut uses: HashMap<&[u8], f32> = HashMap::new();
    let mut texts = 0.0;
    for text in options.iter().flatten().flatten() {
        texts += 1.0;
        text.as_bytes().windows(SHARED).for_each(|gram| *uses.entry(gram).or_default() += 1.0);
    }
    let frequency = Frequency::of_logs();
    let cost = |text: &String| {
        let shared = text.as_bytes().windows(SHARED).map(|gram| uses[gram]).fold(texts, f32::min);
        frequency.of_literal(text) + (shared - 1.0) / texts
    };
    let costs: Vec<Vec<f32>> =
        options.iter().map(|of_one| of_one.iter().map(|literals| literals.iter().map(cost).sum()).collect()).collect();
    for (of_one, costs) in options.iter_mut().zip(costs) {
        let mut ranked: Vec<_> = costs.into_iter().zip(std::mem::take(of_one)).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        *of_one = ranked.into_iter().map(|(_, literals)| literals).collect();
    }
    options
}

#[cfg(test)]
mod tests;
