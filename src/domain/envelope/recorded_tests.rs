//! What a running Filebeat wrote of the lab's logs (`tests/fixtures/filebeat`): every line of every hop, once, and whose it is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::domain::event::Shard;

/// Each record's key and value.
const RECORDS: &str = include_str!("../../../tests/fixtures/filebeat/kafka.txt");
/// The hops' logs, as the kubelet had them.
const LOGS: [(&str, &str); 3] = [
    (
        "fbtest_berlin-entry-f94bdd49d-ltbgt_76832810-8357-49d7-99c9-22b8b3085407/health/0.log",
        include_str!(
            "../../../tests/fixtures/filebeat/pods/fbtest_berlin-entry-f94bdd49d-ltbgt_76832810-8357-49d7-99c9-22b8b3085407/health/0.log"
        ),
    ),
    (
        "fbtest_berlin-entry-f94bdd49d-ltbgt_76832810-8357-49d7-99c9-22b8b3085407/vpn/0.log",
        include_str!(
            "../../../tests/fixtures/filebeat/pods/fbtest_berlin-entry-f94bdd49d-ltbgt_76832810-8357-49d7-99c9-22b8b3085407/vpn/0.log"
        ),
    ),
    (
        "fbtest_berlin-middle-6b8bcbc897-cf994_d0670d02-5563-415d-8b74-473acfb9e6c5/vpn/0.log",
        include_str!(
            "../../../tests/fixtures/filebeat/pods/fbtest_berlin-middle-6b8bcbc897-cf994_d0670d02-5563-415d-8b74-473acfb9e6c5/vpn/0.log"
        ),
    ),
];

/// The lines of a log with their times, the runtime's pieces of a long one put together.
fn lines(log: &str) -> Vec<(Timestamp, String)> {
    let mut lines: Vec<(Timestamp, String)> = Vec::new();
    let mut goes_on = false;
    for line in log.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let [time, _, tag, text] = words[..] else { panic!("{line}") };
        match lines.last_mut().filter(|_| goes_on) {
            Some((_, begun)) => begun.push_str(text),
            None => lines.push((time.parse().expect("should be a time"), text.to_owned())),
        }
        goes_on = tag == "P";
    }
    lines
}

#[test]
fn filebeats_records_are_decoded_to_each_line_of_the_hops_logs_once_and_in_order() {
    let mut heard: BTreeMap<String, Vec<LogEvent>> = BTreeMap::new();
    for (number, record) in (0..).zip(RECORDS.lines()) {
        let (key, payload) = record.split_once(' ').expect("should be a key and a value");
        let position = Position::new(Shard::new("kafka:vpn-logs/0"), number);
        let line = decode(payload.as_bytes(), position, None).expect("should decode");
        let event: Value = serde_json::from_str(payload).expect("should be JSON");
        assert_eq!(line.pod_uid.as_deref(), Some(key), "the key keeps one pod's lines in order");
        assert_eq!(line.file_offset, event["log"]["offset"].as_u64());
        let place = format!("{}_{}_{key}/{}/0.log", line.namespace, line.pod, line.container);
        assert_eq!(event["log"]["file"]["path"], format!("/var/log/pods/{place}"));
        heard.entry(place).or_default().push(line);
    }
    assert!(heard.keys().map(String::as_str).eq(LOGS.map(|(place, _)| place)), "{:?}", heard.keys());

    let mut joined = 0;
    for (place, log) in LOGS {
        let mut left = lines(log).into_iter();
        for event in &heard[place] {
            // Several lines of boringtun's are one event, with the first one's time, in milliseconds.
            for (number, text) in event.text.split('\n').enumerate() {
                let (time, written) = left.next().expect("there should be no more than was written");
                assert_eq!(text, written, "{place}");
                if number == 0 {
                    assert_eq!(event.time.as_millisecond(), time.as_millisecond(), "{place}: {text}");
                } else {
                    joined += 1;
                }
            }
        }
        assert_eq!(left.next(), None, "{place}: there should be no less");
    }
    assert_eq!(joined, 10, "five events of three lines");
}
