//! How fast a backlog is drained, by one process, from the broker to the decision and the stored place. Times are printed,
//! never asserted; that no line is lost and that nothing acts on stale ones is.

use std::fmt::Write as _;
use std::time::Instant;

use jiff::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::counted::{PATIENCE, until};
use super::harness::{Lab, at, pod};
use super::running::{EXPIRED, Running, directory, pod_since};
use hopkeeper::domain::event::HopIdentity;
use hopkeeper::source::kafka::KafkaSource;

const PARTITIONS: usize = 3;
const PODS: usize = 30;
/// One record in so many is of a failure.
const FAILING: usize = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a benchmark: make bench; HOPKEEPER_BENCH_BACKLOG says how many records"]
async fn bench_backlog() {
    let Some(lab) = Lab::start("backlog", i32::try_from(PARTITIONS).expect("should fit")).await else { return };
    let records = std::env::var("HOPKEEPER_BENCH_BACKLOG").map_or(10_000_000, |n| n.parse().expect("a number"));
    let bytes = fill(&lab, records);
    println!("{records} records of {} bytes, {PARTITIONS} partitions, {PODS} pods", bytes / records);

    let now = Timestamp::now();
    let stale = drain(&lab, records, "stale", |name| pod_since(name, now), true).await;
    assert_eq!(stale, 0, "nothing acts on lines about parameters of before");
    // Here rules that rest hold the place.
    let found = drain(&lab, records, "judged", pod, false).await;
    assert!(found >= PODS, "each pod's failure should be found: {found}");
    lab.stop().await;
}

/// Drains all of it in a group of its own, to the stored places if that is asked; gives how many incidents were made.
async fn drain(lab: &Lab, records: usize, what: &str, hop: impl Fn(&str) -> HopIdentity, to_place: bool) -> usize {
    let mut config = lab.config();
    config.group = format!("{}-{what}", config.group);
    let group = config.group.clone();
    let pods = (0..PODS).map(|number| hop(&format!("p{number}")));
    let (began, used) = (Instant::now(), processor_seconds());
    let running = Running::start_on(directory(pods), move || KafkaSource::connect(&config));
    running.wait_until_received(records).await;
    let (wall, used) = (began.elapsed().as_secs_f64(), processor_seconds() - used);
    let is_stored = || {
        let stored = (0..PARTITIONS).filter_map(|n| lab.committed_by(&group, i32::try_from(n).expect("should fit")));
        stored.sum::<i64>() == i64::try_from(records).expect("should fit")
    };
    if to_place {
        until("the last places", is_stored).await;
    }
    assert_eq!(running.received(), records, "each record is read once");
    let (found, thousands) = (running.sink.names().len(), |seconds: f64| records as f64 / seconds / 1e3);
    println!(
        "{what}: {wall:.1} s, {:.0} k records/s; {used:.1} s of processor time, {:.0} k records/s a core; {found} incidents",
        thousands(wall),
        thousands(used),
    );
    running.stop().await;
    lab.drop_group(&group).await;
    found
}

/// Fills the topic; gives the bytes of all records.
fn fill(lab: &Lab, records: usize) -> usize {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", lab.brokers())
        .set("compression.type", "lz4")
        .set("linger.ms", "50")
        .set("queue.buffering.max.messages", "200000")
        .set("queue.buffering.max.kbytes", "262144")
        .create()
        .expect("should make a producer");
    let lines: Vec<&str> = include_str!("../corpus/openvpn-healthy-verb4.log").lines().collect();
    let (mut record, mut bytes) = (String::new(), 0);
    for number in 0..records {
        let text = if number % FAILING < PODS { EXPIRED } else { lines[number % lines.len()] };
        write_record(&mut record, number, text);
        bytes += record.len();
        let partition = i32::try_from(number % PODS % PARTITIONS).expect("should fit");
        let mut sent = producer.send(BaseRecord::<(), str>::to(lab.topic()).partition(partition).payload(&record));
        while let Err((_, again)) = sent {
            producer.poll(std::time::Duration::from_millis(10));
            sent = producer.send(again);
        }
    }
    producer.flush(PATIENCE).expect("all should be delivered");
    bytes
}

/// A record as Filebeat sends it with the fields that its Kubernetes processor adds: most of it is nothing to us.
fn write_record(record: &mut String, number: usize, text: &str) {
    const ID: &str = "8f14e45fceea167a5a36dedd4bea2543c9f0f895fb98ab9159f51fd0297e236d";
    let (time, text) = (at(0), serde_json::to_string(text).expect("should be text"));
    let pod = number % PODS;
    record.clear();
    write!(
        record,
        r#"{{"@timestamp":"{time:.3}","@metadata":{{"beat":"filebeat","type":"_doc","version":"9.1.5"}},"agent":{{"type":"filebeat","version":"9.1.5","name":"node-3","id":"0e9a7c52-1c6e-4c55-9b1a-6d2a7f0b7a11","ephemeral_id":"5f1d2c3b-7a8e-4f90-a1b2-c3d4e5f60718"}},"container":{{"id":"{ID}","runtime":"containerd","image":{{"name":"registry.example.com/vpn/openvpn:2.6.14"}}}},"ecs":{{"version":"8.0.0"}},"host":{{"name":"node-3"}},"input":{{"type":"filestream"}},"kubernetes":{{"container":{{"name":"vpn"}},"labels":{{"app_kubernetes_io/managed-by":"hopkeeper","hopkeeper_io/chain":"berlin","hopkeeper_io/hop":"entry"}},"namespace":"lab","namespace_uid":"66666666-7777-8888-9999-000000000000","node":{{"hostname":"node-3","labels":{{"kubernetes_io/arch":"amd64","kubernetes_io/os":"linux"}},"name":"node-3","uid":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"}},"pod":{{"ip":"10.244.0.7","name":"p{pod}","uid":"uid-p{pod}"}},"replicaset":{{"name":"berlin-entry-5d9f7c6b8"}}}},"log":{{"offset":{},"file":{{"path":"/var/log/containers/p{pod}_lab_vpn-{ID}.log","device_id":"2049","inode":"1837465"}}}},"message":{text},"stream":"stdout"}}"#,
        number * 150,
    )
    .expect("should write");
}

/// What the process has used so far, of all its threads.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("it should be readable");
    let fields = stat.rsplit_once(')').expect("the name should end").1.split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().expect("should be a number")).sum();
    ticks as f64 / 100.0
}
