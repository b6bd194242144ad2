//! From a pattern's syntax tree to its branches.

use memchr::memmem::Finder;
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use super::{Branch, Element, Run, Text};
use crate::domain::ruleset::frequency::{self, FOLD};

/// A pattern of more alternatives is left to its regex.
const MAX_BRANCHES: usize = 64;
/// So are parts that are repeated more often, unless they are single characters.
const MAX_COPIES: usize = 4;

/// The ways in which a pattern matches lines in ASCII; none when it can't be told so.
///
/// Matches in lines with other characters contain the texts of one of them too, once the two signs that regexes take for
/// the letters k and s are read as those.
pub(in crate::domain::ruleset) fn branches(pattern: &str) -> Option<Vec<Branch>> {
    let hir = regex_syntax::Parser::new().parse(pattern).ok()?;
    let branches = expand(&hir)?;
    (!branches.is_empty()).then_some(())?;
    Some(branches.into_iter().map(|elements| branch(simplified(elements))).collect())
}

type Elements = Vec<Element>;

fn expand(hir: &Hir) -> Option<Vec<Elements>> {
    match hir.kind() {
        HirKind::Empty => Some(vec![Vec::new()]),
        HirKind::Literal(literal) => literal.0.is_ascii().then(|| vec![vec![Element::Text(Text::exact(&literal.0))]]),
        HirKind::Class(class) => Some(vec![vec![element(class)?]]),
        HirKind::Look(look) => known(*look).then(|| vec![vec![Element::Look(*look)]]),
        HirKind::Capture(capture) => expand(&capture.sub),
        HirKind::Concat(parts) => {
            parts.iter().try_fold(vec![Vec::new()], |so_far, part| product(&so_far, &expand(part)?))
        }
        HirKind::Alternation(parts) => {
            let all = parts.iter().map(expand).collect::<Option<Vec<_>>>()?.concat();
            (all.len() <= MAX_BRANCHES).then_some(all)
        }
        HirKind::Repetition(repetition) => repeated(repetition),
    }
}

fn known(look: Look) -> bool {
    matches!(
        look,
        Look::Start | Look::End | Look::WordUnicode | Look::WordUnicodeNegate | Look::WordAscii | Look::WordAsciiNegate
    )
}

fn product(before: &[Elements], after: &[Elements]) -> Option<Vec<Elements>> {
    (before.len() * after.len() <= MAX_BRANCHES)
        .then(|| before.iter().flat_map(|b| after.iter().map(move |a| b.iter().chain(a).cloned().collect())).collect())
}

fn repeated(repetition: &Repetition) -> Option<Vec<Elements>> {
    let min = usize::try_from(repetition.min).ok()?;
    let max = repetition.max.map_or(Some(usize::MAX), |max| usize::try_from(max).ok())?;
    let sub = expand(&repetition.sub)?;
    if let [elements] = sub.as_slice()
        && let [element] = elements.as_slice()
        && let Some(set) = element.single()
    {
        return Some(vec![vec![Element::Class(Run { set, min, max, settled: false, settled_before: false })]]);
    }
    if max > MAX_COPIES {
        return None;
    }
    let mut all = Vec::new();
    for times in min..=max {
        all.extend((0..times).try_fold(vec![Vec::new()], |so_far, _| product(&so_far, &sub))?);
    }
    (all.len() <= MAX_BRANCHES).then_some(all)
}

/// Of a class what is in ASCII. The signs that ignoring case adds to k and s are left to whoever looks for texts.
fn element(class: &Class) -> Option<Element> {
    let mut set = 0u128;
    let mut others = Vec::new();
    let mut add = |start: u32, end: u32| {
        (start..=end.min(127)).for_each(|c| set |= 1 << c);
        if end > 127 {
            others.push((start.max(128), end));
        }
    };
    match class {
        Class::Unicode(class) => class.ranges().iter().for_each(|r| add(r.start().into(), r.end().into())),
        Class::Bytes(class) => class.ranges().iter().for_each(|r| add(r.start().into(), r.end().into())),
    }
    let one = set.trailing_zeros() as u8;
    let text = match set.count_ones() {
        0 => return None,
        1 => Some(Text::exact(&[one])),
        2 if one.is_ascii_uppercase() && set == 1 << one | 1 << (one | FOLD) => {
            Some(Text { bytes: vec![one | FOLD], folds: vec![FOLD], ..Text::default() })
        }
        _ => None,
    };
    // Other characters are no part of a text, but for those two.
    let only_signs = others.iter().all(|range| [(0x17f, 0x17f), (0x212a, 0x212a)].contains(range));
    match text {
        Some(text) if only_signs => Some(Element::Text(text)),
        _ => Some(Element::Class(Run { set, min: 1, max: 1, settled: false, settled_before: false })),
    }
}

impl Text {
    fn exact(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), ..Self::default() }
    }

    fn join(&mut self, other: &Self) {
        if !(self.folds.is_empty() && other.folds.is_empty()) {
            self.folds.resize(self.bytes.len(), 0);
            self.folds.extend(&other.folds);
            self.folds.resize(self.bytes.len() + other.bytes.len(), 0);
        }
        self.bytes.extend(&other.bytes);
    }

    /// The byte at a place, in both cases where case is ignored.
    pub(super) fn set(&self, at: usize) -> u128 {
        let byte = self.bytes[at];
        1 << byte | if self.folds.get(at).is_none_or(|fold| *fold == 0) { 0 } else { 1 << byte.to_ascii_uppercase() }
    }
}

impl Element {
    /// The characters, if it stands for exactly one.
    fn single(&self) -> Option<u128> {
        match self {
            Self::Text(text) if text.bytes.len() == 1 => Some(text.set(0)),
            Self::Class(run) if (run.min, run.max) == (1, 1) => Some(run.set),
            _ => None,
        }
    }

    /// The bytes that it can begin with (or end with), and whether it can be empty. Nothing when that can't be told.
    fn edge(&self, at_end: bool) -> Option<(u128, bool)> {
        match self {
            Self::Text(text) => Some((text.set(if at_end { text.bytes.len() - 1 } else { 0 }), false)),
            Self::Class(run) => Some((run.set, run.min == 0)),
            Self::Look(_) => None,
        }
    }
}

/// Neighbouring texts in one, and nothing at the ends that is always there.
fn simplified(elements: Elements) -> Elements {
    let mut merged: Elements = Vec::with_capacity(elements.len());
    for element in elements {
        match (merged.last_mut(), element) {
            (Some(Element::Text(before)), Element::Text(text)) => {
                before.join(&text);
            }
            (_, element) => merged.push(element),
        }
    }
    while let Some(Element::Class(Run { min: 0, .. })) = merged.last() {
        merged.pop();
    }
    let from = merged.iter().take_while(|e| matches!(e, Element::Class(Run { min: 0, .. }))).count();
    merged.drain(..from);
    if let [Element::Look(Look::Start), Element::Class(run), ..] = merged.as_slice()
        && run.is_gap()
        && run.min == 0
    {
        merged.drain(..2);
    }
    merged
}

fn branch(mut elements: Elements) -> Branch {
    let is_gap = |element: Option<&Element>| matches!(element, Some(Element::Class(run)) if run.is_gap());
    for at in 0..elements.len() {
        let beside_gap = is_gap(elements.get(at + 1)) || at > 0 && is_gap(elements.get(at - 1));
        let (settled, settled_before) = (is_settled(&elements, at, false), is_settled(&elements, at, true));
        match &mut elements[at] {
            Element::Text(text) => {
                text.rare = frequency::rarest_byte(&text.bytes);
                text.finder =
                    (beside_gap && text.folds.is_empty()).then(|| Box::new(Finder::new(&text.bytes).into_owned()));
            }
            Element::Class(run) => (run.settled, run.settled_before) = (settled, settled_before),
            Element::Look(_) => {}
        }
    }
    Branch { elements: elements.into(), id: 0, anchor: 0 }
}

fn is_settled(elements: &[Element], at: usize, before: bool) -> bool {
    let Element::Class(run) = &elements[at] else { return false };
    let (own, mut beside) = (run.set, at);
    loop {
        let next = if before { beside.checked_sub(1) } else { Some(beside + 1).filter(|n| *n < elements.len()) };
        // Nothing is asked for beyond.
        let Some(next) = next else { return true };
        let last = next == if before { 0 } else { elements.len() - 1 };
        match elements[next] {
            Element::Look(Look::Start) if before && last => return true,
            Element::Look(Look::End) if !before && last => return true,
            ref element => match element.edge(before) {
                Some((set, can_be_empty)) if set & own == 0 => {
                    if !can_be_empty {
                        return true;
                    }
                }
                _ => return false,
            },
        }
        beside = next;
    }
}
