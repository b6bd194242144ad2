//! The figures: `make bench` prints them. Nothing is asserted about time; machines differ.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use hopkeeper::crd::incident::IncidentPhase;
use hopkeeper::crd::{HopIncident, VpnChain, names};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::json;

use super::{LIMIT, World, percentiles, refuse, seconds, until_repaired};
use crate::app;
use crate::stream::{Shipped, ship};
use crate::wait::until;

/// Hops that exist on paper only, for incidents that nobody acts on.
const PAPER_HOPS: usize = 200;

#[tokio::test]
#[ignore = "a benchmark: make bench"]
async fn bench_record_to_incident() {
    let world = World::up("bench-incident", |chain| chain["spec"]["paused"] = json!(true)).await;
    let applied = Timestamp::now() - SignedDuration::from_mins(10); // Nobody says when a paper client took them.
    let mut uids = HashMap::new();
    for n in 0..PAPER_HOPS {
        let hop = format!("paper-{n}");
        let labels = json!({names::CHAIN: "berlin", names::HOP: hop});
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {
                "name": hop,
                "labels": {names::CHAIN: "berlin", names::HOP: hop, names::CANDIDATE: "a", names::VERSION: "1"},
                "annotations": {names::APPLIED_AT: applied.to_string(), names::REVISION: "0"},
            },
        }))
        .expect("it should be a Secret");
        world.chain.api::<Secret>().create(&PostParams::default(), &secret).await.expect("it should be made");
        let mut pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": hop, "labels": labels},
            "spec": {
                "nodeSelector": {"paper": "only"},
                "containers": [{"name": "vpn", "image": "lab.local/app:1"}],
            },
        }))
        .expect("it should be a pod");
        pod.labels_mut().insert(names::IMPLEMENTATION.to_owned(), "OpenVpn".to_owned());
        let pod = world.chain.api::<Pod>().create(&PostParams::default(), &pod).await.expect("it should be made");
        uids.insert(hop, pod.uid().unwrap_or_default());
    }
    tokio::time::sleep(Duration::from_secs(2)).await; // The operator's watches see them.

    let incidents = watcher(world.chain.api::<HopIncident>(), watcher::Config::default());
    tokio::pin!(incidents);
    let mut times = Vec::new();
    for (hop, uid) in &uids {
        let line = |n: i64| {
            let at = Timestamp::now() + SignedDuration::from_millis(n);
            let refused = "2026-01-01 00:00:00 AUTH: Received control message: AUTH_FAILED";
            Shipped::line(&world.chain.namespace, hop, uid, at, refused)
        };
        ship(&[line(0)]).await;
        ship(&[line(1)]).await;
        let began = Timestamp::now();
        loop {
            match tokio::time::timeout(LIMIT, incidents.next()).await.expect("an incident should come") {
                Some(Ok(Event::Apply(i))) if i.spec.hop == *hop => break,
                Some(_) => {}
                None => panic!("the watch ended"),
            }
        }
        times.push(seconds(began, Timestamp::now()));
    }
    // The first one waited until the new consumer group had read the topic from its beginning.
    times.remove(0);
    percentiles("record in Kafka to HopIncident seen by a watch", times);
    println!("operator memory after {PAPER_HOPS} incidents: {:.1} MiB", world.operator.memory_mib());
}

#[tokio::test]
#[ignore = "a benchmark: make bench"]
async fn bench_repair() {
    let world = World::up("bench-repair", |_| ()).await;
    tokio::time::sleep(Duration::from_secs(15)).await; // The new consumer group reads the topic from its beginning first.
    println!("operator memory, one chain: {:.1} MiB", world.operator.memory_mib());
    for (name, ladder, rounds) in [
        ("in place", json!(["InPlace", "Recreate", "NextCandidate"]), 5),
        ("by recreation", json!(["Recreate", "NextCandidate"]), 3),
    ] {
        let patch = json!({"spec": {"recovery": {"ladder": ladder}}});
        let api = world.chain.api::<VpnChain>();
        api.patch("berlin", &PatchParams::default(), &Patch::Merge(patch)).await.expect("it should be patched");
        until("the chain follows its spec", LIMIT, || async {
            let chain = world.chain.get().await;
            let status = chain.status.unwrap_or_default();
            let follows =
                status.observed_generation == chain.metadata.generation && status.hops_up.as_deref() == Some("3/3");
            if follows { Ok(()) } else { Err(format!("{:?}", status.message)) }
        })
        .await;
        tokio::time::sleep(Duration::from_secs(20)).await; // A ladder without InPlace makes new pods first.
        world.chain.until_up(LIMIT).await;
        let (mut to_step, mut to_page) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let (fault, began) = refuse(&world, "entry").await;
            let incident = until_repaired(&world, "entry", began).await;
            let step = incident.status.unwrap_or_default().steps.swap_remove(0);
            let line = incident.spec.last.time.0;
            to_step.push(seconds(line, step.applied_at.map_or(line, |t| t.0)));
            to_page.push(seconds(line, app::until_page(&world.chain, step.started_at.0, LIMIT).await));
            drop(fault);
            world.chain.until_up(LIMIT).await;
            until("the repair is closed", LIMIT, || async {
                let open = world
                    .chain
                    .incidents()
                    .await
                    .iter()
                    .filter(|i| matches!(crate::chain::phase(i), IncidentPhase::Acting | IncidentPhase::Verifying))
                    .count();
                if open == 0 { Ok(()) } else { Err(format!("{open} open")) }
            })
            .await;
            tokio::time::sleep(Duration::from_secs(16)).await; // The budget's time: a candidate that failed may be used again.
        }
        percentiles(&format!("{name}: log line to parameters written"), to_step);
        percentiles(&format!("{name}: log line to page fetched again"), to_page);
    }
}
