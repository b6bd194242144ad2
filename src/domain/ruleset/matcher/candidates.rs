//! The patterns that may match one text, in order, each looked at no longer than until that is known.
//!
//! Who takes the first that fits leaves the rest unlooked at: a line made of the texts of a thousand rules costs little
//! more than the search for those texts.

use smallvec::SmallVec;

use super::{Matcher, NO_BRANCH, Owner};
use crate::domain::ruleset::numbers::small;
use crate::domain::ruleset::sequence::{Bounds, Budget, Verdict};

/// So many places are kept before they are looked at, or two for each pattern: what a line can make us hold is bounded.
const MAX_PLACES: usize = 16 * 1024;
/// To look at a place takes as long as to search so many bytes for the pattern. Where it has more places than that comes
/// to, and more than a few, it is left to the search.
const BYTES_PER_PLACE: usize = 16;
const FEW_PLACES: usize = 16;

/// In the place of a branch: the pattern is a candidate wherever it stands.
const KNOWN: u32 = NO_BRANCH - 1;

/// Where a pattern may match.
#[derive(Clone, Copy, Debug)]
struct Place {
    owner: Owner,
    at: u32,
}

impl Place {
    /// One number is quicker to compare than two, and several places of one branch may come in any order.
    fn rank(&self) -> u64 {
        u64::from(self.owner.number) << 32 | u64::from(self.owner.branch)
    }
}

/// The candidates for one text.
#[derive(Debug)]
pub struct Candidates<'m, 't> {
    matcher: &'m Matcher,
    text: &'t str,
    bounds: Bounds,
    is_ascii: Option<bool>,
    budget: Option<Budget>,
    places: SmallVec<[Place; 8]>,
    /// How many of the places are done with.
    done: usize,
}

impl<'m, 't> Candidates<'m, 't> {
    /// None yet. Within the bounds of a line they are exactly those that match.
    pub(super) fn new(matcher: &'m Matcher, text: &'t str, bounds: Bounds) -> Self {
        Self { matcher, text, bounds, is_ascii: None, budget: None, places: SmallVec::new(), done: 0 }
    }

    /// Adds a pattern that is one without a look at the text.
    pub fn add(&mut self, number: u32) {
        self.push(Owner { number, branch: KNOWN }, 0);
    }

    /// Adds a pattern that may match around a place.
    pub(super) fn push(&mut self, owner: Owner, at: usize) {
        if self.places.len() >= MAX_PLACES.max(2 * self.matcher.patterns.len()) {
            self.look_at_places();
        }
        self.places.push(Place { owner, at: small(at) });
    }

    /// The candidates, each once, ascending.
    pub fn in_order(mut self) -> impl Iterator<Item = u32> {
        self.places.sort_unstable_by_key(Place::rank);
        std::iter::from_fn(move || self.next_in_order())
    }

    /// Keeps one place for each pattern that is a candidate, none for the others.
    fn look_at_places(&mut self) {
        self.places.sort_unstable_by_key(Place::rank);
        let mut known = SmallVec::new();
        while let Some(number) = self.next_in_order() {
            known.push(Place { owner: Owner { number, branch: KNOWN }, at: 0 });
        }
        (self.places, self.done) = (known, 0);
    }

    /// The next candidate of places in order.
    fn next_in_order(&mut self) -> Option<u32> {
        while let Some(first) = self.places.get(self.done) {
            let (start, number) = (self.done, first.owner.number);
            self.done += self.places[start..].iter().take_while(|place| place.owner.number == number).count();
            if self.is_candidate(number, start) {
                return Some(number);
            }
        }
        None
    }

    /// Whether the pattern is one whose places begin with `start`.
    fn is_candidate(&mut self, number: u32, start: usize) -> bool {
        // What is no branch comes last.
        let kind = self.places[self.done - 1].owner.branch;
        let verdict = match kind {
            KNOWN => return true,
            NO_BRANCH if !self.matcher.has_besides(number, self.text) => Verdict::No,
            NO_BRANCH => Verdict::Unknown,
            _ => self.verdict(start),
        };
        match self.bounds {
            Bounds::Anywhere => verdict != Verdict::No,
            Bounds::Line => self.matcher.settle(verdict, number, self.text) == Some(true),
        }
    }

    /// What the places of a pattern with branches tell.
    fn verdict(&mut self, start: usize) -> Verdict {
        let (matcher, text, bounds) = (self.matcher, self.text, self.bounds);
        let places = &self.places[start..self.done];
        if places.len() > FEW_PLACES + text.len() / BYTES_PER_PLACE {
            return Verdict::Unknown;
        }
        let is_ascii = *self.is_ascii.get_or_insert_with(|| text.is_ascii());
        let budget = self.budget.get_or_insert_with(|| Budget::of(text.len()));
        let verdict = |place: &Place| {
            let (branch, at) = (&matcher.branches[place.owner.branch as usize], place.at as usize);
            match is_ascii {
                true => branch.verify(text.as_bytes(), at, bounds, budget),
                false => Verdict::Unknown,
            }
        };
        places.iter().map(verdict).find(|verdict| *verdict != Verdict::No).unwrap_or(Verdict::No)
    }
}
