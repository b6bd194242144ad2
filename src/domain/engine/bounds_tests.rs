//! The bound of memory: kept whatever comes, at the cost of what was used longest ago.

use proptest::prelude::*;

use super::property_tests::rules;
use super::store::Limits;
use super::tests::{at, event, hop};
use super::*;
use crate::domain::rule::file::Strictness;
use crate::domain::ruleset::pack;

fn bounded(bytes: usize, pods: usize) -> Engine {
    Engine::with_limits(rules(60), Limits { bytes, pods })
}

fn of_pod(number: usize) -> HopIdentity {
    HopIdentity { pod_uid: format!("uid-{number}"), applied_at: at(-1000), ..hop() }
}

/// So many rules that a pod's windows are found by an index, where it has one of each.
const MANY: usize = 8;

fn with_many_rules(bytes: usize) -> Engine {
    let rule = |n| {
        format!(
            "  - {{ id: r{n}, title: t, pattern: ^fault-{n}, evidence: own, verdict: rotate, threshold: {{ count: 2, within: 60s }} }}\n"
        )
    };
    let file = format!("version: 1\nclient: openvpn\nrules:\n{}", (0..MANY).map(rule).collect::<String>());
    let rules = pack::load([("test.yaml", file.as_str())], Strictness::User).expect("should load");
    Engine::with_limits(Arc::new(rules), Limits { bytes, pods: 10_000 })
}

/// How many verdicts a line comes to.
fn verdicts(engine: &mut Engine, second: i64, pod: usize, rule: usize) -> usize {
    engine.observe(&event(second, &format!("fault-{rule}")), &of_pod(pod)).len()
}

#[test]
fn the_oldest_window_gives_way_and_is_counted() {
    let mut engine = bounded(64 * 1024, 10_000);
    let mut pods = 0;
    while engine.take_tally().evicted == 0 {
        engine.observe(&event(10, "twice"), &of_pod(pods));
        pods += 1;
    }
    assert!(pods > 256, "{pods}");
    // The next to go would be pod 1, but it was used again.
    engine.observe(&event(11, "other"), &of_pod(1));
    assert_eq!(engine.observe(&event(12, "twice"), &of_pod(1)).len(), 1);
    engine.observe(&event(13, "twice"), &of_pod(pods));
    assert_eq!(engine.take_tally().evicted, 1);
    assert!(engine.observe(&event(14, "twice"), &of_pod(2)).is_empty(), "pod 2 had to go");
    // Of pod 1 is still known that it fired, and of pod 0 nothing.
    assert!(engine.observe(&event(15, "twice"), &of_pod(1)).is_empty());
    assert!(engine.observe(&event(16, "twice"), &of_pod(0)).is_empty());
}

#[test]
fn pods_are_bounded_too_and_take_their_windows_with_them() {
    let mut engine = bounded(1024 * 1024, 100);
    for pod in 0..1_000 {
        engine.observe(&event(10, "twice"), &of_pod(pod));
        engine.observe(&event(10, "often"), &of_pod(pod));
    }
    assert_eq!((engine.open_windows(), engine.take_tally().evicted), (200, 1_800));
    assert_eq!(engine.needed_from(&Shard::new("kafka:vpn/0")), Some(10));
}

#[test]
fn memory_goes_back_after_a_storm() {
    let mut engine = bounded(8 * 1024 * 1024, 100_000);
    for pod in 0..20_000 {
        engine.observe(&event(10, "twice"), &of_pod(pod));
    }
    let full = engine.store.bytes();
    for pod in 0..20_000 {
        // All but a few are over.
        engine.observe(&event(if pod % 100 == 0 { 20 } else { 200 }, "other"), &of_pod(pod));
    }
    assert_eq!(engine.expire(at(200)), 19_800);
    assert!(engine.store.bytes() < full / 20, "{} of {full}", engine.store.bytes());
    // What was moved together is still found.
    for pod in 0..20_000 {
        assert_eq!(engine.observe(&event(21, "twice"), &of_pod(pod)).len(), usize::from(pod % 100 == 0), "{pod}");
    }
}

#[test]
fn windows_of_a_pod_that_has_many_are_found_wherever_they_were_moved_to() {
    let mut engine = with_many_rules(8 * 1024 * 1024);
    let pods = 400;
    for pod in 0..pods {
        (0..MANY).for_each(|rule| assert_eq!(verdicts(&mut engine, 10, pod, rule), 0));
    }
    for pod in 0..pods {
        engine.observe(&event(if pod % 10 == 0 { 20 } else { 200 }, "other"), &of_pod(pod));
    }
    let full = engine.store.bytes();
    assert_eq!(engine.expire(at(200)), (pods - pods / 10) * MANY);
    assert!(engine.store.bytes() < full / 5, "{} of {full}", engine.store.bytes());
    // The others begin anew, with few windows and then with many again.
    for rule in 0..MANY {
        for pod in 0..pods {
            assert_eq!(verdicts(&mut engine, 21, pod, rule), usize::from(pod % 10 == 0), "{pod} {rule}");
        }
    }
    for pod in (0..pods).filter(|pod| pod % 10 != 0) {
        (0..MANY).for_each(|rule| assert_eq!(verdicts(&mut engine, 22, pod, rule), 1, "{pod} {rule}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Many pods with a window or two, and a few with many.
    #[test]
    fn what_survives_is_what_was_used_last_and_the_bound_is_kept(
        lines in prop::collection::vec(prop_oneof![(0..700usize, 0..2usize), (700..740usize, 0..MANY)], 0..1500),
    ) {
        let bound = 48 * 1024;
        let mut engine = with_many_rules(bound);
        let mut order: Vec<(usize, usize)> = Vec::new();
        for (second, line) in (10..).zip(&lines) {
            let (pod, rule) = *line;
            verdicts(&mut engine, second, pod, rule);
            order.retain(|used| used != line);
            order.push(*line);
            prop_assert!(engine.store.bytes() <= bound);
        }
        let open = engine.store.open();
        let mut last: Vec<(String, u32)> = order[order.len() - open.len()..]
            .iter()
            .map(|(pod, rule)| (format!("uid-{pod}"), engine.numbers[&RuleId::new(format!("r{rule}"))]))
            .collect();
        last.sort();
        prop_assert_eq!(open, last);
        prop_assert_eq!(engine.take_tally().evicted > 0, order.len() > engine.open_windows());
    }
}
