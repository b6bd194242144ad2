//! The characters around the places where one part of a branch ends and another begins.

use std::collections::BTreeSet;

use regex_syntax::hir::Look;

use super::{Branch, Element};

/// How many characters a window has.
pub(in crate::domain::ruleset) const LENGTH: usize = 5;

/// Neighbouring characters.
#[derive(Clone, Copy, Debug)]
pub(in crate::domain::ruleset) struct Window {
    /// What can stand at each place, of ASCII; a line's end where a line begins.
    pub(in crate::domain::ruleset) sets: [u128; LENGTH],
    /// How many of them stand behind the middle.
    pub(in crate::domain::ruleset) behind: usize,
    /// The element that begins in the middle.
    pub(in crate::domain::ruleset) element: usize,
}

impl Branch {
    /// Windows of which each is in every match in a line of ASCII.
    pub(in crate::domain::ruleset) fn windows(&self) -> Vec<Window> {
        let mut windows = Vec::new();
        for element in 0..self.elements.len() {
            let left = characters(self.elements[..element].iter().rev(), true);
            let right = characters(self.elements[element..].iter(), false);
            for behind in 0..=right.len() {
                let before = LENGTH - behind;
                let sets = std::array::from_fn(|at| match at.checked_sub(before) {
                    Some(at) => right[at],
                    None => left.get(before - 1 - at).copied().unwrap_or(u128::MAX),
                });
                windows.push(Window { sets, behind, element });
            }
        }
        windows
    }
}

/// What the next characters must be, as many as a window has. Where a run may end or go on, the next may be of both.
fn characters<'a>(elements: impl Iterator<Item = &'a Element>, backwards: bool) -> Vec<u128> {
    let elements: Vec<&Element> = elements.collect();
    let mut sets = Vec::new();
    // In which elements the next character may be, and how many characters of it come before.
    let mut places = BTreeSet::from([(0, 0)]);
    while sets.len() < LENGTH {
        let (mut set, mut next) = (0, BTreeSet::new());
        while let Some((element, done)) = places.pop_first() {
            match elements.get(element) {
                // Beyond them anything may stand.
                None => return sets,
                Some(Element::Text(text)) => {
                    let at = if backwards { text.bytes.len() - 1 - done } else { done };
                    set |= text.set(at);
                    let is_last = done + 1 == text.bytes.len();
                    next.insert(if is_last { (element + 1, 0) } else { (element, done + 1) });
                }
                Some(Element::Class(run)) => {
                    if done >= run.min {
                        places.insert((element + 1, 0));
                    }
                    if done < run.max {
                        set |= run.set;
                        next.insert((element, if run.max == usize::MAX { (done + 1).min(run.min) } else { done + 1 }));
                    }
                }
                Some(Element::Look(Look::Start)) if backwards => {
                    set |= 1 << b'\n';
                    next.insert((elements.len(), 0));
                }
                Some(Element::Look(_)) => {
                    places.insert((element + 1, 0));
                }
            }
        }
        sets.push(set);
        places = next;
    }
    sets
}
