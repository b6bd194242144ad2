//! On librdkafka's own mock brokers: the range's bounds, and that nothing is committed.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

use super::*;

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// Ten records, one a second, over two partitions.
fn topic() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("logs", 2, 1).unwrap();
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
    for number in 0..10_i64 {
        let payload = number.to_string();
        let partition = i32::try_from(number % 2).unwrap();
        let record: BaseRecord<'_, (), str> = BaseRecord::to("logs").payload(payload.as_str());
        producer.send(record.partition(partition).timestamp(second(number).as_millisecond())).map_err(|e| e.0).unwrap();
    }
    producer.flush(Duration::from_secs(10)).unwrap();
    cluster
}

fn range(cluster: &MockCluster<'_, DefaultProducerContext>, topic: &str) -> Range {
    Range { brokers: cluster.bootstrap_servers(), topic: topic.into(), options: BTreeMap::new(), from: None, to: None }
}

fn numbers(range: &Range) -> Vec<i64> {
    let mut numbers = Vec::new();
    let mut last = u64::MAX;
    read(range, |payload, _, time, to_come| {
        let number: i64 = std::str::from_utf8(payload).unwrap().parse().unwrap();
        assert_eq!(time, Some(second(number)));
        assert!(to_come < last);
        last = to_come;
        numbers.push(number);
    })
    .unwrap();
    assert!(numbers.is_empty() || last == 0);
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_whole_topic_is_read_to_its_end_and_nothing_is_committed() {
    let cluster = topic();
    assert_eq!(numbers(&range(&cluster, "logs")), (0..10).collect::<Vec<_>>());
    let group: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "hopkeeper-replay")
        .create()
        .unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition("logs", 0);
    partitions.add_partition("logs", 1);
    let committed = group.committed_offsets(partitions, Duration::from_secs(10)).unwrap();
    assert!(committed.elements().iter().all(|element| element.offset() == Offset::Invalid), "{committed:?}");
}

#[test]
fn a_topic_that_is_not_there_is_told() {
    let cluster = topic();
    let error = read(&range(&cluster, "log"), |_, _, _, _| {}).unwrap_err();
    assert!(error.to_string().contains("\"log\""), "{error}");
}
