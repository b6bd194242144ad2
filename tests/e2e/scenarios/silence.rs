//! The shipper dies: the hops are `Unknown`, the operator reads their logs itself, repairs by them once, and leaves that to the stream
//! when it is back with all that was held up meanwhile.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hopkeeper::crd::chain::HopState;
use jiff::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use super::crash::repaired_once;
use super::{LIMIT, World, refuse, seconds};
use crate::lab;
use crate::operator::LogSource;
use crate::stream::{Shipped, shipped_to};
use crate::wait::until;

const TOPIC: &str = "vpn-logs-silence";

/// A Filebeat of this scenario's own, beside the lab's, with a topic of its own: nobody else misses it.
struct Shipper(Child);

impl Shipper {
    /// Starts where the one before it with the same state has left off.
    fn start(state: &Path) -> Self {
        let log = File::create(lab::dir().join("log/shipper-silence.log")).expect("the log should be writable");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(lab::root().join("tests/lab/lab.sh"))
            .arg("filebeat")
            .arg(state)
            .args(["kafka", "KAFKA_BROKERS=10.200.0.1:9094"])
            .arg(format!("KAFKA_TOPIC={TOPIC}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Self(child.expect("the shipper should start"))
    }
}

impl Drop for Shipper {
    fn drop(&mut self) {
        self.0.kill().expect("it should be killed");
        self.0.wait().expect("it should be gone");
    }
}

/// Anew, without what an earlier run left.
async fn make_topic() {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", "127.0.0.1:9092");
    let admin: AdminClient<DefaultClientContext> = client.create().expect("should make an admin client");
    let new = NewTopic::new(TOPIC, 3, TopicReplication::Fixed(1));
    until("the topic is made", LIMIT, || async {
        // A topic that is being deleted is there for a while.
        let options = AdminOptions::new();
        admin.delete_topics(&[TOPIC], &options).await.map_err(|error| error.to_string())?;
        let made = admin.create_topics([&new], &options).await.map_err(|error| error.to_string())?;
        made.into_iter().collect::<Result<Vec<_>, _>>().map(drop).map_err(|(_, code)| code.to_string())
    })
    .await;
}

/// Waits until the chain's status says so of its logs, and all hops are in one of these states.
async fn until_logs(world: &World, reason: &str, states: &[HopState]) {
    until(&format!("the chain says {reason} of its logs"), LIMIT, || async {
        let status = world.chain.get().await.status.unwrap_or_default();
        let heard = status.conditions.iter().find(|c| c.type_ == "LogsHeard");
        let said = heard.map(|c| c.reason.clone()).unwrap_or_default();
        let are_so = status.hops.iter().all(|hop| states.contains(&hop.state));
        if said == reason && are_so { Ok(()) } else { Err(format!("{said:?} {:?}", status.hops)) }
    })
    .await;
}

#[tokio::test]
async fn a_chain_heals_while_the_shipper_is_dead_and_only_once_when_it_is_back() {
    let mut world = World::up("silence", |_| ()).await;
    make_topic().await;
    let state = lab::dir().join("run/shipper-silence");
    let _ = std::fs::remove_dir_all(&state);
    let shipper = Shipper::start(&state);
    (world.start.topic, world.start.silent_after) = (TOPIC.to_owned(), "10s");
    world.restart_operator_on(LogSource::Kafka).await;
    until_logs(&world, "Heard", &[HopState::Up]).await;

    let before = world.chain.candidate("entry").await;
    drop(shipper);
    let killed = Timestamp::now();
    until_logs(&world, "PipelineDown", &[HopState::Unknown]).await;
    println!("    the shipper's death noticed after {:.1} s", seconds(killed, Timestamp::now()));
    assert_eq!(world.chain.get().await.status.unwrap_or_default().hops_up.as_deref(), Some("3/3"), "traffic flows");
    assert!((world.operator.metric("hopkeeper_silent_hops", "").await - 3.0).abs() < f64::EPSILON);
    assert_eq!(world.chain.candidate("entry").await, before, "silence alone rotates nothing");

    let (fault, began) = refuse(&world, "entry").await;
    repaired_once(&world, began, &before).await;
    println!("    refused and repaired by the pods' logs in {:.1} s", seconds(began, Timestamp::now()));
    let acted = world.chain.until_incident("entry", "was acted on", LIMIT, |i| i.spec.last.time.0 > began).await;
    assert!(acted.spec.last.position.starts_with("pod-logs:"), "{}", acted.spec.last.position);

    let back = Timestamp::now();
    let _shipper = Shipper::start(&state);
    until_logs(&world, "Heard", &[HopState::Up]).await;
    println!("    heard {:.1} s after the shipper's return", seconds(back, Timestamp::now()));
    // A hop is heard when its newest lines come, which are behind those that were held up.
    let shipped =
        tokio::task::spawn_blocking(move || shipped_to(TOPIC, "AUTH_FAILED")).await.expect("should not panic");
    let of_entry = |record: &&Shipped| String::from_utf8_lossy(&record.payload).contains(&acted.spec.pod);
    assert!(shipped.iter().filter(of_entry).count() > 0, "the same lines came once more");
    repaired_once(&world, began, &before).await;
    let same =
        world.chain.incidents().await.into_iter().filter(|i| i.spec.hop == "entry" && i.spec.rule == acted.spec.rule);
    assert_eq!(same.filter(|i| i.spec.last.time.0 > began).count(), 1, "one incident");
    drop(fault);
    assert!(world.operator.metric("hopkeeper_silent_hops", "").await.abs() < f64::EPSILON);
}
