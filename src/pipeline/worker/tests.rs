//! The worker, record by record, on a shard and a sink that write down what they are told.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::SignedDuration;
use prometheus::Registry;

use super::*;
use crate::domain::event::{HopIdentity, Position};
use crate::pipeline::{Created, FindingsError, SinkError};
use crate::source::{MAX_RECORD_BYTES, ShardHandle};

mod hearing;
mod lent;
mod measures;
mod word;

/// A line that its rule decides at once.
const EXPIRED: &str = "WARNING: Your certificate has expired!";

fn start() -> Timestamp {
    "2026-11-22T16:00:00Z".parse().expect("should be a time")
}

pub(super) fn at(second: i64) -> Timestamp {
    start() + SignedDuration::from_secs(second)
}

thread_local! {
    /// Each test has its own clock.
    pub(super) static NOW: Cell<i64> = const { Cell::new(0) };
}

fn now() -> Timestamp {
    at(NOW.get())
}

pub(super) fn pod(name: &str) -> HopIdentity {
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
pub(super) struct FakeSink {
    pub(super) created: Mutex<Vec<Detection>>,
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

    async fn findings(&self) -> Result<Vec<Finding>, FindingsError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(FindingsError("away".into()));
        }
        let finding = |found: &Detection| Finding {
            pod_uid: found.hop.pod_uid.clone(),
            candidate: found.hop.candidate.clone(),
            rule: found.rule.clone(),
            first: found.first.time,
            last: found.last.time,
            ended: None,
        };
        Ok(self.created.lock().expect("should lock").iter().map(finding).collect())
    }
}

/// What a worker works with; its records come one after the other on one shard.
pub(super) struct World {
    registry: Registry,
    metrics: PipelineMetrics,
    pub(super) directory: HopDirectory,
    pub(super) sink: FakeSink,
    shard: Arc<FakeShard>,
    next: AtomicU64,
    pub(super) stop: CancellationToken,
}

impl World {
    pub(super) fn new(pods: &[&str]) -> Self {
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

    pub(super) fn worker(&self) -> Worker<'_, FakeSink> {
        let (_, rules) = watch::channel(Arc::new(RuleSet::shipped()));
        self.worker_with(rules)
    }

    fn worker_with(&self, rules: watch::Receiver<Arc<RuleSet>>) -> Worker<'_, FakeSink> {
        Worker::new(rules, &self.directory, &self.sink, &self.metrics, now)
    }

    pub(super) fn record(&self, payload: Payload, received: i64) -> Record {
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

#[tokio::test]
async fn a_line_that_is_faster_than_the_news_of_its_pod_waits_for_it() {
    let world = World::new(&["p1"]);
    let mut worker = world.worker();
    worker.handle(world.line("p1", 0, 0, "hello"), &world.stop).await;
    worker.handle(world.line("new", 0, 0, EXPIRED), &world.stop).await;
    // Others go on; only the place does not.
    worker.handle(world.line("p1", 0, 0, EXPIRED), &world.stop).await;
    worker.take_up(&world.stop).await;
    worker.settle();
    assert_eq!((world.created(), world.stored()), (vec!["p1".to_owned()], 1));

    world.directory.insert(pod("new"));
    worker.take_up(&world.stop).await;
    assert_eq!(world.created(), ["p1", "new"]);
    assert_eq!(world.discarded("unknown_pod"), 0.0);
}

#[tokio::test]
async fn lines_that_waited_come_before_those_after_them() {
    let world = World::new(&[]);
    let mut worker = world.worker();
    for second in [0, 1] {
        worker.handle(world.line("new", second, 1, "AUTH: Received control message: AUTH_FAILED"), &world.stop).await;
    }
    world.directory.insert(pod("new"));
    // Had it come first, the failures would be history.
    worker.handle(world.line("new", 2, 2, "Initialization Sequence Completed"), &world.stop).await;
    assert_eq!(world.created(), ["new"]);
}

#[tokio::test]
async fn a_pod_that_stays_unknown_is_given_up_after_a_minute() {
    let world = World::new(&[]);
    let mut worker = world.worker();
    worker.handle(world.line("foreign", 0, 0, EXPIRED), &world.stop).await;
    for (second, discarded, stored) in [(59, 0.0, 0), (60, 1.0, 1)] {
        NOW.set(second);
        worker.settle();
        assert_eq!((world.discarded("unknown_pod"), world.stored()), (discarded, stored), "after {second} s");
    }
    // Read long after it came: the pod had its time.
    worker.handle(world.line("foreign", 0, 0, EXPIRED), &world.stop).await;
    assert_eq!(world.discarded("unknown_pod"), 2.0);
    // A shipper that sends the whole cluster's lines fills nothing.
    let mut other = world.line("foreign", 60, 60, EXPIRED);
    let Payload::Bytes(payload) = &mut other.payload else { panic!("should be small") };
    *payload = String::from_utf8_lossy(payload).replace(r#""name":"vpn""#, r#""name":"web""#).into_bytes();
    worker.handle(other, &world.stop).await;
    assert_eq!(world.discarded("unknown_pod"), 3.0);
}

#[tokio::test]
async fn what_waits_is_anothers_when_the_shard_is() {
    let world = World::new(&[]);
    let mut worker = world.worker();
    worker.handle(world.line("new", 0, 0, EXPIRED), &world.stop).await;
    world.shard.lost.store(true, Ordering::SeqCst);
    world.directory.insert(pod("new"));
    worker.take_up(&world.stop).await;
    worker.settle();
    assert!(world.created().is_empty() && world.stored() == 0);
}

#[tokio::test]
async fn a_line_that_waited_and_could_not_be_handed_over_is_not_done() {
    let world = World::new(&[]);
    let mut worker = world.worker();
    worker.handle(world.line("new", 0, 0, EXPIRED), &world.stop).await;
    world.directory.insert(pod("new"));
    world.sink.away.store(true, Ordering::SeqCst);
    world.stop.cancel();
    worker.take_up(&world.stop).await;
    worker.settle();
    assert_eq!(world.stored(), 0);
}

#[tokio::test]
async fn a_pod_that_is_gone_holds_no_place() {
    let world = World::new(&["p1", "p2"]);
    let mut worker = world.worker();
    for pod in ["p1", "p2"] {
        worker.handle(world.line(pod, 0, 0, EXPIRED), &world.stop).await;
    }
    worker.settle();
    assert_eq!(world.stored(), 0);
    world.directory.remove("uid-p1");
    worker.settle();
    assert_eq!(world.stored(), 1);
}

#[tokio::test]
async fn a_shard_that_goes_while_its_line_is_taken_up_costs_no_other_shards_line() {
    let world = World::new(&[]);
    let mut worker = world.worker();
    worker.handle(world.line("new", 0, 0, EXPIRED), &world.stop).await;
    world.directory.insert(pod("new"));
    world.sink.away.store(true, Ordering::SeqCst);
    let other = Arc::new(FakeShard::default());
    let position = Position::new(Shard::new("other"), 7);
    let record = world.line("new", 400, 400, EXPIRED);
    let record = Record { position, shard: Arc::clone(&other) as Arc<dyn ShardHandle>, ..record };
    NOW.set(400);
    let going = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.shard.lost.store(true, Ordering::SeqCst);
        world.sink.away.store(false, Ordering::SeqCst);
    };
    tokio::join!(worker.handle(record, &world.stop), going);
    assert_eq!(world.created(), ["new"]);
    worker.settle();
    assert_eq!(other.stored.load(Ordering::SeqCst), 7, "the window still needs it");
}

#[tokio::test]
async fn other_rules_are_taken_between_records_and_keep_what_was_counted() {
    const REFUSED: &str = "AUTH: Received control message: AUTH_FAILED";
    let world = World::new(&["p1", "p2"]);
    let (rules, receiver) = watch::channel(Arc::new(RuleSet::shipped()));
    let mut worker = world.worker_with(receiver);
    let (sender, records) = mpsc::channel(8);
    let run = worker.run(records, &world.stop);
    let drive = async {
        sender.send(world.line("p1", 0, 0, REFUSED)).await.expect("should be read");
        sender.send(world.line("p1", 1, 1, EXPIRED)).await.expect("should be read");
        until(|| world.created().len() == 1).await;
        // Without the rule of the line before; that of the first one stays as it was, at another place.
        let shipped = RuleSet::shipped();
        let kept = shipped.rules().iter().rev().filter(|rule| rule.id != created_by(&world)).cloned();
        rules.send_replace(Arc::new(RuleSet::new(kept.collect()).expect("should load")));
        // Another pod, for which the rule does not rest.
        sender.send(world.line("p2", 2, 2, EXPIRED)).await.expect("should be read");
        sender.send(world.line("p1", 3, 3, REFUSED)).await.expect("should be read");
        until(|| world.created().len() == 2).await;
        drop(sender);
    };
    let (result, ()) = tokio::join!(run, drive);
    result.expect("should end with its source");
    let created = world.sink.created.lock().expect("should lock");
    assert_eq!((created[1].rule.as_str(), created[1].first.position.sequence), ("openvpn-auth-failed", 0));
}

/// Two hops fail, the second one later: its window holds the place before lines that the first one's rest swallowed, and
/// for longer than that rest lasts.
#[tokio::test]
async fn lines_that_a_rest_swallowed_are_no_outage_to_the_next_reader() {
    let lines = [("p1", 0), ("p2", 100), ("p1", 200), ("p1", 301)];
    for (api_is_away, incidents) in [(false, vec!["p1", "p2"]), (true, vec!["p1", "p2", "p1"])] {
        let world = World::new(&["p1", "p2"]);
        NOW.set(301);
        let record = |(sequence, (pod, second)): (u64, &(&str, i64))| {
            // The last one only tells that time has passed.
            let text = if *second == 301 { "x" } else { EXPIRED };
            let position = Position::new(Shard::new("test"), sequence);
            Record { position, ..world.line(pod, *second, *second, text) }
        };
        let mut worker = world.worker();
        for line in (0..).zip(&lines) {
            worker.handle(record(line), &world.stop).await;
        }
        worker.settle();
        assert_eq!((world.created(), world.stored()), (vec!["p1".to_owned(), "p2".to_owned()], 1));

        let mut next = world.worker();
        if api_is_away {
            world.sink.away.store(true, Ordering::SeqCst);
            next.remember(&world.stop).await;
            world.sink.away.store(false, Ordering::SeqCst);
        }
        for line in (0..).zip(&lines).skip(1) {
            next.handle(record(line), &world.stop).await;
        }
        let mut created = world.created();
        // Of a window that is counted again the incident has the same name.
        created.dedup();
        assert_eq!(created, incidents, "away: {api_is_away}");
        assert_eq!(world.count("hopkeeper_incident_list_errors_total", ""), f64::from(u8::from(api_is_away)));
    }
}

/// The rule of the first incident.
fn created_by(world: &World) -> crate::domain::rule::RuleId {
    world.sink.created.lock().expect("should lock")[0].rule.clone()
}

/// Waits until something is so, which it must be soon.
async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("should be so within 20 s");
}

/// Records of so many pods that nobody knows, and what becomes of them: at most 8 MiB wait, the others are counted.
async fn flood(pods: u64) {
    let resident = || {
        let pages = std::fs::read_to_string("/proc/self/statm").expect("should be there");
        pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4096
    };
    let world = World::new(&["p1"]);
    let mut worker = world.worker();
    let (begun, before, mut most) = (std::time::Instant::now(), resident(), 0);
    for pod in 0..pods {
        worker.handle(world.line(&format!("{pod:016x}"), 0, 0, EXPIRED), &world.stop).await;
        if pod % 1_000 == 999 {
            worker.settle();
            most = most.max(resident().saturating_sub(before));
        }
        if pod % 1_000_000 == 999_999 {
            println!("{} pods: {} KiB more resident at most", pod + 1, most / 1024);
        }
    }
    worker.settle();
    assert!((7_000..=8_192).contains(&worker.held.len()), "{}", worker.held.len());
    assert_eq!(world.discarded("held_overflow") as u64, pods - worker.held.len() as u64);
    assert_eq!(worker.engine.open_windows(), 0, "what is no hop's never gets to the windows");
    // Known pods are served all the while.
    worker.handle(world.line("p1", 0, 0, EXPIRED), &world.stop).await;
    assert_eq!(world.created(), ["p1"]);
    println!(
        "{pods} pods: {} KiB more resident at most, {:.1} µs a record",
        most / 1024,
        begun.elapsed().as_micros() as f64 / pods as f64
    );
}

#[tokio::test]
async fn a_flood_of_foreign_pods_waits_within_its_bound() {
    flood(20_000).await;
}

#[tokio::test]
#[ignore = "takes minutes: the small flood of the same form runs always"]
async fn ten_million_foreign_pods_wait_within_their_bound() {
    flood(10_000_000).await;
}
