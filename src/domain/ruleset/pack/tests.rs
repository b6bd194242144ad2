//! How a user's files are laid over the shipped ones.

use super::*;
use crate::domain::rule::Client;
use crate::domain::rule::severity::Severity;
use crate::domain::ruleset::Line;
use crate::domain::types::Verdict;

const BASE: &str = "version: 1
client: openvpn
rules:
  - { id: special, title: S, pattern: '^special', evidence: own, verdict: ignore }
  - { id: general, title: G, pattern: '^(?:special|general)', evidence: own, verdict: rotate, threshold: { count: 2, within: 60s } }
";

fn over(files: &[(&str, &str)]) -> Result<Layers, Vec<String>> {
    let base = file::parse("base.yaml", BASE, Strictness::User).expect("should load");
    lay_over(base, files, Strictness::User).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn with(rule: &str) -> String {
    format!("version: 1\nclient: openvpn\nrules:\n  - {rule}\n")
}

fn ids(layers: &Layers) -> Vec<&str> {
    layers.rules.rules().iter().map(|rule| rule.id.as_str()).collect()
}

fn decided<'a>(layers: &'a Layers, line: &str) -> Option<&'a str> {
    layers.rules.decide(&Line::new(Client::Openvpn, line)).map(|rule| rule.id.as_str())
}

#[test]
fn a_new_rule_comes_before_the_shipped_ones() {
    let mine = with("{ id: mine, title: M, pattern: '^special', evidence: own, verdict: alert }");
    let layers = over(&[("mine.yaml", &mine)]).expect("should load");
    assert_eq!(ids(&layers), ["mine", "special", "general"]);
    assert_eq!(decided(&layers, "special x"), Some("mine"));
    assert_eq!(decided(&layers, "general x"), Some("general"));
}

#[test]
fn a_whole_rule_with_a_shipped_id_takes_that_rules_place() {
    let mine = with("{ id: special, title: M, pattern: '^extra', evidence: own, verdict: alert }");
    let layers = over(&[("mine.yaml", &mine)]).expect("should load");
    assert_eq!(ids(&layers), ["special", "general"]);
    assert_eq!(decided(&layers, "special x"), Some("general"), "nothing is left of the shipped one");
    assert_eq!(decided(&layers, "extra"), Some("special"));
}

#[test]
fn an_entry_without_a_pattern_changes_what_it_names_and_keeps_the_rest() {
    let mine =
        with("{ id: general, threshold: { count: 5, within: 5m }, verdict: alert, unless: quiet, tags: [mine] }");
    let layers = over(&[("mine.yaml", &mine)]).expect("should load");
    let rule = layers.rules.get(&RuleId::new("general")).expect("should be there");
    assert_eq!((rule.threshold.count, rule.threshold.within.as_secs()), (5, 300));
    assert_eq!((rule.verdict, rule.severity), (Verdict::Alert, Severity::Critical), "the severity follows the verdict");
    assert_eq!((rule.title.as_str(), rule.tags.as_slice()), ("G", &["mine".to_owned()][..]));
    assert_eq!((&*rule.origin.file, rule.changed.as_ref().map(|o| &*o.file)), ("base.yaml", Some("mine.yaml")));
    assert_eq!(decided(&layers, "general quiet"), None);
    assert_eq!(decided(&layers, "general"), Some("general"));
}

#[test]
fn a_rule_can_be_switched_off_by_its_id_alone() {
    let layers =
        over(&[("mine.yaml", "version: 1\nrules:\n  - { id: special, enabled: false }\n")]).expect("should load");
    assert_eq!(ids(&layers), ["general"]);
    assert_eq!(layers.disabled.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["special"]);
    assert_eq!(decided(&layers, "special"), Some("general"));
}

#[test]
fn a_whole_rule_that_is_switched_off_takes_the_shipped_one_with_it() {
    let mine = with("{ id: special, title: M, pattern: '^extra', evidence: own, verdict: alert, enabled: false }");
    let layers = over(&[("mine.yaml", &mine)]).expect("should load");
    assert_eq!((ids(&layers), decided(&layers, "extra")), (vec!["general"], None));
}

#[test]
fn an_id_in_two_files_is_an_error_that_names_both_places() {
    let one = with("{ id: mine, title: M, pattern: '^a', evidence: own, verdict: alert }");
    let off = "version: 1\nrules:\n  - { id: mine, enabled: false }\n";
    let errors = over(&[("one.yaml", &one), ("two.yaml", off)]).expect_err("should be refused");
    assert_eq!(errors[0], "two.yaml:3:11: rule id \"mine\" is used before, at one.yaml:4:11; give this one another id");
}

#[test]
fn a_change_of_a_rule_that_is_not_there_names_the_one_that_may_be_meant() {
    let errors = over(&[("mine.yaml", &with("{ id: generl, verdict: alert }"))]).expect_err("should be refused");
    assert_eq!(
        errors,
        [
            "mine.yaml:4:11: rule \"generl\" has no \"pattern\", and no shipped rule has this id; did you mean to change \"general\"?"
        ]
    );
    let alone = layered(Base::Nothing, &[("mine.yaml", &with("{ id: general, verdict: alert }"))]);
    assert_eq!(
        alone.expect_err("should be refused")[0].to_string(),
        "mine.yaml:4:11: rule \"general\" has no \"pattern\", and there are no shipped rules to change; give it one, or the id of a shipped rule to change"
    );
}

#[test]
fn mistakes_in_all_files_are_told_together() {
    let errors = over(&[("a.yaml", "version: 2\nrules: []\n"), ("b.yaml", &with("{ id: general, verdict: no }"))])
        .expect_err("should be refused");
    assert_eq!(errors.len(), 2, "{errors:?}");
}

#[test]
fn files_over_the_shipped_rules_keep_them() {
    let mine = with("{ id: mine, title: M, pattern: '^my words', evidence: own, verdict: alert }");
    let layers = layered(Base::Shipped, &[("mine.yaml", &mine)]).expect("should load");
    assert_eq!(layers.rules.rules().len(), RuleSet::shipped().rules().len() + 1);
}

#[test]
fn an_expected_line_needs_a_verdict_that_says_what_to_do_in_a_changed_rule_too() {
    for (change, place) in [
        ("{ id: special, absent: { for: 3m } }", Some("mine.yaml:4:28: ")),
        ("{ id: special, absent: { for: 3m }, enabled: false }", Some("mine.yaml:4:28: ")),
        ("{ id: special, absent: { for: 3m }, verdict: ignore }", Some("mine.yaml:4:28: ")),
        ("{ id: special, absent: { for: 3m }, verdict: alert }", None),
        ("{ id: general, absent: { for: 3m } }", None),
    ] {
        let errors = over(&[("mine.yaml", &with(change))]).err().unwrap_or_default();
        match place {
            None => assert_eq!(errors, Vec::<String>::new(), "{change}"),
            Some(place) => {
                let wanted = "\"absent\" needs a verdict that says what to do: rotate, restart or alert, not ignore";
                assert_eq!(errors, [format!("{place}{wanted}")], "{change}");
            }
        }
    }
    let watched = BASE.replace("threshold: { count: 2, within: 60s }", "absent: { for: 3m }");
    let base = file::parse("base.yaml", &watched, Strictness::User).expect("should load");
    let mine = with("{ id: general, verdict: recovered }");
    let errors = lay_over(base, &[("mine.yaml", &mine)], Strictness::User).expect_err("should be refused");
    assert_eq!((errors.len(), errors[0].line, errors[0].column), (1, 4, 29), "{errors:?}");
}
