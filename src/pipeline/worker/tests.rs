//! The worker, record by record, on a shard and a sink that write down what they are told.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::SignedDuration;
use prometheus::Registry;

use super::*;
use crate::domain::event::{HopIdentity, Position};
use crate::pipeline::{Created, SinkError};
use crate::source::MAX_RECORD_BYTES;

/// A line that its rule decides at once.
const EXPIRED: &str = "WARNING: Your certificate has expired!";

fn start() -> Timestamp {
    "2026-11-22T16:00:00Z".parse().expect("should be a time")
}

fn at(second: i64) -> Timestamp {
    start() + SignedDuration::from_secs(second)
}

thread_local! {
    /// Each test has its own clock.
    static NOW: Cell<i64> = const { Cell::new(0) };
}

fn now() -> Timestamp {
    at(NOW.get())
}

fn pod(name: &str) -> HopIdentity {
    HopIdentity {
        pod_uid: format!("uid-{name}"),
        pod_name: name.into(),
        applied_at: at(-3600),
        ..crate::domain::engine::tests::hop()
    }
}

#[derive(Default)]
struct FakeShard {
    lost: AtomicBool,
    stored: AtomicU64,
}

impl ShardHandle for FakeShard {
    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    fn done_below(&self, sequence: u64) -> Result<(), SourceError> {
        self.stored.store(sequence, Ordering::SeqCst);
        Ok(())
    }
}

#[derive(Default)]
struct FakeSink {
    created: Mutex<Vec<Detection>>,
    away: AtomicBool,
}

impl IncidentSink for FakeSink {
    async fn create(&self, detection: &Detection) -> Result<Created, SinkError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(SinkError::Unavailable("away".into()));
        }
        self.created.lock().expect("should lock").push(detection.clone());
        Ok(Created::New)
    }
}

/// What a worker works with; its records come one after the other on one shard.
struct World {
    registry: Registry,
    metrics: PipelineMetrics,
    directory: HopDirectory,
    sink: FakeSink,
    shard: Arc<FakeShard>,
    next: AtomicU64,
    stop: CancellationToken,
}

impl World {
    fn new(pods: &[&str]) -> Self {
        let registry = Registry::new();
        let metrics = PipelineMetrics::register(&registry).expect("should register");
        let directory = HopDirectory::new();
        for name in pods {
            directory.insert(pod(name));
        }
        Self {
            registry,
            metrics,
            directory,
            sink: FakeSink::default(),
            shard: Arc::default(),
            next: AtomicU64::new(0),
            stop: CancellationToken::new(),
        }
    }

    fn worker(&self) -> Worker<'_, FakeSink> {
        Worker::new(&Arc::new(RuleSet::shipped()), &self.directory, &self.sink, &self.metrics, now)
    }

    fn record(&self, payload: Payload, received: i64) -> Record {
        Record {
            payload,
            received: Some(at(received)),
            position: Position::new(Shard::new("test"), self.next.fetch_add(1, Ordering::SeqCst)),
            shard: Arc::clone(&self.shard) as Arc<dyn ShardHandle>,
        }
    }

    /// A line that a pod wrote at `second` and the source got at `received`.
    fn line(&self, pod: &str, second: i64, received: i64, text: &str) -> Record {
        let payload = serde_json::json!({
            "@timestamp": at(second).to_string(),
            "message": text,
            "log": {"offset": self.next.load(Ordering::SeqCst)},
            "kubernetes": {"namespace": "prod", "pod": {"name": pod, "uid": format!("uid-{pod}")}, "container": {"name": "vpn"}},
        });
        self.record(Payload::Bytes(payload.to_string().into_bytes()), received)
    }

    fn stored(&self) -> u64 {
        self.shard.stored.load(Ordering::SeqCst)
    }

    /// The pods whose incidents were created.
    fn created(&self) -> Vec<String> {
        self.sink.created.lock().expect("should lock").iter().map(|d| d.hop.pod_name.clone()).collect()
    }

    /// A counter's value with a label's value, or without labels.
    fn count(&self, name: &str, label: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).expect("should be registered");
        let with = |metric: &&prometheus::proto::Metric| {
            label.is_empty() || metric.get_label().iter().any(|pair| pair.value() == label)
        };
        family.get_metric().iter().filter(with).map(|metric| metric.get_counter().get_value()).sum()
    }

    fn discarded(&self, reason: &str) -> f64 {
        self.count("hopkeeper_records_discarded_total", reason)
    }
}

#[tokio::test]
async fn a_record_that_is_too_large_is_counted_and_passed() {
    let world = World::new(&["p1"]);
    let mut worker = world.worker();
    for bytes in [MAX_RECORD_BYTES, MAX_RECORD_BYTES + 1] {
        worker.handle(world.record(Payload::copied(&vec![b'x'; bytes]), 0), &world.stop).await;
    }
    worker.settle();
    assert_eq!((world.discarded("json"), world.discarded("too_large"), world.stored()), (1.0, 1.0, 2));
}

#[tokio::test]
async fn an_incident_about_a_pod_that_is_gone_is_not_tried_for_ever() {
    let world = World::new(&["p1"]);
    world.sink.away.store(true, Ordering::SeqCst);
    let mut worker = world.worker();
    let going = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.directory.remove("uid-p1");
    };
    tokio::join!(worker.handle(world.line("p1", 0, 0, EXPIRED), &world.stop), going);
    assert_eq!(world.count("hopkeeper_incidents_total", "refused"), 1.0);
}

#[tokio::test]
async fn a_line_from_the_future_does_not_make_the_hop_deaf() {
    let world = World::new(&["p1", "p2"]);
    let mut worker = world.worker();
    // The second one's record is as wrong as its line: the shipper stamps both.
    for (pod, received) in [("p1", 0), ("p2", 86_400)] {
        NOW.set(0);
        let future = world.line(pod, 86_400, received, "Initialization Sequence Completed");
        worker.handle(future, &world.stop).await;
        NOW.set(61);
        worker.handle(world.line(pod, 61, 61, EXPIRED), &world.stop).await;
    }
    assert_eq!(world.created(), ["p1", "p2"]);
    assert_eq!(world.count("hopkeeper_lines_clamped_total", ""), 2.0);
    // Clocks that differ a little are no matter.
    worker.handle(world.line("p1", 70, 66, "x"), &world.stop).await;
    assert_eq!(world.count("hopkeeper_lines_clamped_total", ""), 2.0);
}
