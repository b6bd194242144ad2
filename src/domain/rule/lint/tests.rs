//! Each warning: what brings it up, where it stands, and what does not bring it up.

use super::*;
use crate::domain::ruleset::pack::{self, Base, SHIPPED};

fn file(rules: &str) -> String {
    format!("version: 1\nclient: openvpn\nrules:\n{rules}")
}

/// One rule with samples that fit `pattern: …` and whatever else is given.
fn rule(keys: &str) -> String {
    file(&format!(
        "  - id: mine\n    title: Mine\n    evidence: own\n    samples: {{ fires: [Foo bar], silent: [x] }}\n{keys}"
    ))
}

fn linted(base: Base, source: &str) -> Vec<Warning> {
    let layers = pack::layered(base, &[("my.yaml", source)]).expect("should load");
    lint(&layers.rules, &[("my.yaml".to_owned(), source.to_owned())])
}

/// The only warning has this code and marks this text.
fn assert_warned(source: &str, code: &str, marked: &str) {
    let warnings = linted(Base::Nothing, source);
    let found: Vec<(&str, String)> = warnings
        .iter()
        .map(|w| (w.code, w.at.excerpt.chars().skip(w.at.column - 1).take(w.at.width).collect()))
        .collect();
    assert_eq!(found, [(code, marked.to_owned())], "{source}\n{warnings:#?}");
}

#[test]
fn a_rule_as_it_should_be_has_no_warning() {
    assert_eq!(linted(Base::Shipped, &rule("    pattern: '^Foo bar'\n    verdict: alert\n")), []);
}

#[test]
fn a_pattern_that_is_not_anchored_is_marked_at_its_loose_alternative() {
    assert_warned(&rule("    pattern: 'Foo bar'\n    verdict: alert\n"), "not-anchored", "Foo bar");
    assert_warned(&rule("    pattern: '^it''s|Foo bar'\n    verdict: alert\n"), "not-anchored", "Foo bar");
    assert_warned(&rule("    pattern: '^.*Foo bar'\n    verdict: alert\n"), "not-anchored", ".*");
    assert_warned(&rule("    pattern: >-\n      Foo bar\n    verdict: alert\n"), "not-anchored", "Foo bar");
}

#[test]
fn a_pattern_without_words_is_slow() {
    assert_warned(&rule("    pattern: '^F.o'\n    verdict: alert\n"), "no-literal", "'^F.o'");
}

#[test]
fn a_pattern_that_matches_everything_is_told_so() {
    let warnings = linted(Base::Nothing, &rule("    pattern: '^(?:Foo)?'\n    verdict: alert\n"));
    assert_eq!(warnings.iter().map(|w| w.code).collect::<Vec<_>>(), ["matches-every-line"]);
}

#[test]
fn a_pattern_near_the_bound_is_told_so() {
    assert_warned(
        &rule("    pattern: '^Foo bar(?:[a-z]{100}){0,80}'\n    verdict: alert\n"),
        "large-pattern",
        "'^Foo bar(?:[a-z]{100}){0,80}'",
    );
}

#[test]
fn a_rule_without_samples_is_told_which_are_missing() {
    let bare = "  - { id: mine, title: M, evidence: own, verdict: alert, pattern: '^Foo' }\n";
    assert_warned(&file(bare), "no-samples", "mine");
    let warnings =
        linted(Base::Nothing, &rule("    pattern: ^Foo\n    verdict: alert\n").replace("fires: [Foo bar], ", ""));
    assert!(warnings[0].at.message.contains("has no firing sample"), "{warnings:?}");
}

#[test]
fn a_rule_that_an_earlier_one_leaves_nothing_to_is_shadowed() {
    let first = "  - { id: first, title: F, evidence: own, verdict: ignore, pattern: '^Foo', samples: { fires: [Foo], silent: [x] } }\n";
    let source = rule("    pattern: '^Foo (?:bar|baz)'\n    verdict: alert\n");
    assert_warned(&source.replacen("rules:\n", &format!("rules:\n{first}"), 1), "shadowed", "'^Foo (?:bar|baz)'");
    // The other way round the special case comes first, as it should.
    assert_eq!(linted(Base::Nothing, &format!("{source}{first}")), []);
}

#[test]
fn two_rules_whose_order_alone_decides_overlap() {
    let first = "  - { id: first, title: F, evidence: own, verdict: ignore, pattern: '^(?:Foo|Qux) ba[rz]', samples: { fires: [Foo bar, Qux baz], silent: [x] } }\n";
    let source = rule("    pattern: '^Foo (?:bar|bat|bay)'\n    verdict: alert\n").replace("[Foo bar]", "[Foo bat]");
    assert_warned(&source.replacen("rules:\n", &format!("rules:\n{first}"), 1), "overlap", "'^Foo (?:bar|bat|bay)'");
    let same = first.replace("ignore", "alert");
    assert_eq!(
        linted(Base::Nothing, &source.replacen("rules:\n", &format!("rules:\n{same}"), 1)),
        [],
        "with one verdict the order is no matter"
    );
}

#[test]
fn a_rule_that_takes_a_shipped_rules_sample_is_told_so() {
    let source = rule("    pattern: '^AUTH: Received control message'\n    verdict: alert\n")
        .replace("[Foo bar]", "['AUTH: Received control message']");
    let warnings = linted(Base::Shipped, &source);
    assert!(!warnings.is_empty() && warnings.iter().all(|w| w.code == "takes-over"), "{warnings:#?}");
    assert!(
        warnings.iter().any(|w| w.at.message.contains("\"openvpn-auth-failed\" (rotate, at <shipped>/openvpn.yaml:")),
        "{warnings:#?}"
    );
}

#[test]
fn a_pattern_on_what_is_removed_never_sees_a_line() {
    assert_warned(
        &rule("    pattern: '^INFO openvpn: Foo bar'\n    verdict: alert\n")
            .replace("Foo bar]", "INFO openvpn Foo bar]"),
        "never-seen",
        "'^INFO openvpn: Foo bar'",
    );
}

#[test]
fn a_health_field_that_does_not_exist_is_told_with_the_one_that_is_meant() {
    let source = rule("    client: health\n    where: { state: up, rx_age_second: 1 }\n    verdict: recovered\n");
    assert_warned(&source, "unknown-field", "rx_age_second");
}

#[test]
fn a_threshold_that_does_nothing_or_is_never_reached_is_told_so() {
    assert_warned(
        &rule("    pattern: ^Foo\n    verdict: ignore\n    threshold: { count: 2, within: 9s }\n"),
        "idle-threshold",
        "{",
    );
    let health = rule(
        "    client: health\n    where: { state: down }\n    verdict: alert\n    threshold: { count: 10, within: 30s }\n",
    );
    assert_warned(&health, "unreachable-threshold", "{");
    assert_eq!(linted(Base::Nothing, &health.replace("10", "7")), []);
}

#[test]
fn a_rotation_for_one_line_that_another_try_may_answer_is_hasty() {
    let source =
        rule("    pattern: '^Foo bar'\n    verdict: rotate\n").replace("Foo bar]", "'Foo bar: Connection timed out']");
    assert_warned(&source, "hasty-rotation", "rotate");
    assert_eq!(
        linted(Base::Nothing, &source.replace("    verdict", "    threshold: { count: 3, within: 9s }\n    verdict")),
        []
    );
}

#[test]
fn a_changed_rule_is_marked_in_the_file_that_changes_it() {
    let source = "version: 1\nrules:\n  - { id: openvpn-auth-later, threshold: { count: 2, within: 9s } }\n";
    let warnings = linted(Base::Shipped, source);
    assert_eq!(
        warnings.iter().map(|w| (w.code, w.at.line, w.at.column)).collect::<Vec<_>>(),
        [("idle-threshold", 3, 42)]
    );
}

#[test]
fn the_shipped_rules_have_no_warnings() {
    let files: Vec<(String, String)> = SHIPPED.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let names: Vec<(&str, &str)> = SHIPPED.into();
    let layers = pack::layered(Base::Nothing, &names).expect("should load");
    let warnings: Vec<String> = lint(&layers.rules, &files).iter().map(|w| format!("{} [{}]", w.at, w.code)).collect();
    assert!(warnings.is_empty(), "{}", warnings.join("\n"));
}
