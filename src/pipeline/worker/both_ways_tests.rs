//! Lines that come both ways, from the log stream and, while that is silent, from the Kubernetes API: one incident.

use std::collections::BTreeSet;

use super::tests::{NOW, World, at, pod};
use super::*;
use crate::domain::incident::incident_name;
use crate::domain::types::CandidateRef;
use crate::source::raw::Origin;

const REFUSED: &str = "AUTH: Received control message: AUTH_FAILED";

/// Two refusals, which together are one verdict, by the runtime's time in nanoseconds.
const LINES: [i64; 2] = [123_456_789, 1_100_000_001];

fn time(nanos: i64) -> Timestamp {
    at(0) + SignedDuration::from_nanos(nanos)
}

/// As Filebeat ships it: with milliseconds, and a place in its file.
fn shipped(world: &World, nanos: i64) -> Record {
    let payload = serde_json::json!({
        "@timestamp": format!("{:.3}", time(nanos)),
        "message": REFUSED,
        "log": {"offset": nanos},
        "kubernetes": {"namespace": "prod", "pod": {"name": "p1", "uid": "uid-p1"}, "container": {"name": "vpn"}},
    });
    world.record(Payload::Bytes(payload.to_string().into_bytes()), 0)
}

/// As the Kubernetes API gives it.
fn read(world: &World, nanos: i64) -> Record {
    let origin = Origin { uid: Some("uid-p1".into()), ..Origin::parse("prod/p1/vpn").expect("should be one") };
    let record = world.record(Payload::Bytes(origin.record(time(nanos), REFUSED)), 0);
    Record { received: None, ..record }
}

/// What happens, one after the other.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A line comes by the stream.
    Stream(usize),
    /// The same through the API.
    Api(usize),
    /// Minutes pass.
    Late,
    /// The hop gets other parameters.
    Rotate,
}

/// The incidents' names that come of it.
async fn incidents(steps: &[Step]) -> BTreeSet<String> {
    let world = World::new(&["p1"]);
    NOW.set(2);
    let (mut stream, mut fallback) = (world.worker(), world.worker());
    for step in steps {
        match *step {
            Step::Stream(line) => stream.handle(shipped(&world, LINES[line]), &world.stop).await,
            Step::Api(line) => fallback.handle(read(&world, LINES[line]), &world.stop).await,
            Step::Late => NOW.set(NOW.get() + 400),
            Step::Rotate => {
                let candidate = CandidateRef { name: "b".into(), version: "1".into() };
                let applied_at = at(NOW.get());
                world.directory.insert(HopIdentity { candidate, plan_id: "b@1#1".into(), applied_at, ..pod("p1") });
            }
        }
        stream.settle();
        fallback.settle();
    }
    let created = world.sink.created.lock().expect("should lock");
    created.iter().map(incident_name).collect()
}

#[tokio::test]
async fn the_same_lines_both_ways_are_one_incident_whichever_comes_first_and_however_late() {
    use Step::{Api, Late, Rotate, Stream};
    for steps in [
        &[Api(0), Api(1), Stream(0), Stream(1)][..],
        &[Stream(0), Stream(1), Api(0), Api(1)],
        &[Api(0), Stream(0), Stream(1), Api(1)],
        &[Api(0), Api(1), Late, Stream(0), Stream(1)],
        &[Stream(0), Stream(1), Late, Api(0), Api(1)],
        // The stream fell silent between the two: it had begun to count.
        &[Stream(0), Api(0), Api(1), Stream(1)],
        &[Stream(0), Api(0), Api(1), Late, Stream(1)],
        // They were acted on meanwhile.
        &[Api(0), Api(1), Rotate, Stream(0), Stream(1)],
        &[Api(0), Api(1), Rotate, Late, Stream(0), Stream(1)],
        &[Stream(0), Api(0), Api(1), Rotate, Late, Stream(1)],
        &[Stream(0), Stream(1), Rotate, Api(0), Api(1)],
    ] {
        assert_eq!(incidents(steps).await.len(), 1, "{steps:?}");
    }
    assert!(incidents(&[Api(0), Stream(0), Stream(0), Api(0)]).await.is_empty(), "one line is one, both ways too");
}
