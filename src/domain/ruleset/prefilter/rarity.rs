//! Which piece of a literal to know it by: one that is rare in logs, and among the literals themselves, for what many rules
//! name is what programs print.

use std::collections::HashMap;

use crate::domain::ruleset::frequency::Frequency;

/// Literals that share text are told by so many bytes of it.
const GRAM: usize = 8;

/// How often pieces of literals are a part of one.
pub(super) struct Uses<'l>(HashMap<&'l [u8], f32>);

impl<'l> Uses<'l> {
    pub(super) fn among(literals: &'l [Box<[u8]>]) -> Self {
        let mut uses = HashMap::new();
        let grams = literals.iter().flat_map(|literal| literal.windows(GRAM));
        grams.for_each(|gram| *uses.entry(gram).or_default() += 1.0);
        Self(uses)
    }

    /// Where the piece of a literal begins whose grams are rarest, each at one place of a stride, alone and with so many
    /// bytes more behind it.
    pub(super) fn rarest_piece(&self, literal: &[u8], stride: usize, gram: usize, more: usize) -> usize {
        let length = stride - 1 + gram + more;
        let cost = |start: usize| -> f32 {
            let grams = literal[start..start + length].windows(gram + more);
            grams.map(|with_more| self.cost(&with_more[..gram]) + self.cost(with_more)).sum()
        };
        let costs = (0..=literal.len() - length).map(|start| (start, cost(start)));
        costs.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(start, _)| start)
    }

    /// What it costs to look for a gram.
    fn cost(&self, gram: &[u8]) -> f32 {
        let uses = gram.windows(GRAM).map(|g| self.0.get(g).copied().unwrap_or(1.0)).fold(1e6, f32::min);
        (Frequency::of_logs().of_text(gram) + 1e-6) * uses.powi(2)
    }
}
