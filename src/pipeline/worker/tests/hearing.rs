//! Of whom lines come.

use super::*;
use crate::pipeline::hearing::testing::{hearing, pass};

#[tokio::test]
async fn hops_are_heard_by_their_lines_new_or_late_and_strangers_are_not() {
    let world = World::new(&["p1", "p2"]);
    let hearing = hearing(Duration::from_secs(60));
    let mut worker = world.worker().noting(Some(hearing.clone()));
    NOW.set(100);
    let mut of_net = world.line("p2", 100, 100, "x");
    let Payload::Bytes(payload) = &mut of_net.payload else { panic!("should be small") };
    *payload = String::from_utf8_lossy(payload).replace(r#""name":"vpn""#, r#""name":"net""#).into_bytes();
    for record in [world.line("p1", 100, 100, "x"), world.line("p2", 0, 100, "x"), of_net] {
        worker.handle(record, &world.stop).await;
    }
    worker.handle(world.line("new", 100, 100, "x"), &world.stop).await;
    worker.settle();
    let heard = hearing.heard();
    assert!(heard.fresh.iter().eq(["uid-p1"]) && heard.late.iter().eq(["uid-p2"]) && !heard.behind, "{heard:?}");
    // What waited for its pod was heard all the same.
    world.directory.insert(pod("new"));
    worker.take_up(&world.stop).await;
    worker.settle();
    assert!(hearing.heard().fresh.iter().eq(["uid-new", "uid-p1"]));
    // A shard that gives only what is old is behind, whosever lines they are.
    pass(60.0);
    worker.handle(world.line("foreign", 0, 100, "x"), &world.stop).await;
    worker.settle();
    let heard = hearing.heard();
    assert!(heard.fresh.is_empty() && heard.late.is_empty() && heard.behind, "{heard:?}");
}

#[tokio::test]
async fn while_an_incident_cannot_be_created_nobody_is_thought_silent() {
    let world = World::new(&["p1"]);
    let hearing = hearing(Duration::from_secs(60));
    let mut worker = world.worker().noting(Some(hearing.clone()));
    pass(60.0);
    assert!(hearing.is_sure());
    world.sink.away.store(true, Ordering::SeqCst);
    let outage = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        pass(120.0);
        assert!(!hearing.is_sure(), "lines may be waiting");
        world.sink.away.store(false, Ordering::SeqCst);
    };
    tokio::join!(worker.handle(world.line("p1", 0, 0, EXPIRED), &world.stop), outage);
    assert!((world.created(), hearing.is_sure()) == (vec!["p1".to_owned()], false), "it listens only since now");
}
