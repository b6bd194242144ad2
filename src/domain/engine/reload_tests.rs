//! Rules that change while windows are open.

use super::tests::{event, hop};
use super::*;
use crate::domain::rule::file::Strictness;
use crate::domain::ruleset::pack;

/// Each rule from its id, its pattern and what else is said of it.
fn rules(written: &[(&str, &str, &str)]) -> Arc<RuleSet> {
    let rule = |(id, pattern, more): &(&str, &str, &str)| {
        format!("  - {{ id: {id}, title: t, pattern: '{pattern}', evidence: own, verdict: rotate{more} }}\n")
    };
    let file = format!("version: 1\nclient: openvpn\nrules:\n{}", written.iter().map(rule).collect::<String>());
    Arc::new(pack::load([("test.yaml", file.as_str())], Strictness::User).expect("should load"))
}

const TWICE: &str = ", threshold: { count: 2, within: 60s }";

#[test]
fn a_window_that_is_half_full_is_filled_after_its_rule_moved() {
    let mut engine = Engine::new(rules(&[("a", "^a", TWICE), ("b", "^b", TWICE)]));
    engine.observe(&event(10, "b"), &hop());
    engine.observe(&event(11, "a"), &hop());
    let other =
        rules(&[("z", "^z", ""), ("b", "^b", ", threshold: { count: 2, within: 1m }, docs: x"), ("a", "^a", TWICE)]);
    assert_eq!(engine.reload(other), 0);
    let found = engine.observe(&event(20, "b"), &hop());
    assert_eq!(found.iter().map(|d| (d.rule.as_str(), d.first.position.sequence)).collect::<Vec<_>>(), [("b", 10)]);
    assert_eq!(engine.observe(&event(21, "a"), &hop()).len(), 1);
    assert_eq!(engine.observe(&event(22, "z"), &hop()).len(), 1);
}

#[test]
fn windows_of_rules_that_changed_or_went_are_dropped_and_need_nothing() {
    let (before, shard) = ([("a", "^a", TWICE), ("b", "^b", TWICE), ("c", "^c", TWICE)], Shard::new("kafka:vpn/0"));
    let mut engine = Engine::new(rules(&before));
    for (second, text) in [(10, "a"), (11, "b"), (12, "c")] {
        engine.observe(&event(second, text), &hop());
    }
    assert_eq!(engine.reload(rules(&[("a", "^[a]", TWICE), ("c", "^c", TWICE)])), 2);
    assert_eq!((engine.open_windows(), engine.needed_from(&shard)), (1, Some(12)));
    assert!(engine.observe(&event(13, "a"), &hop()).is_empty());
    assert_eq!(engine.observe(&event(14, "c"), &hop()).len(), 1);
    assert_eq!(engine.reload(rules(&[("z", "^z", "")])), 2);
    assert_eq!(engine.needed_from(&shard), None);
}

#[test]
fn whatever_decides_how_lines_count_makes_another_rule_of_it() {
    let one = |more: &str, from: &str, to: &str| {
        let file = format!(
            "version: 1\nrules:\n  - {{ id: a, title: t, client: openvpn, pattern: x, evidence: own, verdict: rotate{more} }}\n"
        );
        let rules = pack::load([("test.yaml", file.replace(from, to).as_str())], Strictness::User);
        rules.expect("should load").rules()[0].clone()
    };
    let rule = one("", "", "");
    for (more, from, to) in
        [("", "title: t", "title: other"), (", samples: { fires: [x] }", "", ""), (", docs: x", "", "")]
    {
        assert!(rule.counts_like(&one(more, from, to)), "{more} {to}");
    }
    for (more, from, to) in [
        ("", "id: a", "id: b"),
        ("", "openvpn", "any"),
        ("", "pattern: x", "pattern: y"),
        (", unless: y", "", ""),
        ("", "own", "path"),
        ("", "rotate", "restart"),
        (TWICE, "", ""),
        (", absent: { for: 60s }", "", ""),
    ] {
        assert!(!rule.counts_like(&one(more, from, to)), "{more} {to}");
    }
}
