//! Mistakes in rule files, each with its place.

use super::*;

fn errors(source: &str) -> Vec<String> {
    match parse("my.yaml", source, Strictness::User) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

/// A file with one good rule whose last key is `extra`.
fn with(extra: &str) -> String {
    format!(
        "version: 1\nclient: openvpn\nrules:\n  - id: a\n    title: A\n    evidence: own\n    verdict: rotate\n{extra}"
    )
}

#[test]
fn a_whole_rule_is_read() {
    let source = "version: 1
client: any
rules:
  - id: auth-failed
    title: Rejected
    client: openvpn
    pattern: '^AUTH'
    unless: TEMP
    evidence: own
    verdict: rotate
    threshold: { count: 2, within: 60s }
    samples: { fires: ['AUTH'], silent: ['x'] }
    docs: https://example.org
";
    let rules = parse("my.yaml", source, Strictness::Shipped).expect("should load");
    let rule = &rules[0];
    assert_eq!((rule.id.as_str(), rule.client), ("auth-failed", Client::Openvpn));
    assert_eq!(rule.threshold, Threshold { count: 2, within: Duration::from_secs(60) });
    assert_eq!((rule.origin.line, rule.origin.column), (4, 9));
    assert!(rule.matches("AUTH", None) && !rule.matches("AUTH TEMP", None) && !rule.matches("x AUTH", None));
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (source, expected) in [
        (with("    patern: x\n"), "my.yaml:8:5: unknown field `patern`"),
        (with("    pattern: '(x'\n"), "my.yaml:8:15: the pattern is no regular expression: unclosed group"),
        (
            with("    pattern: 'ab[z-a]'\n"),
            "my.yaml:8:18: the pattern is no regular expression: invalid character class range",
        ),
        (
            with("    pattern: '(?:x{1000}){1000000}'\n"),
            "my.yaml:8:14: the pattern is no regular expression: the pattern compiles to more than",
        ),
        (
            with("    pattern: x{1000000000}\n"),
            "my.yaml:8:14: the pattern is no regular expression: the pattern compiles to more than",
        ),
        (
            with("    pattern: x\n    threshold: { count: 0, within: 5s }\n"),
            "my.yaml:9:25: \"count\" must be 1 to 1000",
        ),
        (with("    pattern: x\n    threshold: { count: 2 }\n"), "my.yaml:9:25: \"count\" above 1 needs \"within\""),
        (with("    pattern: x\n    threshold: { count: 2, within: 2d }\n"), "my.yaml:9:36: \"2d\" is no time"),
        (with("    pattern: x\n    where: { a: 1 }\n"), "my.yaml:4:9: \"where\" reads fields of a health line"),
        (with("    client: health\n    where: { a: '> x' }\n"), "my.yaml:9:17: \"> x\" needs a number"),
        (
            with("    pattern: x\n    absent: { for: 3m }\n    threshold: { count: 2, within: 5s }\n"),
            "my.yaml:9:13: \"absent\" waits for a line that stops, \"threshold\" counts",
        ),
        (with("    pattern: x\n    absent: { for: 0s }\n"), "my.yaml:9:20: \"0s\" is no time from 1s to 1h"),
        (with("    pattern: x\n    absent: { for: 2h }\n"), "my.yaml:9:20: \"2h\" is no time from 1s to 1h"),
        (with("    pattern: x\n    absent: { since: 2h }\n"), "my.yaml:9:15: unknown field `since`"),
        (with("    absent: { for: 2m }\n"), "my.yaml:4:9: rule \"a\" matches every line"),
        (
            with("    pattern: x\n    absent: { for: 3m }\n").replace("verdict: rotate", "verdict: recovered"),
            "my.yaml:9:13: \"absent\" needs a verdict that says what to do: rotate, restart or alert, not recovered",
        ),
        (with("    docs: x\n"), "my.yaml:4:9: rule \"a\" matches every line"),
        (with("    pattern: x\n    verdict: rotate\n"), "my.yaml:9:5: duplicate mapping key"),
        ("version: 2\nrules: []\n".to_owned(), "my.yaml:1:10: version 2 is not known"),
        ("version: 1\nclient: ovpn\nrules: []\n".to_owned(), "my.yaml:2:9: unknown variant `ovpn`"),
        (
            "version: 1\nrules:\n  - id: A b\n    title: x\n    evidence: own\n    verdict: alert\n".to_owned(),
            "my.yaml:3:9: \"A b\" is no rule id",
        ),
        (
            "version: 1\nrules:\n  - id: a\n    title: x\n    evidence: own\n    verdict: alert\n    pattern: x\n"
                .to_owned(),
            "my.yaml:3:9: rule \"a\" names no client",
        ),
        ("version: [1\n".to_owned(), "my.yaml:"),
    ] {
        let errors = errors(&source);
        assert!(errors.first().is_some_and(|e| e.starts_with(expected)), "want {expected:?}, got {errors:?}\n{source}");
    }
}

#[test]
fn a_line_that_should_come_is_given_its_time() {
    let rules = parse("my.yaml", &with("    pattern: x\n    absent: { for: 180s }\n"), Strictness::User);
    assert_eq!(rules.expect("should load")[0].absent, Some(Duration::from_secs(180)));
}

#[test]
fn a_shipped_rule_needs_samples() {
    let source = with("    pattern: x\n    samples: { fires: [x] }\n");
    assert!(parse("my.yaml", &source, Strictness::User).is_ok());
    let error = parse("my.yaml", &source, Strictness::Shipped).expect_err("should need a silent sample");
    assert_eq!(error[0].to_string(), "my.yaml:4:9: shipped rule \"a\" needs a firing and a silent sample");
}

#[test]
fn the_place_is_marked() {
    let errors = parse("my.yaml", &with("    patern: x\n"), Strictness::User).expect_err("should fail");
    assert_eq!(errors[0].marked().to_string(), " 8 |     patern: x\n   |     ^^^^^^");
}
