//! Chains that were not recorded, put together from hops that were: any broken hop, in any place, with any inner hops.
//!
//! An inner hop's log does not know why nothing comes back: what stood within one broken hop may stand within another that
//! broke in the same moment.

use hopkeeper::domain::rule::Client;
use hopkeeper::domain::types::Verdict;
use hopkeeper::replay::{Action, Record};
use jiff::{SignedDuration, Timestamp};

use crate::support::{RULES, Scenario, actions, broken, find};

/// Until its repair, and no longer than an outage was recorded.
fn outage(scenario: &Scenario) -> SignedDuration {
    scenario.repair.expect("should have a repair").duration_since(scenario.fault.expect("should have a fault"))
}

/// One hop's records, moved in time and to another place in the chain.
fn moved(scenario: &Scenario, hop: usize, by: SignedDuration, to: usize) -> impl Iterator<Item = Record> {
    let records = scenario.records.iter().filter(move |record| record.hop == hop);
    records.map(move |record| Record { hop: to, time: record.time + by, ..record.clone() })
}

/// `outer`'s broken entry, with the inner hops of `inner` within it: as long as both were broken.
fn within(outer: &Scenario, inner: &Scenario) -> Scenario {
    let fault = outer.fault.expect("should have a fault");
    let shift = fault.duration_since(inner.fault.expect("should have a fault"));
    let end = fault + outage(outer).min(outage(inner));
    let mut chain = outer.clone();
    chain.name = format!("{} around {}", outer.name, inner.name);
    chain.records.retain(|record| record.hop == 0);
    for hop in 1..inner.chain.hops.len() {
        chain.chain.hops[hop] = inner.chain.hops[hop].clone();
        chain.records.extend(moved(inner, hop, shift, hop));
    }
    chain.records.retain(|record| record.time < end);
    chain
}

/// Healthy hops around all of it, from a chain in which nothing failed: quiet ones, which say no more once they are up, and
/// one that goes on to tell of its keepalives.
fn surrounded(scenario: &Scenario, by: &Scenario, hops: usize) -> Scenario {
    let mut chain = scenario.clone();
    chain.name = format!("{} within {hops} of {}", scenario.name, by.name);
    let last = scenario.records.iter().map(|record| record.time).max().expect("should have records");
    let start = scenario.fault.expect("should have a fault") - SignedDuration::from_mins(3);
    // boringtun says nothing at its default level: such hops are there, and silent.
    let first = by.records.iter().map(|record| record.time).min().unwrap_or(start);
    let shift = start.duration_since(first);
    chain.records = scenario.records.iter().map(|r| Record { hop: r.hop + hops, ..r.clone() }).collect();
    for hop in 0..hops {
        chain.records.extend(moved(by, hop, shift, hop));
        let mut next = moved(by, hop, shift, hop).filter(|record| record.text.contains("eepalive")).last();
        while let Some(record) = next.filter(|record| record.time < last) {
            next = Some(Record { time: record.time + SignedDuration::from_secs(20), ..record.clone() });
            chain.records.push(record);
        }
    }
    let mut all = by.chain.hops[..hops].to_vec();
    all.append(&mut chain.chain.hops);
    for (index, hop) in all.iter_mut().enumerate() {
        hop.name = format!("hop{index}");
    }
    chain.chain.hops = all;
    chain.broken = scenario.broken.map(|broken| broken + hops);
    chain
}

/// The hop's own server speaks, or the pod does: no outer hop need be asked.
fn tells_by_itself(scenario: &Scenario) -> bool {
    ["auth-failed", "cert-", "wrong-ca", "killswitch", "client-killed"].iter().any(|part| scenario.name.contains(part))
}

/// One line after 90 s is all that boringtun says by default: by then, behind hops that are not proven up, the outage is over.
fn is_terse(scenario: &Scenario) -> bool {
    scenario.name.contains("default-verbosity")
}

/// Fails unless the broken hop alone is acted on, and at least once where `acts`.
fn assert_right(chain: &Scenario, acts: bool) {
    chain.assert_only_the_broken_hop_is_blamed("");
    assert!(!acts || !actions(&chain.replay().decisions).is_empty(), "{}: nothing is done", chain.name);
}

fn entries() -> Vec<Scenario> {
    broken().into_iter().filter(|scenario| scenario.broken == Some(0) && scenario.chain.hops.len() == 3).collect()
}

#[test]
fn any_inner_hops_within_any_broken_entry_are_held_as_its_symptoms() {
    // Each pair of inner clients, at each of their levels.
    let inner = [
        "entry-ovpn-udp-server-stopped",
        "entry-ovpn-client-killed-default-verbosity",
        "entry-wg-server-stopped",
        "entry-wg-server-stopped-default-verbosity",
        "entry-wg-server-linkdown-wireguard-go",
    ]
    .map(find);
    for outer in entries() {
        for inner in &inner {
            let chain = within(&outer, inner);
            // Cut to the shorter outage, a broken hop may not have come to its threshold.
            let whole = outage(&outer) <= outage(inner);
            assert_right(&chain, whole && outer.is_told() && tells_by_itself(&outer));
        }
    }
}

#[test]
fn a_broken_hop_is_found_in_any_place_behind_healthy_ones() {
    let healthy = [
        ("ok-ovpn-wg-ovpn", 1),
        ("ok-ovpn-wg-ovpn", 3),
        ("ok-wg-wg-wg-wireguard-go", 2),
        ("ok-wg-wg-wg-default-verbosity", 1),
    ];
    for (by, hops) in healthy {
        let by = find(by);
        for scenario in broken() {
            assert_right(&surrounded(&scenario, &by, hops), scenario.is_told() && !is_terse(&scenario));
        }
    }
}

/// Nobody is inside of an exit to complain: its own lines must do.
#[test]
fn a_broken_hop_is_found_as_the_exit_too() {
    let healthy = find("ok-ovpn-wg-ovpn");
    // It says once that the tunnel went silent, which inner hops would have confirmed, and is up again before the second time.
    let heals = "killswitch-blocks-entry-ovpn-tcp";
    let mut idle = Vec::new();
    for (hops, mut scenario) in
        [0, 2].into_iter().flat_map(|hops| broken().into_iter().map(move |broken| (hops, broken)))
    {
        let broken = scenario.broken.expect("should have a broken hop");
        scenario.records.retain(|record| record.hop == broken);
        scenario.records.iter_mut().for_each(|record| record.hop = 0);
        scenario.chain.hops = vec![scenario.chain.hops[broken].clone()];
        scenario.broken = Some(0);
        // A client that was killed says nothing, and boringtun at its default level only when the outage is over.
        let acts = scenario.is_told() && !is_terse(&scenario) && scenario.name != heals;
        let chain = if hops == 0 { scenario } else { surrounded(&scenario, &healthy, hops) };
        assert_right(&chain, false);
        if acts && actions(&chain.replay().decisions).is_empty() {
            idle.push(format!("{} behind {hops}", chain.name));
        }
    }
    assert!(idle.is_empty(), "nothing is done: {idle:?}");
}

/// First one hop breaks and is repaired, then another one of the same chain.
#[test]
fn two_hops_that_break_one_after_the_other_are_each_repaired() {
    for (first, second) in [
        ("entry-ovpn-udp-server-stopped", "middle-wg-wrong-private-key"),
        ("middle-wg-wrong-private-key", "exit-ovpn-auth-failed"),
        ("entry-ovpn-cert-expired", "exit-ovpn-auth-failed"),
        ("entry-wg-server-stopped", "middle-ovpn-server-stopped"),
        ("middle-ovpn-server-stopped", "exit-wg-server-linkdown"),
        ("exit-wg-server-linkdown", "entry-wg-wrong-private-key"),
    ] {
        let (first, second) = (find(first), find(second));
        assert_eq!(first.chain.hops, second.chain.hops, "{} and {}", first.name, second.name);
        let expected = [actions(&first.replay().decisions), actions(&second.replay().decisions)].concat();
        let end = first.records.iter().map(|record| record.time).max().expect("should have records");
        let start = second.records.iter().map(|record| record.time).min().unwrap();
        let shift = end.duration_since(start) + SignedDuration::from_mins(10);
        let mut both = first.clone();
        for hop in 0..3 {
            both.records.extend(moved(&second, hop, shift, hop));
        }
        assert_eq!(actions(&both.replay().decisions), expected, "{} then {}", first.name, second.name);
    }
}

/// Debug chatter of a client all the time between its own lines: verbosity changes nothing.
#[test]
fn steady_debug_chatter_changes_nothing() {
    let chatter: Vec<&str> = include_str!("../corpus/openvpn-healthy-verb11.log")
        .lines()
        .filter(|line| {
            let decided = RULES.decide_record(Client::Openvpn, line);
            !decided.iter().any(|(_, rule)| rule.is_some_and(|rule| rule.verdict == Verdict::Recovered))
        })
        .collect();
    for scenario in broken().into_iter().filter(Scenario::is_told) {
        let mut noisy = scenario.clone();
        let end = scenario.records.iter().map(|record| record.time).max().expect("should have records");
        for hop in 0..scenario.chain.hops.len() {
            let Some(record) = scenario.records.iter().find(|record| record.hop == hop) else { continue };
            if Client::of(record.implementation, "vpn") != Some(Client::Openvpn) {
                continue;
            }
            let times = std::iter::successors(Some(record.time), |time| Some(*time + SignedDuration::from_secs(2)));
            for (time, line) in times.take_while(|time| *time < end).zip(chatter.iter().cycle()) {
                noisy.records.push(Record { time, text: (*line).into(), ..record.clone() });
            }
        }
        noisy.records.sort_by_key(|record| record.time);
        assert_eq!(told(&noisy), told(&scenario), "{}", scenario.name);
    }
}

fn told(scenario: &Scenario) -> Vec<(Timestamp, String, Action, Option<String>)> {
    let decisions = scenario.replay().decisions;
    decisions.into_iter().map(|decided| (decided.time, decided.hop, decided.action, decided.cause)).collect()
}
