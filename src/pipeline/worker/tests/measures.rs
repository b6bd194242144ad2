//! What the stream's gauges say: how far behind the reader is, when it last got a record, when hops last shook hands.

use super::*;

impl World {
    /// The values of a gauge.
    fn gauge(&self, name: &str) -> Vec<f64> {
        let families = self.registry.gather();
        let of_name = families.iter().filter(|family| family.name() == name);
        of_name.flat_map(|family| family.get_metric()).map(|metric| metric.get_gauge().get_value()).collect()
    }

    fn health(&self, second: i64, age: i64) -> Record {
        let payload = serde_json::json!({
            "@timestamp": at(second).to_string(),
            "message": format!(r#"{{"hopkeeper":"health","state":"up","applied":"a@1#0","handshake_age_seconds":{age}}}"#),
            "kubernetes": {"namespace": "prod", "pod": {"name": "p1", "uid": "uid-p1"}, "container": {"name": "health"}},
        });
        self.record(Payload::Bytes(payload.to_string().into_bytes()), second)
    }
}

#[tokio::test]
async fn the_lag_is_how_old_the_last_line_was_and_is_forgotten_when_nothing_comes() {
    let world = World::new(&["p1"]);
    let mut worker = world.worker();
    worker.settle();
    let lag = || world.gauge("hopkeeper_source_lag_seconds");
    assert_eq!((lag(), world.gauge("hopkeeper_last_record_timestamp_seconds")), (vec![0.0], vec![0.0]));
    NOW.set(100);
    worker.handle(world.line("p1", 10, 10, "x"), &world.stop).await;
    worker.settle();
    assert_eq!(lag(), [90.0]);
    let received = at(100).as_second() as f64;
    assert_eq!(world.gauge("hopkeeper_last_record_timestamp_seconds"), [received]);
    // Junk tells nothing about it, and a node's clock that is ahead is no lag.
    worker.handle(world.record(Payload::Bytes(b"junk".to_vec()), 100), &world.stop).await;
    worker.settle();
    assert_eq!(lag(), [90.0]);
    worker.handle(world.line("p1", 102, 102, "x"), &world.stop).await;
    worker.settle();
    assert_eq!(lag(), [0.0]);
    worker.handle(world.line("p1", 40, 40, "x"), &world.stop).await;
    NOW.set(161);
    worker.settle();
    assert_eq!(lag(), [0.0]);
}

#[tokio::test]
async fn a_handshake_is_told_by_its_time_and_forgotten_with_the_hop() {
    let world = World::new(&["p1"]);
    let mut worker = world.worker();
    NOW.set(100);
    for (second, age) in [(95, 20), (90, 60)] {
        worker.handle(world.health(second, age), &world.stop).await;
        worker.settle();
        let handshake = at(75).as_second() as f64;
        assert_eq!(world.gauge("hopkeeper_hop_last_handshake_timestamp_seconds"), [handshake]);
    }
    world.directory.remove("uid-p1");
    worker.settle();
    assert_eq!(world.gauge("hopkeeper_hop_last_handshake_timestamp_seconds"), [0.0; 0]);
}
