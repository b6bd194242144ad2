//! Finds the literals of all rules in one pass over a whole buffer of lines.
//!
//! A piece of each literal is entered under the bytes ("gram") at each of its first four places, so that looking at every
//! fourth place of the text is enough: a hashed bitmap says "not here" for nearly all of them, at a few bytes a cycle and
//! nearly the same with a thousand literals as with ten (`stride`); of the rest a second look at more bytes says so for
//! most (`context`); `entries` tell which literals may be there, and their `texts` whether they are. Where there are `few`
//! literals, all places are looked at, many together. Which rules a literal belongs to is `matcher`'s affair.

mod bitmap;
mod context;
mod entries;
mod few;
mod rarity;
mod sieve;
mod stride;
mod table;
mod texts;

use few::Few;
use rarity::Uses;
use table::{Form, Table};
use texts::Texts;

/// Literals of this length and more are looked for at every fourth place.
pub(super) const MEDIUM: usize = 7;
/// At every eighth where there are few, and all of this length: with many, pieces of texts that are so long have more in
/// common with other text, and the places found in vain cost more than the places passed over save.
const FEW: usize = 100;
const FEW_LONG: usize = 11;

/// Literals, found whatever their ASCII case.
#[derive(Debug)]
pub(super) struct Prefilter {
    texts: Texts,
    passes: Passes,
}

/// How the text is gone through.
#[derive(Debug)]
enum Passes {
    Few(Few),
    /// Literals of different lengths.
    Many(Vec<Table>),
}

impl Prefilter {
    /// Compiles literals in lower case, each of [`super::literal::MIN_BYTES`] or more.
    pub(super) fn new(literals: Vec<String>) -> Self {
        let literals: Vec<Box<[u8]>> = literals.into_iter().map(|l| l.into_bytes().into_boxed_slice()).collect();
        let uses = Uses::among(&literals);
        if let Some(few) = Few::new(&literals, &uses) {
            return Self { texts: Texts::new(&literals), passes: Passes::Few(few) };
        }
        let mut tables = Vec::new();
        // With few literals the passes are what takes the time: one for all that one can find.
        let long = if literals.len() >= FEW || literals.iter().any(|l| (MEDIUM..FEW_LONG).contains(&l.len())) {
            usize::MAX
        } else {
            FEW_LONG
        };
        for lengths in [0..MEDIUM, MEDIUM..long, long..usize::MAX] {
            let members: Vec<usize> = (0..literals.len()).filter(|at| lengths.contains(&literals[*at].len())).collect();
            if let Some(shortest) = members.iter().map(|at| literals[*at].len()).min() {
                tables.push(Table::new(form(shortest, long), &literals, &members, &uses));
            }
        }
        Self { texts: Texts::new(&literals), passes: Passes::Many(tables) }
    }

    /// Calls `found` with each literal's number and where it begins, all that are in the text, in no order; now and then
    /// with one that differs in signs which look like letters of the other case.
    pub(super) fn find(&self, text: &[u8], mut found: impl FnMut(usize, usize)) {
        let mut may_be = |literal: usize, at: usize| {
            if self.texts.is_at(literal, text, at) {
                found(literal, at);
            }
        };
        match &self.passes {
            Passes::Few(few) => few.find(text, &mut may_be),
            Passes::Many(tables) => tables.iter().for_each(|table| table.find(text, &mut may_be)),
        }
    }

    /// True when `find` calls nearly in order: with the places of a line after all of the lines before.
    pub(super) fn is_in_order(&self) -> bool {
        !matches!(&self.passes, Passes::Many(tables) if tables.len() > 1)
    }

    /// Whether a literal stands at a place.
    pub(super) fn is_at(&self, literal: usize, text: &[u8], at: usize) -> bool {
        let literal = self.texts.of(literal);
        text.get(at..at + literal.len()).is_some_and(|here| here.eq_ignore_ascii_case(literal))
    }
}

/// The best for literals of this length and more.
fn form(shortest: usize, long: usize) -> Form {
    let (stride, bytes) = match shortest {
        0..=3 => (1, 3),
        4 => (2, 3),
        5..MEDIUM => (2, bitmap::NARROW),
        _ if shortest < long => (4, bitmap::WIDE),
        _ => (8, bitmap::WIDE),
    };
    Form { stride, bytes }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Among others that are not in the text, so that both kinds of passes are tried.
    fn found_among(others: usize, literals: &[String], text: &str) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let others = (0..others).map(|number| format!("z{number:05}z.z.z.z"));
        let prefilter =
            Prefilter::new(literals.iter().map(|literal| literal.to_ascii_lowercase()).chain(others).collect());
        prefilter.find(text.as_bytes(), |literal, at| {
            if prefilter.is_at(literal, text.as_bytes(), at) {
                found.push((literal, at));
            }
        });
        found.sort_unstable();
        found
    }

    fn found_naively(literals: &[String], text: &str) -> Vec<(usize, usize)> {
        let text = text.to_ascii_lowercase();
        let mut found = Vec::new();
        for (number, literal) in literals.iter().enumerate() {
            let literal = literal.to_ascii_lowercase();
            let places = (0..text.len()).filter(|at| text.as_bytes()[*at..].starts_with(literal.as_bytes()));
            found.extend(places.map(|at| (number, at)));
        }
        found
    }

    proptest! {
        #[test]
        fn every_literal_is_found_at_every_place(
            literals in prop::collection::vec("[aB@`\0é ]{3,9}", 1..20),
            text in "[aAbB@`\0é \n]{0,150}",
        ) {
            let literals: Vec<String> = literals.into_iter().filter(|l| l.len() >= 3).collect();
            for others in [0, few::MOST] {
                prop_assert_eq!(found_among(others, &literals, &text), found_naively(&literals, &text));
            }
        }

        #[test]
        fn long_literals_are_found_wherever_they_stand(before in "[a-c]{0,70}", literal in "[a-d]{7,20}", after in "[a-c]{0,70}") {
            let text = format!("{before}{literal}{after}");
            let literals = [literal];
            for others in [0, few::MOST, FEW] {
                prop_assert_eq!(found_among(others, &literals, &text), found_naively(&literals, &text));
            }
        }
    }
}
