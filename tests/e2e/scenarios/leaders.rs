//! The lease is not what makes it safe: operators that all believe to lead repair once, and then leave everything alone.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hopkeeper::crd::incident::IncidentPhase;
use serde_json::Value;

use super::crash::repaired_once;
use super::{LIMIT, World, refuse};
use crate::chain::{describe, kubectl, phase};
use crate::operator::Start;
use crate::wait::{until, until_every};

#[tokio::test]
async fn operators_that_all_believe_to_lead_rotate_once_and_then_write_nothing() {
    let mut world = World::up("leaders", |_| ()).await;
    // Each is told beside its own lease what others read: both would miss what the other one hears.
    world.start.silent_after = "0";
    // It stays behind the record of its step for long enough to be suspended there: what it knows grows old meanwhile.
    world.start.failpoints = "recover::recorded=1*sleep(10000)".to_owned();
    world.restart_operator().await;
    let refused = || world.operator.metric("hopkeeper_reconcile_errors_total", "conflict");
    let refused_before = refused().await;
    let before = world.chain.candidate("entry").await;
    let (fault, began) = refuse(&world, "entry").await;
    until("the first leader has recorded its step", LIMIT, || async {
        let incidents = world.chain.incidents().await;
        let recorded = incidents.iter().any(|i| phase(i) == IncidentPhase::Acting && i.spec.last.time.0 > began);
        if recorded { Ok(()) } else { Err(describe(&incidents)) }
    })
    .await;
    world.operator.suspend();
    assert_eq!(world.chain.candidate("entry").await, before, "nothing is written yet");

    // A lease elsewhere, as after a split of the network: both lead.
    let second = Start { failpoints: String::new(), lease_namespace: "default".to_owned(), ..world.start.clone() };
    let second = second.start().await;
    repaired_once(&world, began, &before).await;
    world.operator.resume();
    until("the first leader wakes up and its write is refused", LIMIT, || async {
        let now = refused().await;
        if now > refused_before { Ok(()) } else { Err(format!("{now} refused")) }
    })
    .await;
    repaired_once(&world, began, &before).await;
    drop(fault);

    // Both awake, both at it at once.
    let before = world.chain.candidate("entry").await;
    let (fault, began) = refuse(&world, "entry").await;
    repaired_once(&world, began, &before).await;
    drop(fault);
    world.chain.until_up(LIMIT).await;
    println!(
        "    writes refused: {} of the first leader, {} of the second",
        refused().await,
        second.metric("hopkeeper_reconcile_errors_total", "conflict").await
    );

    // No more faults: symptoms close, and then nobody writes. The poll of the pools alone comes by five times in that time.
    let quiet = Duration::from_secs(15);
    let last = RefCell::new((versions(&world), Instant::now()));
    until_every(Duration::from_secs(1), "every incident is closed, and nothing is written for 15 s", LIMIT, || async {
        let incidents = world.chain.incidents().await;
        let open = incidents.iter().filter(|i| !phase(i).is_closed()).count();
        let now = versions(&world);
        let (before, since) = &mut *last.borrow_mut();
        let changed: Vec<_> = now.iter().filter(|(name, version)| before.get(*name) != Some(version)).collect();
        if now != *before || open > 0 {
            let seen = format!("{open} incidents open, written: {changed:?}");
            (*before, *since) = (now, Instant::now());
            return Err(seen);
        }
        if since.elapsed() >= quiet { Ok(()) } else { Err(format!("quiet for {:?}", since.elapsed())) }
    })
    .await;
    let seen = last.borrow().0.len();
    assert!(seen > 15, "the chain's objects should be seen: {seen}");
    println!("    {seen} objects: no write in 15 s");
}

/// The resourceVersion of everything that the operator writes in the chain's namespace.
fn versions(world: &World) -> BTreeMap<String, String> {
    let kinds =
        "vpnchains,hopincidents,deployments,secrets,configmaps,networkpolicies,network-attachment-definitions,events";
    let text = kubectl(&["-n", &world.chain.namespace, "get", kinds, "-o", "json"]);
    let list: Value = serde_json::from_str(&text).expect("kubectl should print JSON");
    let items = list["items"].as_array().expect("it should be a list");
    // Other components' Events come and go by themselves.
    let ours = |item: &&Value| item["kind"] != "Event" || item["reportingComponent"] == "hopkeeper";
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    items
        .iter()
        .filter(ours)
        .map(|item| {
            (format!("{} {}", item["kind"], item["metadata"]["name"]), text(&item["metadata"]["resourceVersion"]))
        })
        .collect()
}
