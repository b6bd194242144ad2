//! Pod logs from an API server that breaks its connections, restarts containers, and tells of it late.

mod node;

use std::sync::Mutex;

use futures::future::BoxFuture;
use jiff::SignedDuration;
use prometheus::Registry;
use tokio::task::JoinHandle;

use super::*;
use crate::domain::envelope;
use crate::source::Payload;
use crate::source::cursor::CursorError;
use node::Node;

fn at(millis: i64) -> Timestamp {
    "2026-11-22T16:25:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_millis(millis)
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Option<String>>>);

impl CursorStore for Memory {
    fn load(&self) -> BoxFuture<'_, Result<Option<String>, CursorError>> {
        Box::pin(async { Ok(self.0.lock().unwrap().clone()) })
    }

    fn save(&self, cursor: String) -> BoxFuture<'_, Result<(), CursorError>> {
        Box::pin(async move {
            *self.0.lock().unwrap() = Some(cursor);
            Ok(())
        })
    }
}

/// A store that keeps nothing.
struct Broken;

impl CursorStore for Broken {
    fn load(&self) -> BoxFuture<'_, Result<Option<String>, CursorError>> {
        Box::pin(async { Ok(None) })
    }

    fn save(&self, _: String) -> BoxFuture<'_, Result<(), CursorError>> {
        Box::pin(async { Err(CursorError { what: "save", place: "lease x/y".into(), source: "forbidden".into() }) })
    }
}

fn metrics() -> (Registry, PipelineMetrics) {
    let registry = Registry::new();
    let metrics = PipelineMetrics::register(&registry).unwrap();
    (registry, metrics)
}

struct Running {
    records: mpsc::Receiver<Record>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), SourceError>>,
}

impl Running {
    fn start(client: &Client, store: &Memory) -> Self {
        Self::of(PodLogSource::new(client.clone(), Some("lab".into()), Arc::new(store.clone()), metrics().1))
    }

    fn of(source: PodLogSource) -> Self {
        let (sender, records) = mpsc::channel(4);
        let stop = CancellationToken::new();
        let task = tokio::task::spawn(source.run(sender, stop.clone()));
        Self { records, stop, task }
    }

    async fn next(&mut self) -> (String, Record) {
        let waiting = tokio::time::timeout(Duration::from_secs(20), self.records.recv());
        let record = waiting.await.expect("waited in vain for a line").unwrap();
        let Payload::Bytes(bytes) = &record.payload else { panic!("too large") };
        let event = envelope::decode(bytes, record.position.clone(), None).unwrap();
        assert_eq!(event.pod_uid, Some(format!("uid-{}", event.pod)));
        (event.text, record)
    }

    async fn texts(&mut self, number: usize) -> Vec<String> {
        let mut texts = Vec::new();
        for _ in 0..number {
            texts.push(self.next().await.0);
        }
        texts
    }

    /// Nothing more comes.
    async fn is_quiet(&mut self) {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        if let Ok(record) = self.records.try_recv() {
            panic!("repeated: {:?}", record.payload);
        }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        // The worker takes what is under way.
        while self.records.recv().await.is_some() {}
        self.task.await.unwrap().unwrap();
    }
}

fn lines(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|number| format!("line {number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_and_its_health_are_followed_and_nothing_else() {
    let (node, client) = Node::start().await;
    for container in ["net", "vpn", "health"] {
        node.write("p1", container, at(0), container);
    }
    node.show("p1", at(0));
    let mut running = Running::start(&client, &Memory::default());
    let mut texts = running.texts(2).await;
    texts.sort();
    assert_eq!(texts, ["health", "vpn"]);
    node.write("p2", "vpn", at(5), "another pod");
    node.show("p2", at(0));
    assert_eq!(running.texts(1).await, ["another pod"]);
    node.write("p1", "vpn", at(10), "later");
    assert_eq!(running.texts(1).await, ["later"]);
    running.is_quiet().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_connections_lose_and_repeat_nothing() {
    let (node, client) = Node::start().await;
    node.write("p1", "vpn", at(0), "line 0");
    node.show("p1", at(0));
    let mut running = Running::start(&client, &Memory::default());
    assert_eq!(running.texts(1).await, lines(0..1));
    for round in 0..5 {
        // Several lines of one second and of one time, before, while and after the connection is broken.
        let first = 1 + round * 30;
        for number in first..first + 30 {
            node.write("p1", "vpn", at(number / 3 * 97), &format!("line {number}"));
            if number % 11 == 0 {
                node.cut();
            }
        }
        assert_eq!(running.texts(30).await, lines(first..first + 30));
    }
    node.away(true);
    node.write("p1", "vpn", at(16_000), "line 151");
    tokio::time::sleep(Duration::from_millis(700)).await;
    node.away(false);
    assert_eq!(running.texts(1).await, lines(151..152));
    running.is_quiet().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_words_of_a_container_are_read_after_its_restart() {
    for is_told_late in [false, true] {
        let (node, client) = Node::start().await;
        node.write("p1", "vpn", at(0), "line 0");
        node.show("p1", at(0));
        let mut running = Running::start(&client, &Memory::default());
        assert_eq!(running.texts(1).await, lines(0..1));
        // Nobody reads while the container says its last words and another run begins.
        node.away(true);
        node.write("p1", "vpn", at(1500), "line 1");
        node.restart("p1", "vpn");
        node.write("p1", "vpn", at(9000), "line 2");
        if !is_told_late {
            node.show("p1", at(9000));
        }
        node.away(false);
        let mut texts = running.texts(1).await;
        if is_told_late {
            node.show("p1", at(9000));
        }
        texts.append(&mut running.texts(1).await);
        if is_told_late {
            texts.sort();
        }
        assert_eq!(texts, lines(1..3), "told late: {is_told_late}");
        node.write("p1", "vpn", at(9500), "line 3");
        assert_eq!(running.texts(1).await, lines(3..4));
        running.is_quiet().await;
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_process_goes_on_at_the_oldest_line_that_was_not_done() {
    let (node, client) = Node::start().await;
    let store = Memory::default();
    for number in 0..10 {
        node.write("p1", "vpn", at(number * 1000), &format!("line {number}"));
    }
    node.show("p1", at(0));
    let mut running = Running::start(&client, &store);
    let mut last = None;
    for _ in 0..10 {
        last = Some(running.next().await.1);
    }
    let last = last.unwrap();
    last.shard.done_below(7).unwrap();
    running.stop().await;
    assert!(last.shard.is_lost());

    let mut running = Running::start(&client, &store);
    assert_eq!(running.texts(3).await, lines(7..10));
    node.write("p1", "vpn", at(20_000), "line 10");
    let (text, record) = running.next().await;
    assert_eq!(text, "line 10");
    record.shard.done_below(4).unwrap();
    running.stop().await;
    // All is done: the last line's second is all that is read again.
    let mut running = Running::start(&client, &store);
    assert_eq!(running.texts(1).await, lines(10..11));
    running.is_quiet().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_deleted_is_read_to_its_end() {
    let (node, client) = Node::start().await;
    node.write("p1", "vpn", at(0), "hello");
    node.show("p1", at(0));
    let mut running = Running::start(&client, &Memory::default());
    let (_, record) = running.next().await;
    node.write("p1", "vpn", at(10), "bye");
    node.delete("p1");
    assert_eq!(running.texts(1).await, ["bye"]);
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    while !record.shard.is_lost() {
        assert!(tokio::time::Instant::now() < until, "the pod is still followed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(node.requests().iter().all(|request| request.contains("timestamps=true")));
    running.is_quiet().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_silent_pods_are_followed_from_a_while_ago_on_and_for_as_long_as_they_are() {
    let (node, client) = Node::start().await;
    let ago = |seconds| Timestamp::now() - SignedDuration::from_secs(seconds);
    for pod in ["p1", "p2"] {
        node.write(pod, "vpn", ago(3600), "from long ago");
        node.write(pod, "vpn", ago(30), "from a while ago");
        node.show(pod, ago(3600));
    }
    let (silent, receiver) = watch::channel(BTreeSet::new());
    let lookback = Duration::from_secs(600);
    let mut running = Running::of(PodLogSource::of_silent(client, Some("lab".into()), receiver, lookback, metrics().1));
    running.is_quiet().await;
    let are_silent = |pods: &[&str]| silent.send_replace(pods.iter().map(|pod| format!("uid-{pod}")).collect());

    are_silent(&["p1"]);
    let (text, record) = running.next().await;
    assert_eq!((text.as_str(), record.position.shard.as_str()), ("from a while ago", "pod-logs:lab/p1/vpn"));
    node.write("p1", "vpn", ago(0), "now");
    assert_eq!(running.texts(1).await, ["now"]);
    // Another one too; who is followed goes on.
    are_silent(&["p1", "p2"]);
    assert_eq!(running.texts(1).await, ["from a while ago"]);

    are_silent(&["p2"]);
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    while !record.shard.is_lost() {
        assert!(tokio::time::Instant::now() < until, "the pod is still followed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    node.write("p1", "vpn", ago(0), "heard by the stream");
    running.is_quiet().await;
    are_silent(&["p1"]);
    assert_eq!(running.texts(3).await, ["from a while ago", "now", "heard by the stream"]);
    running.is_quiet().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_that_cannot_be_saved_are_counted() {
    let (node, client) = Node::start().await;
    node.write("p1", "vpn", at(0), "a line");
    node.show("p1", at(0));
    let (registry, metrics) = metrics();
    let mut running = Running::of(PodLogSource::new(client, Some("lab".into()), Arc::new(Broken), metrics));
    let (_, record) = running.next().await;
    drop(record);
    running.stop().await;
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    let counted = text.lines().find_map(|line| line.strip_prefix("hopkeeper_source_errors_total{category=\"store\"} "));
    assert!(counted.unwrap().parse::<u32>().unwrap() > 0, "{text}");
}
