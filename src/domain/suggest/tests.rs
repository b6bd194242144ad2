//! Drafts load, fire on their own samples, and are few.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::domain::rule::file::Strictness;
use crate::domain::ruleset::pack;

const ALL: Wanted = Wanted { min_count: 1, top: 50 };

/// Compiled once: it takes a while without optimisation.
fn shipped() -> &'static RuleSet {
    static SHIPPED: LazyLock<RuleSet> = LazyLock::new(RuleSet::shipped);
    &SHIPPED
}

fn suggested(client: Client, lines: &[&str], wanted: Wanted) -> (String, Summary) {
    let mut miner = Miner::new(shipped(), client);
    lines.iter().for_each(|line| miner.take(line));
    miner.finish(wanted)
}

fn loaded(yaml: &str) -> RuleSet {
    pack::load([("drafts.yaml", yaml)], Strictness::User).unwrap_or_else(|errors| panic!("{}\n{yaml}", errors[0]))
}

fn is_known(rules: &RuleSet, line: &str) -> bool {
    rules.decide(&Line::new(Client::Openvpn, line)).is_some()
}

#[test]
fn lines_that_differ_in_what_changes_are_one_draft() {
    let (yaml, summary) = suggested(
        Client::Openvpn,
        &[
            "2026-11-22 16:25:43 plugin /usr/lib/a.so failed for 198.51.100.7:1194 after 12 tries",
            "2026-11-22 16:26:43 plugin /opt/b/c.so failed for 203.0.113.9:443 after 3 tries",
            "2026-11-22 16:26:44 the moon is up",
        ],
        ALL,
    );
    assert_eq!((summary.unknown, summary.clusters, summary.drafts), (3, 2, 2));
    let rules = loaded(&yaml);
    let first = &rules.rules()[0];
    assert_eq!(first.id.as_str(), "openvpn-plugin-failed-for-after-tries");
    assert_eq!(first.title, "plugin <path> failed for <address> after <number> tries");
    assert_eq!(
        (first.verdict, first.evidence),
        (crate::domain::types::Verdict::Alert, crate::domain::types::Evidence::Path)
    );
    assert_eq!((first.samples.fires.len(), first.samples.silent.len()), (2, 1));
    assert!(is_known(&rules, "plugin /x/y.so failed for 192.0.2.1:9 after 100 tries"));
    assert!(!is_known(&rules, "PUSH: plugin /x/y.so failed for 192.0.2.1:9 after 100 tries"));
}

#[test]
fn samples_differ_in_more_than_their_time() {
    let times = ["2026-11-22 16:25:43", "2026-11-22 16:25:44"];
    let lines: Vec<String> = times
        .iter()
        .flat_map(|time| [format!("{time} slept 3 s - again"), format!("{time} slept 4 s - again")])
        .collect();
    let (yaml, _) = suggested(Client::Openvpn, &lines.iter().map(String::as_str).collect::<Vec<_>>(), ALL);
    let rules = loaded(&yaml);
    assert_eq!(
        rules.rules()[0].samples.fires,
        ["2026-11-22 16:25:43 slept 3 s - again", "2026-11-22 16:25:43 slept 4 s - again"]
    );
    assert!(yaml.contains("'^slept [0-9][0-9.,]* s - again'"), "{yaml}");
}

#[test]
fn failures_come_before_what_is_frequent() {
    let mut lines = vec!["all is well here"; 9];
    lines.push("could not open the thing: no such thing");
    let (yaml, _) = suggested(Client::Openvpn, &lines, ALL);
    let rules = loaded(&yaml);
    let titles: Vec<&str> = rules.rules().iter().map(|rule| rule.title.as_str()).collect();
    assert_eq!(titles, ["could not open the thing: no such thing", "all is well here"]);
}

#[test]
fn a_word_that_takes_many_values_is_a_name_and_two_values_are_not() {
    let (yaml, summary) = suggested(
        Client::Openvpn,
        &["peer anna gone", "peer bert gone", "peer carla gone", "peer dora gone", "gate open now", "gate shut now"],
        ALL,
    );
    assert_eq!(summary.clusters, 3, "{yaml}");
    let rules = loaded(&yaml);
    assert!(is_known(&rules, "peer emil gone"));
    assert!(!is_known(&rules, "gate ajar now"));
}

#[test]
fn known_lines_and_lines_without_words_make_no_draft() {
    let (yaml, summary) =
        suggested(Client::Openvpn, &["AUTH: Received control message: AUTH_FAILED", "12:34", "--", ""], ALL);
    assert_eq!((summary.lines, summary.known, summary.drafts), (3, 1, 0));
    assert!(loaded(&yaml).rules().is_empty());
    assert!(yaml.ends_with("rules: []\n"), "{yaml}");
}

#[test]
fn rare_kinds_and_more_than_wanted_are_left_out() {
    let lines = ["one thing", "another thing here", "another thing here", "a third thing was seen"];
    assert_eq!(suggested(Client::Openvpn, &lines, Wanted { min_count: 2, top: 9 }).1.drafts, 1);
    assert_eq!(suggested(Client::Openvpn, &lines, Wanted { min_count: 1, top: 2 }).1.drafts, 2);
}

#[test]
fn secrets_are_masked_in_all_that_is_written() {
    let key = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
    let line = format!("odd password=hunter2 and key {key} seen");
    let (yaml, summary) = suggested(Client::Openvpn, &[&line], ALL);
    assert_eq!(summary.drafts, 1);
    assert!(!yaml.contains("hunter2") && !yaml.contains("yAnz"), "{yaml}");
    // The pattern stands for the line as it is, not for its mask.
    assert!(is_known(&loaded(&yaml), &line), "{yaml}");
}

#[test]
fn an_id_of_a_shipped_rule_is_not_taken() {
    let (yaml, _) = suggested(Client::Openvpn, &["auth failed, said the moon"], ALL);
    assert!(loaded(&yaml).rules().iter().all(|rule| shipped().get(&rule.id).is_none()), "{yaml}");
}

#[test]
fn a_draft_takes_no_line_from_a_rule_that_knows_it() {
    let yaml = "version: 1\nclient: openvpn\nrules:\n  - { id: late, title: t, evidence: own, verdict: alert, pattern: 'word (?:word )*now$' }\n";
    let rules = loaded(yaml);
    let mut miner = Miner::new(&rules, Client::Openvpn);
    let long = "word ".repeat(60);
    miner.take(&format!("{long}now"));
    miner.take(&format!("{long}then"));
    let (_, summary) = miner.finish(ALL);
    assert_eq!((summary.known, summary.unknown, summary.drafts), (1, 1, 0));
}

#[test]
fn memory_is_bounded_and_what_is_frequent_stays() {
    let mut miner = Miner::new(shipped(), Client::Openvpn);
    let letters = |mut n: usize| -> String {
        let mut word = String::new();
        for _ in 0..4 {
            word.push(char::from(b'a' + u8::try_from(n % 26).expect("should fit")));
            n /= 26;
        }
        word
    };
    for n in 0..3 * MAX_CLUSTERS {
        miner.take("the frequent line");
        // Differs in two words from each other: no name can be found.
        miner.take(&format!("rare {} {}", letters(n), letters(n * 7 + 1)));
        assert!(miner.clusters.len() <= MAX_CLUSTERS);
    }
    let (yaml, summary) = miner.finish(Wanted { min_count: 2, top: 5 });
    assert!(summary.forgotten > 0);
    assert!(yaml.contains("'^the frequent line'"), "{yaml}");
}

#[test]
fn equal_input_gives_equal_drafts() {
    let lines: Vec<String> =
        (0..200).map(|n| format!("host{} said {} to w{}", n % 7, "abcdefg".repeat(n % 5), n % 3)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(suggested(Client::Openvpn, &lines, ALL), suggested(Client::Openvpn, &lines, ALL));
}

/// Lines of words, numbers, addresses, quotes, prefixes, and of anything at all.
fn any_line() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => "[a-zA-Z]{1,9}",
        1 => "[0-9]{1,6}(\\.[0-9]{1,3}){0,3}(:[0-9]{1,5})?",
        1 => "['\"`][a-z /]{0,6}['\"`]",
        1 => "/[a-z]{1,4}(/[a-z.]{0,4}){0,3}",
        1 => "[0-9a-f:]{2,20}",
        1 => Just("password=x".to_owned()),
        1 => Just("{\"log\":\"x\"}".to_owned()),
        1 => Just("2026-11-22 16:25:43 INFO".to_owned()),
        1 => Just("[TUN]".to_owned()),
        1 => Just("    at /x".to_owned()),
        1 => "\\PC{0,8}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop_oneof![
        9 => prop::collection::vec(word, 0..10).prop_map(|words| words.join(" ")),
        1 => ".{0,60}",
        1 => "[a-z ]{190,260}",
    ]
}

proptest! {
    // Each case compiles each draft several times.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn drafts_of_any_lines_load_and_fire_on_their_own_samples(lines in prop::collection::vec(any_line(), 0..16)) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for client in [Client::Openvpn, Client::Boringtun] {
            let (yaml, summary) = suggested(client, &lines, ALL);
            let rules = loaded(&yaml);
            prop_assert_eq!(rules.rules().len(), summary.drafts);
            let wrong: Vec<String> = rules.check_samples().iter().map(ToString::to_string).collect();
            prop_assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), yaml);
            for rule in rules.rules() {
                prop_assert!(!rule.samples.fires.is_empty());
                prop_assert!(rule.pattern.as_ref().is_some_and(|pattern| pattern.as_str().starts_with('^')));
            }
        }
    }

}

proptest! {
    #[test]
    fn a_template_matches_the_line_that_it_was_made_from(line in any_line()) {
        let pattern = Template::of(&line).pattern();
        let pattern = regex::Regex::new(&pattern).expect("should be a pattern");
        prop_assert!(pattern.is_match(&line), "{} on {:?}", pattern, line);
    }
}
