//! The literals' texts.

use super::bitmap::folded;
use crate::domain::ruleset::lists::Lists;

/// The literals.
#[derive(Debug)]
pub(super) struct Texts(Lists<u8>);

impl Texts {
    pub(super) fn new(literals: &[Box<[u8]>]) -> Self {
        Self(literals.iter().map(|literal| literal.iter().copied()).collect())
    }

    #[inline(always)]
    pub(super) fn of(&self, literal: usize) -> &[u8] {
        self.0.of(literal)
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
