//! The literals' texts.

use super::bitmap::folded;
use crate::domain::ruleset::numbers::small;

/// The literals, side by side: one that is met is compared at the cost of one place in memory.
#[derive(Debug)]
pub(super) struct Texts {
    bytes: Box<[u8]>,
    starts: Box<[u32]>,
}

impl Texts {
    pub(super) fn new(literals: &[Box<[u8]>]) -> Self {
        let mut starts = vec![0];
        let mut bytes = Vec::new();
        for literal in literals {
            bytes.extend_from_slice(literal);
            starts.push(small(bytes.len()));
        }
        Self { bytes: bytes.into(), starts: starts.into() }
    }

    #[inline(always)]
    pub(super) fn of(&self, literal: usize) -> &[u8] {
        &self.bytes[self.starts[literal] as usize..self.starts[literal + 1] as usize]
    }

    /// Whether a literal stands at a place, folded as grams are.
    #[inline(always)]
    pub(super) fn is_at(&self, literal: usize, text: &[u8], at: usize) -> bool {
        let literal = self.of(literal);
        let Some(here) = text.get(at..at + literal.len()) else { return false };
        let (Some(last), Some(last_here)) = (literal.last_chunk(), here.last_chunk()) else {
            return here.eq_ignore_ascii_case(literal);
        };
        let ((eights, _), (eights_here, _)) = (literal.as_chunks(), here.as_chunks());
        // Literals that begin alike are told apart by their ends.
        folded(last) == folded(last_here) && eights.iter().zip(eights_here).all(|(a, b)| folded(a) == folded(b))
    }
}
