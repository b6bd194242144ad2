//! Lines that come again, come twice, or come from a pod that does not exist: no action.

use std::time::Duration;

use kube::ResourceExt;

use super::{World, refuse, until_repaired};
use crate::operator::LogSource;
use crate::stream::{Shipped, ship, shipped};
use crate::wait::{throughout, until};

#[tokio::test]
async fn lines_replayed_duplicated_or_of_a_foreign_pod_change_nothing() {
    let mut world = World::up("evidence", |_| ()).await;
    // What is written once more is written to Kafka.
    if world.start.source != LogSource::Kafka {
        world.restart_operator_on(LogSource::Kafka).await;
    }
    let (fault, began) = refuse(&world, "entry").await;
    until_repaired(&world, "entry", began).await;
    drop(fault);
    world.chain.until_up(super::LIMIT).await;

    let uid = world.chain.pod("entry").await.uid().unwrap_or_default();
    let middle = world.chain.pod("middle").await.uid().unwrap_or_default();
    let lines: Vec<_> = shipped("AUTH_FAILED").into_iter().filter(|r| text(r).contains(&uid)).collect();
    assert!(lines.len() >= 2, "the failure should be in the stream: {}", lines.len());
    let foreign = |from: &str, to: &str| -> Vec<Shipped> {
        let swap = |r: &Shipped| Shipped { key: to.into(), payload: text(r).replace(from, to).into_bytes() };
        lines.iter().map(swap).collect()
    };
    let gone = foreign(&uid, "00000000-0000-4000-8000-000000000000");

    let before = (world.chain.state().await, world.chain.incidents().await.len());
    let dropped = world.operator.metric("hopkeeper_records_discarded_total", "unknown_pod").await;
    ship(&lines).await;
    ship(&lines).await;
    ship(&gone).await;
    ship(&[Shipped { key: b"junk".to_vec(), payload: b"{\"message\": 7, not json".to_vec() }]).await;
    throughout("nothing happens", Duration::from_secs(15), || async {
        let now = (world.chain.state().await, world.chain.incidents().await.len());
        if now == before { Ok(()) } else { Err(format!("{before:?} became {now:?}")) }
    })
    .await;
    // A pod that is not known might only be new: its lines wait for a minute.
    until("lines of a pod that is gone are counted", super::LIMIT, || async {
        let unknown = world.operator.metric("hopkeeper_records_discarded_total", "unknown_pod").await - dropped;
        if unknown >= gone.len() as f64 { Ok(()) } else { Err(format!("{unknown}")) }
    })
    .await;
    assert!(world.operator.metric("hopkeeper_lines_stale_total", "").await >= 2.0 * lines.len() as f64);
    assert!(world.operator.metric("hopkeeper_records_discarded_total", "json").await >= 1.0);
    // The text of a line names no hop: the middle's identity with the entry's words is evidence about the middle only,
    // and WireGuard has no such words.
    ship(&foreign(&uid, &middle)).await;
    throughout("the middle is left alone", Duration::from_secs(5), || async {
        let now = world.chain.state().await;
        if now == before.0 { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
}

fn text(record: &Shipped) -> String {
    String::from_utf8_lossy(&record.payload).into_owned()
}
