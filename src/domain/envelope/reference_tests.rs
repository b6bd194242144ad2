//! The reader against a derived one: the same events and the same refusals, for records, for what is nearly one, and
//! for what somebody damaged.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::domain::event::Shard;

/// What `envelope` reads, by the library and with every text copied.
#[derive(Deserialize)]
struct Record {
    #[serde(rename = "@timestamp")]
    timestamp: Option<String>,
    message: Option<String>,
    kubernetes: Option<Kubernetes>,
    log: Option<Log>,
}

#[derive(Default, Deserialize)]
struct Kubernetes {
    namespace: Option<String>,
    pod: Option<Pod>,
    container: Option<Container>,
}

#[derive(Default, Deserialize)]
struct Pod {
    name: Option<String>,
    uid: Option<String>,
}

#[derive(Default, Deserialize)]
struct Container {
    name: Option<String>,
}

#[derive(Default, Deserialize)]
struct Log {
    file: Option<File>,
    offset: Option<u64>,
}

#[derive(Default, Deserialize)]
struct File {
    path: Option<String>,
}

/// The library takes an array for a struct's fields in their order, which no shipper means.
fn has_array_for_an_object(payload: &[u8]) -> bool {
    let Ok(record) = serde_json::from_slice::<Value>(payload) else { return false };
    let places = ["", "/kubernetes", "/kubernetes/pod", "/kubernetes/container", "/log", "/log/file"];
    places.iter().any(|place| record.pointer(place).is_some_and(Value::is_array))
}

fn reference(payload: &[u8], received: Option<Timestamp>) -> Result<LogEvent, &'static str> {
    if has_array_for_an_object(payload) {
        return Err("json");
    }
    let record: Record = serde_json::from_slice(payload).map_err(|_| "json")?;
    let message = record.message.ok_or("no_message")?;
    let (log, kubernetes) = (record.log.unwrap_or_default(), record.kubernetes.unwrap_or_default());
    let pod = kubernetes.pod.unwrap_or_default();
    let path = log.file.unwrap_or_default().path.unwrap_or_default();
    let from_path = parse_path(&path).unwrap_or_default();
    let or = |metadata: Option<String>, path: &str| metadata.filter(|m| !m.is_empty()).unwrap_or(path.to_owned());
    let container = or(kubernetes.container.unwrap_or_default().name, from_path.container);
    let name = or(pod.name, from_path.pod);
    let pod_uid = pod.uid.or(from_path.uid.map(str::to_owned)).filter(|uid| !uid.is_empty());
    if container.is_empty() || (pod_uid.is_none() && name.is_empty()) {
        return Err("no_container");
    }
    let mut parts = message.splitn(4, ' ');
    let cri = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(time), Some("stdout" | "stderr"), Some("F" | "P"), Some(rest)) => time.parse().ok().zip(Some(rest)),
        _ => None,
    };
    let stamp = || record.timestamp.as_deref().and_then(|time| time.parse().ok());
    Ok(LogEvent {
        time: cri.map(|(time, _)| time).or_else(stamp).or(received).ok_or("no_time")?,
        namespace: or(kubernetes.namespace, from_path.namespace),
        pod: name,
        pod_uid,
        container,
        text: cri.map_or(message.as_str(), |(_, rest)| rest).to_owned(),
        file_offset: log.offset,
        position: at(),
    })
}

fn at() -> Position {
    Position::new(Shard::new("kafka:vpn/0"), 7)
}

fn compare(payload: &[u8]) -> Result<(), TestCaseError> {
    let received = payload.len().is_multiple_of(2).then(|| Timestamp::from_second(1).expect("should be a time"));
    let ours = decode(payload, at(), received).map_err(|error| error.category());
    prop_assert_eq!(ours, reference(payload, received), "{}", String::from_utf8_lossy(payload));
    Ok(())
}

/// A text of a record as it stands in JSON, quotes included.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        30 => select(vec![
            r#""vpn""#, r#""u-1""#, r#""""#, r#""2026-11-22T16:25:43.824Z""#, r#""soon""#,
            r#""2026-11-22T16:25:43Z stdout F AUTH: x""#, r#""2026-11-22T16:25:43Z stderr P""#,
            r#""/var/log/containers/a_b_c-1f.log""#, r#""/var/log/pods/a_b_c/vpn/0.log""#,
            r#""\u00e9 \ud83d\ude00 \"\\\/\b\f\n\r\t""#, "\"é\u{2028}\"",
        ]).prop_map(str::to_owned),
        // What is refused in a text that is read, and partly in one that is passed over.
        1 => select(vec![r#""\ud83d""#, r#""\ud83dx""#, r#""\ude00""#, r#""\x""#, r#""\u12g4""#, "\"\t\"", r#""\""#])
            .prop_map(str::to_owned),
        9 => any::<String>().prop_map(|text| Value::from(text).to_string()),
    ]
}

fn number() -> impl Strategy<Value = String> {
    let odd = vec!["0", "-0", "00", "01", "1.0", "1.", ".1", "1e9", "1e", "1E+999", "-", "+1", "18446744073709551616"];
    prop_oneof![9 => any::<u64>().prop_map(|n| n.to_string()), 1 => select(odd).prop_map(str::to_owned)]
}

fn key() -> impl Strategy<Value = String> {
    let known = vec![
        "message",
        "@timestamp",
        "kubernetes",
        "log",
        "pod",
        "namespace",
        "container",
        "name",
        "uid",
        "offset",
        "file",
        "path",
        "kubernetes.pod.name",
        "m\\u0065ssage",
        "labels",
        "",
    ];
    prop_oneof![9 => select(known).prop_map(|key| format!("\"{key}\"")), 1 => text()]
}

fn value() -> impl Strategy<Value = String> {
    let word = select(vec!["true", "true", "false", "false", "null", "null", "nul"]).prop_map(str::to_owned);
    let leaf = prop_oneof![4 => text(), 2 => number(), 1 => word];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let member = (key(), blank(), inner.clone()).prop_map(|(key, blank, value)| format!("{key}{blank}:{value}"));
        prop_oneof![
            (prop::collection::vec(member, 0..6), blank()).prop_map(|(m, b)| format!("{{{b}{}}}", m.join(","))),
            (prop::collection::vec(inner, 0..4), blank()).prop_map(|(m, b)| format!("[{}{b}]", m.join(","))),
        ]
    })
}

fn blank() -> impl Strategy<Value = &'static str> {
    prop_oneof![40 => Just(""), 5 => Just(" "), 5 => Just("\r\n\t"), 1 => Just("\u{a0}")]
}

/// A record with all that is read, each value a fitting one as a rule, among others.
fn record() -> impl Strategy<Value = String> {
    let other = || (key(), value()).prop_map(|(key, value)| format!("{key}:{value}"));
    let maybe = |usual: BoxedStrategy<String>| prop_oneof![40 => usual, 1 => value(), 2 => Just("null".to_owned())];
    let object = |members: Vec<String>| format!("{{{}}}", members.join(","));
    let named = move |name: &'static str| maybe(text().boxed()).prop_map(move |value| format!("\"{name}\":{value}"));
    let among = move |members: [BoxedStrategy<String>; 2], seldom: BoxedStrategy<String>| {
        let seldom = prop::option::weighted(0.2, seldom);
        (members, seldom).prop_map(move |(members, other)| object(members.into_iter().chain(other).collect()))
    };
    let pod = among([named("name").boxed(), named("uid").boxed()], other().boxed());
    let container = among([named("name").boxed(), Just(r#""id":1"#.to_owned()).boxed()], other().boxed());
    let file = among([named("path").boxed(), Just(r#""inode":"1""#.to_owned()).boxed()], other().boxed());
    let offset = maybe(number().boxed()).prop_map(|value| format!("\"offset\":{value}"));
    let log = among([file.prop_map(|file| format!("\"file\":{file}")).boxed(), offset.boxed()], other().boxed());
    let kubernetes = among(
        [
            pod.prop_map(|pod| format!("\"pod\":{pod}")).boxed(),
            container.prop_map(|container| format!("\"container\":{container}")).boxed(),
        ],
        named("namespace").boxed(),
    );
    let time = prop_oneof![4 => Just(r#""2026-11-22T16:25:43.824Z""#.to_owned()), 1 => text()];
    let members = (
        named("message"),
        maybe(time.boxed()).prop_map(|time| format!("\"@timestamp\":{time}")),
        maybe(kubernetes.boxed()).prop_map(|value| format!("\"kubernetes\":{value}")),
        maybe(log.boxed()).prop_map(|value| format!("\"log\":{value}")),
        prop::option::weighted(0.3, other()),
    );
    (members, any::<Index>(), blank()).prop_map(move |((a, b, c, d, e), turn, blank)| {
        let mut members: Vec<String> = [a, b, c, d].into_iter().chain(e).collect();
        let turn = turn.index(members.len());
        members.rotate_left(turn);
        format!("{{{}{blank}}}", members.join(&format!("{blank},{blank}")))
    })
}

/// A record in which something was cut, doubled, or replaced.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![select(b"{}[]:,\"\\u0 -n\x1f\x80\xff".to_vec()), any::<u8>()];
    let damage = prop_oneof![
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| (a, b, None)),
        (any::<Index>(), any::<Index>(), bytes).prop_map(|(a, b, byte)| (a, b, Some(byte))),
    ];
    (record(), prop::collection::vec(damage, 1..4)).prop_map(|(record, damages)| {
        let mut bytes = record.into_bytes();
        for (a, b, byte) in damages {
            let (place, other) = (a.index(bytes.len().max(1)), b.index(bytes.len().max(1)));
            match byte {
                Some(byte) if place.is_multiple_of(2) => bytes.insert(place, byte),
                Some(byte) if !bytes.is_empty() => bytes[place] = byte,
                _ if place.is_multiple_of(3) => bytes.truncate(place),
                _ => drop(bytes.drain(place.min(other)..place.max(other).min(place.min(other) + 9))),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_record_is_read_as_the_library_reads_it(record in record()) {
        compare(record.as_bytes())?;
    }

    #[test]
    fn any_json_is_read_as_the_library_reads_it(json in value(), before in blank(), after in blank()) {
        compare(format!("{before}{json}{after}").as_bytes())?;
    }

    #[test]
    fn a_damaged_record_is_read_or_refused_as_the_library_does(bytes in damaged()) {
        compare(&bytes)?;
    }
}

#[test]
fn most_generated_records_are_events_and_some_are_refused_for_each_reason() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for _ in 0..2000 {
        let record = record().new_tree(&mut runner).expect("should generate").current();
        let result = decode(record.as_bytes(), at(), None);
        *counts.entry(result.map_or_else(|error| error.category(), |_| "event")).or_default() += 1;
    }
    println!("{counts:?}");
    assert!(counts["event"] > 400, "{counts:?}");
    assert!(["json", "no_message", "no_container", "no_time"].iter().all(|reason| counts[reason] > 5), "{counts:?}");
}

#[test]
fn nesting_of_any_depth_is_passed_over_and_must_be_closed_rightly() {
    let record = |nested: &str| {
        format!(
            r#"{{"message":"x","a":{nested},"@timestamp":"2026-11-22T16:25:43Z","kubernetes":{{"pod":{{"uid":"u"}},"container":{{"name":"vpn"}}}}}}"#
        )
    };
    for depth in [1, 63, 64, 65, 127, 128, 129, 100_000] {
        let open = |n: usize| if n.is_multiple_of(3) { "[" } else { "{\"k\":" };
        let close = |n: usize| if n.is_multiple_of(3) { "]" } else { "}" };
        let opened: String = (0..depth).map(open).collect();
        let closed: Vec<&str> = (0..depth).rev().map(close).collect();
        compare(record(&format!("{opened}0{}", closed.concat())).as_bytes()).expect("should be alike");
        assert!(decode(record(&format!("{opened}0{}", closed.concat())).as_bytes(), at(), None).is_ok());
        for wrong in [0, depth / 2, depth - 1] {
            let mut closed = closed.clone();
            closed[wrong] = if closed[wrong] == "]" { "}" } else { "]" };
            let record = record(&format!("{opened}0{}", closed.concat()));
            assert_eq!(decode(record.as_bytes(), at(), None).expect_err("should be refused").category(), "json");
        }
    }
}
