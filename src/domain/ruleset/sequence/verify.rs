//! Whether a branch matches a line around a place where its text stands.

use std::collections::BTreeMap;

use regex_syntax::hir::Look;

use super::{Branch, Element, Run, Text};

/// What is known after a look around a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::domain::ruleset) enum Verdict {
    Matches,
    /// No match has its text here.
    No,
    /// It would take too long to tell: ask the regex.
    Unknown,
}

/// Of longer runs a short look tells nothing.
const SHORT_RUN: usize = 32;

/// In lines longer than this it is noted where a text stands last, since many patterns may look for it.
const LONG_LINE: usize = 2048;

/// The last place of a text is looked for in so many bytes at a time, from the end on.
const LAST_PIECE: usize = 4096;

/// How many steps may be spent on a line, whatever is in it: what is dearer is left to the regex, whose time is linear.
#[derive(Debug)]
pub(in crate::domain::ruleset) struct Budget {
    steps: usize,
    /// Where a long line's texts begin for the last time.
    last: BTreeMap<u32, Option<usize>>,
    /// For a branch and one of its elements that a gap follows: how far a long line was searched for what stands before
    /// the gap, and where that ends for the first time.
    first_ends: BTreeMap<(u32, usize), (usize, Option<usize>)>,
}

impl Budget {
    /// For a line of so many bytes.
    pub(in crate::domain::ruleset) fn of(bytes: usize) -> Self {
        Self { steps: 1024 + 8 * bytes, last: BTreeMap::new(), first_ends: BTreeMap::new() }
    }

    /// False when it is used up.
    fn spend(&mut self, steps: usize) -> bool {
        self.steps = self.steps.saturating_sub(steps);
        self.steps > 0
    }
}

/// What of a pattern is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::domain::ruleset) enum Bounds {
    /// All of it, in this line.
    Line,
    /// All but where it stands: true also of a line of which the matching part is cut off.
    Anywhere,
}

impl Branch {
    /// False when what is looked for is a text that does not stand at this place; quick, and the first thing to ask.
    #[inline]
    pub(in crate::domain::ruleset) fn is_at(&self, text: &[u8], at: usize) -> bool {
        match self.elements.get(self.anchor) {
            Some(Element::Text(own)) => own.is_at(text, at),
            _ => true,
        }
    }

    /// False when a short look around a place in a text of lines in ASCII tells that what is looked for does not match there.
    #[inline]
    pub(in crate::domain::ruleset) fn may_match(&self, text: &[u8], at: usize) -> bool {
        self.may_go_on(text, at) && self.may_come_before(text, at)
    }

    fn may_go_on(&self, text: &[u8], mut at: usize) -> bool {
        for element in &self.elements[self.anchor..] {
            match element {
                Element::Text(own) if !own.is_at(text, at) => return false,
                Element::Text(own) => at += own.bytes.len(),
                Element::Class(run) => {
                    let rest = text.get(at..).unwrap_or_default();
                    match run.settled_length(rest.iter(), run.settled) {
                        Some(length) if length < run.min => return false,
                        Some(length) => at += length,
                        None => return true,
                    }
                }
                Element::Look(_) => return true,
            }
        }
        true
    }

    fn may_come_before(&self, text: &[u8], mut at: usize) -> bool {
        for element in self.elements[..self.anchor].iter().rev() {
            match element {
                Element::Text(own) => match at.checked_sub(own.bytes.len()) {
                    Some(start) if own.is_at(text, start) => at = start,
                    _ => return false,
                },
                Element::Class(run) => {
                    let before = text.get(..at).unwrap_or_default();
                    match run.settled_length(before.iter().rev(), run.settled_before) {
                        Some(length) if length < run.min => return false,
                        Some(length) => at -= length,
                        None => return true,
                    }
                }
                Element::Look(_) => return true,
            }
        }
        true
    }

    /// Whether there is a match in a line in ASCII in which what is looked for begins at `at`.
    pub(in crate::domain::ruleset) fn verify(
        &self,
        line: &[u8],
        at: usize,
        bounds: Bounds,
        budget: &mut Budget,
    ) -> Verdict {
        if !self.is_at(line, at) {
            return Verdict::No;
        }
        let (from, end) = match self.elements.get(self.anchor) {
            Some(Element::Text(text)) => (self.anchor + 1, at + text.bytes.len()),
            _ => (self.anchor, at),
        };
        if end > line.len() {
            return Verdict::No;
        }
        let mut search = Search { branch: self.id, elements: &self.elements, line, bounds, budget };
        let matches = search.after(from, end) && search.before(self.anchor, at);
        match matches {
            true => Verdict::Matches,
            false if search.budget.steps == 0 => Verdict::Unknown,
            false => Verdict::No,
        }
    }
}

impl Run {
    /// How long the run is, within a line, if only one length can be followed by the rest and it is short.
    #[inline]
    fn settled_length<'t>(&self, bytes: impl Iterator<Item = &'t u8>, settled: bool) -> Option<usize> {
        let most = self.max.min(SHORT_RUN);
        let length = bytes.take(most).take_while(|byte| self.has(**byte) && **byte != b'\n').count();
        let is_whole = length < most || length == self.max;
        (is_whole && (settled || length < self.min)).then_some(length)
    }
}

struct Search<'a> {
    branch: u32,
    elements: &'a [Element],
    line: &'a [u8],
    bounds: Bounds,
    budget: &'a mut Budget,
}

impl Search<'_> {
    /// Whether the elements from `index` on match from `at` on.
    fn after(&mut self, mut index: usize, mut at: usize) -> bool {
        while let Some(element) = self.elements.get(index) {
            index += 1;
            match element {
                Element::Text(text) => {
                    if !text.is_at(self.line, at) {
                        return false;
                    }
                    at += text.bytes.len();
                }
                Element::Look(look) => {
                    if !self.holds(*look, at) {
                        return false;
                    }
                }
                Element::Class(run) => {
                    if let Some(Element::Text(next)) = self.elements.get(index)
                        && run.is_gap()
                    {
                        return self.after_gap(index + 1, next, at + run.min);
                    }
                    let rest = self.line.get(at..).unwrap_or_default();
                    let length = rest.iter().take(run.max).take_while(|byte| run.has(**byte)).count();
                    if length < run.min || !self.budget.spend(length) {
                        return false;
                    }
                    if !run.settled {
                        return (run.min..=length)
                            .rev()
                            .any(|length| self.budget.spend(1) && self.after(index, at + length));
                    }
                    // Where nothing more is asked for, any length does.
                    at += length;
                }
            }
        }
        true
    }

    fn after_gap(&mut self, index: usize, next: &Text, mut from: usize) -> bool {
        if !self.may_stand(next, from) {
            return false;
        }
        while let Some(found) = next.find(self.line, from) {
            if !self.budget.spend(1 + (found - from) / 16) {
                return false;
            }
            if self.after(index, found + next.bytes.len()) {
                return true;
            }
            from = found + 1;
        }
        self.budget.spend(self.line.len().saturating_sub(from) / 16);
        false
    }

    /// Whether the elements before `index` match up to `at`.
    fn before(&mut self, mut index: usize, mut at: usize) -> bool {
        while let Some(below) = index.checked_sub(1) {
            index = below;
            match &self.elements[index] {
                Element::Text(text) => {
                    let Some(start) = at.checked_sub(text.bytes.len()) else { return false };
                    if !text.is_at(self.line, start) {
                        return false;
                    }
                    at = start;
                }
                Element::Look(look) => {
                    if !self.holds(*look, at) {
                        return false;
                    }
                }
                Element::Class(run) => {
                    if let Some(Element::Text(next)) = index.checked_sub(1).map(|below| &self.elements[below])
                        && run.is_gap()
                    {
                        return self.before_gap(index - 1, next, at, run);
                    }
                    let length = self.line[..at].iter().rev().take(run.max).take_while(|byte| run.has(**byte)).count();
                    if length < run.min || !self.budget.spend(length) {
                        return false;
                    }
                    if !run.settled_before {
                        return (run.min..=length)
                            .rev()
                            .any(|length| self.budget.spend(1) && self.before(index, at - length));
                    }
                    at -= length;
                }
            }
        }
        true
    }

    fn before_gap(&mut self, index: usize, next: &Text, at: usize, gap: &Run) -> bool {
        let Some(end) = at.checked_sub(gap.min) else { return false };
        if !self.may_stand(next, 0) {
            return false;
        }
        let is_long = self.line.len() > LONG_LINE;
        let (mut from, known) = match self.budget.first_ends.get(&(self.branch, index)) {
            Some(known) if is_long => *known,
            _ => (0, None),
        };
        if let Some(first) = known {
            return first <= end;
        }
        let mut first = None;
        while first.is_none()
            && let Some(found) = self.line.get(..end).and_then(|line| next.find(line, from))
        {
            if !self.budget.spend(1 + (found - from) / 16) {
                return false;
            }
            first = self.before(index, found).then_some(found + next.bytes.len());
            from = found + 1;
        }
        if first.is_none() && !self.budget.spend(end.saturating_sub(from) / 16) {
            return false;
        }
        if is_long {
            // A text that begins before the end may be longer than what is left.
            let searched = from.max((end + 1).saturating_sub(next.bytes.len()));
            self.budget.first_ends.insert((self.branch, index), (searched, first));
        }
        first.is_some()
    }

    /// False when a long line is known not to have the text from here on.
    fn may_stand(&mut self, text: &Text, from: usize) -> bool {
        if self.line.len() <= LONG_LINE {
            return true;
        }
        let last = *self.budget.last.entry(text.id).or_insert_with(|| text.find_last(self.line));
        last.is_some_and(|last| last >= from)
    }

    fn holds(&self, look: Look, at: usize) -> bool {
        if self.bounds == Bounds::Anywhere {
            return true;
        }
        let is_word = |at: Option<usize>| {
            at.and_then(|at| self.line.get(at)).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        };
        let at_edge = || is_word(at.checked_sub(1)) != is_word(Some(at));
        match look {
            Look::Start => at == 0,
            Look::End => at == self.line.len(),
            Look::WordUnicode | Look::WordAscii => at_edge(),
            _ => !at_edge(),
        }
    }
}

impl Text {
    #[inline]
    fn is_at(&self, text: &[u8], at: usize) -> bool {
        let Some(here) = text.get(at..at + self.bytes.len()) else { return false };
        if self.folds.is_empty() {
            return here == self.bytes;
        }
        here.iter().zip(&self.folds).zip(&self.bytes).all(|((byte, fold), own)| byte | fold == *own)
    }

    /// Where it stands next, from `from` on.
    fn find(&self, line: &[u8], from: usize) -> Option<usize> {
        if let Some(finder) = &self.finder {
            return finder.find(line.get(from..)?).map(|at| from + at);
        }
        let rest = line.get(from + self.rare..)?;
        let (lower, upper) = self.rare_byte()?;
        memchr::memchr2_iter(lower, upper, rest).map(|at| from + at).find(|at| self.is_at(line, *at))
    }

    /// Where it stands last.
    fn find_last(&self, line: &[u8]) -> Option<usize> {
        let mut end = line.len();
        while end > 0 {
            // What begins in this piece of the line may end in the next.
            let start = end.saturating_sub(LAST_PIECE);
            let piece = &line[..line.len().min(end + self.bytes.len() - 1)];
            let mut last = None;
            let mut from = start;
            while let Some(found) = self.find(piece, from) {
                last = Some(found);
                from = found + 1;
            }
            if last.is_some() {
                return last;
            }
            end = start;
        }
        None
    }

    /// The rarest byte, in both cases where case is ignored.
    fn rare_byte(&self) -> Option<(u8, u8)> {
        let own = *self.bytes.get(self.rare)?;
        let exact = self.folds.get(self.rare).is_none_or(|fold| *fold == 0);
        Some((own, if exact { own } else { own.to_ascii_uppercase() }))
    }
}
