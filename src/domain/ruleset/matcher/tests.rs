//! The matcher finds what each pattern by itself would.

use proptest::prelude::*;

use super::*;

/// Words that patterns and lines are made of: some are parts of others, some fold, some are hardly literals.
const WORDS: [&str; 14] = [
    "TLS",
    "TLS Error",
    "error",
    "Error",
    "timeout",
    "time",
    "ſ",
    "é",
    "handshake failed",
    "AUTH_FAILED",
    "k",
    "kiss",
    " ",
    "connection reset by peer",
];

fn pattern() -> impl Strategy<Value = String> {
    let word = prop::sample::select(&WORDS[..]).prop_map(regex::escape);
    let other = prop::sample::select(&[r"\d+", ".", "^", "$", "[a-f0-9]{2}", r"\w*", r"\b", "[^ ]", ".*", "[Ee]"][..]);
    let leaf = prop_oneof![4 => word, 2 => other.prop_map(str::to_owned)];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            2 => prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            2 => inner.clone().prop_map(|part| format!("(?i:{part})")),
            1 => inner.clone().prop_map(|part| format!("(?:{part})*")),
            1 => inner.clone().prop_map(|part| format!("(?:{part})?")),
            1 => inner.clone().prop_map(|part| format!("(?:{part}){{2}}")),
            1 => inner.prop_map(|part| format!("(?:{part})+")),
        ]
    })
}

fn line() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => prop::sample::select(&WORDS[..]).prop_map(str::to_owned),
        2 => prop::sample::select(&WORDS[..]).prop_map(str::to_uppercase),
        2 => "[a-z0-9 ]{0,4}",
        1 => "[\0\t\r\u{b}\u{85}\u{2028}K]",
    ];
    prop::collection::vec(word, 0..8).prop_map(|words| words.concat())
}

fn compiled(patterns: &[String]) -> (Matcher, Vec<Regex>) {
    let patterns: Vec<Regex> = patterns.iter().map(|p| Regex::new(p).expect("should compile")).collect();
    (Matcher::new(patterns.iter().cloned().map(Some).collect()), patterns)
}

fn found(matcher: &Matcher, buffer: &str, scratch: &mut Scratch) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    matcher.scan(buffer, scratch, |line, number| found.push((buffer[line].to_owned(), number)));
    found
}

fn found_naively(patterns: &[Regex], buffer: &str) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    // As `str::lines`, but for a lone line end at the end, and for more than one return.
    let lines = buffer.split('\n').map(|line| line.trim_end_matches('\r'));
    let lines: Vec<&str> =
        lines.take(buffer.split('\n').count() - usize::from(buffer.is_empty() || buffer.ends_with('\n'))).collect();
    for line in lines {
        let numbers = (0u32..).zip(patterns).filter(|(_, pattern)| pattern.is_match(line)).map(|(number, _)| number);
        found.extend(numbers.map(|number| (line.to_owned(), number)));
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_buffer_of_lines_matches_as_each_line_and_pattern_by_itself(
        patterns in prop::collection::vec(pattern(), 1..24),
        lines in prop::collection::vec(line(), 0..24),
        line_end in prop::sample::select(&["\n", "\r\n", "\r\r\n"][..]),
        ended in any::<bool>(),
    ) {
        let (matcher, patterns) = compiled(&patterns);
        let buffer = lines.join(line_end) + if ended { line_end } else { "" };
        let mut scratch = Scratch::default();
        prop_assert_eq!(found(&matcher, &buffer, &mut scratch), found_naively(&patterns, &buffer));
        // What is left in the scratch from one buffer says nothing about another.
        let half = lines[..lines.len() / 2].concat();
        prop_assert_eq!(found(&matcher, &half, &mut scratch), found_naively(&patterns, &half));
    }

    #[test]
    fn a_line_that_a_pattern_matches_is_a_candidate(patterns in prop::collection::vec(pattern(), 1..12), line in line()) {
        let (matcher, patterns) = compiled(&patterns);
        let mut candidates = matcher.candidates(&line);
        matcher.matching_without_literal(&line, |number| candidates.add(number));
        let numbers: Vec<u32> = candidates.in_order().collect();
        prop_assert!(numbers.is_sorted_by(|a, b| a < b), "{:?}", numbers);
        for (number, pattern) in (0u32..).zip(&patterns) {
            prop_assert!(!pattern.is_match(&line) || numbers.contains(&number), "{} in {:?}", pattern, line);
        }
    }
}

#[test]
fn a_line_with_more_places_than_are_kept_is_decided_as_any_other() {
    let patterns =
        ["kiss me", "kiss.*you", "you.*kiss", "kiss [^k]", "(?:kiss )+(?:kiss )+you", "[0-9]@%[a-f]", "[0-9]@%[x-z]"];
    let (matcher, patterns) = compiled(&patterns.map(str::to_owned));
    for end in ["kiss you", "kiss me", "7@%a", "you 7@%z kiss"] {
        let line = "kiss 7@% ".repeat(20_000) + end;
        let mut candidates = matcher.candidates(&line);
        matcher.matching_without_literal(&line, |number| candidates.add(number));
        let candidates: Vec<u32> = candidates.in_order().collect();
        let found: Vec<u32> =
            found(&matcher, &line, &mut Scratch::default()).into_iter().map(|found| found.1).collect();
        let naively: Vec<u32> = found_naively(&patterns, &line).into_iter().map(|found| found.1).collect();
        assert_eq!(found, naively, "{end}");
        assert!(naively.iter().all(|number| candidates.contains(number)), "{end}: {candidates:?}");
    }
}

#[test]
fn patterns_without_a_literal_are_decided_together_whatever_they_hold() {
    let patterns: Vec<String> = (0..300)
        .map(|n| match n % 4 {
            0 => format!("^[a-f]{{{}}}[0-9]", n % 9 + 1),
            1 => format!("[a-z]+[0-9]{{{}}}[a-z]", n % 7 + 1),
            2 => format!(r"\b[x-z]{{{}}}\b", n % 5 + 1),
            _ => format!("[^a]{{{}}}[é0-9]$", n % 11 + 1),
        })
        .collect();
    let (matcher, patterns) = compiled(&patterns);
    assert!(matcher.has_patterns_without_literal());
    let lines = ["", "abc1", "abcdef0 xyz", "é é 0", "xx yy zz1a 22b", "no", "bbbbbbbbb9", "x\u{85}y 5"];
    let buffer = lines.join("\n");
    assert_eq!(found(&matcher, &buffer, &mut Scratch::default()), found_naively(&patterns, &buffer));
}

#[test]
fn a_pattern_that_is_missing_matches_nothing() {
    let matcher = Matcher::new(vec![None, Some(Regex::new("hello").expect("should compile")), None]);
    assert_eq!(found(&matcher, "hello\nhell", &mut Scratch::default()), [("hello".to_owned(), 1)]);
}
