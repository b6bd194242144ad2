//! Every recording as it is.

use std::fmt::Write as _;

use hopkeeper::replay::{Action, expected, report};

use crate::support::{actions, scenarios};

#[test]
fn every_recording_comes_to_what_was_done_to_it() {
    let (mut table, mut wrong) = (String::new(), String::new());
    for scenario in scenarios() {
        let replayed = scenario.replay();
        writeln!(table, "{:<44} {}", scenario.name, report::summary(&replayed.decisions)).expect("should write");
        let file = scenario.path.join("expected.yaml");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let expected = expected::parse(&text).unwrap_or_else(|error| panic!("{}:{error}", file.display()));
        for difference in expected.differences(&replayed.decisions) {
            writeln!(wrong, "{}:{}: {difference}", file.display(), difference.line).expect("should write");
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{wrong}");
}

/// What `expected.yaml` says can't be wrong about whose fault it was: the directory's name says that.
#[test]
fn the_broken_hop_is_acted_on_and_no_other() {
    for scenario in scenarios() {
        let acted = actions(&scenario.replay().decisions);
        match scenario.broken {
            None if scenario.name.starts_with("ok-") => assert_eq!(acted, [], "{}", scenario.name),
            // Every hop of it is broken.
            None => assert!(acted.iter().all(|(_, action)| *action == Action::Alert), "{}: {acted:?}", scenario.name),
            Some(_) => {
                let broken = scenario.broken_name();
                assert!(!acted.is_empty(), "{}: nothing is done", scenario.name);
                assert!(acted.iter().all(|(hop, _)| hop == broken), "{}: {acted:?}", scenario.name);
                scenario.assert_only_the_broken_hop_is_blamed("as recorded");
            }
        }
    }
}

#[test]
fn nothing_is_decided_before_the_fault_or_after_the_repair() {
    for scenario in scenarios() {
        let (Some(fault), Some(repair)) = (scenario.fault, scenario.repair) else { continue };
        // OpenVPN's times are cut to the second.
        let cut = jiff::SignedDuration::from_secs(1);
        for decided in scenario.replay().decisions {
            let acts = decided.action < Action::Hold;
            assert!(decided.time > fault - cut, "{}: {decided:?}", scenario.name);
            assert!(!acts || decided.time < repair, "{}: {decided:?}", scenario.name);
        }
    }
}
