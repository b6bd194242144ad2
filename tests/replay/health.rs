//! The recordings with health lines, as a cluster has them: then no hop's silence is left to guess.

use hopkeeper::replay::{Action, Record};
use jiff::{SignedDuration, Timestamp};

use crate::support::{Scenario, actions, broken};

fn line(scenario: &Scenario, hop: usize, time: Timestamp, state: &str, carrier: u8, age: i64) -> Record {
    Record {
        time,
        hop,
        is_health: true,
        implementation: scenario.chain.hops[hop].implementation,
        pod_uid: None,
        file_offset: None,
        text: format!(
            r#"{{"hopkeeper":"health","state":"{state}","applied":"a@1#0","carrier":{carrier},"rx_bytes":1,"tx_bytes":1,"rx_age_seconds":{age},"handshake_age_seconds":20,"probe":"unknown"}}"#
        ),
    }
}

/// A line each 5 s: the broken hop and those inside of it stall 13 s after the fault, and are back after the repair.
fn with_health(scenario: &Scenario) -> Scenario {
    let mut watched = scenario.clone();
    let (fault, repair) = (scenario.fault.expect("should be broken"), scenario.repair.expect("should be repaired"));
    let start = scenario.records.iter().map(|record| record.time).min().expect("should have lines");
    let end = scenario.records.iter().map(|record| record.time).max().expect("should have lines");
    let is_killed = scenario.name.contains("client-killed");
    for hop in 0..scenario.chain.hops.len() {
        let mut time = start;
        while time <= end {
            let age = time.duration_since(fault).as_secs();
            let is_down = Some(hop) >= scenario.broken && age > 0 && time < repair + SignedDuration::from_secs(10);
            let (state, carrier, age) = match () {
                () if is_down && is_killed && Some(hop) == scenario.broken => ("down", 0, age),
                () if is_down && age >= 13 => ("stalled", 1, age),
                () => ("up", 1, 1),
            };
            watched.records.push(line(scenario, hop, time, state, carrier, age));
            time += SignedDuration::from_secs(5);
        }
    }
    watched
}

#[test]
fn health_lines_tell_the_hop_at_fault_of_every_recording() {
    for scenario in broken() {
        let watched = with_health(&scenario);
        watched.assert_only_the_broken_hop_is_blamed("with health lines");
        let decisions = watched.replay().decisions;
        let acted = actions(&decisions);
        assert_eq!(acted.len(), 1, "{}: {decisions:?}", scenario.name);
        if scenario.name.contains("client-killed") {
            assert_eq!(acted[0].1, Action::Restart, "{}", scenario.name);
        }
        // Within seconds, not after the client's own timeouts.
        let first = decisions.iter().find(|d| d.action < Action::Hold).unwrap();
        let late = first.time.duration_since(scenario.fault.unwrap());
        assert!(late <= SignedDuration::from_secs(30), "{}: {late:?}", scenario.name);
    }
}

/// No look ahead is needed then: the same holds for a log that ends in the outage.
#[test]
fn health_lines_tell_of_a_killed_client_before_it_is_back() {
    for scenario in broken() {
        let mut watched = with_health(&scenario);
        let end = scenario.fault.unwrap() + SignedDuration::from_secs(120);
        watched.records.retain(|record| record.time < end);
        watched.assert_only_the_broken_hop_is_blamed("with health lines, ended");
        assert!(!actions(&watched.replay().decisions).is_empty(), "{}", scenario.name);
    }
}
