//! A hop whose server refuses its candidate gets another one, in place, and nobody else is touched.

use std::time::Duration;

use hopkeeper::crd::incident::IncidentPhase;
use jiff::Timestamp;

use super::{World, seconds};
use crate::app;
use crate::chain::phase;
use crate::lab::Fault;

const LIMIT: Duration = Duration::from_secs(120);

/// Breaks `hop` by `fault`; it must be healed in its running pod, and the other hops left as they are.
async fn heals_in_place(world: &World, hop: &str, fault: &[&str]) {
    let before = world.chain.state().await;
    let began = Timestamp::now();
    let _fault = Fault::new(fault);
    let broken = app::until_down(&world.chain, began, LIMIT).await;
    let incident = world
        .chain
        .until_incident(hop, "is Recovered by a step", LIMIT, |i| {
            let status = i.status.clone().unwrap_or_default();
            phase(i) == IncidentPhase::Recovered && !status.steps.is_empty() && i.spec.last.time.0 > began
        })
        .await;
    let status = incident.status.clone().unwrap_or_default();
    let step = &status.steps[0];
    let page = app::until_page(&world.chain, step.started_at.0, LIMIT).await;
    let applied = step.applied_at.as_ref().map_or(step.started_at.0, |t| t.0);
    println!(
        "    {hop}: rule {}, fault to line {:.2} s, line to reload begun {:.2} s, line to page {:.2} s, outage {:.2} s",
        incident.spec.rule,
        seconds(began, incident.spec.last.time.0),
        seconds(incident.spec.last.time.0, applied),
        seconds(incident.spec.last.time.0, page),
        seconds(broken, page),
    );
    world.chain.until_up(LIMIT).await;
    let after = world.chain.state().await;
    for (name, (uid, candidate)) in &before {
        assert_eq!(&after[name].0, uid, "{name} has a new pod");
        assert_eq!(&after[name].1 != candidate, name == hop, "{name}: {candidate} became {}", after[name].1);
    }
    assert_eq!(status.steps.len(), 1, "one step, one rotation");
}

#[tokio::test]
async fn each_hop_heals_in_place_when_its_server_refuses_it() {
    let world = World::up("rotation", |_| ()).await;
    heals_in_place(&world, "entry", &["revoke-password", "entry", "a"]).await;
    heals_in_place(&world, "middle", &["replace-peer-key", "middle", "a"]).await;
    heals_in_place(&world, "exit", &["revoke-cert", "exit", "a"]).await;
    println!("    operator memory: {:.1} MiB", world.operator.memory_mib());
}
