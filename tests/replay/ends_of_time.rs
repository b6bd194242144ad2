//! Times that no clock shows: a log may say anything.

use hopkeeper::replay::live::Live;
use hopkeeper::replay::{Record, replay};
use jiff::{SignedDuration, Timestamp};

use crate::support::{RULES, find};

/// Replays a recording whose lines are all of `time`, and ones where only a hop's first lines and a health line are.
fn at_the_end_of_time(name: &str, time: Timestamp) {
    let scenario = find(name);
    let all = scenario.records.iter().map(|record| Record { time, ..record.clone() });
    let mut moved: Vec<Vec<Record>> = vec![all.collect()];
    for hop in 0..scenario.chain.hops.len() {
        let mut records = scenario.records.clone();
        for record in records.iter_mut().filter(|record| record.hop == hop).take(3) {
            record.time = time;
        }
        let health = r#"{"hopkeeper":"health","state":"down","applied":"a@1#0","carrier":1}"#;
        let record = Record { time, hop, is_health: true, text: health.into(), ..records[0].clone() };
        records.push(record);
        moved.push(records);
    }
    for records in &moved {
        let replayed = replay(&scenario.chain, &RULES, records, |_| {});
        assert_eq!(replayed.lines, records.len());
        let mut live = Live::new(&scenario.chain, RULES.clone());
        for record in records {
            live.take(record);
        }
        live.pass(time);
    }
}

#[test]
fn a_line_at_either_end_of_time_is_replayed_without_a_panic() {
    let near = SignedDuration::from_secs(30);
    for time in [Timestamp::MAX, Timestamp::MIN, Timestamp::MAX - near, Timestamp::MIN + near] {
        for name in ["entry-wg-client-killed", "entry-ovpn-auth-failed"] {
            at_the_end_of_time(name, time);
        }
    }
}
