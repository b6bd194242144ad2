//! Lines that a pattern matches, made from the pattern itself: what a rule is tried with beyond its samples.
//!
//! The same pattern always gives the same lines. Look-arounds are not obeyed here; the caller tries each line.

use regex_syntax::hir::{Class, Hir, HirKind};

/// No message is longer, and large repetitions stay cheap.
const MAX_BYTES: usize = 1024;
const FEWEST: usize = 12;
const MOST: usize = 64;

/// Lines that a pattern should match: each alternative of the first choice at least once, where there are not too many.
pub(super) fn examples(pattern: &str) -> Vec<String> {
    let Ok(hir) = regex_syntax::Parser::new().parse(pattern) else { return Vec::new() };
    let number = first_choice(&hir).clamp(FEWEST, MOST);
    let mut lines: Vec<String> = (0..number).filter_map(|turn| Maker::new(turn).line(&hir)).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// How many branches the first alternation has.
fn first_choice(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Alternation(branches) => branches.len(),
        HirKind::Capture(capture) => first_choice(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(first_choice).find(|n| *n > 1).unwrap_or(1),
        _ => 1,
    }
}

struct Maker {
    turn: usize,
    state: u64,
    has_chosen: bool,
    line: String,
}

impl Maker {
    fn new(turn: usize) -> Self {
        let seed = (turn as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self { turn, state: seed, has_chosen: false, line: String::new() }
    }

    fn line(mut self, hir: &Hir) -> Option<String> {
        self.add(hir)?;
        Some(self.line)
    }

    /// A number below `bound`: in turn for the first choice, scattered for the others.
    fn choose(&mut self, bound: usize) -> usize {
        if !std::mem::replace(&mut self.has_chosen, true) {
            return self.turn % bound;
        }
        self.scattered(bound)
    }

    fn scattered(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.state >> 33).unwrap_or(0) % bound
    }

    /// None when the line would become too long.
    fn add(&mut self, hir: &Hir) -> Option<()> {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => self.line.push_str(&String::from_utf8_lossy(&literal.0)),
            HirKind::Class(class) => {
                let character = self.of_class(class)?;
                self.line.push(character);
            }
            HirKind::Repetition(repetition) => {
                let most = repetition.max.unwrap_or(u32::MAX);
                let more = [0, 1, 4][self.scattered(3)];
                for _ in 0..repetition.min.saturating_add(more).min(most) {
                    self.add(&repetition.sub)?;
                }
            }
            HirKind::Capture(capture) => self.add(&capture.sub)?,
            HirKind::Concat(parts) => {
                for part in parts {
                    self.add(part)?;
                }
            }
            HirKind::Alternation(branches) => {
                let branch = self.choose(branches.len());
                self.add(&branches[branch])?;
            }
        }
        (self.line.len() <= MAX_BYTES).then_some(())
    }

    /// A letter, digit or sign that the class has, or else its first character.
    fn of_class(&mut self, class: &Class) -> Option<char> {
        let has = |character: char| match class {
            Class::Unicode(class) => class.ranges().iter().any(|r| (r.start()..=r.end()).contains(&character)),
            Class::Bytes(class) => {
                u8::try_from(character).is_ok_and(|b| class.ranges().iter().any(|r| (r.start()..=r.end()).contains(&b)))
            }
        };
        let usual: Vec<char> = "x4aT7 -._:/".chars().filter(|c| has(*c)).collect();
        if !usual.is_empty() {
            return Some(usual[self.scattered(usual.len())]);
        }
        ('!'..='~').find(|c| has(*c)).or_else(|| match class {
            Class::Unicode(class) => class.ranges().first().map(regex_syntax::hir::ClassUnicodeRange::start),
            Class::Bytes(class) => class.ranges().first().map(|r| char::from(r.start())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_lines_that_are_made_from_it() {
        for pattern in [
            r"^AUTH: ?Received (?:a|b) \d+ bytes$",
            r"^peer\([^)]*\) - (?:Failed|Done): .*(?i:timeout|refused)",
            r"^x{3}[a-f\d]+(?P<n>\d{2,5})\S*é",
            r"\b(?:TLS|SSL) error",
        ] {
            let regex = regex::Regex::new(pattern).expect("should compile");
            let lines = examples(pattern);
            assert!(lines.len() > 1, "{pattern}: {lines:?}");
            for line in &lines {
                assert!(regex.is_match(line), "{pattern} should match {line:?}");
            }
        }
    }

    #[test]
    fn each_alternative_has_its_line() {
        let branches: Vec<String> = (0..30).map(|n| format!("word{n}")).collect();
        let lines = examples(&format!("^(?:{})$", branches.join("|")));
        assert_eq!(lines.len(), 30);
    }

    #[test]
    fn a_large_repetition_makes_no_large_line() {
        assert!(examples("(?:(?:a{1000}){1000}){1000}").is_empty());
        assert!(examples("a{100000000}").is_empty());
    }
}
