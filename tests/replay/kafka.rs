//! A replay of a time range of a real Kafka topic, beside the same records in a file.
//!
//! Needs `HOPKEEPER_TEST_KAFKA=host:port`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::command::{directory, out, run, shipped};
use crate::lab_lock;
use crate::needs;
use crate::support::scenarios;

#[test]
fn a_time_range_of_a_topic_comes_to_the_same_as_the_file() {
    let Ok(brokers) = std::env::var("HOPKEEPER_TEST_KAFKA") else {
        return needs::pass_over("Kafka: set HOPKEEPER_TEST_KAFKA=host:port");
    };
    let _turn = lab_lock::lock(lab_lock::SHARED, false);
    let temporary = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = || {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &brokers);
        client
    };
    let admin: AdminClient<DefaultClientContext> = client().create().unwrap();
    // Without idempotence a batch that is sent again may come after the one that followed it.
    let producer: BaseProducer = client().set("enable.idempotence", "true").create().unwrap();
    for (number, scenario) in scenarios().into_iter().step_by(13).enumerate() {
        let topic = format!("hopkeeper-test-replay-{number}-{}", std::process::id());
        let partitions = 2;
        // The recordings are older than what a broker keeps by default: a week.
        let new = NewTopic::new(&topic, partitions, TopicReplication::Fixed(1)).set("retention.ms", "-1");
        let made = runtime.block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap();
        made.into_iter().for_each(|result| drop(result.unwrap()));
        let records = shipped(&scenario);
        let mut events: Vec<(&str, serde_json::Value)> =
            records.lines().map(|line| (line, serde_json::from_str(line).unwrap())).collect();
        // The shipper comes to one pod's file after the other: of two pods in one partition, a later time comes first.
        events.sort_by_key(|(_, event)| std::cmp::Reverse(event["kubernetes"]["pod"]["name"].to_string()));
        for (line, event) in events {
            let time: Timestamp = event["@timestamp"].as_str().unwrap().parse().unwrap();
            let uid = event["kubernetes"]["pod"]["uid"].as_str().unwrap();
            let partition = i32::try_from(uid.len()).unwrap() % partitions;
            let record: BaseRecord<'_, (), str> = BaseRecord::to(&topic).payload(line).partition(partition);
            producer.send(record.timestamp(time.as_millisecond())).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(Duration::from_secs(30)).unwrap();
        let file = temporary.path().join("records.ndjson");
        std::fs::write(&file, &records).unwrap();
        let file = file.display().to_string();
        let (chain, _) = directory(&scenario.name);
        let first = scenario.records.iter().map(|record| record.time).min().unwrap();
        let after =
            |seconds| (first + SignedDuration::from_secs(seconds)).round(jiff::Unit::Second).unwrap().to_string();
        let (early, late, beyond) = (after(40), after(100), after(100_000));
        for range in
            [&[][..], &["--from", &early], &["--to", &late], &["--from", &early, "--to", &late], &["--to", &beyond]]
        {
            let replay = |source: &[&str]| {
                run(&[&["replay", "--chain", &chain, "--format", "json"], source, range].concat(), "")
            };
            let topic = replay(&["--kafka-brokers", &brokers, "--kafka-topic", &topic]);
            assert_eq!(out(&topic), out(&replay(&["--logs", &file])), "{} {range:?}", scenario.name);
        }
        runtime.block_on(admin.delete_topics(&[&topic], &AdminOptions::new())).unwrap();
    }
}
