//! Which literal text a pattern requires, so that a prefilter can pass over lines that lack it.
//!
//! The answer is safe, not perfect: "one of these texts, compared without ASCII case, is in every matching line", or none.
//! Which of several such answers is rarest in logs is `frequency`'s estimate.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::frequency::Frequency;

/// Shorter literals would let nearly every line pass.
pub const MIN_BYTES: usize = 3;
/// More alternatives than this are not worth a prefilter.
const MAX_LITERALS: usize = 64;
/// Neighbouring parts are multiplied out (`AUTH: ?Received`, `(?i)disk`) up to so many texts.
const MAX_VARIANTS: usize = 16;
/// A class of more characters than this ends a literal.
const MAX_CLASS: u32 = 10;
/// Longer texts than this are no rarer.
const MAX_BYTES: usize = 64;

/// Signs that stand for letters of ASCII where case is ignored, and those letters.
pub(super) const SIGNS: [(&str, &str); 2] = [("\u{17f}", "s"), ("\u{212a}", "k")];

/// Texts of which each match contains at least one, in ASCII lower case, with letters for [`SIGNS`]: for lines that are
/// read so.
pub type Literals = Vec<String>;

/// Texts of which each match of the pattern contains at least one; none when nothing useful is required.
pub fn required(pattern: &str) -> Option<Literals> {
    rarest(options(pattern))
}

fn rarest(options: Vec<Literals>) -> Option<Literals> {
    let frequency = Frequency::of_logs();
    let options = options.into_iter().map(|literals| (frequency.of_any(&literals), literals));
    options.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, literals)| literals)
}

/// Every answer that `required` could give: any one of them is enough.
pub fn options(pattern: &str) -> Vec<Literals> {
    let Ok(hir) = regex_syntax::Parser::new().parse(pattern) else { return Vec::new() };
    let found = Found::of(&hir);
    let mut options = found.options;
    options.extend(found.exact.and_then(useful));
    options
}

/// What is known about a part of a pattern.
struct Found {
    /// All the texts that it stands for (but for ASCII case), where they are few.
    exact: Option<Literals>,
    /// What its matches contain, besides.
    options: Vec<Literals>,
}

impl Found {
    const NOTHING: Self = Self { exact: None, options: Vec::new() };

    fn exactly(texts: Literals) -> Self {
        Self { exact: Some(texts), options: Vec::new() }
    }

    fn of(hir: &Hir) -> Self {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Self::exactly(vec![String::new()]),
            HirKind::Literal(literal) => std::str::from_utf8(&literal.0)
                .map_or(Self::NOTHING, |text| Self::exactly(vec![as_letters(text).to_ascii_lowercase()])),
            HirKind::Class(class) => Self { exact: of_class(class), options: Vec::new() },
            HirKind::Capture(capture) => Self::of(&capture.sub),
            HirKind::Repetition(repetition) => {
                let sub = Self::of(&repetition.sub);
                match (repetition.min, repetition.max) {
                    (0, Some(1)) => Self { exact: sub.exact.and_then(or_nothing), options: Vec::new() },
                    (0, _) => Self::NOTHING,
                    (min, Some(max)) if min == max && min as usize <= MAX_BYTES => {
                        let exact = sub
                            .exact
                            .as_ref()
                            .and_then(|once| (1..min).try_fold(once.clone(), |texts, _| product(&texts, once)));
                        Self { options: sub.all_options(), exact }
                    }
                    _ => Self { exact: None, options: sub.all_options() },
                }
            }
            HirKind::Concat(parts) => Self::of_concat(parts),
            HirKind::Alternation(branches) => Self::of_alternation(branches),
        }
    }

    /// The same when the part stands where its exact texts can't be joined with their neighbours.
    fn all_options(&self) -> Vec<Literals> {
        let mut options = self.options.clone();
        options.extend(self.exact.clone().and_then(useful));
        options
    }

    /// Runs of parts that stand for few texts are read as one text each.
    fn of_concat(parts: &[Hir]) -> Self {
        let mut options = Vec::new();
        let mut run = vec![String::new()];
        let mut whole = true;
        for part in parts {
            let found = Self::of(part);
            options.extend(found.options);
            let Some(texts) = found.exact else {
                options.extend(useful(std::mem::replace(&mut run, vec![String::new()])));
                whole = false;
                continue;
            };
            run = match product(&run, &texts) {
                Some(longer) => longer,
                None => {
                    options.extend(useful(run));
                    whole = false;
                    texts
                }
            };
        }
        if whole {
            return Self { exact: Some(run), options };
        }
        options.extend(useful(run));
        Self { exact: None, options }
    }

    /// One answer of each branch, together.
    fn of_alternation(branches: &[Hir]) -> Self {
        let found: Vec<Self> = branches.iter().map(Self::of).collect();
        let exact: Option<Vec<&Literals>> = found.iter().map(|branch| branch.exact.as_ref()).collect();
        if let Some(exact) = exact {
            let texts = unique(exact.into_iter().flatten().cloned().collect());
            // Few enough to be joined with what stands around, or else an answer of its own.
            if texts.len() <= MAX_VARIANTS {
                return Self::exactly(texts);
            }
        }
        let all: Option<Vec<Literals>> = found.iter().map(|branch| rarest(branch.all_options())).collect();
        let options = all.map(|all| unique(all.concat())).filter(|all| all.len() <= MAX_LITERALS);
        Self { exact: None, options: options.into_iter().collect() }
    }
}

/// The characters of a small class, folded.
fn of_class(class: &Class) -> Option<Literals> {
    let Class::Unicode(class) = class else { return None };
    let ranges = class.ranges();
    let size = |range: &regex_syntax::hir::ClassUnicodeRange| u32::from(range.end()) - u32::from(range.start()) + 1;
    // Letters in both cases count once; twice as many are looked at before.
    if ranges.len() > 24 || ranges.iter().map(size).sum::<u32>() > 2 * MAX_CLASS {
        return None;
    }
    let characters = ranges.iter().flat_map(|range| range.start()..=range.end());
    let texts = unique(characters.map(|c| as_letters(&c.to_ascii_lowercase().to_string())).collect());
    (texts.len() <= MAX_CLASS as usize).then_some(texts)
}

/// The text with letters for [`SIGNS`].
pub(super) fn as_letters(text: &str) -> String {
    SIGNS.iter().fold(text.to_owned(), |text, (sign, letter)| text.replace(sign, letter))
}

fn or_nothing(mut texts: Literals) -> Option<Literals> {
    texts.push(String::new());
    let texts = unique(texts);
    (texts.len() <= MAX_VARIANTS).then_some(texts)
}

fn unique(mut texts: Literals) -> Literals {
    let mut seen = std::collections::HashSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    texts
}

fn product(before: &[String], after: &[String]) -> Option<Literals> {
    let longest = |texts: &[String]| texts.iter().map(String::len).max().unwrap_or(0);
    if before.len() * after.len() > MAX_VARIANTS || longest(before) + longest(after) > MAX_BYTES {
        return None;
    }
    Some(unique(before.iter().flat_map(|b| after.iter().map(move |a| format!("{b}{a}"))).collect()))
}

/// The texts without those that contain another one of them.
fn useful(mut texts: Literals) -> Option<Literals> {
    if texts.is_empty() || texts.iter().any(|text| text.len() < MIN_BYTES) {
        return None;
    }
    texts.sort_by_key(String::len);
    let mut kept: Literals = Vec::with_capacity(texts.len());
    for text in texts {
        if !kept.iter().any(|shorter| text.contains(shorter.as_str())) {
            kept.push(text);
        }
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rare_text_that_every_match_contains_is_found() {
        for (pattern, expected) in [
            ("abc.*longer", Some(vec!["longer"])),
            (
                "^AUTH: ?Received control message: AUTH_FAILED",
                Some(vec!["auth: received control message: auth_failed", "auth:received control message: auth_failed"]),
            ),
            ("(?:foo|barbar)", Some(vec!["foo", "barbar"])),
            ("(?:foo|b.r)", None),
            ("a+b?[xyz]", None),
            ("(?:abc)?d", None),
            ("(?:abcd)+x", Some(vec!["abcd"])),
            ("(?i)hello", Some(vec!["hello"])),
            ("(?i)error", Some(vec!["error"])),
            ("[Ee]rr[12]", Some(vec!["err1", "err2"])),
            ("ab", None),
            ("", None),
            (".*", None),
            (
                "(?:a|b)(?:c|d)(?:e|f)x{2}",
                Some(vec!["acexx", "acfxx", "adexx", "adfxx", "bcexx", "bcfxx", "bdexx", "bdfxx"]),
            ),
        ] {
            let expected = expected.map(|e| e.into_iter().map(str::to_owned).collect::<Vec<_>>());
            let mut found = required(pattern);
            if let (Some(found), Some(expected)) = (&mut found, &expected) {
                found.sort_by_key(|text| expected.iter().position(|e| e == text));
            }
            assert_eq!(found, expected, "{pattern}");
        }
    }

    #[test]
    fn signs_that_fold_to_letters_are_read_as_these() {
        assert_eq!(required("(?i)disk"), Some(vec!["disk".to_owned()]));
        assert_eq!(required("di\u{17f}c"), Some(vec!["disc".to_owned()]));
    }

    #[test]
    fn a_rare_text_is_preferred_to_a_common_one_that_is_longer() {
        assert_eq!(required("connection refused.*qzxjvwkzqjx"), Some(vec!["qzxjvwkzqjx".to_owned()]));
    }
}
