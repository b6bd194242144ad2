//! This shipper beside a running Filebeat: of the same files and pods, the same events (`tests/fixtures/filebeat`).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

use crate::envelope::{self, Agent, Source, Whose};
use crate::registry::Registry;
use crate::tail::Tail;
use crate::{logs, multiline, names};

/// Keys and events by the file that they were read from, in order.
type Shipped = BTreeMap<String, Vec<(String, Value)>>;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/filebeat")
}

/// Leaves out what tells of a version, of the machine, and of how Filebeat reached the API server: nothing that a decoder needs.
fn common(mut event: Value) -> Value {
    let fields = event.as_object_mut().unwrap();
    for field in ["agent", "ecs", "host", "orchestrator"] {
        fields.remove(field);
    }
    event["@metadata"].as_object_mut().unwrap().remove("version");
    let file = event["log"]["file"].as_object_mut().unwrap();
    for field in ["device_id", "inode", "fingerprint"] {
        file.remove(field);
    }
    // It had none when Filebeat read the first lines.
    event["kubernetes"]["pod"].as_object_mut().unwrap().remove("ip");
    event
}

fn filebeats() -> Shipped {
    let mut shipped = Shipped::new();
    for record in fs::read_to_string(fixtures().join("kafka.txt")).unwrap().lines() {
        let (key, event) = record.split_once(' ').unwrap();
        let event: Value = serde_json::from_str(event).unwrap();
        let path = event["log"]["file"]["path"].as_str().unwrap().to_owned();
        shipped.entry(path).or_default().push((key.to_owned(), common(event)));
    }
    shipped
}

fn ours() -> Shipped {
    let pods: Vec<Pod> = serde_json::from_str(&fs::read_to_string(fixtures().join("pods.json")).unwrap()).unwrap();
    let nothing_sent = tempfile::tempdir().unwrap();
    let registry = Registry::open(&nothing_sent.path().join("registry")).unwrap();
    let agent = Agent { ephemeral_id: String::new(), id: String::new(), name: String::new() };
    let mut shipped = Shipped::new();
    let root = fixtures().join("pods");
    for directory in names(&root).unwrap() {
        for container in names(&root.join(&directory)).unwrap() {
            let whose = Whose::of(&directory, &container).unwrap();
            let pod = pods.iter().find(|pod| pod.metadata.uid.as_deref() == Some(&whose.uid));
            let Some(kubernetes) = envelope::metadata(&whose, Some(pod.unwrap())) else { continue };
            for name in logs(names(&root.join(&directory).join(&container)).unwrap()) {
                let place = root.join(&directory).join(&container).join(&name);
                let mut tail = Tail::open(&place, &registry, container == "vpn").unwrap();
                let now = Instant::now();
                let (mut messages, _) = tail.read(now).unwrap();
                messages.extend(tail.read(now + multiline::TIMEOUT).unwrap().0);
                let path = format!("/var/log/pods/{directory}/{container}/{name}");
                let source = Source { path: &path, device: tail.device, inode: tail.inode };
                let event = |message| common(envelope::event(message, &source, &agent, &kubernetes));
                let events = messages.iter().map(|message| (whose.uid.clone(), event(message))).collect();
                shipped.insert(path, events);
            }
        }
    }
    shipped
}

#[test]
fn the_events_are_those_of_a_running_filebeat() {
    let (filebeats, ours) = (filebeats(), ours());
    assert!(filebeats.keys().eq(ours.keys()), "{:?}\n{:?}", filebeats.keys(), ours.keys());
    for (path, events) in &filebeats {
        assert_eq!(events, &ours[path], "{path}");
    }
    assert_eq!(filebeats.values().map(Vec::len).sum::<usize>(), 25);
}
