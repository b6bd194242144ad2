//! Filebeat's configurations against what the decoder needs of a line, and against the options that Filebeat 9 has.
//!
//! Filebeat itself cannot be had from a package registry: its input, parsers and processors are imitated here as far as
//! these files use them.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use hopkeeper::domain::envelope::decode;
use hopkeeper::domain::event::{LogEvent, Position, Shard};
use regex::Regex;
use serde_json::{Value, json};

use super::tool::{documents, root};

const FILES: [&str; 3] = ["filebeat-kafka.yml", "filebeat-elasticsearch.yml", "filebeat-host.yml"];
const VPN: &str = "/var/log/pods/vpn_berlin-entry-7d9f_0f8a-uid/vpn/0.log";

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

/// `dissect`: the text of each key between the texts around it.
fn dissect(tokenizer: &str, text: &str) -> Option<Vec<(String, String)>> {
    let token = Regex::new(r"%\{([^}]*)\}").unwrap();
    let mut pattern = String::from("^");
    let (mut keys, mut end) = (Vec::new(), 0);
    for found in token.captures_iter(tokenizer) {
        let whole = found.get(0).unwrap();
        let last = whole.end() == tokenizer.len();
        pattern += &regex::escape(&tokenizer[end..whole.start()]);
        pattern += if last { "(.*)" } else { "(.*?)" };
        keys.push(found[1].to_owned());
        end = whole.end();
    }
    pattern += &regex::escape(&tokenizer[end..]);
    let found = Regex::new(&format!("{pattern}$")).unwrap().captures(text)?;
    let values = keys.into_iter().enumerate().map(|(index, key)| (key, found[index + 1].to_owned()));
    Some(values.filter(|(key, _)| !key.starts_with('?')).collect())
}

fn put(event: &mut Value, key: &str, value: Value) {
    let mut place = event;
    for part in key.split('.') {
        place = &mut place[part];
    }
    // Filebeat refuses to write over a field.
    assert!(place.is_null(), "{key} is there already");
    *place = value;
}

/// An event after the configuration's processors; none where it is dropped. `metadata` is what the API server said.
fn processed(file: &str, path: &str, metadata: Option<Value>) -> Option<Value> {
    let mut event = json!({"@timestamp": "2026-11-22T16:25:43.824Z", "message": "hello", "stream": "stdout",
        "log": {"offset": 99, "file": {"path": path}}});
    for processor in configuration(file)["processors"].as_array().unwrap() {
        let (name, settings) = processor.as_object().unwrap().iter().next().unwrap();
        match name.as_str() {
            "add_kubernetes_metadata" => {
                if let Some(metadata) = &metadata {
                    event["kubernetes"] = metadata.clone();
                }
            }
            "drop_event" => {
                let has_pod = event.pointer("/kubernetes/pod/uid").is_some();
                let ours = event.pointer("/kubernetes/labels/hopkeeper_io~1chain").is_some();
                let wanted = json!({"and": [{"has_fields": ["kubernetes.pod.uid"]}, {"not": {"has_fields": ["kubernetes.labels.hopkeeper_io/chain"]}}]});
                // nested() splits the label's name at no dot: it has none.
                assert_eq!(settings["when"], wanted);
                if has_pod && !ours {
                    return None;
                }
            }
            "dissect" => {
                let only_without = settings.pointer("/when/not/has_fields/0") == Some(&"kubernetes.pod.uid".into());
                assert_eq!(settings["field"], "log.file.path");
                if !(only_without && event.pointer("/kubernetes/pod/uid").is_some()) {
                    let found = dissect(settings["tokenizer"].as_str().unwrap(), path).expect("should fit the path");
                    found.into_iter().for_each(|(key, value)| put(&mut event, &key, value.into()));
                }
            }
            other => panic!("{other} is not imitated"),
        }
    }
    Some(event)
}

fn decoded(event: &Value) -> LogEvent {
    decode(event.to_string().as_bytes(), Position::new(Shard::new("kafka:vpn/0"), 7), None).unwrap()
}

fn hop_metadata() -> Value {
    // What add_kubernetes_metadata knows by a pod's UID: no container.
    json!({"namespace": "vpn", "node": {"name": "n1"}, "pod": {"name": "berlin-entry-7d9f", "uid": "0f8a-uid"},
        "labels": {"hopkeeper_io/chain": "berlin", "hopkeeper_io/hop": "entry"}})
}

#[test]
fn every_line_says_whose_it_is_with_the_api_server_and_without() {
    for file in FILES {
        for metadata in [Some(hop_metadata()), None] {
            let metadata = metadata.filter(|_| file != "filebeat-host.yml");
            let event = processed(file, VPN, metadata).expect("should not be dropped");
            let line = decoded(&event);
            assert_eq!(
                (line.namespace.as_str(), line.pod.as_str(), line.container.as_str()),
                ("vpn", "berlin-entry-7d9f", "vpn")
            );
            assert_eq!(line.pod_uid.as_deref(), Some("0f8a-uid"), "{file}");
            assert_eq!((line.text.as_str(), line.file_offset), ("hello", Some(99)));
        }
    }
}

#[test]
fn another_pods_container_of_the_same_name_is_left_out_once_the_api_server_says_so() {
    for file in ["filebeat-kafka.yml", "filebeat-elasticsearch.yml"] {
        let other = json!({"namespace": "web", "pod": {"name": "shop", "uid": "u"}, "labels": {"app": "shop"}});
        assert_eq!(processed(file, VPN, Some(other)), None);
    }
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
fn a_rotated_file_is_read_until_it_is_packed() {
    // The kubelet's names: rotated, being packed, packed.
    let (rotated, passed_over) = ("0.log.20261130-082000", ["0.log.20261130-082000.tmp", "0.log.20261130-082000.gz"]);
    for file in FILES {
        for input in configuration(file)["filebeat"]["inputs"].as_array().unwrap() {
            let glob = input["paths"][0].as_str().unwrap().rsplit('/').next().unwrap();
            let path = Regex::new(&format!("^{}$", regex::escape(glob).replace(r"\*", "[^/]*"))).unwrap();
            let excluded: Vec<_> = input["prospector"]["scanner"]["exclude_files"].as_array().unwrap().iter().collect();
            let is_read = |name: &str| {
                let is_excluded = |e: &&Value| Regex::new(e.as_str().unwrap()).unwrap().is_match(name);
                path.is_match(name) && !excluded.iter().any(is_excluded)
            };
            assert!(is_read("0.log") && is_read(rotated), "{file}: {glob}");
            assert!(!passed_over.into_iter().any(is_read), "{file}: {glob}");
        }
        let path = VPN.replace("0.log", rotated);
        let line = decoded(&processed(file, &path, None).expect("should not be dropped"));
        assert_eq!((line.pod_uid.as_deref(), line.container.as_str()), (Some("0f8a-uid"), "vpn"));
    }
}

/// Filebeat's multiline parser with `match: after`: what fits the pattern belongs to the line before it.
fn joined(lines: &str, settings: &Value) -> Vec<String> {
    assert_eq!((&settings["negate"], &settings["match"]), (&json!(false), &json!("after")));
    let pattern = Regex::new(settings["pattern"].as_str().unwrap()).unwrap();
    let flush = Regex::new(settings["flush_pattern"].as_str().unwrap()).unwrap();
    let mut events: Vec<String> = Vec::new();
    let mut open = false;
    for line in lines.lines() {
        match events.last_mut().filter(|_| open && pattern.is_match(line)) {
            Some(event) => *event = format!("{event}\n{line}"),
            None => events.push(line.to_owned()),
        }
        open = !flush.is_match(line);
    }
    events
}

#[test]
fn boringtuns_three_lines_are_one_event_and_openvpns_lines_stay_alone() {
    let scenarios = root().join("tests/fixtures/logs");
    let input = &configuration("filebeat-kafka.yml")["filebeat"]["inputs"][0];
    let multiline = input["parsers"].as_array().unwrap().iter().find_map(|parser| parser.get("multiline")).unwrap();
    let continued = Regex::new(r"^\s*(\x1b\[[\d;]*m)*(at |$)").unwrap();
    let (mut of_boringtun, mut of_openvpn) = (0, 0);
    for scenario in fs::read_dir(scenarios).unwrap().filter_map(|e| fs::read_dir(e.unwrap().path()).ok()) {
        for file in scenario.map(|entry| entry.unwrap().path()) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if !name.ends_with(".log") {
                continue;
            }
            let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
            let events = joined(&text, multiline);
            if name.contains("boringtun") {
                for event in &events {
                    assert!(!continued.is_match(event.lines().next().unwrap()), "{}: {event:?}", file.display());
                    assert!(event.lines().count() <= 3, "{}: {event:?}", file.display());
                }
                of_boringtun += events.len();
            } else if name.contains("openvpn") {
                assert_eq!(events.len(), text.lines().count(), "{}", file.display());
                of_openvpn += events.len();
            }
        }
    }
    assert!(of_boringtun > 100 && of_openvpn > 100, "{of_boringtun} {of_openvpn}");
}
