//! A hop that cannot be repaired uses up its own budget and then a person's time, not the other hops' work.

use hopkeeper::crd::chain::ChainPhase;
use hopkeeper::crd::incident::IncidentPhase;
use serde_json::json;

use super::{LIMIT, World};
use crate::chain::phase;
use crate::wait::until;

#[tokio::test]
async fn repairs_end_with_the_budget_and_a_person_is_called() {
    let world = World::up("budget", |chain| {
        chain["spec"]["recovery"]["budget"] = json!({"actions": 1, "per": "10m"});
    })
    .await;
    let before = world.chain.state().await;
    // One password after the other is refused: the first rotation cannot help, and there is no second one.
    let _first = world.fault(&["revoke-password", "entry", "b"]);
    let _second = world.fault(&["revoke-password", "entry", "a"]);
    let incident = world
        .chain
        .until_incident("entry", "is given to a person", LIMIT, |i| {
            phase(i) == IncidentPhase::Escalated
                && i.status.as_ref().is_some_and(|s| s.reason.as_deref() == Some("BudgetExhausted"))
        })
        .await;
    println!("    {}", incident.status.clone().and_then(|s| s.message).unwrap_or_default());
    until("the chain says that it is held", LIMIT, || async {
        let status = world.chain.get().await.status.unwrap_or_default();
        let held = status.phase == Some(ChainPhase::Held);
        if held { Ok(()) } else { Err(format!("{:?} {:?}", status.phase, status.message)) }
    })
    .await;
    let steps: usize =
        world.chain.incidents().await.iter().map(|i| i.status.as_ref().map_or(0, |s| s.steps.len())).sum();
    assert_eq!(steps, 1, "one step in the whole chain");
    let after = world.chain.state().await;
    assert_eq!(after["entry"].0, before["entry"].0, "the entry's pod is the same");
    assert_eq!((&after["middle"], &after["exit"]), (&before["middle"], &before["exit"]), "the others are left alone");
}
