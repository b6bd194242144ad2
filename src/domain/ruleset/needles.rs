//! A quick search for one of a few texts in a line, whatever their ASCII case.

use super::frequency;
use super::literal::Literals;

/// Only so much of a text is compared, which bounds the cost of a hostile line.
const COMPARED: usize = 16;

/// The texts, in lower case.
#[derive(Debug)]
pub(super) struct Needles(Vec<Needle>);

#[derive(Debug)]
struct Needle {
    text: Box<[u8]>,
    /// Where in it its rarest byte stands; that byte in both cases.
    at: usize,
    lower: u8,
    upper: u8,
}

impl Needles {
    pub(super) fn new(texts: Literals) -> Self {
        Self(texts.iter().map(|text| Needle::new(text)).collect())
    }

    /// False when the line contains none of the texts.
    pub(super) fn any_in(&self, line: &[u8]) -> bool {
        self.0.iter().any(|needle| needle.is_in(line))
    }
}

impl Needle {
    fn new(text: &str) -> Self {
        let text = &text.as_bytes()[..text.len().min(COMPARED)];
        let at = frequency::rarest_byte(text);
        Self { text: text.into(), at, lower: text[at], upper: text[at].to_ascii_uppercase() }
    }

    fn is_in(&self, line: &[u8]) -> bool {
        let is_here = |at: usize| {
            let start = at.checked_sub(self.at);
            let here = start.and_then(|start| line.get(start..start + self.text.len()));
            here.is_some_and(|here| here.eq_ignore_ascii_case(&self.text))
        };
        if self.lower == self.upper {
            memchr::memchr_iter(self.lower, line).any(is_here)
        } else {
            memchr::memchr2_iter(self.lower, self.upper, line).any(is_here)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_either_case_at_either_end() {
        let needles = Needles::new(vec!["abc def".to_owned(), "é1".to_owned()]);
        for line in ["abc def", "xABC DEF", "aabc ABC deF", "zé1"] {
            assert!(needles.any_in(line.as_bytes()), "{line}");
        }
        for line in ["", "abc de", "bc def", "É1", "é"] {
            assert!(!needles.any_in(line.as_bytes()), "{line}");
        }
    }
}
