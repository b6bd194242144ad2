//! The recordings made otherwise: other names, more and fewer hops, parts missing, runs one after another.
//!
//! Never is an inner hop repaired for an outer one's fault.

use hopkeeper::domain::rule::Client;
use hopkeeper::domain::types::Verdict;
use hopkeeper::replay::{Action, Hop, Record};
use jiff::SignedDuration;

use crate::support::{RULES, Scenario, actions, broken, scenarios};

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

#[test]
fn names_mean_nothing() {
    for scenario in scenarios() {
        let mut renamed = scenario.clone();
        for (hop, name) in renamed.chain.hops.iter_mut().zip(["zulu", "alpha", "mike"]) {
            name.clone_into(&mut hop.name);
        }
        let name = |hop: &str| {
            let index = scenario.chain.hops.iter().position(|known| known.name == hop).unwrap();
            renamed.chain.hops[index].name.clone()
        };
        let mut decisions = scenario.replay().decisions;
        for decided in &mut decisions {
            decided.hop = name(&decided.hop);
            decided.cause = decided.cause.as_deref().map(name);
        }
        assert_eq!(renamed.replay().decisions, decisions, "{}", scenario.name);
    }
}

#[test]
fn the_order_of_the_files_means_nothing() {
    for scenario in scenarios() {
        let mut reversed = scenario.clone();
        reversed.records.sort_by_key(|record| std::cmp::Reverse(record.hop));
        let told = |scenario: &Scenario| {
            let mut told: Vec<_> =
                scenario.replay().decisions.into_iter().map(|d| (d.hop, d.action, d.cause, d.rule)).collect();
            told.sort();
            told
        };
        assert_eq!(told(&reversed), told(&scenario), "{}", scenario.name);
    }
}

/// Two hops: the exit is left out.
#[test]
fn a_chain_of_two_hops_is_judged_the_same() {
    for mut scenario in broken().into_iter().filter(|scenario| scenario.broken < Some(2)) {
        scenario.chain.hops.truncate(2);
        scenario.records.retain(|record| record.hop < 2);
        scenario.assert_only_the_broken_hop_is_blamed("without the exit");
        if scenario.is_told() {
            assert!(!actions(&scenario.replay().decisions).is_empty(), "{}: nothing is done", scenario.name);
        }
    }
}

/// Five hops: a healthy one outside of all, and one more inside.
#[test]
fn a_chain_of_five_hops_is_judged_the_same() {
    for mut scenario in broken() {
        let fault = scenario.fault.unwrap();
        let healthy: Vec<Record> =
            scenario.records.iter().filter(|r| r.hop == 0 && r.time < fault - seconds(1)).cloned().collect();
        let inner: Vec<Record> = scenario.records.iter().filter(|r| r.hop == 2).cloned().collect();
        // Of a broken exit, an inner hop's complaints are not on record.
        let inner = if scenario.broken == Some(2) { Vec::new() } else { inner };
        let mut records: Vec<Record> = healthy;
        // Its recording ends there, but a healthy client at debug level goes on to tell of its keepalives.
        let last = scenario.records.iter().map(|record| record.time).max().unwrap();
        let mut next = records.iter().rfind(|record| record.text.contains("Sending keepalive")).cloned();
        while let Some(record) = next.filter(|record| record.time < last) {
            next = Some(Record { time: record.time + seconds(25), ..record.clone() });
            records.push(record);
        }
        records.extend(scenario.records.iter().cloned().map(|record| Record { hop: record.hop + 1, ..record }));
        records.extend(inner.into_iter().map(|record| Record { hop: 4, ..record }));
        let mut hops = vec![Hop { name: "zero".into(), ..scenario.chain.hops[0].clone() }];
        hops.append(&mut scenario.chain.hops);
        hops.push(Hop { name: "four".into(), ..hops[3].clone() });
        (scenario.chain.hops, scenario.records) = (hops, records);
        scenario.broken = scenario.broken.map(|hop| hop + 1);
        scenario.assert_only_the_broken_hop_is_blamed("as the second of five");
        let acted = actions(&scenario.replay().decisions);
        assert!(!acted.is_empty(), "{}: nothing is done", scenario.name);
    }
}

#[test]
fn a_log_that_begins_in_the_outage_is_judged_the_same() {
    for mut scenario in broken().into_iter().filter(Scenario::is_told) {
        let fault = scenario.fault.unwrap();
        scenario.records.retain(|record| record.time >= fault - seconds(1));
        scenario.assert_only_the_broken_hop_is_blamed("without what was before");
        assert!(!actions(&scenario.replay().decisions).is_empty(), "{}: nothing is done", scenario.name);
    }
}

#[test]
fn a_log_that_ends_in_the_outage_never_blames_another_hop() {
    for scenario in broken().into_iter().filter(Scenario::is_told) {
        for after in [40, 75, 125] {
            let mut cut = scenario.clone();
            let end = scenario.fault.unwrap() + seconds(after);
            cut.records.retain(|record| record.time < end);
            cut.assert_only_the_broken_hop_is_blamed(&format!("ended after {after} s"));
        }
    }
}

/// Success markers may be missing: a lower log level, a filter in the shipper.
#[test]
fn without_success_markers_no_other_hop_is_blamed() {
    for mut scenario in broken().into_iter().filter(Scenario::is_told) {
        let is_marker = |record: &Record| {
            let client = Client::of(record.implementation, "vpn").unwrap();
            let decided = RULES.decide_record(client, &record.text);
            decided.iter().any(|(_, rule)| rule.as_ref().is_some_and(|rule| rule.verdict == Verdict::Recovered))
        };
        scenario.records.retain(|record| !is_marker(record));
        // What comes after the repair can't be told from what was before it.
        let repair = scenario.repair.unwrap();
        scenario.records.retain(|record| record.time < repair);
        scenario.assert_only_the_broken_hop_is_blamed("without success markers");
        assert!(!actions(&scenario.replay().decisions).is_empty(), "{}: nothing is done", scenario.name);
    }
}

/// The second run begins ten minutes after the first one ended.
#[test]
fn two_outages_in_one_log_are_two_stories() {
    let all = broken();
    for (index, first) in all.iter().enumerate().filter(|(_, scenario)| scenario.is_told()) {
        let next = all[index + 1..].iter().chain(&all[..index]).filter(|scenario| scenario.is_told());
        if let Some(second) = next.clone().find(|second| second.chain.hops == first.chain.hops) {
            let mut both = first.clone();
            let end = first.records.iter().map(|record| record.time).max().unwrap();
            let start = second.records.iter().map(|record| record.time).min().unwrap();
            let shift = end.duration_since(start) + seconds(600);
            both.records
                .extend(second.records.iter().cloned().map(|record| Record { time: record.time + shift, ..record }));
            let told = |scenario: &Scenario| {
                let decisions = scenario.replay().decisions.into_iter().map(|d| (d.hop, d.action, d.cause));
                decisions.collect::<Vec<_>>()
            };
            let expected = [told(first), told(second)].concat();
            assert_eq!(told(&both), expected, "{} then {}", first.name, second.name);
        }
    }
}

/// A hop whose log is missing: nothing is decided by its silence.
#[test]
fn without_the_broken_hops_log_no_other_hop_is_acted_on() {
    for mut scenario in broken().into_iter().filter(|scenario| scenario.broken < Some(2)) {
        let broken = scenario.broken.unwrap();
        scenario.records.retain(|record| record.hop != broken);
        scenario.chain.hops[broken].has_log = false;
        let decisions = scenario.replay().decisions;
        let inner = decisions.iter().filter(|d| d.action < Action::Hold && d.hop != scenario.broken_name());
        assert_eq!(inner.count(), 0, "{}: {decisions:?}", scenario.name);
    }
}

/// Two hops at fault, each by its own server's word, in one chain: both are told.
#[test]
fn two_faults_at_once_are_both_told() {
    let all = broken();
    let find = |name: &str| all.iter().find(|scenario| scenario.name == name).unwrap();
    let (entry, exit) = (find("entry-ovpn-auth-failed"), find("exit-ovpn-auth-failed"));
    let shift = entry.fault.unwrap().duration_since(exit.fault.unwrap()) + seconds(5);
    let mut both = entry.clone();
    both.records.retain(|record| record.hop != 2);
    let exits = exit.records.iter().filter(|record| record.hop == 2);
    both.records.extend(exits.map(|record| Record { time: record.time + shift, ..record.clone() }));
    let acted = actions(&both.replay().decisions);
    // The second within a minute: it may be the account, so a person is called and no candidate is spent.
    assert_eq!(acted, [("entry".to_owned(), Action::Rotate), ("exit".to_owned(), Action::Alert)]);
}

/// A log that ends before the client's next start: a WireGuard client at debug level is missed by its silence.
#[test]
fn a_killed_client_whose_log_ends_there_is_found_by_its_silence() {
    let mut tried = 0;
    for mut scenario in broken().into_iter().filter(|scenario| scenario.name.contains("wg-client-killed")) {
        let (broken, fault, repair) = (scenario.broken.unwrap(), scenario.fault.unwrap(), scenario.repair.unwrap());
        scenario.records.retain(|r| r.time < repair && (r.hop != broken || r.time < fault));
        scenario.assert_only_the_broken_hop_is_blamed("cut off before the client's next start");
        let broken = scenario.broken_name().to_owned();
        assert_eq!(actions(&scenario.replay().decisions), [(broken, Action::Restart)], "{}", scenario.name);
        tried += 1;
    }
    assert_eq!(tried, 3);
}

/// The same silence without anybody who suffers from it is none.
#[test]
fn a_client_that_falls_silent_alone_is_left_alone() {
    for mut scenario in scenarios().into_iter().filter(|scenario| scenario.name.starts_with("ok-")) {
        let Some(first) = scenario.records.iter().map(|record| record.time).min() else { continue };
        let until = first + seconds(30);
        scenario.records.retain(|record| record.hop != 0 || record.time < until);
        assert_eq!(actions(&scenario.replay().decisions), [], "{}", scenario.name);
    }
}
