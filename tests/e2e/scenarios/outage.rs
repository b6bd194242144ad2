//! The entry's server cannot be reached: the inner hops look broken too, but only the entry is repaired.

use hopkeeper::crd::incident::IncidentPhase;
use jiff::Timestamp;
use serde_json::json;

use super::{LIMIT, World, seconds, until_repaired};
use crate::app;
use crate::chain::phase;
use crate::wait::until;

#[tokio::test]
async fn inner_hops_are_held_as_symptoms_while_the_entry_is_repaired() {
    let world = World::up("outage", |chain| {
        chain["spec"]["recovery"]["ladder"] = json!(["InPlace", "NextCandidate"]);
        // The next candidate of the same server cannot help, and has to be waited for.
        chain["spec"]["recovery"]["verifyWithin"] = json!("25s");
    })
    .await;
    let before = world.chain.state().await;
    let began = Timestamp::now();
    let _fault = world.fault(&["link-down", "entry"]);
    for hop in ["middle", "exit"] {
        let held = world
            .chain
            .until_incident(hop, "is held because of the entry", LIMIT, |i| {
                let cause = i.status.as_ref().and_then(|s| s.cause.clone());
                phase(i) == IncidentPhase::Held && cause.as_deref() == Some("entry")
            })
            .await;
        println!("    {hop}: held as a symptom of entry, by rule {}", held.spec.rule);
    }
    until("the chain's status names the cause", LIMIT, || async {
        let status = world.chain.get().await.status.unwrap_or_default();
        let causes: Vec<_> = status.hops.iter().map(|h| h.cause.clone()).collect();
        if causes.contains(&Some("entry".to_owned())) { Ok(()) } else { Err(format!("{causes:?}")) }
    })
    .await;

    let incident = until_repaired(&world, "entry", began).await;
    let page = app::until_page(&world.chain, incident.spec.last.time.0, LIMIT).await;
    println!(
        "    outage to page: {:.1} s, steps {}",
        seconds(began, page),
        incident.status.unwrap_or_default().steps.len()
    );
    world.chain.until_up(LIMIT).await;
    let after = world.chain.state().await;
    assert_eq!((&after["middle"], &after["exit"]), (&before["middle"], &before["exit"]), "symptoms are left alone");
    assert_ne!(after["entry"].1, before["entry"].1, "the entry has another candidate");
    for incident in world.chain.incidents().await.iter().filter(|i| i.spec.hop != "entry") {
        assert!(incident.status.as_ref().is_none_or(|s| s.steps.is_empty()), "{} took a step", incident.spec.hop);
    }
}
