//! Rules about a line that should come: when it is missed, and when that says nothing.

use super::property_tests::rules;
use super::tests::{at, event, hop};
use super::*;
use crate::domain::rule::file::Strictness;
use crate::domain::ruleset::pack;

/// Observes lines; gives for each detection its rule, the second of the last expected line and of the one that told.
fn seen(engine: &mut Engine, lines: &[(i64, &str)]) -> Vec<(String, i64, i64)> {
    let second = |time: Timestamp| time.as_second() - at(0).as_second();
    let found = lines.iter().flat_map(|(at, text)| engine.observe(&event(*at, text), &hop())).collect::<Vec<_>>();
    found.iter().map(|d| (d.rule.to_string(), second(d.window_start), second(d.last.time))).collect()
}

fn engine() -> Engine {
    Engine::new(rules(10))
}

fn beat(last: i64, told: i64) -> (String, i64, i64) {
    ("beat".to_owned(), last, told)
}

#[test]
fn a_line_that_stops_coming_is_missed_once_until_it_comes_again() {
    let mut engine = engine();
    assert_eq!(seen(&mut engine, &[(10, "beat"), (39, "other")]), []);
    assert_eq!(seen(&mut engine, &[(40, "other"), (41, "other"), (200, "other")]), [beat(10, 40)]);
    assert_eq!(seen(&mut engine, &[(201, "beat"), (230, "other"), (231, "other"), (232, "other")]), [beat(201, 231)]);
}

#[test]
fn a_line_that_never_came_is_not_missed() {
    assert_eq!(seen(&mut engine(), &[(10, "other"), (500, "other"), (1000, "other")]), []);
}

#[test]
fn a_stream_that_is_silent_as_a_whole_proves_nothing() {
    let mut engine = engine();
    assert_eq!(seen(&mut engine, &[(10, "beat")]), []);
    // Nor does the clock, nor the line itself when it is the next that comes.
    engine.expire(at(500));
    assert_eq!(seen(&mut engine, &[(500, "beat"), (529, "other")]), []);
}

#[test]
fn a_line_that_comes_late_or_twice_neither_renews_nor_hides_the_wait() {
    let mut engine = engine();
    assert_eq!(seen(&mut engine, &[(20, "beat"), (5, "beat"), (20, "beat"), (49, "other")]), []);
    assert_eq!(seen(&mut engine, &[(50, "other"), (20, "beat"), (51, "other")]), [beat(20, 50)]);
    // One that came in between, but was shipped after: it came again, and is missed again.
    assert_eq!(seen(&mut engine, &[(30, "beat"), (59, "other"), (60, "other")]), [beat(30, 60)]);
}

#[test]
fn a_line_that_others_decide_is_seen_all_the_same() {
    let mut engine = engine();
    // A success marker, by the rule before.
    assert_eq!(seen(&mut engine, &[(10, "works"), (20, "works"), (49, "other"), (50, "other")]), [beat(20, 50)]);
    assert_eq!(engine.take_tally().matched, 4);
}

#[test]
fn what_is_waited_for_holds_its_record_until_it_is_missed() {
    let (mut engine, shard) = (engine(), Shard::new("kafka:vpn/0"));
    seen(&mut engine, &[(10, "beat"), (15, "beat"), (44, "other")]);
    assert_eq!(engine.needed_from(&shard), Some(15));
    seen(&mut engine, &[(45, "other")]);
    assert_eq!((engine.needed_from(&shard), engine.open_windows()), (None, 1));
    // For a while it is still known, should the line be shipped again.
    seen(&mut engine, &[(344, "other")]);
    assert_eq!(engine.expire(at(344)), 0);
    seen(&mut engine, &[(345, "other")]);
    assert_eq!(engine.expire(at(345)), 1);
}

#[test]
fn other_parameters_wait_for_a_line_of_their_own() {
    let mut engine = engine();
    seen(&mut engine, &[(10, "beat")]);
    let rotated = HopIdentity { plan_id: "b@1#0".into(), ..hop() };
    assert!(engine.observe(&event(100, "other"), &rotated).is_empty());
    assert_eq!(engine.open_windows(), 0);
}

#[test]
fn a_health_line_may_be_expected_and_proves_that_time_passes() {
    let file = "version: 1\nclient: health\nrules:
  - { id: no-traffic, title: t, where: { state: up }, absent: { for: 60s }, evidence: path, verdict: restart }\n";
    let rules = Arc::new(pack::load([("test.yaml", file)], Strictness::User).expect("should load"));
    let mut engine = Engine::new(rules);
    let health = |second, state: &str| LogEvent {
        container: "health".into(),
        ..event(second, &format!(r#"{{"hopkeeper":"health","state":"{state}","applied":"a@1#0"}}"#))
    };
    let mut fires = |second, state| engine.observe(&health(second, state), &hop()).len();
    assert_eq!([fires(10, "up"), fires(40, "stalled"), fires(69, "stalled"), fires(70, "stalled")], [0, 0, 0, 1]);
}

#[test]
fn a_fault_inside_the_pod_explains_what_is_missed() {
    let file = "version: 1\nclient: openvpn\nrules:
  - { id: fault, title: t, pattern: ^fault, evidence: own, verdict: alert }
  - { id: pulse, title: t, pattern: ^pulse, absent: { for: 30s }, evidence: path, verdict: restart }\n";
    let rules = Arc::new(pack::load([("test.yaml", file)], Strictness::User).expect("should load"));
    let mut engine = Engine::new(rules);
    let found = seen(&mut engine, &[(10, "pulse"), (20, "fault"), (40, "other"), (140, "other"), (141, "other")]);
    assert_eq!(found, [("fault".to_owned(), 20, 20), ("pulse".to_owned(), 10, 141)]);
    assert_eq!(engine.take_tally().explained, 2);
}
