//! Finds few literals: a run of each at every place of the text.

use super::rarity::Uses;
use crate::domain::ruleset::numbers::small;
use crate::domain::ruleset::teddy::{self, Bytes, Teddy};

/// More literals than this share buckets so much that looking at fewer places one by one is quicker.
pub(super) const MOST: usize = 24;
/// Longer runs take longer to look for than it takes to look at the few places found in vain.
const RUN: usize = 4;

/// Few literals.
#[derive(Debug)]
pub(super) struct Few {
    runs: Teddy<RUN>,
    /// Where in each literal its run is.
    run_at: Box<[u32]>,
}

impl Few {
    /// None where there are too many, or a processor that can't look at many places together.
    pub(super) fn new(literals: &[Box<[u8]>], uses: &Uses<'_>) -> Option<Self> {
        let level = teddy::level().filter(|_| literals.len() <= MOST)?;
        let of_literal = |literal: &[u8]| {
            let run_at = if literal.len() < RUN { 0 } else { uses.rarest_piece(literal, 1, RUN, 0) };
            (small(run_at), std::array::from_fn(|at| in_any_case(literal.get(run_at + at).copied())))
        };
        let (run_at, runs): (Vec<u32>, Vec<[Bytes; RUN]>) = literals.iter().map(|literal| of_literal(literal)).unzip();
        Some(Self { runs: Teddy::new(level, &runs), run_at: run_at.into() })
    }

    /// Calls `found` with each literal's number and where it begins, all that are in the text, in the order of the places
    /// that they are known by; now and then with one that is not.
    pub(super) fn find(&self, text: &[u8], found: &mut impl FnMut(usize, usize)) {
        self.runs.find(text, |literal, at| {
            if let Some(start) = at.checked_sub(self.run_at[literal] as usize) {
                found(literal, start);
            }
        });
    }
}

/// Where a literal ends before its run does, anything.
fn in_any_case(byte: Option<u8>) -> Bytes {
    byte.map_or(Bytes::ANY, |byte| Bytes::of([byte.to_ascii_lowercase(), byte.to_ascii_uppercase()]))
}
