//! The pipeline on a real Kafka: nothing is lost by a crash, a rebalance, junk or a sink that fails; names stay the same.
//!
//! Needs `HOPKEEPER_TEST_KAFKA=host:port`. Each test makes its own topic and group, and removes them.

#[path = "kafka/backlog.rs"]
mod backlog;
#[path = "shared/counted.rs"]
mod counted;
#[path = "kafka/harness.rs"]
mod harness;
#[path = "shared/lab_dir.rs"]
mod lab_dir;
#[path = "shared/needs.rs"]
mod needs;
#[path = "shared/refusal.rs"]
mod refusal;
#[path = "shared/running.rs"]
mod running;
#[path = "kafka/tls.rs"]
mod tls;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use counted::until;
use harness::{Lab, line, pod, start, start_with};
use hopkeeper::pipeline::HopDirectory;
use hopkeeper::source::kafka::{KafkaConfig, KafkaSource};
use running::{EXPIRED, Running, directory};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_becomes_one_incident_under_its_name() {
    let Some(lab) = Lab::start("one", 1).await else { return };
    let running = start(&lab, &["p1"]);
    lab.send(0, &line("p1", 0, "2026-11-22 16:25:44 hello")).await;
    lab.send(0, &line("p1", 1, EXPIRED)).await;
    running.sink.wait_for(1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(running.sink.names(), [lab.expected_name("p1", 1, EXPIRED)]);
    assert_eq!(running.received(), 2);
    assert_eq!(running.count("hopkeeper_detections_total"), 1);
    running.stop().await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_reaches_the_sink_in_milliseconds() {
    const PODS: usize = 100;
    let Some(lab) = Lab::start("delay", 1).await else { return };
    let names: Vec<String> = (0..PODS).map(|n| format!("p{n}")).collect();
    let running = start(&lab, &names.iter().map(String::as_str).collect::<Vec<_>>());
    running.wait_until_received(0).await;
    let mut sent = Vec::new();
    for (number, pod) in names.iter().enumerate() {
        // From the broker's acknowledgement on the record is in Kafka.
        lab.send(0, &line(pod, 1, EXPIRED)).await;
        sent.push(Instant::now());
        running.sink.wait_for(number + 1).await;
    }
    // The first waits for the group to form.
    let mut delays: Vec<Duration> = running
        .sink
        .times()
        .iter()
        .zip(&sent)
        .skip(1)
        .map(|(made, sent)| made.saturating_duration_since(*sent))
        .collect();
    delays.sort_unstable();
    println!("record in Kafka to create: p50 {:?}, p99 {:?}", delays[PODS / 2], delays[PODS - 2]);
    running.stop().await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_before_the_place_is_stored_repeats_the_record_under_the_same_name() {
    let Some(lab) = Lab::start("crash", 1).await else { return };
    let first = start(&lab, &["p1"]);
    first.sink.hang_after_recording();
    lab.send(0, &line("p1", 1, EXPIRED)).await;
    first.sink.wait_for(1).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(lab.committed(0).is_none_or(|offset| offset == 0), "stored a place whose incident was not created");
    first.kill().await;

    let second = start(&lab, &["p1"]);
    second.sink.wait_for(1).await;
    assert_eq!(second.sink.names(), first_names(&lab));
    second.stop().await;

    // The rule rests for some minutes after it fired, and its records are kept as long: another reader finds the same again.
    let third = start(&lab, &["p1"]);
    third.sink.wait_for(1).await;
    assert_eq!(third.sink.names(), first_names(&lab));
    third.stop().await;
    lab.stop().await;
}

fn first_names(lab: &Lab) -> Vec<String> {
    vec![lab.expected_name("p1", 1, EXPIRED)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_is_half_full_survives_a_crash() {
    const REFUSED: &str = "AUTH: Received control message: AUTH_FAILED";
    let Some(lab) = Lab::start("half", 1).await else { return };
    let first = start(&lab, &["p1"]);
    lab.send(0, &line("p1", 1, REFUSED)).await;
    lab.send(0, &line("p1", 2, "hello")).await;
    first.wait_until_received(2).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(lab.committed(0).is_none_or(|offset| offset == 0), "the half window's record was given up");
    first.stop().await;

    let second = start(&lab, &["p1"]);
    lab.send(0, &line("p1", 3, REFUSED)).await;
    second.sink.wait_for(1).await;
    assert_eq!(second.sink.names().len(), 1);
    second.stop().await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_readers_that_come_and_go_lose_nothing() {
    const PODS: usize = 60;
    let Some(lab) = Lab::start("rebalance", 4).await else { return };
    let names: Vec<String> = (0..PODS).map(|n| format!("p{n}")).collect();
    let pods: Vec<&str> = names.iter().map(String::as_str).collect();
    let one = start(&lab, &pods);
    let mut two = None;
    for (number, pod) in pods.iter().enumerate() {
        let partition = i32::try_from(number % 4).expect("should fit");
        lab.send(partition, &line(pod, 1, EXPIRED)).await;
        if number == PODS / 3 {
            two = Some(start(&lab, &pods));
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let two = two.expect("should have started");
    two.sink.wait_for(1).await;
    let of_one = one.sink.clone();
    one.stop().await;
    let expected: BTreeSet<String> = pods.iter().map(|pod| lab.expected_name(pod, 1, EXPIRED)).collect();
    let all = || of_one.names().into_iter().chain(two.sink.names()).collect::<BTreeSet<String>>();
    until("every pod's incident", || all().len() >= expected.len()).await;
    assert_eq!(all(), expected);
    println!("one created {}, two created {}, for {PODS} pods", of_one.names().len(), two.sink.names().len());
    two.stop().await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_broker_of_two_that_is_down_ends_nothing() {
    let Some(lab) = Lab::start("two", 1).await else { return };
    let config = KafkaConfig { brokers: format!("127.0.0.1:1,{}", lab.brokers()), ..lab.config() };
    let running = Running::start_on(directory([pod("p1")]), move || KafkaSource::connect(&config));
    lab.send(0, &line("p1", 0, "2026-11-22 16:25:44 hello")).await;
    running.wait_until_received(1).await;
    // librdkafka tries the one that is down again and again meanwhile, and tells of it each time.
    tokio::time::sleep(Duration::from_secs(4)).await;
    lab.send(0, &line("p1", 5, EXPIRED)).await;
    running.sink.wait_for(1).await;
    assert_eq!(running.count("hopkeeper_source_connections_total"), 1);
    assert_eq!(running.count("hopkeeper_source_errors_total"), 0);
    running.stop().await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_does_not_stall() {
    let Some(lab) = Lab::start("junk", 1).await else { return };
    let running = start(&lab, &["p1"]);
    for junk in ["", "not json", "{}", "[]", "{\"message\":1}", "\u{0}\u{1}"] {
        lab.send(0, junk).await;
    }
    lab.send(0, &line("p1", 0, &"x".repeat(300 * 1024))).await;
    lab.send(0, &line("p1", 1, EXPIRED)).await;
    running.sink.wait_for(1).await;
    assert_eq!(running.sink.names(), first_names(&lab));
    assert_eq!(running.count("hopkeeper_records_discarded_total"), 7);
    // Junk is not held: what the rule still needs is the eighth record.
    until("the place after the junk", || lab.committed(0) == Some(7)).await;
    running.stop().await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_comes_before_its_pod_is_known_holds_its_place_but_nobody_up() {
    let Some(lab) = Lab::start("early", 1).await else { return };
    let directory = HopDirectory::new();
    directory.insert(pod("p1"));
    directory.set_synced();
    let running = start_with(&lab, directory.clone(), 0);
    lab.send(0, &line("p1", 0, "hello")).await;
    lab.send(0, &line("p2", 1, EXPIRED)).await;
    lab.send(0, &line("p1", 1, EXPIRED)).await;
    running.sink.wait_for(1).await;
    until("the place before the early line", || lab.committed(0) == Some(1)).await;
    directory.insert(pod("p2"));
    running.sink.wait_for(2).await;
    assert_eq!(running.sink.names(), ["p1", "p2"].map(|pod| lab.expected_name(pod, 1, EXPIRED)));
    running.stop().await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_fails_for_a_while_loses_nothing_and_holds_the_place() {
    let Some(lab) = Lab::start("sink", 1).await else { return };
    let running = start(&lab, &["p1", "p2"]);
    running.sink.fail(true);
    lab.send(0, &line("p1", 1, EXPIRED)).await;
    // More than the channel holds, so that the source has to pause and go on.
    for number in 0..3000 {
        lab.send_later(0, &line("p1", 100 + number, "hello"));
    }
    lab.send(0, &line("p2", 1, EXPIRED)).await;
    until("three failed tries", || running.count("hopkeeper_incident_create_errors_total") >= 3).await;
    assert!(lab.committed(0).is_none_or(|offset| offset == 0), "stored a place whose incident was not created");
    running.sink.fail(false);
    running.sink.wait_for(2).await;
    assert_eq!(running.sink.names(), ["p1", "p2"].map(|pod| lab.expected_name(pod, 1, EXPIRED)));
    assert_eq!(running.received(), 3002);
    running.stop().await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_place_moves_on_when_the_rule_has_rested() {
    let Some(lab) = Lab::start("rested", 1).await else { return };
    let running = start(&lab, &["p1"]);
    lab.send(0, &line("p1", 1, EXPIRED)).await;
    lab.send(0, &line("p1", 302, "hello")).await;
    until("the place after both", || lab.committed(0) == Some(2)).await;
    running.stop().await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_wait_until_the_directory_is_in_sync_and_a_lost_source_is_connected_again() {
    let Some(lab) = Lab::start("sync", 1).await else { return };
    let directory = HopDirectory::new();
    let running = start_with(&lab, directory.clone(), 2);
    lab.send(0, &line("p1", 1, EXPIRED)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(running.received(), 0);
    directory.insert(pod("p1"));
    directory.set_synced();
    running.sink.wait_for(1).await;
    assert_eq!(running.count("hopkeeper_source_errors_total"), 2);
    running.stop().await;
    lab.stop().await;
}
