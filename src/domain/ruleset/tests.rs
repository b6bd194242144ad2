//! The prefiltered set decides as the naive one does; the shipped packs keep their samples.

use proptest::prelude::*;

use super::*;
use crate::domain::rule::file::{Strictness, parse};

/// Words that rules and lines are made of: some are parts of others, some fold.
const WORDS: [&str; 8] = ["TLS", "TLS Error", "error", "Error", "timeout", "time", "ſ", "é"];

fn pattern() -> impl Strategy<Value = String> {
    let word = prop::sample::select(&WORDS[..]).prop_map(regex::escape);
    let leaf =
        prop_oneof![4 => word, 1 => Just(r"\d+".to_owned()), 1 => Just(".".to_owned()), 1 => Just("^".to_owned())];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| parts.concat()),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            inner.clone().prop_map(|part| format!("(?i:{part})")),
            inner.clone().prop_map(|part| format!("(?:{part})*")),
            inner.prop_map(|part| format!("(?:{part})+")),
        ]
    })
}

fn line() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        prop::sample::select(&WORDS[..]).prop_map(str::to_owned),
        prop::sample::select(&WORDS[..]).prop_map(str::to_uppercase),
        "[a-z0-9 ]{0,4}",
    ];
    prop::collection::vec(word, 0..6).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn the_prefilter_changes_no_decision(patterns in prop::collection::vec(pattern(), 1..12), lines in prop::collection::vec(line(), 1..20)) {
        let rules: Vec<String> = patterns.iter().enumerate().map(|(n, pattern)| {
            let pattern = serde_json::to_string(pattern).expect("should be text");
            format!("  - {{ id: r{n}, title: t, evidence: own, verdict: alert, pattern: {pattern} }}\n")
        }).collect();
        let source = format!("version: 1\nclient: any\nrules:\n{}", rules.concat());
        let rules = parse("generated.yaml", &source, Strictness::User).expect("should load");
        let set = RuleSet::new(rules).expect("should compile");
        for line in &lines {
            let line = Line::new(Client::Openvpn, line);
            let quick = set.decide(&line).map(|rule| &rule.id);
            let naive = set.decide_naively(&line).map(|rule| &rule.id);
            prop_assert_eq!(quick, naive, "{:?}", line);
        }
    }
}

#[test]
fn shipped_rules_keep_their_samples() {
    let set = RuleSet::shipped();
    let wrong: Vec<String> = set.check_samples().iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn shipped_rules_all_have_a_required_literal() {
    for rule in RuleSet::shipped().rules() {
        let literal = rule.pattern.as_ref().and_then(|p| literal::required(p.as_str()));
        assert!(rule.client == Client::Health || literal.is_some(), "{} would meet every line", rule.id);
    }
}

#[test]
fn an_id_is_used_once() {
    let source =
        "version: 1\nclient: any\nrules:\n  - { id: a, title: t, evidence: own, verdict: alert, pattern: x }\n";
    let twice = [("one.yaml", source), ("two.yaml", source)];
    let errors = pack::load(twice, Strictness::User).expect_err("should be refused");
    assert_eq!(
        errors[0].to_string(),
        "two.yaml:4:11: rule id \"a\" is used before, at one.yaml:4:11; give this one another id"
    );
}

#[test]
fn a_health_line_is_known_by_its_mark() {
    let set = RuleSet::shipped();
    let up = r#"{"hopkeeper":"health","state":"up","applied":"a@1#0","carrier":1,"rx_age_seconds":0}"#;
    let decided = |client, line: &str| set.decide(&Line::new(client, line)).map(|rule| rule.id.as_str());
    assert_eq!(decided(Client::Health, up), Some("health-up"));
    assert_eq!(decided(Client::Health, &up.replace("hopkeeper", "other")), None);
    assert_eq!(decided(Client::Health, "{ not json"), None);
    assert_eq!(decided(Client::Openvpn, up), None);
}
