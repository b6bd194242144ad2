//! Filebeat's configurations against what the decoder needs of a line, and against the options that Filebeat 9 has.
//! What a running Filebeat makes of the lines of pods that the API server knows is recorded in `tests/fixtures/filebeat`.

mod running;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use hopkeeper::domain::envelope::decode;
use hopkeeper::domain::event::{LogEvent, Position, Shard};
use regex::Regex;
use serde_json::{Value, json};

use self::running::{Node, append, message, written};
use super::tool::{documents, root};

const FILES: [&str; 3] = ["filebeat-kafka.yml", "filebeat-elasticsearch.yml", "filebeat-host.yml"];
const POD: &str = "vpn_berlin-entry-7d9f_0f8a-uid";

fn configuration(file: &str) -> Value {
    let mut read = documents(&fs::read_to_string(root().join("filebeat").join(file)).unwrap());
    assert_eq!(read.len(), 1);
    nested(read.swap_remove(0))
}

/// `a.b: c` is `a: {b: c}`, as Filebeat reads it.
fn nested(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut whole = json!({});
            for (key, value) in object {
                let mut place = &mut whole;
                for part in key.split('.') {
                    place = &mut place[part];
                }
                let value = nested(value);
                match (place.as_object_mut(), value) {
                    (Some(there), Value::Object(more)) => there.extend(more),
                    (_, value) => *place = value,
                }
            }
            whole
        }
        Value::Array(items) => Value::Array(items.into_iter().map(nested).collect()),
        other => other,
    }
}

/// Every option by its full name; the items of a list share one.
fn options(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            options(value, &path, found);
        }),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().for_each(|item| options(item, path, found))
        }
        _ => drop(found.insert(path.to_owned())),
    }
}

#[test]
fn only_options_that_filebeat_has_are_used() {
    let known = fs::read_to_string(root().join("filebeat/options.txt")).unwrap();
    let known: BTreeSet<&str> = known.lines().filter(|line| !line.starts_with('#')).collect();
    for file in FILES {
        let mut used = BTreeSet::new();
        options(&configuration(file), "", &mut used);
        let unknown: Vec<_> = used.iter().filter(|option| !known.contains(option.as_str())).collect();
        assert!(
            unknown.is_empty(),
            "{file}: Filebeat has no {unknown:?}; filebeat/options.txt says where it lists them"
        );
        assert!(used.len() > 30, "{file}");
    }
}

fn decoded(event: &Value) -> LogEvent {
    decode(event.to_string().as_bytes(), Position::new(Shard::new("kafka:vpn/0"), 7), None).unwrap()
}

#[test]
fn the_lines_of_one_pod_stay_in_order() {
    for file in ["filebeat-kafka.yml", "filebeat-host.yml"] {
        let kafka = &configuration(file)["output"]["kafka"];
        assert_eq!(kafka["key"], "%{[kubernetes.pod.uid]}");
        assert!(kafka["partition"]["hash"].is_object() && kafka["required_acks"] == -1);
        let version: Vec<u32> = kafka["version"].as_str().unwrap().split('.').map(|n| n.parse().unwrap()).collect();
        assert!(version >= vec![2, 1, 0], "Kafka 4 speaks nothing older than 2.1 (KIP-896)");
    }
    assert_eq!(configuration("filebeat-elasticsearch.yml")["output"]["elasticsearch"]["worker"], 1);
}

fn duration(value: &Value) -> Duration {
    let text = value.as_str().unwrap();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap());
    let number: u64 = number.parse().unwrap();
    match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(60 * number),
        _ => panic!("{text}"),
    }
}

#[test]
fn a_line_is_out_within_a_second_and_an_ended_pods_file_is_read_to_its_end() {
    for file in FILES {
        let whole = configuration(file);
        for input in whole["filebeat"]["inputs"].as_array().unwrap() {
            let multiline = input["parsers"].as_array().unwrap().iter().find_map(|parser| parser.get("multiline"));
            let waits =
                duration(&input["backoff"]["max"]) + multiline.map_or(Duration::ZERO, |m| duration(&m["timeout"]));
            let waits = waits + duration(&whole["queue"]["mem"]["flush"]["timeout"]);
            assert!(waits < Duration::from_secs(1), "{file}: {waits:?}");
            assert_eq!(input["close"]["on_state_change"]["removed"], false);
            assert_eq!(input["prospector"]["scanner"]["fingerprint"]["length"], 64, "a quiet client's file is short");
            assert!(input["file_identity"]["fingerprint"].is_null() && input["file_identity"].is_object());
            assert_eq!(input["message_max_bytes"], 65536);
        }
    }
}

#[test]
fn filebeat_takes_the_configurations() {
    for file in FILES {
        let Some(node) = Node::new(file) else { return };
        assert!(node.test_configuration().contains("Config OK"), "{file}");
    }
}

#[test]
fn every_line_says_whose_it_is_without_the_api_server_too() {
    let nodes: Option<Vec<Node>> = FILES.into_iter().map(Node::new).collect();
    let Some(mut nodes) = nodes else { return };
    for node in &mut nodes {
        append(&node.container(POD, "vpn").join("0.log"), written(7, "2026-11-22 16:25:43 hello, hello"));
        node.start();
    }
    for node in &nodes {
        let events = node.until("one line", |events| !events.is_empty());
        let line = decoded(&events[0]);
        let whose = (line.namespace.as_str(), line.pod.as_str(), line.container.as_str());
        assert_eq!(whose, ("vpn", "berlin-entry-7d9f", "vpn"));
        assert_eq!(line.pod_uid.as_deref(), Some("0f8a-uid"));
        assert_eq!((line.text.as_str(), line.file_offset), ("2026-11-22 16:25:43 hello, hello", Some(0)));
    }
}

#[test]
fn no_line_is_lost_or_doubled_when_files_are_rotated_and_pods_end() {
    let Some(mut node) = Node::new("filebeat-kafka.yml") else { return };
    let vpn = node.container(POD, "vpn");
    let (log, rotated) = (vpn.join("0.log"), |at: usize| vpn.join(format!("0.log.20261130-0820{at:02}")));
    let mut lines = 0;
    let mut write = |more: usize| {
        for number in lines..lines + more {
            append(&log, written(number, &format!("2026-11-22 16:25:43 line {number}")));
        }
        lines += more;
        lines
    };
    let here = |node: &Node, lines| node.until("every line", |events| events.len() >= lines);
    node.start();
    here(&node, write(3));
    // Twice within a second.
    for at in 0..2 {
        write(2);
        fs::rename(&log, rotated(at)).unwrap();
    }
    here(&node, write(2));
    // While it is away.
    node.stop();
    write(2);
    fs::rename(&log, rotated(2)).unwrap();
    let written_so_far = write(2);
    // What the kubelet has packed, or is packing, was read before.
    for packed in ["0.log.20261130-081900.tmp", "0.log.20261130-081800.gz"] {
        append(&vpn.join(packed), written(900, "2026-11-22 16:25:43 an old line, packed"));
    }
    node.start();
    here(&node, written_so_far);
    // Last words.
    let all = write(2);
    fs::remove_dir_all(node.pod(POD)).unwrap();
    here(&node, all);
    node.stop();
    let events = node.until("every line", |events| events.len() >= all);
    let mut texts: Vec<_> = events.iter().map(message).collect();
    texts.sort_by_key(|text| text.rsplit(' ').next().unwrap().parse::<usize>().unwrap_or(usize::MAX));
    let expected: Vec<_> = (0..all).map(|number| format!("2026-11-22 16:25:43 line {number}")).collect();
    assert_eq!(texts, expected);
}

#[test]
fn pieces_of_a_line_are_put_together_and_a_long_one_is_cut() {
    let Some(mut node) = Node::new("filebeat-kafka.yml") else { return };
    let log = node.container(POD, "vpn").join("0.log");
    let (long, time) = ("x".repeat(16_000), "2026-11-22T16:25:43.824000001Z stdout");
    node.start();
    // Alone, an empty line would come without a text.
    append(&log, format!("{time} F \n"));
    for _ in 0..5 {
        append(&log, format!("{time} P {long}\n"));
    }
    append(&log, format!("{time} F end\n2026-11-22T16:25:44Z stdout F not the who"));
    node.until("a long line", |events| !events.is_empty());
    append(&log, "le line\n2026-11-22T16:25:45Z stderr F wrong: \u{e9}".as_bytes());
    append(&log, b" \xff\nno line of a runtime's\n2026-11-22T16:25:46Z stdout F at last\n");
    let events = node.until("the last", |events| events.iter().any(|event| message(event) == "at last"));
    let texts: Vec<_> = events.iter().map(message).collect();
    assert_eq!(texts[0], "x".repeat(65_536));
    assert_eq!(texts[1..], ["not the whole line", "wrong: \u{e9} \u{fffd}", "at last"]);
    assert_eq!(decoded(&events[2]).time.to_string(), "2026-11-22T16:25:45Z");
}

#[test]
fn boringtuns_three_lines_are_one_event_and_openvpns_lines_stay_alone() {
    let Some(mut node) = Node::new("filebeat-kafka.yml") else { return };
    let mut written_by = BTreeMap::new();
    let mut number = 0;
    let scenarios = fs::read_dir(root().join("tests/fixtures/logs")).unwrap();
    for scenario in scenarios.filter_map(|entry| fs::read_dir(entry.unwrap().path()).ok()) {
        for file in scenario.map(|entry| entry.unwrap().path()) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let client = ["boringtun", "openvpn"].into_iter().find(|client| name.contains(client));
            let Some(client) = client.filter(|_| name.ends_with(".log")) else { continue };
            let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
            let pod = format!("vpn_{client}_{}", written_by.len());
            let log: String = text.lines().zip(number..).map(|(line, number)| written(number, line)).collect();
            number += text.lines().count();
            if log.len() >= 64 {
                append(&node.container(&pod, "vpn").join("0.log"), log);
                written_by.insert(pod, text);
            }
        }
    }
    // Filebeat sends no empty event.
    let count = |text: &str| text.lines().filter(|line| !line.is_empty()).count();
    let all: usize = written_by.values().map(|text| count(text)).sum();
    node.start();
    let events =
        node.until("every line", |events| events.iter().map(|event| count(message(event))).sum::<usize>() >= all);

    let mut events_of: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for event in &events {
        let path = event["log"]["file"]["path"].as_str().unwrap();
        events_of.entry(path.split('/').nth(4).unwrap().to_owned()).or_default().push(message(event));
    }
    let continued = Regex::new(r"^\s*(\x1b\[[\d;]*m)*(at |$)").unwrap();
    let (mut of_boringtun, mut of_openvpn) = (0, 0);
    for (pod, text) in &written_by {
        let events = &events_of[pod];
        let filled = |line: &&str| !line.is_empty();
        assert!(events.iter().flat_map(|event| event.lines()).filter(filled).eq(text.lines().filter(filled)), "{pod}");
        if pod.contains("boringtun") {
            for event in events {
                assert!(!continued.is_match(event.lines().next().unwrap()), "{pod}: {event:?}");
                assert!(event.lines().count() <= 3, "{pod}: {event:?}");
            }
            of_boringtun += events.len();
        } else {
            assert_eq!(events.len(), count(text), "{pod}");
            of_openvpn += events.len();
        }
    }
    assert!(of_boringtun > 100 && of_openvpn > 100, "{of_boringtun} {of_openvpn}");
}
