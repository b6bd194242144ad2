//! Which literal text a pattern requires, so that a prefilter can pass over lines that lack it.
//!
//! The answer is safe, not perfect: "one of these texts, compared without ASCII case, is in every matching line", or none.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Shorter literals would let nearly every line pass.
const MIN_BYTES: usize = 3;
/// More alternatives than this are not worth a prefilter.
const MAX_LITERALS: usize = 64;

/// Texts of which each match of the pattern contains at least one; none when nothing useful is required.
pub fn required(pattern: &str) -> Option<Vec<String>> {
    let hir = regex_syntax::Parser::new().parse(pattern).ok()?;
    of(&hir)
}

fn of(hir: &Hir) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok().and_then(useful),
        HirKind::Class(_) | HirKind::Empty | HirKind::Look(_) => None,
        HirKind::Repetition(repetition) => (repetition.min > 0).then(|| of(&repetition.sub)).flatten(),
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Alternation(branches) => {
            let mut all = Vec::new();
            for branch in branches {
                all.extend(of(branch)?);
                if all.len() > MAX_LITERALS {
                    return None;
                }
            }
            Some(all)
        }
        HirKind::Concat(parts) => of_concat(parts),
    }
}

/// The best of the parts, where neighbouring literals (and case-folded letters) are read as one text.
fn of_concat(parts: &[Hir]) -> Option<Vec<String>> {
    let mut best: Option<Vec<String>> = None;
    let mut keep = |found: Option<Vec<String>>| {
        if let Some(found) = found
            && best.as_ref().is_none_or(|best| score(&found) > score(best))
        {
            best = Some(found);
        }
    };
    let mut run = String::new();
    for part in parts {
        match text_of(part) {
            Some(text) => run.push_str(&text),
            None => {
                keep(useful(&std::mem::take(&mut run)));
                keep(of(part));
            }
        }
    }
    keep(useful(&run));
    best
}

/// The text that a part stands for, where it stands for exactly one (but for ASCII case).
fn text_of(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok().map(str::to_owned),
        HirKind::Class(Class::Unicode(class)) => {
            let ranges = class.ranges();
            let letters: Vec<char> = ranges.iter().map(regex_syntax::hir::ClassUnicodeRange::start).collect();
            let single = ranges.iter().all(|range| range.start() == range.end());
            let folded = letters.len() == 2 && letters[0].eq_ignore_ascii_case(&letters[1]);
            (single && folded).then(|| letters[0].to_ascii_lowercase().to_string())
        }
        HirKind::Capture(capture) => text_of(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(text_of).collect(),
        _ => None,
    }
}

fn useful(text: &str) -> Option<Vec<String>> {
    (text.len() >= MIN_BYTES).then(|| vec![text.to_owned()])
}

/// Longer shortest literal first, then fewer of them.
fn score(literals: &[String]) -> (usize, std::cmp::Reverse<usize>) {
    (literals.iter().map(String::len).min().unwrap_or(0), std::cmp::Reverse(literals.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_text_that_every_match_contains_is_found() {
        for (pattern, expected) in [
            ("abc.*longer", Some(vec!["longer"])),
            ("^AUTH: ?Received control message: AUTH_FAILED", Some(vec!["Received control message: AUTH_FAILED"])),
            ("(?:foo|barbar)", Some(vec!["foo", "barbar"])),
            ("(?:foo|b.r)", None),
            ("a+b?[xyz]", None),
            ("(?:abc)?d", None),
            ("(?:abcd)+x", Some(vec!["abcd"])),
            ("(?i)hello", None),
            ("(?i)error", Some(vec!["error"])),
            ("ab", None),
            ("", None),
        ] {
            let expected = expected.map(|e| e.into_iter().map(str::to_owned).collect::<Vec<_>>());
            let found = required(pattern);
            if pattern == "(?i)hello" {
                // No letter of it folds beyond ASCII.
                assert_eq!(found, Some(vec!["hello".to_owned()]));
            } else {
                assert_eq!(found, expected, "{pattern}");
            }
        }
        // k and s also match the Kelvin sign and the long s, which are no ASCII case pairs.
        assert_eq!(required("(?i)kisskiss"), None);
    }
}
