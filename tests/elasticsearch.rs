//! The pipeline on a real Elasticsearch: late documents, ties, rollover, outages and crashes lose nothing, and nothing is
//! read twice.
//!
//! Needs `HOPKEEPER_TEST_ELASTICSEARCH=http://host:port`, the lab's (`tests/lab/lab.sh up es`): one test stops it and
//! starts it again. Each test makes its own data stream, and removes it. `HOPKEEPER_TEST_ELASTICSEARCH_SECURE` is one with
//! security (`up es_secure`). All of it on version 8: `make test-elasticsearch8`.

#[path = "shared/counted.rs"]
mod counted;
#[path = "elasticsearch/documents.rs"]
mod documents;
#[path = "elasticsearch/harness.rs"]
mod harness;
#[path = "elasticsearch/kibana.rs"]
mod kibana;
#[path = "shared/lab_dir.rs"]
mod lab_dir;
#[path = "shared/lab_lock.rs"]
mod lab_lock;
#[path = "shared/needs.rs"]
mod needs;
#[path = "shared/refusal.rs"]
mod refusal;
#[path = "shared/running.rs"]
mod running;
#[path = "elasticsearch/secured.rs"]
mod secured;
#[path = "shared/elasticsearch.rs"]
mod server;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use counted::until;
use harness::{Lab, REFUSED, at, expected_names, known, line, start};
use hopkeeper::source::kafka::{KafkaConfig, KafkaSource};
use hopkeeper::source::lines::{LinesConfig, LinesSource};
use jiff::{SignedDuration, Timestamp};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use running::{EXPIRED, Recorder, Running};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::Value;

fn pods(number: usize) -> impl Iterator<Item = String> {
    (0..number).map(|number| format!("p{number}"))
}

fn distinct(sink: &Recorder) -> BTreeSet<String> {
    sink.names().into_iter().collect()
}

/// Long enough for several looks and sweeps.
async fn quiet() {
    tokio::time::sleep(Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_of_one_time_are_all_read_however_many_pages_they_take() {
    let Some(lab) = Lab::start("ties").await else { return };
    let lines: Vec<Value> = (0..3500).map(|number| line("p0", at(1), number, "hello")).collect();
    lab.send(&lines).await;
    let running = start(&lab, pods(1));
    running.wait_until_received(3500).await;
    quiet().await;
    assert_eq!(running.received(), 3500);
    running.stop().await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_late_documents_are_each_read_once() {
    const PODS: usize = 200;
    const EACH: i64 = 500;
    let Some(lab) = Lab::start("late").await else { return };
    let running = start(&lab, pods(PODS + 1));
    let mut lines = vec![line(&format!("p{PODS}"), Timestamp::now() - SignedDuration::from_secs(3), 0, EXPIRED)];
    lab.send(&lines).await;
    // The newest has been read: all that follow are late.
    running.wait_until_received(1).await;
    let began = Instant::now();
    for pod in pods(PODS) {
        for number in 0..EACH {
            let text = if number == EACH / 2 { EXPIRED } else { "hello" };
            lines.push(line(&pod, at(number), number, text));
        }
    }
    lab.send(&lines[1..]).await;
    let sent = began.elapsed();
    running.wait_until_received(lines.len()).await;
    println!("100 000 late documents: indexed in {sent:?}, all read {:?} after the first", began.elapsed());
    quiet().await;
    assert_eq!(running.received(), lines.len());
    let names = running.sink.names();
    assert_eq!(names.len(), PODS + 1, "decided twice, or not at all");
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), expected_names(&lines));
    running.stop().await;
    assert_eq!(lab.open_contexts().await, 0, "a point in time was not given back");
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_goes_on_over_rollovers() {
    let Some(lab) = Lab::start("rollover").await else { return };
    let running = start(&lab, pods(1));
    for index in 0..4 {
        // Late ones go into the new index as well.
        let lines: Vec<Value> =
            (0..50).map(|number| line("p0", at(500 - index * 100 + number), index * 50 + number, "hello")).collect();
        lab.send(&lines).await;
        lab.roll_over().await;
    }
    running.wait_until_received(200).await;
    quiet().await;
    assert_eq!(running.received(), 200);
    running.stop().await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_is_half_full_survives_a_crash() {
    let Some(lab) = Lab::start("half").await else { return };
    let lines = [line("p0", at(1), 1, REFUSED), line("p0", at(30), 2, "hello"), line("p0", at(20), 3, REFUSED)];
    let first = start(&lab, pods(1));
    lab.send(&lines[..2]).await;
    first.wait_until_received(2).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let stored = lab.stored().expect("should be stored");
    assert!(stored <= at(1), "the half window's record was given up: {stored}");
    first.kill().await;

    let second = start(&lab, pods(1));
    lab.send(&lines[2..]).await;
    until("the incident", || !second.sink.names().is_empty()).await;
    assert_eq!(distinct(&second.sink), expected_names(&lines));
    second.stop().await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_place_is_stored_only_when_the_incident_exists() {
    let Some(lab) = Lab::start("sink").await else { return };
    let lines = [line("p0", at(10), 1, EXPIRED), line("p0", at(500), 2, "hello")];
    let first = start(&lab, pods(1));
    first.sink.fail(true);
    lab.send(&lines).await;
    first.wait_until_received(1).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(lab.stored().is_none_or(|stored| stored <= at(10)), "stored before the incident exists");
    first.kill().await;

    let second = start(&lab, pods(1));
    until("the incident", || !second.sink.names().is_empty()).await;
    assert_eq!(distinct(&second.sink), expected_names(&lines));
    second.stop().await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_and_starts_again_loses_nothing() {
    let Some(lab) = Lab::alone("restart").await else { return };
    let running = start(&lab, pods(2));
    let before: Vec<Value> = (0..2000).map(|number| line("p0", at(number / 10), number, "hello")).collect();
    lab.send(&before).await;
    running.wait_until_received(500).await;
    tokio::task::block_in_place(|| Lab::restart(Duration::from_secs(3)));
    let back = Instant::now();
    let after = [line("p1", at(100), 1, EXPIRED)];
    lab.send(&after).await;
    running.wait_until_received(2001).await;
    println!("Elasticsearch is back: read on after {:?}", back.elapsed());
    quiet().await;
    assert_eq!(running.received(), 2001);
    assert_eq!(distinct(&running.sink), expected_names(&after));
    running.stop().await;
    lab.stop().await;
}

/// The story by file and by Kafka, beside Elasticsearch below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_lines_come_to_the_same_decisions_from_a_file() {
    let (story, directory) = (story(), tempfile::tempdir().expect("should make a directory"));
    let twice = [&story[..], &story[..]].concat();
    for (number, lines) in [story.clone(), twice].into_iter().enumerate() {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let packed = compress_to_vec(text.as_bytes(), CompressionLevel::Fastest);
        for (name, bytes) in [("plain", text.as_bytes()), ("zst", &packed)] {
            let path = directory.path().join(format!("{number}.{name}"));
            std::fs::write(&path, bytes).expect("should write");
            let config = LinesConfig { path: Some(path), origin: None };
            let running = Running::start_on(known(pods(3)), move || Ok(LinesSource(config.clone())));
            running.wait_until_received(lines.len()).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(distinct(&running.sink), expected_names(&story), "{name} {number}");
            running.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_lines_come_to_the_same_decisions_from_kafka() {
    let Ok(brokers) = std::env::var("HOPKEEPER_TEST_KAFKA") else {
        return needs::pass_over("Kafka: set HOPKEEPER_TEST_KAFKA=host:port");
    };
    let _turn = lab_lock::lock(lab_lock::SHARED, false);
    let topic = format!("hopkeeper-test-same-{}", std::process::id());
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &brokers);
    let admin: AdminClient<DefaultClientContext> = client.create().expect("should make an admin client");
    let new = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
    admin.create_topics([&new], &AdminOptions::new()).await.expect("Kafka should answer");
    let producer: FutureProducer = client.create().expect("should make a producer");
    let config = KafkaConfig {
        brokers,
        topics: vec![topic.clone()],
        group: topic.clone(),
        options: std::collections::BTreeMap::new(),
    };
    let running = Running::start_on(known(pods(3)), move || KafkaSource::connect(&config));
    let story = story();
    for (number, line) in story.iter().chain(&story).enumerate() {
        let payload = line.to_string();
        let record = FutureRecord::<str, str>::to(&topic).partition(0).payload(&payload);
        producer.send(record, Duration::from_secs(30)).await.expect("should be delivered");
        if number == story.len() / 2 {
            // A gap.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    running.wait_until_received(story.len() * 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(distinct(&running.sink), expected_names(&story));
    running.stop().await;
    admin.delete_topics(&[&topic], &AdminOptions::new()).await.expect("should delete the topic");
    admin.delete_groups(&[&topic], &AdminOptions::new()).await.expect("should delete the group");
}

/// Lines whose order matters: two refusals with and without a success between them.
fn story() -> Vec<Value> {
    let mut lines = Vec::new();
    for (pod, middle) in [("p0", "Initialization Sequence Completed"), ("p1", "hello")] {
        for (number, text) in [REFUSED, middle, REFUSED, "hello", EXPIRED].into_iter().enumerate() {
            let number = i64::try_from(number).expect("should fit");
            lines.push(line(pod, at(number * 5), number, text));
        }
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_lines_come_to_the_same_decisions_however_they_arrive() {
    let story = story();
    let expected = expected_names(&story);
    assert!(expected.len() >= 3, "{expected:?}");
    let newest = line("p2", Timestamp::now() - SignedDuration::from_secs(3), 0, "hello");
    type Arrival = fn(&[Value]) -> Vec<Vec<Value>>;
    let arrivals: [(&str, Arrival); 5] = [
        ("in order", |lines| vec![lines.to_vec()]),
        ("duplicated", |lines| vec![lines.to_vec(), lines.to_vec()]),
        ("reordered", |lines| vec![lines.iter().rev().cloned().collect()]),
        ("a gap, then all at once", |lines| vec![Vec::new(), lines.to_vec()]),
        ("one pod after the other", |lines| lines.chunks(5).rev().map(<[Value]>::to_vec).collect()),
    ];
    for (number, (how, arrival)) in arrivals.into_iter().enumerate() {
        for late in [false, true] {
            let Some(lab) = Lab::start(&format!("same{number}{late}")).await else { return };
            let running = start(&lab, pods(3));
            let mut sent = 0;
            if late {
                // Another hop's line of now is read before: these come minutes late.
                lab.send(std::slice::from_ref(&newest)).await;
                running.wait_until_received(1).await;
                sent += 1;
            }
            for lines in arrival(&story) {
                if lines.is_empty() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
                lab.send(&lines).await;
                sent += lines.len();
                running.wait_until_received(sent).await;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(distinct(&running.sink), expected, "{how}, late: {late}");
            running.stop().await;
            lab.stop().await;
        }
    }
}
