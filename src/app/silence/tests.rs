//! The verdict on a stream of three pods that falls silent, lags and comes back, and on one that others share.

use std::collections::HashMap;

use serde_json::json;
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::domain::event::{HopIdentity, Shard};
use crate::pipeline::hearing::testing::{hearing, pass};

const AFTER: Duration = Duration::from_secs(60);
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/ops/leases";

fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// Pods `a`, `b` and `c` that run since long, and the watch over them.
struct Stream {
    watch: SilenceWatch,
    logs: watch::Receiver<LogsState>,
    silent: watch::Receiver<BTreeSet<String>>,
    registry: Registry,
}

impl Stream {
    fn new(readers: Option<Readers>) -> Self {
        let (directory, registry) = (HopDirectory::new(), Registry::new());
        for uid in ["a", "b", "c"] {
            let hop = crate::domain::engine::tests::hop();
            directory.insert(HopIdentity { pod_uid: uid.into(), pod_name: uid.into(), ..hop });
            directory.set_running(uid, Some(noon() - SignedDuration::from_hours(1)));
        }
        let (state, logs) = watch::channel(nothing_known(SourceKind::Kafka, AFTER, true));
        let (silent, silent_pods) = watch::channel(BTreeSet::new());
        let metrics = SilenceMetrics::register(&registry).unwrap();
        let watch = SilenceWatch { hearing: hearing(AFTER), directory, readers, state, silent, metrics };
        Self { watch, logs, silent: silent_pods, registry }
    }

    /// Lines of these pods arrive, so many seconds old.
    fn lines(&self, pods: &[&str], age: i64) {
        let time = noon() - SignedDuration::from_secs(age);
        let mut heard: HashMap<_, _> = pods.iter().map(|&pod| (pod.to_owned(), time)).collect();
        let shards = pods.iter().map(|&pod| (Shard::new(pod), time));
        self.watch.hearing.tell(&mut heard, shards, noon());
    }

    async fn silent(&self) -> Option<String> {
        self.watch.look(noon()).await;
        let silence = self.logs.borrow().silence.clone()?;
        assert_eq!(*self.silent.borrow(), silence.pods, "those are read through the API");
        let pods = silence.pods.into_iter().collect::<String>();
        Some(if silence.all { format!("all: {pods}") } else { pods })
    }

    fn gauge(&self) -> f64 {
        self.registry.gather()[0].get_metric()[0].get_gauge().get_value()
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn silence_begins_after_its_time_and_ends_with_the_first_new_line() {
    let mut stream = Stream::new(None);
    stream.lines(&["a", "b", "c"], 0);
    assert_eq!(stream.silent().await, None, "it has not been listened for long enough");
    pass(59.0);
    stream.lines(&["a"], 0);
    pass(1.0);
    assert_eq!(stream.silent().await, some("bc"));
    assert!((stream.gauge() - 2.0).abs() < f64::EPSILON);
    assert!(stream.logs.has_changed().unwrap());
    stream.logs.mark_unchanged();
    pass(10.0);
    assert_eq!(stream.silent().await, some("bc"));
    assert!(!stream.logs.has_changed().unwrap(), "nothing is new");
    pass(50.0);
    assert_eq!(stream.silent().await, some("all: abc"));
    // The shipper is back, with what it held back first.
    for (age, silent) in [(120, "all: abc"), (60, "all: abc"), (59, "")] {
        stream.lines(&["a", "b", "c"], age);
        assert_eq!(stream.silent().await, some(silent), "lines {age} s old");
    }
    assert!(stream.gauge().abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_backlog_is_late_and_not_silent() {
    let stream = Stream::new(None);
    pass(60.0);
    stream.lines(&["a"], 3600);
    assert_eq!(stream.silent().await, some(""), "b and c may be further back");
    pass(30.0);
    stream.lines(&["a"], 0);
    assert_eq!(stream.silent().await, some("bc"), "the end is reached, and they were not there");
}

#[tokio::test]
async fn a_pod_that_has_only_just_started_is_given_its_time() {
    let stream = Stream::new(None);
    stream.watch.directory.set_running("b", Some(noon() - SignedDuration::from_secs(59)));
    stream.watch.directory.set_running("c", None);
    pass(60.0);
    stream.lines(&["a"], 0);
    assert_eq!(stream.silent().await, some(""));
    // Once the pipeline is known to be down, nobody waits for what is made anew.
    pass(60.0);
    assert_eq!(stream.silent().await, some("all: ab"));
}

/// Leases as an API server lists them: whom each reader hears, and how many seconds ago it said so.
fn leases(readers: &[(&str, u64)]) -> ResponseTemplate {
    let lease = |(heard, ago): &(&str, u64)| {
        let renewed = noon() - SignedDuration::from_secs(i64::try_from(*ago).unwrap());
        json!({"metadata": {"name": "x", "annotations": {"hopkeeper.io/heard": heard}},
            "spec": {"renewTime": format!("{renewed:.6}")}})
    };
    let items: Vec<_> = readers.iter().map(lease).collect();
    let list = json!({"kind": "LeaseList", "apiVersion": "coordination.k8s.io/v1", "metadata": {}, "items": items});
    ResponseTemplate::new(200).set_body_json(list)
}

/// A stream whose other readers say so.
async fn shared(answer: ResponseTemplate) -> (MockServer, Stream) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = MockServer::start().await;
    let list = Mock::given(method("GET")).and(path(LEASES)).and(query_param("labelSelector", "hopkeeper.io/reader"));
    list.respond_with(answer).mount(&server).await;
    let client = Client::try_from(kube::Config::new(server.uri().parse().unwrap())).unwrap();
    let stream = Stream::new(Some(Readers::new(client, "ops", AFTER)));
    (server, stream)
}

#[tokio::test]
async fn of_a_shared_stream_those_are_silent_that_no_reader_hears() {
    const A: &str = r#"{"fresh":["a"],"late":[],"behind":false}"#;
    const B: &str = r#"{"fresh":["b"],"late":[],"behind":false}"#;
    for (readers, silent) in [
        (vec![(A, 0), (B, 20)], "c"),
        (vec![(A, 0), (B, 119)], "c"),
        (vec![(A, 0), (B, 120)], "bc"),
        (vec![], "all: abc"),
        (vec![(A, 0), (r#"{"fresh":["b"],"late":["c"],"behind":false}"#, 0)], ""),
        (vec![(A, 0), (r#"{"fresh":[],"late":[],"behind":true}"#, 0)], ""),
        (vec![(A, 0), ("of another version", 0)], ""),
    ] {
        let (_server, stream) = shared(leases(&readers)).await;
        pass(60.0);
        assert_eq!(stream.silent().await, some(silent), "{readers:?}");
    }
}

#[tokio::test]
async fn whom_others_hear_is_not_guessed_while_they_cannot_be_asked() {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden",
        "message": "no"});
    let (server, stream) = shared(ResponseTemplate::new(403).set_body_json(status)).await;
    pass(60.0);
    assert_eq!(stream.silent().await, None);
    // What they say then may be from before the outage: they are given time to say it again.
    server.reset().await;
    Mock::given(method("GET")).respond_with(leases(&[])).mount(&server).await;
    assert_eq!(stream.silent().await, None);
    pass(60.0);
    assert_eq!(stream.silent().await, some("all: abc"));
}

#[tokio::test]
async fn a_reader_tells_whom_it_hears_and_its_word_goes_with_its_pod() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = MockServer::start().await;
    let pod = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"uid": "uid-me"}});
    let found = ResponseTemplate::new(200).set_body_json(pod);
    Mock::given(method("GET")).and(path("/api/v1/namespaces/ops/pods/me")).respond_with(found).mount(&server).await;
    let echo =
        |request: &wiremock::Request| ResponseTemplate::new(200).set_body_raw(request.body.clone(), "application/json");
    let lease = format!("{LEASES}/hopkeeper-reader-me-1");
    Mock::given(method("PATCH")).and(path(lease)).respond_with(echo).mount(&server).await;
    let client = Client::try_from(kube::Config::new(server.uri().parse().unwrap())).unwrap();
    let (hearing, stop) = (hearing(AFTER), CancellationToken::new());
    let own = OwnPod { namespace: "ops".into(), name: "me".into() };
    let readers = Readers::new(client.clone(), "ops", Duration::from_secs(12));
    let telling = readers.tell("Me.1", Some((client, own)), hearing.clone(), stop.clone());
    let written = async || {
        let requests = server.received_requests().await.unwrap();
        let patches = requests.iter().filter(|request| request.method.as_str() == "PATCH");
        patches.map(|request| request.body_json::<serde_json::Value>().unwrap()).collect::<Vec<_>>()
    };
    let drive = async {
        while written().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        hearing.tell(&mut [("a".to_owned(), noon())].into(), std::iter::empty(), noon());
        let heard = |lease: &serde_json::Value| lease["metadata"]["annotations"]["hopkeeper.io/heard"].clone();
        let wanted = json!(r#"{"fresh":["a"],"late":[],"behind":false}"#);
        while written().await.last().map(heard) != Some(wanted.clone()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.cancel();
        written().await
    };
    let both = async { tokio::join!(telling, drive) };
    let ((), written) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
    assert_eq!(written[0]["metadata"]["ownerReferences"][0]["uid"], "uid-me");
    assert!(written[0]["spec"]["renewTime"].as_str().is_some_and(|time| time.ends_with('Z')));
}
