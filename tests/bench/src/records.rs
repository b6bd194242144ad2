//! A shipper's record in, a decision out; and the slowest line that somebody could send.

use std::fmt::Write;

use crate::clock;
use crate::corpus::{Corpus, Entropy};
use crate::domain::envelope;
use crate::domain::event::{Position, Shard};
use crate::domain::rule::Client;
use crate::domain::rule::file::{self, Strictness};
use crate::domain::ruleset::{Line, RuleSet, literal};

fn rules(corpus: &Corpus) -> RuleSet {
    let mut yaml = "version: 1\nclient: openvpn\nrules:\n".to_owned();
    for (number, pattern) in corpus.patterns.iter().enumerate() {
        let pattern = serde_json::to_string(pattern).expect("should be text");
        writeln!(yaml, "  - {{ id: r{number}, title: t, evidence: own, verdict: alert, pattern: {pattern} }}")
            .expect("should write");
    }
    RuleSet::new(file::parse("bench.yaml", &yaml, Strictness::User).expect("should load")).expect("should compile")
}

/// An event as Filebeat 9 encodes it with more metadata than `filebeat/` asks for, about 1.2 kB.
fn record(number: usize, line: &str) -> String {
    let line = serde_json::to_string(line).expect("should be text");
    format!(
        r#"{{"@timestamp":"2026-11-22T16:25:43.{:03}Z","@metadata":{{"beat":"filebeat","type":"_doc","version":"9.1.5"}},"host":{{"name":"node-3"}},"agent":{{"type":"filebeat","version":"9.1.5","name":"node-3","id":"0e9a7c52-1c6e-4c55-9b1a-6d2a7f0b7a11","ephemeral_id":"5f1d2c3b-7a8e-4f90-a1b2-c3d4e5f60718"}},"input":{{"type":"filestream"}},"ecs":{{"version":"8.0.0"}},"log":{{"offset":{},"file":{{"path":"/var/log/containers/berlin-entry-5d9f7c6b8-x2x7k_vpn_vpn-8f14e45fceea167a5a36dedd4bea2543c9f0f895fb98ab9159f51fd0297e236d.log","device_id":"2049","inode":"1837465"}}}},"stream":"stdout","message":{line},"container":{{"id":"8f14e45fceea167a5a36dedd4bea2543c9f0f895fb98ab9159f51fd0297e236d","runtime":"containerd","image":{{"name":"registry.example.com/vpn/openvpn:2.6.14"}}}},"kubernetes":{{"pod":{{"name":"berlin-entry-5d9f7c6b8-x2x7k","uid":"11111111-2222-3333-4444-555555555555","ip":"10.244.0.7"}},"namespace":"vpn","namespace_uid":"66666666-7777-8888-9999-000000000000","namespace_labels":{{"kubernetes_io/metadata_name":"vpn"}},"node":{{"name":"node-3","uid":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee","hostname":"node-3","labels":{{"kubernetes_io/os":"linux","kubernetes_io/arch":"amd64"}}}},"container":{{"name":"vpn"}},"replicaset":{{"name":"berlin-entry-5d9f7c6b8"}},"labels":{{"hopkeeper_io/chain":"berlin","hopkeeper_io/hop":"entry","app_kubernetes_io/name":"hop"}}}}}}"#,
        number % 1000,
        number * 150,
    )
}

pub fn envelopes(corpus: &Corpus, entropy: Entropy) {
    let rules = rules(corpus);
    let records: Vec<String> = corpus.log.lines().enumerate().map(|(number, line)| record(number, line)).collect();
    let shard = Shard::new("kafka:vpn-logs/0");
    let decode = |number: usize, record: &str| {
        let position = Position::new(shard.clone(), number as u64);
        envelope::decode(record.as_bytes(), position, None).expect("should decode")
    };
    let mut decided = 0;
    let whole = clock::best(|| {
        decided = 0;
        for (number, record) in records.iter().enumerate() {
            let event = decode(number, record);
            decided +=
                rules.decide_record(Client::Openvpn, &event.text).iter().filter(|(_, rule)| rule.is_some()).count();
        }
    });
    let decoding = clock::best(|| {
        for (number, record) in records.iter().enumerate() {
            std::hint::black_box(decode(number, record));
        }
    });
    let bytes = records.iter().map(String::len).sum::<usize>() / records.len();
    let thousands = |seconds: f64| records.len() as f64 / seconds / 1e3;
    println!(
        "envelope to decision, {} rules, {entropy:?} entropy, records of {bytes} bytes: {:.0} k records/s ({:.0} k decoding alone), {decided} decided",
        corpus.patterns.len(),
        thousands(whole),
        thousands(decoding),
    );
}

/// Lines of 64 KiB that are as unpleasant as we know how to make them.
pub fn hostile(corpus: &Corpus) {
    const LENGTH: usize = 64 * 1024;
    let rules = rules(corpus);
    let without = corpus.patterns.iter().filter(|pattern| literal::required(pattern).is_none()).count();
    let besides = if without > 0 { format!(", {without} without a literal") } else { String::new() };
    let texts: Vec<String> = corpus.patterns.iter().flat_map(|p| literal::required(p).unwrap_or_default()).collect();
    let to_length = |text: &str| {
        let mut line = text.repeat(LENGTH / text.len() + 1);
        line.truncate(LENGTH);
        line
    };
    let of_messages: Vec<&str> = corpus.log.lines().collect();
    let lines = [
        ("one letter", to_length("a")),
        ("one digit", to_length("7")),
        ("the literal of one rule, over and over", to_length(&texts[0])),
        ("the literals of all rules", to_length(&texts.join(" "))),
        ("the literals of all rules, in vain", silent(&rules, &texts, to_length)),
        ("whole messages", to_length(&of_messages.join(" "))),
        ("a bracket, over and over", to_length("[")),
        ("a timestamp, over and over", to_length("2026-11-22 16:25:43 ")),
    ];
    for (name, line) in lines {
        let mut times: Vec<f64> = (0..1000)
            .map(|_| {
                clock::seconds(|| {
                    std::hint::black_box(rules.decide(&Line::new(Client::Openvpn, &line)));
                })
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!(
            "64 KiB line, {} rules{besides}, {name}: median {:.3} ms, p99.9 {:.3} ms",
            corpus.patterns.len(),
            times[times.len() / 2] * 1e3,
            times[times.len() - 1 - times.len() / 1000] * 1e3
        );
    }
}

/// A line of as many of the texts as there can be without a rule that matches.
fn silent(rules: &RuleSet, texts: &[String], to_length: impl Fn(&str) -> String) -> String {
    let mut texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    loop {
        let line = to_length(&texts.join(" "));
        let Some(rule) = rules.decide(&Line::new(Client::Openvpn, &line)) else { return line };
        let found = rule.pattern.as_ref().and_then(|pattern| pattern.find(&line)).expect("should match");
        let mut end = 0;
        let is_before = |text: &&str| {
            end += text.len() + 1;
            end <= found.start()
        };
        texts.remove(texts.iter().copied().take_while(is_before).count());
    }
}
