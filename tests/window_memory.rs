//! What open windows cost, by an allocator that counts every byte. Bytes are asserted, times only printed.
//!
//! The large sizes take minutes without optimisation, so they are asked for:
//! `cargo test --release --test window_memory -- --ignored --nocapture`.

use std::alloc::System;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use cap::Cap;
use hopkeeper::domain::engine::{Detection, Engine, Limits};
use hopkeeper::domain::event::{HopIdentity, LogEvent, Position, Shard};
use hopkeeper::domain::incident::Finding;
use hopkeeper::domain::rule::Client;
use hopkeeper::domain::rule::file::Strictness;
use hopkeeper::domain::ruleset::{RuleSet, pack};
use hopkeeper::domain::types::{CandidateRef, HopId, Implementation};
use hopkeeper::internal_event::pipeline::PipelineMetrics;
use hopkeeper::pipeline::{Created, FindingsError, HopDirectory, IncidentSink, Pipeline, SinkError};
use hopkeeper::source::{Payload, Record, ShardHandle, Source, SourceError};
use jiff::Timestamp;
use prometheus::Registry;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// The allocator counts for the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

const MIB: usize = 1024 * 1024;

fn rules(number: usize) -> Arc<RuleSet> {
    let rule = |n| {
        format!(
            "  - {{ id: r{n}, title: t, pattern: '^fault {n:04}$', evidence: own, verdict: rotate, threshold: {{ count: 3, within: 1h }} }}\n"
        )
    };
    let file = format!("version: 1\nclient: openvpn\nrules:\n{}", (0..number).map(rule).collect::<String>());
    let rules = Arc::new(pack::load([("rules.yaml", file.as_str())], Strictness::User).expect("should load"));
    // A regular expression allocates its scratch memory when it is first used: that is the rules', not the windows'.
    for n in 0..number {
        rules.decide_record(Client::Openvpn, &text(n));
    }
    rules
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).expect("should be a time")
}

fn uid(pod: usize) -> String {
    format!("7f3c1a52-9d1e-4c55-8a3e-{pod:012}")
}

fn text(rule: usize) -> String {
    format!("fault {rule:04}")
}

fn hop(number: usize) -> HopIdentity {
    HopIdentity {
        id: HopId { namespace: "prod".into(), chain: "berlin".into(), hop: "entry".into() },
        pod_uid: uid(number),
        pod_name: format!("berlin-entry-{number}"),
        implementation: Implementation::OpenVpn,
        candidate: CandidateRef { name: "a".into(), version: "1".into() },
        plan_id: "a@1#0".into(),
        applied_at: at(-1000),
    }
}

fn line(rule: usize, sequence: u64) -> LogEvent {
    LogEvent {
        time: at(10),
        namespace: "prod".into(),
        pod: "berlin-entry-0".into(),
        pod_uid: None,
        container: "vpn".into(),
        text: text(rule),
        file_offset: Some(sequence),
        position: Position::new(Shard::new("kafka:vpn/0"), sequence),
    }
}

fn health(sequence: u64) -> LogEvent {
    let text = r#"{"hopkeeper":"health","state":"up","applied":"a@1#0"}"#;
    LogEvent { container: "health".into(), text: text.into(), ..line(0, sequence) }
}

/// Drives pods × rules windows with `lines` lines each, rule after rule as a storm does; gives the bytes that are held
/// afterwards, and at most meanwhile.
fn fill(engine: &mut Engine, pods: usize, rules: usize, lines: u64) -> (usize, usize) {
    let hops: Vec<HopIdentity> = (0..pods).map(hop).collect();
    let (before, mut most, mut sequence) = (ALLOCATOR.allocated(), 0, 0);
    for hop in &hops {
        engine.observe(&health(0), hop);
    }
    for rule in 0..rules {
        let text = line(rule, 0);
        for hop in &hops {
            for _ in 0..lines {
                let position = Position { sequence, ..text.position.clone() };
                engine.observe(&LogEvent { file_offset: Some(sequence), position, ..text.clone() }, hop);
                sequence += 1;
            }
        }
        most = most.max(ALLOCATOR.allocated() - before);
    }
    (ALLOCATOR.allocated() - before, most)
}

/// At most 128 bytes from two windows a pod on; one alone bears all of its pod's own state.
#[test]
fn a_live_window_of_two_lines_costs_at_most_128_bytes_with_its_share_of_a_pod_that_has_another() {
    let _alone = ALONE.lock().expect("should lock");
    println!("| pods | windows a pod | bytes a window, with its share of the pod |\n| --- | --- | --- |");
    // The numbers differ so that the indices of pods and of windows are met as full and as empty as they can be: 14 336
    // pods fill theirs, 14 592 have just outgrown it.
    for (pods, rules_each, most) in [
        (2_048, 1, 192.0),
        (1_280, 2, 128.0),
        (2_048, 2, 128.0),
        (14_336, 2, 128.0),
        (14_592, 2, 128.0),
        (1_024, 3, 128.0),
        (512, 4, 128.0),
        (896, 4, 128.0),
        (512, 5, 128.0),
        (512, 6, 128.0),
        (640, 6, 128.0),
        (256, 16, 128.0),
        (64, 50, 128.0),
    ] {
        let mut engine = Engine::new(rules(rules_each));
        let (held, _) = fill(&mut engine, pods, rules_each, 2);
        let windows = engine.open_windows();
        assert_eq!(windows, pods * rules_each);
        let each = held as f64 / windows as f64;
        println!("| {pods} | {rules_each} | {each:.1} |");
        assert!(each <= most, "{each} bytes with {pods} pods × {rules_each} rules");
    }
}

/// What gives way, and in which order, is the same with a bound of any size.
#[test]
fn more_keys_than_a_bound_holds_stay_below_it() {
    flood(2_000, 16, Limits { bytes: 2 * MIB, ..Limits::default() });
}

/// 10 000 hops × 1000 rules, each with an open window, and the bound that there is.
#[test]
#[ignore = "takes minutes: the small flood of the same form runs always"]
fn ten_thousand_hops_and_a_thousand_rules_stay_below_128_mib() {
    flood(10_000, 1_000, Limits::default());
}

fn flood(pods: usize, rules_each: usize, limits: Limits) {
    let _alone = ALONE.lock().expect("should lock");
    let mut engine = Engine::with_limits(rules(rules_each), limits);
    let begun = Instant::now();
    let (held, most) = fill(&mut engine, pods, rules_each, 1);
    let took = begun.elapsed();
    let keys = pods * rules_each;
    let (open, evicted) = (engine.open_windows(), engine.take_tally().evicted);
    assert!(evicted > 0, "the flood should be above the bound");
    assert_eq!(open as u64 + evicted, keys as u64, "each is open or was counted as given up");
    let shard = Shard::new("kafka:vpn/0");
    // Oldest first: what is left are the newest lines.
    assert_eq!(engine.needed_from(&shard), Some(evicted));
    let begun = Instant::now();
    engine.observe(&line(0, keys as u64), &hop(0));
    engine.needed_from(&shard);
    let needed = begun.elapsed();
    let begun = Instant::now();
    engine.expire(at(10));
    println!(
        "{pods} hops × {rules_each} rules: {} MiB held, {} MiB at most; {open} windows open, {evicted} given up; {:.0} ns a \
         line; oldest needed line after a change {needed:?}, expiry {:?}",
        held / MIB,
        most.max(held) / MIB,
        took.as_nanos() as f64 / keys as f64,
        begun.elapsed()
    );
    // Beside the windows: 24 KiB for each MiB of them where the lists of free places grow, and the pods.
    assert!(most.max(held) <= limits.bytes + limits.bytes / 40 + pods * 200, "{} MiB", most / MIB);
    assert!(most.max(held) <= 128 * MIB, "{} MiB", most / MIB);
}

/// A source that makes up a record for each rule and pod, and one in ten of a pod that nobody knows.
struct Hostile {
    pods: usize,
    rules: usize,
    shard: Arc<Place>,
    /// What was held at most while records went by.
    most: Arc<AtomicUsize>,
    stop: CancellationToken,
}

#[derive(Default)]
struct Place(AtomicU64);

impl ShardHandle for Place {
    fn is_lost(&self) -> bool {
        false
    }

    fn done_below(&self, sequence: u64) -> Result<(), SourceError> {
        self.0.store(sequence, Ordering::SeqCst);
        Ok(())
    }
}

impl Hostile {
    async fn send(&self, records: &mpsc::Sender<Record>, sequence: u64, uid: &str, rule: usize) {
        let now = Timestamp::now();
        let json = format!(
            r#"{{"@timestamp":"{now}","message":"{}","log":{{"offset":{sequence}}},"kubernetes":{{"pod":{{"uid":"{uid}"}},"container":{{"name":"vpn"}}}}}}"#,
            text(rule)
        );
        let record = Record {
            payload: Payload::Bytes(json.into_bytes()),
            received: Some(now),
            position: Position::new(Shard::new("kafka:vpn/0"), sequence),
            shard: Arc::clone(&self.shard) as Arc<dyn ShardHandle>,
        };
        records.send(record).await.expect("should take it: the worker runs until it is stopped");
    }
}

impl Source for Hostile {
    async fn run(self, records: mpsc::Sender<Record>, _: CancellationToken) -> Result<(), SourceError> {
        let mut sequence = 0;
        for rule in 0..self.rules {
            for pod in 0..self.pods {
                self.send(&records, sequence, &uid(pod), rule).await;
                sequence += 1;
                if sequence.is_multiple_of(11) {
                    self.send(&records, sequence, &format!("nobody-{sequence}"), rule).await;
                    sequence += 1;
                }
            }
            self.most.fetch_max(ALLOCATOR.allocated(), Ordering::SeqCst);
        }
        while records.capacity() < records.max_capacity() {
            tokio::task::yield_now().await;
        }
        self.stop.cancel();
        Ok(())
    }
}

struct Nowhere;

impl IncidentSink for Nowhere {
    async fn create(&self, _: &Detection) -> Result<Created, SinkError> {
        Ok(Created::New)
    }

    async fn findings(&self) -> Result<Vec<Finding>, FindingsError> {
        Ok(Vec::new())
    }
}

fn counted(registry: &Registry, name: &str) -> u64 {
    let families = registry.gather();
    let of_name = families.iter().filter(|family| family.name() == name);
    let values = of_name.flat_map(|family| family.get_metric());
    values.map(|metric| metric.get_counter().get_value() as u64 + metric.get_gauge().get_value() as u64).sum()
}

/// Ten million keys the whole way that records go: decoded, their pods looked up, counted, given up, places stored.
#[test]
#[ignore = "takes minutes: a small flood goes through the worker in its own tests"]
fn ten_million_keys_go_through_the_pipeline_below_128_mib() {
    const PODS: usize = 10_000;
    const RULES: usize = 1_000;
    let _alone = ALONE.lock().expect("should lock");
    let directory = HopDirectory::new();
    (0..PODS).for_each(|pod| directory.insert(HopIdentity { applied_at: Timestamp::UNIX_EPOCH, ..hop(pod) }));
    directory.set_synced();
    let registry = Registry::new();
    let metrics = PipelineMetrics::register(&registry).expect("should register");
    let pipeline = Pipeline::new(rules(RULES), directory, Nowhere, metrics);
    let (shard, most, stop) = (Arc::<Place>::default(), Arc::<AtomicUsize>::default(), CancellationToken::new());
    let source =
        Hostile { pods: PODS, rules: RULES, shard: Arc::clone(&shard), most: Arc::clone(&most), stop: stop.clone() };
    let (before, begun) = (ALLOCATOR.allocated(), Instant::now());
    let mut source = Some(source);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let connect = move || source.take().ok_or(SourceError::Configure("it was read to its end".into()));
    runtime.expect("should start").block_on(pipeline.run(connect, stop));
    let (took, held) = (begun.elapsed(), most.load(Ordering::SeqCst) - before);
    let [received, discarded, open, evicted, waiting] = [
        "hopkeeper_records_received_total",
        "hopkeeper_records_discarded_total",
        "hopkeeper_windows_open",
        "hopkeeper_windows_evicted_total",
        "hopkeeper_records_held",
    ]
    .map(|name| counted(&registry, name));
    println!(
        "{received} records in {took:?}: {open} windows open, {evicted} given up; {discarded} records of unknown pods left \
         out, {waiting} waiting; {} MiB held at most; place stored {}",
        held / MIB,
        shard.0.load(Ordering::SeqCst)
    );
    assert_eq!(open + evicted, (PODS * RULES) as u64, "each is open or was counted as given up");
    assert!(received > open + evicted && discarded > 0, "some were nobody's");
    assert!(shard.0.load(Ordering::SeqCst) > evicted / 2, "the place moves on with what is given up");
    assert!(held <= 128 * MIB, "{} MiB", held / MIB);
}
