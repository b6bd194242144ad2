//! What open windows cost, by an allocator that counts every byte. Bytes are asserted, times only printed.

use std::alloc::System;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use cap::Cap;
use hopkeeper::domain::engine::Engine;
use hopkeeper::domain::event::{HopIdentity, LogEvent, Position, Shard};
use hopkeeper::domain::rule::Client;
use hopkeeper::domain::rule::file::Strictness;
use hopkeeper::domain::ruleset::{RuleSet, pack};
use hopkeeper::domain::types::{CandidateRef, HopId, Implementation};
use jiff::Timestamp;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// The allocator counts for the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

const MIB: usize = 1024 * 1024;

fn rules(number: usize) -> Arc<RuleSet> {
    let rule = |n| {
        format!(
            "  - {{ id: r{n}, title: t, pattern: '^fault {n:04}$', evidence: own, verdict: rotate, threshold: {{ count: 3, within: 1h }} }}\n"
        )
    };
    let file = format!("version: 1\nclient: openvpn\nrules:\n{}", (0..number).map(rule).collect::<String>());
    let rules = Arc::new(pack::load([("rules.yaml", file.as_str())], Strictness::User).expect("should load"));
    // A regular expression allocates its scratch memory when it is first used: that is the rules', not the windows'.
    for n in 0..number {
        rules.decide_record(Client::Openvpn, &line(n, 0).text);
    }
    rules
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).expect("should be a time")
}

fn hop(number: usize) -> HopIdentity {
    HopIdentity {
        id: HopId { namespace: "prod".into(), chain: "berlin".into(), hop: "entry".into() },
        pod_uid: format!("7f3c1a52-9d1e-4c55-8a3e-{number:012}"),
        pod_name: "berlin-entry-0".into(),
        implementation: Implementation::OpenVpn,
        candidate: CandidateRef { name: "a".into(), version: "1".into() },
        plan_id: "a@1#0".into(),
        applied_at: at(-1000),
    }
}

fn line(rule: usize, sequence: u64) -> LogEvent {
    LogEvent {
        time: at(10),
        namespace: "prod".into(),
        pod: "berlin-entry-0".into(),
        pod_uid: None,
        container: "vpn".into(),
        text: format!("fault {rule:04}"),
        file_offset: Some(sequence),
        position: Position::new(Shard::new("kafka:vpn/0"), sequence),
    }
}

/// Drives pods × rules windows with `lines` lines each, rule after rule as a storm does; gives the bytes that are held
/// afterwards, and at most meanwhile.
fn fill(engine: &mut Engine, pods: usize, rules: usize, lines: u64) -> (usize, usize) {
    let (before, mut most, mut sequence) = (ALLOCATOR.allocated(), 0, 0);
    for rule in 0..rules {
        for pod in 0..pods {
            let hop = hop(pod);
            for _ in 0..lines {
                engine.observe(&line(rule, sequence), &hop);
                sequence += 1;
            }
        }
        most = most.max(ALLOCATOR.allocated() - before);
    }
    (ALLOCATOR.allocated() - before, most)
}

#[test]
fn a_live_window_of_two_lines_costs_at_most_128_bytes_with_its_share_of_everything() {
    let _alone = ALONE.lock().expect("should lock");
    // With several fillings of the index. A pod's own state is shared by its windows: with two it weighs most.
    for (pods, rules_each, most) in [(100, 100, 128.0), (1_000, 20, 128.0), (2_000, 16, 128.0), (10_000, 2, 256.0)] {
        let mut engine = Engine::new(rules(rules_each));
        let (held, _) = fill(&mut engine, pods, rules_each, 2);
        let windows = engine.open_windows();
        assert_eq!(windows, pods * rules_each);
        let each = held as f64 / windows as f64;
        println!("{pods} pods × {rules_each} rules: {each:.1} bytes a window, pods included");
        assert!(each <= most, "{each} bytes with {pods} pods × {rules_each} rules");
    }
}

#[test]
fn a_million_keys_stay_below_the_bound() {
    flood(62_000, 16);
}

/// 10 000 hops × 1000 rules, each with an open window: `cargo test --release --test window_memory -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes: the small flood of the same form runs always"]
fn ten_thousand_hops_and_a_thousand_rules_stay_below_128_mib() {
    flood(10_000, 1_000);
}

fn flood(pods: usize, rules_each: usize) {
    let _alone = ALONE.lock().expect("should lock");
    let mut engine = Engine::new(rules(rules_each));
    let begun = Instant::now();
    let (held, most) = fill(&mut engine, pods, rules_each, 1);
    let took = begun.elapsed();
    let keys = pods * rules_each;
    let (open, evicted) = (engine.open_windows(), engine.take_tally().evicted);
    assert_eq!(open as u64 + evicted, keys as u64, "each is open or was counted as given up");
    let shard = Shard::new("kafka:vpn/0");
    // Oldest first: what is left are the newest lines.
    assert_eq!(engine.needed_from(&shard), Some(evicted));
    let begun = Instant::now();
    engine.observe(&line(0, keys as u64), &hop(0));
    engine.needed_from(&shard);
    let needed = begun.elapsed();
    let begun = Instant::now();
    engine.expire(at(10));
    println!(
        "{pods} hops × {rules_each} rules: {} MiB held, {} MiB at most; {open} windows open, {evicted} given up; {:.0} ns a \
         line; oldest needed line after a change {needed:?}, expiry {:?}",
        held / MIB,
        most.max(held) / MIB,
        took.as_nanos() as f64 / keys as f64,
        begun.elapsed()
    );
    assert!(most.max(held) <= 128 * MIB, "{} MiB", most / MIB);
}
