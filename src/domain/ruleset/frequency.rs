//! How common a text is in logs: an estimate, so that the prefilter looks for what is rare.
//!
//! Counted in a page of log lines of many programs. It only decides what is looked for, never what matches.

use std::sync::LazyLock;

/// Pairs tell nothing about longer pieces.
const PAIRS: usize = 4;
/// Case and a few signs folded together, as the prefilter does.
pub(super) const FOLD: u8 = 0x20;

/// Shorter literals must be looked for at more places, in a pass of their own.
const SHORT: [(usize, f32); 4] = [(4, 0.5), (5, 0.4), (7, 0.3), (11, 0.05)];
/// An entry more is a place more where other text looks alike.
const ENTRY: f32 = 1e-4;
const SYMBOLS: usize = 65;
/// What a pair that the sample lacks counts.
const UNSEEN: f32 = 0.02;

/// Frequencies of byte pairs.
pub struct Frequency {
    /// Probability of the second byte after the first.
    pairs: Vec<f32>,
    singles: Vec<f32>,
    /// Probability of each byte, in its own case.
    bytes: Vec<f32>,
    sample: Vec<u8>,
    lines: f32,
}

impl Frequency {
    /// That of log text in general.
    pub fn of_logs() -> &'static Self {
        static LOGS: LazyLock<Frequency> = LazyLock::new(|| Frequency::of(include_bytes!("log_sample.txt")));
        &LOGS
    }

    fn of(sample: &[u8]) -> Self {
        let mut pairs = vec![UNSEEN; SYMBOLS * SYMBOLS];
        let mut singles = vec![1.0; SYMBOLS];
        for pair in sample.windows(2) {
            pairs[symbol(pair[0]) * SYMBOLS + symbol(pair[1])] += 1.0;
            singles[symbol(pair[0])] += 1.0;
        }
        for row in pairs.chunks_mut(SYMBOLS) {
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|count| *count /= sum);
        }
        let sum: f32 = singles.iter().sum();
        singles.iter_mut().for_each(|count| *count /= sum);
        let mut bytes = vec![UNSEEN; 256];
        sample.iter().for_each(|byte| bytes[usize::from(*byte)] += 1.0);
        bytes.iter_mut().for_each(|count| *count /= sample.len() as f32);
        let lines = sample.iter().filter(|byte| **byte == b'\n').count() as f32;
        Self { pairs, singles, bytes, sample: sample.to_ascii_lowercase(), lines }
    }

    /// How often a place in a log is this byte.
    pub(super) fn of_byte(&self, byte: u8) -> f32 {
        self.bytes[usize::from(byte)]
    }

    /// How often a place in a log begins with this text.
    pub(super) fn of_text(&self, text: &[u8]) -> f32 {
        let Some(first) = text.first() else { return 1.0 };
        text.windows(2).fold(self.singles[symbol(*first)], |so_far, pair| {
            so_far * self.pairs[symbol(pair[0]) * SYMBOLS + symbol(pair[1])]
        })
    }

    /// What looking for any of these literals costs.
    pub fn of_any(&self, literals: &[String]) -> f32 {
        literals.iter().map(|literal| self.of_literal(literal)).sum()
    }

    /// What looking for this literal costs: in how many lines it is thought to be, and how hard it is to look for.
    pub(super) fn of_literal(&self, literal: &str) -> f32 {
        let known = memchr::memmem::find_iter(&self.sample, literal).count() as f32 / self.lines;
        let length = literal.len();
        let short = SHORT.iter().find(|(below, _)| length < *below).map_or(0.0, |(_, cost)| *cost);
        let rarest =
            literal.as_bytes().windows(PAIRS.min(length)).map(|piece| self.of_text(piece)).min_by(f32::total_cmp);
        known + 0.05 * (-(length as f32) / 5.0).exp() + rarest.unwrap_or(1.0) + short + ENTRY
    }
}

/// Where in a text its rarest byte is.
pub(super) fn rarest_byte(text: &[u8]) -> usize {
    let rarity = |at: &usize| Frequency::of_logs().of_text(&text[*at..=*at]);
    (0..text.len()).min_by(|a, b| rarity(a).total_cmp(&rarity(b))).unwrap_or(0)
}

fn symbol(byte: u8) -> usize {
    let folded = byte | FOLD;
    match folded {
        0x20..=0x3f => usize::from(folded - 0x20),
        0x60..=0x7f => usize::from(folded - 0x40),
        _ => SYMBOLS - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_words_cost_more_than_rare_ones_and_short_ones_more_than_long_ones() {
        let cost = |text: &str| Frequency::of_logs().of_any(&[text.to_owned()]);
        assert!(cost("connection") > cost("qzxjvwk"));
        assert!(cost("err") > cost("error"));
        assert!(cost("2026-11") > cost("auth_failed"));
    }
}
