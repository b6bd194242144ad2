//! The characters around the places where one part of a branch ends and another begins.

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

/// What the next characters must be, as many as a window has.
fn characters<'a>(elements: impl Iterator<Item = &'a Element>, backwards: bool) -> Vec<u128> {
    let mut sets = Vec::new();
    for element in elements {
        match element {
            Element::Text(text) => {
                let places = 0..text.bytes.len();
                let places: Vec<usize> = if backwards { places.rev().collect() } else { places.collect() };
                sets.extend(places.into_iter().map(|at| text.set(at)));
            }
            Element::Class(run) => {
                sets.extend(std::iter::repeat_n(run.set, run.min.min(LENGTH)));
                if run.min != run.max {
                    break;
                }
            }
            Element::Look(Look::Start) if backwards => {
                sets.push(1 << b'\n');
                break;
            }
            Element::Look(_) => {}
        }
        if sets.len() >= LENGTH {
            break;
        }
    }
    sets.truncate(LENGTH);
    sets
}
