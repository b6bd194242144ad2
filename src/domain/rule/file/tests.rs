//! Mistakes in rule files, each with its place and what to write instead.

use super::*;

fn errors(source: &str) -> Vec<String> {
    read("my.yaml", source, Strictness::User).errors.iter().map(ToString::to_string).collect()
}

/// A file with one good rule whose last keys are `extra`.
fn with(extra: &str) -> String {
    format!(
        "version: 1\nclient: openvpn\nrules:\n  - id: a\n    title: A\n    evidence: own\n    verdict: rotate\n{extra}"
    )
}

/// The only error is the expected one.
fn assert_refused(source: &str, expected: &str) {
    let errors = errors(source);
    assert!(
        errors.len() == 1 && errors[0].starts_with(&format!("my.yaml:{expected}")),
        "want {expected:?}, got {errors:#?}\n{source}"
    );
}

#[test]
fn a_whole_rule_is_read() {
    let source = "version: 1
client: any
rules:
  - id: auth-failed
    title: Rejected
    client: openvpn
    pattern: '^AUTH (?P<seconds>\\d+)'
    unless: TEMP
    where: { seconds: '> 3' }
    evidence: own
    verdict: rotate
    severity: critical
    threshold: { count: 2, within: 60s }
    tags: [provider, account]
    enabled: true
    samples: { fires: ['AUTH 5'], silent: ['x'] }
    docs: https://example.org
";
    let rules = parse("my.yaml", source, Strictness::Shipped).expect("should load");
    let rule = &rules[0];
    assert_eq!((rule.id.as_str(), rule.client), ("auth-failed", Client::Openvpn));
    assert_eq!(rule.threshold, Threshold { count: 2, within: Duration::from_secs(60) });
    assert_eq!((rule.severity, rule.tags.len()), (Severity::Critical, 2));
    assert_eq!((rule.origin.line, rule.origin.column), (4, 9));
    for (line, matches) in [("AUTH 5", true), ("AUTH 3", false), ("AUTH 5 TEMP", false), ("x AUTH 5", false)] {
        assert_eq!(rule.matches(line, None), matches, "{line}");
    }
}

#[test]
fn a_severity_that_is_not_given_follows_from_the_verdict() {
    for (verdict, severity) in [
        ("rotate", Severity::Warning),
        ("restart", Severity::Warning),
        ("alert", Severity::Critical),
        ("ignore", Severity::Info),
        ("recovered", Severity::Info),
    ] {
        let source = with("    pattern: x\n").replace("rotate", verdict);
        assert_eq!(
            parse("my.yaml", &source, Strictness::User).expect("should load")[0].severity,
            severity,
            "{verdict}"
        );
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_key_that_is_meant() {
    assert_refused(&with("    patern: x\n"), "8:5: unknown key \"patern\" in a rule; did you mean \"pattern\"?");
    assert_refused(
        &with("    pattern: x\n    colour: red\n"),
        "9:5: unknown key \"colour\" in a rule; known are id, title,",
    );
    assert_refused(
        &with("    pattern: x\n    threshold: { cuont: 2, count: 1 }\n"),
        "9:18: unknown key \"cuont\" in \"threshold\"; did you mean \"count\"?",
    );
    assert_refused(
        &with("    pattern: x\n    samples: { fire: [x] }\n"),
        "9:16: unknown key \"fire\" in \"samples\"; did you mean \"fires\"?",
    );
    assert_refused(
        "version: 1\nrule: []\nrules: []\n",
        "2:1: unknown key \"rule\" in a rule file; did you mean \"rules\"?",
    );
}

#[test]
fn an_unknown_word_is_refused_with_the_word_that_is_meant() {
    assert_refused(
        "version: 1\nclient: openvnp\nrules: []\n",
        "2:9: \"client\" can't be \"openvnp\"; did you mean \"openvpn\"?",
    );
    assert_refused(
        &with("    pattern: x\n    severity: fatal\n"),
        "9:15: \"severity\" can't be \"fatal\"; known are info, warning, critical",
    );
    assert_refused(
        &with("    pattern: x\n").replace("own", "owm"),
        "6:15: \"evidence\" can't be \"owm\"; did you mean \"own\"?",
    );
    assert_refused(
        &with("    pattern: x\n").replace("rotate", "[a]"),
        "7:14: \"verdict\" must be one of rotate, restart,",
    );
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_the_right_one() {
    assert_refused(&with("    pattern: 12\n"), "8:14: \"pattern\" must be text; put it in quotes: '12'");
    assert_refused(&with("    pattern: [x]\n"), "8:14: \"pattern\" must be text, not a list");
    assert_refused(&with("    pattern: x\n").replace("title: A", "title:"), "5:10: \"title\" is empty");
    assert_refused(&with("    pattern: x\n    enabled: 'no'\n"), "9:14: \"enabled\" must be true or false");
    assert_refused(
        &with("    pattern: x\n    tags: provider\n"),
        "9:11: \"tags\" must be a list, such as [a, b], not text",
    );
    assert_refused(
        &with("    pattern: x\n    tags: [My Tag]\n"),
        "9:12: \"My Tag\" is no tag; write 1 to 63 lower-case",
    );
    assert_refused(
        &with("    pattern: x\n    samples: [x]\n"),
        "9:14: \"samples\" must be a mapping with the keys fires, silent, not a list",
    );
    assert_refused(
        &with("    pattern: x\n    where: [x]\n"),
        "9:12: \"where\" must be a mapping such as { seconds: '>= 15' }, not a list",
    );
    assert_refused(
        "version: 1\nrules: { id: a }\n",
        "2:8: \"rules\" must be a list, each rule with \"- id: …\", not a mapping",
    );
    assert_refused("[]\n", "1:1: a rule file must be a mapping with the keys version, client, rules, not a list");
    assert_refused("", "1:1: a rule file must be a mapping");
    assert_refused("version: 1\nclient: any\nrules: [a]\n", "3:9: a rule must be a mapping with the keys id,");
}

#[test]
fn a_pattern_that_is_no_regular_expression_is_marked_at_its_own_character() {
    for (pattern, expected) in [
        (
            "'(x'",
            "8:15: the pattern is no regular expression: unclosed group; a parenthesis of the text is written \\( or \\)",
        ),
        ("'it''s (x'", "8:21: the pattern is no regular expression: unclosed group"),
        (r#""a\\d(x""#, "8:19: the pattern is no regular expression: unclosed group"),
        ("ab[z-a]", "8:17: the pattern is no regular expression: invalid character class range"),
        ("'a(?!b)'", "8:16: the pattern is no regular expression: look-around"),
        ("|-\n      a(x", "9:8: the pattern is no regular expression: unclosed group"),
        ("''", "8:14: the pattern is empty"),
    ] {
        assert_refused(&with(&format!("    pattern: {pattern}\n")), expected);
    }
    assert_refused(
        &with("    pattern: x\n    unless: '*a'\n"),
        "9:14: the pattern is no regular expression: repetition operator missing",
    );
}

#[test]
fn a_condition_on_a_group_that_the_pattern_does_not_have_is_refused_with_those_it_has() {
    assert_refused(
        &with("    pattern: '(?P<seconds>\\d+) (?P<tries>\\d+)'\n    where: { second: 1 }\n"),
        "9:14: \"second\" is no named group of the pattern; did you mean \"seconds\"?",
    );
    assert_refused(
        &with("    pattern: '(?P<seconds>\\d+) (?P<tries>\\d+)'\n    where: { bytes: 1 }\n"),
        "9:14: \"bytes\" is no named group of the pattern; known are seconds, tries",
    );
    assert_refused(
        &with("    pattern: x\n    where: { a: 1 }\n"),
        "9:14: \"a\" is no named group of the pattern, which has none; write (?P<a>…) around the text that is meant",
    );
    assert_refused(&with("    where: { a: 1 }\n"), "8:14: \"a\" is no named group of the pattern, which has none");
}

#[test]
fn a_condition_that_can_never_hold_is_refused() {
    assert_refused(
        &with("    client: health\n    where: { a: '> x' }\n"),
        "9:17: \"> x\" needs a number after >, such as '> 15'",
    );
    assert_refused(
        &with("    client: health\n    where: { a: [1] }\n"),
        "9:17: the condition on \"a\" must be a word, a number",
    );
    assert_refused(&with("    client: health\n    where: {}\n"), "9:12: \"where\" has no condition");
}

#[test]
fn an_impossible_threshold_is_refused() {
    for (threshold, expected) in [
        ("{ count: 0, within: 5s }", "9:25: \"count\" must be a whole number from 1 to 1000"),
        ("{ count: -1, within: 5s }", "9:25: \"count\" must be"),
        ("{ count: 2.5, within: 5s }", "9:25: \"count\" must be"),
        ("{ count: 99999999999999999999999999, within: 5s }", "9:25: \"count\" must be"),
        ("{ count: 2 }", "9:25: \"count\" above 1 needs \"within\""),
        ("{ within: 5s }", "9:16: \"threshold\" has no \"count\""),
        ("{ count: 2, within: 2d }", "9:36: \"2d\" is no time from 1s to 1h"),
        ("{ count: 2, within: 60 }", "9:36: \"60\" is no time from 1s to 1h; write such as 60s"),
        ("{ count: 2, within: 99999999999999999999h }", "9:36: \"99999999999999999999h\" is no time"),
        ("2", "9:16: \"threshold\" must be a mapping with the keys count, within, not a number"),
    ] {
        assert_refused(&with(&format!("    pattern: x\n    threshold: {threshold}\n")), expected);
    }
}

#[test]
fn what_a_rule_needs_is_named_when_it_is_missing() {
    let source = "version: 1\nrules:\n  - id: a\n    pattern: x\n";
    let errors = errors(source);
    assert_eq!(errors.len(), 4, "{errors:#?}");
    assert!(errors[0].starts_with("my.yaml:3:9: rule \"a\" names no client; write \"client: openvpn\""), "{errors:?}");
    assert!(errors[1].starts_with("my.yaml:3:9: rule \"a\" has no \"title\""), "{errors:?}");
    assert_refused("version: 1\nclient: any\nrules:\n  - title: x\n", "4:5: the rule has no \"id\"");
    assert_refused("version: 1\n", "1:1: the file has no \"rules\"");
    assert_refused("rules: []\n", "1:1: the file names no version");
    assert_refused("version: 2\nrules: []\n", "1:10: this version is not known; write \"version: 1\"");
    assert_refused(&with("    pattern: x\n").replace("id: a", "id: A b"), "4:9: \"A b\" is no rule id");
}

#[test]
fn an_entry_without_a_pattern_keeps_the_client_of_the_rule_that_it_changes() {
    assert_refused(
        "version: 1\nrules:\n  - { id: a, client: openvpn, enabled: false }\n",
        "3:14: an entry without \"pattern\" changes a shipped rule, whose client stays",
    );
    let alone = parse("my.yaml", "version: 1\nrules: [{ id: a, enabled: false }]\n", Strictness::User);
    let error = alone.expect_err("should be refused")[0].to_string();
    assert!(error.starts_with("my.yaml:2:15: rule \"a\" has no \"pattern\"; give it one"), "{error}");
}

#[test]
fn a_key_that_is_there_twice_is_refused_with_both_places() {
    assert_refused(
        &with("    pattern: x\n    verdict: alert\n"),
        "9:5: key \"verdict\" is there already, in line 7; keep one of them",
    );
}

#[test]
fn all_mistakes_of_a_file_are_told_in_one_go() {
    let source = "version: 1
client: opnvpn
rules:
  - id: one
    titel: x
    patern: y
    evidence: mine
    verdict: rotate
  - id: two
    title: 5
    pattern: '(x'
    evidence: own
    verdict: rotate
    threshold: { count: 0 }
  - id: three
    title: T
    pattern: ok
    evidence: own
    verdict: rotate
";
    let parsed = read("my.yaml", source, Strictness::User);
    let places: Vec<(usize, usize)> = parsed.errors.iter().map(|e| (e.line, e.column)).collect();
    assert_eq!(
        places,
        [(2, 9), (5, 5), (6, 5), (7, 15), (10, 12), (14, 25), (14, 25), (11, 15)],
        "{:#?}",
        parsed.errors
    );
    assert_eq!(parsed.entries.iter().map(|e| e.id().as_str()).collect::<Vec<_>>(), ["three"]);
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
    let errors = read("my.yaml", &with("    patern: x\n"), Strictness::User).errors;
    assert_eq!(errors[0].marked().to_string(), " 8 |     patern: x\n   |     ^^^^^^");
}

#[test]
fn a_rule_without_a_known_group_leaves_lines_alone_where_the_group_took_nothing() {
    let source = with("    pattern: '^lost(?: (?P<seconds>\\d+) s)?'\n    where: { seconds: '>= 3' }\n");
    let rules = parse("my.yaml", &source, Strictness::User).expect("should load");
    for (line, matches) in [("lost 3 s", true), ("lost 2 s", false), ("lost", false)] {
        assert_eq!(rules[0].matches(line, None), matches, "{line}");
    }
}

mod hostile;
