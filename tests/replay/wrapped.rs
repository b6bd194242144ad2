//! The recordings as a stranger would have them: with what shippers, runtimes and terminals put around each line.
//!
//! Whatever stands around the program's own text, the same is decided at the same time.

use std::path::Path;

use hopkeeper::replay::{Decided, Record, logs, replay};
use jiff::{SignedDuration, Timestamp};

use crate::support::{RULES, Scenario, find};

/// Puts something around a physical line, whose time is known to the microsecond.
type Wrap = fn(&str, Timestamp) -> String;

const WRAPS: [(&str, Wrap); 9] = [
    ("CRLF", |line, _| format!("{line}\r")),
    ("colours", |line, _| format!("\u{1b}[2m{line}\u{1b}[0m")),
    ("docker compose", |line, _| format!("\u{1b}[36mentry-vpn-1  | \u{1b}[0m{line}")),
    ("docker's JSON", |line, at| {
        serde_json::json!({"log": format!("{line}\n"), "stream": "stdout", "time": at.to_string()}).to_string()
    }),
    ("journald's JSON", |line, at| {
        serde_json::json!({"__REALTIME_TIMESTAMP": at.as_microsecond().to_string(), "MESSAGE": line}).to_string()
    }),
    ("ECS", |line, at| {
        serde_json::json!({"@timestamp": at.to_string(), "log": {"level": "info"}, "message": line}).to_string()
    }),
    ("containerd", |line, at| format!("{at} stdout F {line}")),
    ("kubectl --timestamps", |line, at| format!("{at} {line}")),
    ("journalctl -o short-iso-precise", |line, at| {
        format!("{} gateway openvpn[4321]: {line}", at.strftime("%Y-%m-%dT%H:%M:%S.%6f+0000"))
    }),
];

/// One of each client, of each kind of evidence, and one in which nothing failed.
const RECORDINGS: [&str; 4] =
    ["entry-ovpn-auth-failed", "entry-wg-server-stopped", "entry-wg-server-linkdown-wireguard-go", "ok-ovpn-wg-ovpn"];

/// What is decided about a directory in which `write` wrote each hop's records anew, as files that begin with `name`.
fn decided(scenario: &Scenario, write: impl Fn(&Path, &str, &[&Record])) -> Vec<Decided> {
    let directory = tempfile::tempdir().expect("should make a directory");
    for entry in std::fs::read_dir(&scenario.path).expect("should be there") {
        let file = entry.expect("should be readable").file_name().to_string_lossy().into_owned();
        let Some(name) = file.strip_suffix(".log") else { continue };
        let mut hops = scenario.chain.hops.iter();
        let hop = hops.position(|hop| name.split('.').next() == Some(hop.name.as_str())).expect("a hop of the chain");
        let records: Vec<&Record> = scenario.records.iter().filter(|record| record.hop == hop).collect();
        write(directory.path(), name, &records);
    }
    let mut chain = scenario.chain.clone();
    let logs = logs::read(&mut chain, directory.path()).expect("should be read");
    replay(&chain, &RULES, &logs.records, |_| {}).decisions
}

/// All that a decision says; OpenVPN's own times count whole seconds, and a wrapper's time may be the one that is read.
fn told(decisions: &[Decided]) -> Vec<String> {
    let told = |d: &Decided| format!("{} {} {} {:?} {}", d.time.as_second(), d.hop, d.rule, d.cause, d.action);
    let mut told: Vec<String> = decisions.iter().map(told).collect();
    told.sort();
    told
}

fn lines<'a>(records: &'a [&Record]) -> impl Iterator<Item = (&'a str, Timestamp)> {
    records.iter().flat_map(|record| record.text.lines().map(|line| (line, record.time)))
}

#[test]
fn what_stands_around_a_line_changes_nothing() {
    for name in RECORDINGS {
        let scenario = find(name);
        let expected = told(&scenario.replay().decisions);
        for (what, wrap) in WRAPS {
            let wrapped = decided(&scenario, |to, file, records| {
                let text: Vec<String> = lines(records).map(|(line, at)| wrap(line, at) + "\n").collect();
                std::fs::write(to.join(format!("{file}.log")), text.concat()).unwrap();
            });
            assert_eq!(told(&wrapped), expected, "{name} in {what}");
        }
    }
}

/// A log that was rotated, or of two containers one after the other.
#[test]
fn a_log_split_over_files_is_one_log() {
    for name in RECORDINGS {
        let scenario = find(name);
        let split = decided(&scenario, |to, file, records| {
            for (part, records) in [("1", &records[..records.len() / 2]), ("2", &records[records.len() / 2..])] {
                let text: Vec<String> = lines(records).map(|(line, _)| format!("{line}\n")).collect();
                std::fs::write(to.join(format!("{file}-{part}.log")), text.concat()).unwrap();
            }
        });
        assert_eq!(told(&split), told(&scenario.replay().decisions), "{name}");
    }
}

/// Clocks of nodes differ by a second, either way.
#[test]
fn clocks_that_differ_by_a_second_change_nobodys_fault() {
    for name in RECORDINGS {
        let scenario = find(name);
        let told = |scenario: &Scenario| {
            let decisions = scenario.replay().decisions.into_iter();
            decisions.map(|d| (d.hop, d.rule, d.cause, d.action)).collect::<std::collections::BTreeSet<_>>()
        };
        for (hop, by) in [(0, 1), (0, -1), (2, 1), (2, -1)] {
            let mut skewed = scenario.clone();
            for record in skewed.records.iter_mut().filter(|record| record.hop == hop) {
                record.time += SignedDuration::from_secs(by);
            }
            assert_eq!(told(&skewed), told(&scenario), "{name}: hop {hop} by {by} s");
        }
    }
}
