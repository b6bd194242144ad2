//! Branches tell what the regex tells.

use proptest::prelude::*;
use regex::Regex;

use super::{Bounds, Branch, Budget, Verdict, branches};

const PARTS: [&str; 22] = [
    "TLS",
    "peer",
    "Error",
    "(?i)error",
    "(?i:disk)",
    " ",
    ": ",
    r"\d+",
    "[0-9]{1,3}",
    "[a-z]+",
    "[a-z]*[0-9]",
    ".*",
    ".+",
    ".{2,}",
    "^",
    "$",
    r"\b",
    r"\B",
    "(?:up|down)",
    "x?",
    "[^ ]+",
    "'[a-z.]*'",
];

fn pattern() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&PARTS[..]), 1..7).prop_map(|parts| parts.concat())
}

fn line() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => prop::sample::select(&["TLS", "peer", "Error", "ERROR", "disk", " ", ": ", "up", "down", "'a.b'", "x"][..]).prop_map(str::to_owned),
        2 => "[a-z0-9 .:']{0,4}",
    ];
    prop::collection::vec(word, 0..10).prop_map(|words| words.concat())
}

/// Whether any branch matches, looked for by the given one of its elements at every place; nothing when that would take
/// too long.
fn matches(pattern: &str, line: &str, bounds: Bounds, by: usize) -> Option<bool> {
    let (mut any, mut budget) = (false, Budget::of(1 << 20));
    let mut branches = branches(pattern)?;
    Branch::number(&mut branches);
    for branch in &mut branches {
        branch.look_for(by % branch.elements.len().max(1));
        for at in (0..=line.len()).filter(|at| branch.is_at(line.as_bytes(), *at)) {
            match branch.verify(line.as_bytes(), at, bounds, &mut budget) {
                Verdict::Matches => any = true,
                Verdict::No => {}
                Verdict::Unknown => return None,
            }
        }
    }
    Some(any)
}

fn is_match(pattern: &str, line: &str) -> bool {
    Regex::new(pattern).expect("should compile").is_match(line)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_branch_matches_where_the_pattern_does(pattern in pattern(), line in line(), by in 0..6_usize) {
        if let Some(known) = matches(&pattern, &line, Bounds::Line, by) {
            prop_assert_eq!(known, is_match(&pattern, &line), "{} in {:?}", pattern, line);
        }
    }

    #[test]
    fn a_short_look_amid_other_lines_passes_over_no_match(
        pattern in pattern(), line in line(), around in "[a-z0-9 :']{0,6}", end in "(\r?\n)?", by in 0..6_usize,
    ) {
        let text = format!("{around}\n{line}{end}{}", if end.is_empty() { "" } else { &around });
        let start = around.len() + 1;
        for mut branch in branches(&pattern).unwrap_or_default() {
            branch.look_for(by % branch.elements.len().max(1));
            for at in 0..=line.len() {
                let verdict = branch.verify(line.as_bytes(), at, Bounds::Line, &mut Budget::of(1 << 20));
                let may_match = branch.may_match(text.as_bytes(), start + at);
                prop_assert!(verdict == Verdict::No || may_match, "{} in {:?} at {}", pattern, text, at);
            }
        }
    }

    #[test]
    fn a_match_is_known_though_its_line_lost_something_at_its_ends(
        pattern in pattern(), line in line(), before in "[a-z ]{0,6}", after in "[a-z ]{0,6}", by in 0..6_usize,
    ) {
        let whole = format!("{before}{line}{after}");
        prop_assert!(!is_match(&pattern, &line) || matches(&pattern, &whole, Bounds::Anywhere, by) != Some(false));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_noted_of_a_long_line_changes_nothing(
        pattern in pattern(), line in line(), filling in 2000..2500_usize, by in 0..6_usize,
    ) {
        let line = format!("{line}{}{line}", "-".repeat(filling));
        if let Some(known) = matches(&pattern, &line, Bounds::Line, by) {
            prop_assert_eq!(known, is_match(&pattern, &line), "{} in {:?}", pattern, line);
        }
    }
}

#[test]
fn most_patterns_of_the_shipped_rules_are_branches() {
    let rules = crate::domain::ruleset::RuleSet::shipped();
    let patterns: Vec<&str> =
        rules.rules().iter().filter_map(|rule| rule.pattern.as_ref()).map(Regex::as_str).collect();
    let branches = patterns.iter().filter(|pattern| branches(pattern).is_some()).count();
    assert!(branches * 3 > patterns.len() * 2, "{branches} of {}", patterns.len());
}

#[test]
fn a_line_that_would_take_too_long_is_left_to_the_regex() {
    // Quadratic: each text begins a run to the end of the line.
    let branches = branches("abc[a-z]+!").expect("should be a branch");
    let line = "abc".repeat(20_000);
    let mut budget = Budget::of(line.len());
    let last =
        (0..line.len()).step_by(3).map(|at| branches[0].verify(line.as_bytes(), at, Bounds::Line, &mut budget)).last();
    assert_eq!(last, Some(Verdict::Unknown));
}
