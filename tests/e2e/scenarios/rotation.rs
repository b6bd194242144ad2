//! A hop whose server refuses its candidate gets another one, in place or in a new pod, and nobody else is touched.

use hopkeeper::crd::incident::StepAction;
use jiff::Timestamp;
use serde_json::json;

use super::{LIMIT, World, seconds, until_repaired};
use crate::app;
use crate::chain::{Chain, describe};
use crate::lab::Fault;

/// Breaks `hop` by `fault`; it must be healed by one step, and the other hops left as they are.
pub(super) async fn heals(world: &impl AsRef<Chain>, hop: &str, fault: &[&str], by: StepAction) {
    let chain = world.as_ref();
    chain.until_all_closed(LIMIT).await;
    let before = chain.state().await;
    let began = Timestamp::now();
    let _fault = Fault::new(chain.lane, fault);
    let broken = app::until_down(chain, began, LIMIT).await;
    let incident = until_repaired(world, hop, began).await;
    let status = incident.status.clone().unwrap_or_default();
    let step = &status.steps[0];
    let page = app::until_page(chain, broken.max(step.started_at.0), LIMIT).await;
    let (line, applied) = (incident.spec.last.time.0, step.applied_at.as_ref().map_or(step.started_at.0, |t| t.0));
    println!(
        "    {hop} {by:?}: rule {}; fault to line {:.2} s, line to step {:.2} s, line to page {:.2} s, outage {:.2} s",
        incident.spec.rule,
        seconds(began, line),
        seconds(line, applied),
        seconds(line, page),
        seconds(broken, page),
    );
    chain.until_up(LIMIT).await;
    let after = chain.state().await;
    let story = describe(&chain.incidents().await);
    let new_pod = by == StepAction::RotateAndRecreate;
    for (name, (uid, candidate)) in &before {
        let (uid_after, candidate_after) = &after[name];
        assert_eq!(uid_after != uid, name == hop && new_pod, "{name}: pod {uid} became {uid_after}; {story}");
        assert_eq!(candidate_after != candidate, name == hop, "{name}: {candidate} became {candidate_after}; {story}");
    }
    assert_eq!(status.steps.len(), 1, "one step, one rotation; {story}");
    assert_eq!(step.action, by);
}

#[tokio::test]
async fn each_hop_heals_in_place_when_its_server_refuses_it() {
    let world = World::up("rotation", |_| ()).await;
    let by = StepAction::RotateInPlace;
    heals(&world, "entry", &["revoke-password", "entry", "a"], by).await;
    heals(&world, "middle", &["replace-peer-key", "middle", "a"], by).await;
    heals(&world, "exit", &["revoke-cert", "exit", "a"], by).await;
    println!("    operator memory: {:.1} MiB", world.operator.memory_mib());
}

#[tokio::test]
async fn each_hop_heals_in_a_new_pod_when_in_place_is_left_out() {
    let world =
        World::up("recreate", |chain| chain["spec"]["recovery"]["ladder"] = json!(["Recreate", "NextCandidate"])).await;
    let by = StepAction::RotateAndRecreate;
    heals(&world, "entry", &["revoke-password", "entry", "a"], by).await;
    heals(&world, "middle", &["replace-peer-key", "middle", "a"], by).await;
    heals(&world, "exit", &["expire-cert", "exit", "a"], by).await;
}

#[tokio::test]
async fn a_hop_that_does_not_come_up_in_place_gets_a_new_pod_and_then_the_next_candidate() {
    // Two steps that cannot help have to be waited for.
    let world = World::up("ladder", |chain| chain["spec"]["recovery"]["verifyWithin"] = json!("25s")).await;
    let before = world.chain.state().await;
    let began = Timestamp::now();
    // Both candidates of the first server are refused without a word: only the third one works.
    let _first = world.fault(&["revoke-cert", "exit", "b"]);
    let _second = world.fault(&["revoke-cert", "exit", "a"]);
    let incident = until_repaired(&world, "exit", began).await;
    let actions: Vec<_> = incident.status.unwrap_or_default().steps.iter().map(|s| s.action).collect();
    assert_eq!(actions, [StepAction::RotateInPlace, StepAction::Recreate, StepAction::RotateInPlace]);
    let after = world.chain.state().await;
    assert_ne!(after["exit"].0, before["exit"].0, "the exit hop has a new pod");
    assert_eq!(world.chain.candidate_name("exit").await, "c");
    assert_eq!((&after["entry"], &after["middle"]), (&before["entry"], &before["middle"]));
}

#[tokio::test]
async fn a_new_version_of_the_candidate_in_use_is_taken_without_a_failure() {
    let world = World::up("version", |_| ()).await;
    let before = world.chain.state().await;
    let began = Timestamp::now();
    let secret = format!("vpn/{}/a", world.chain.lane.name("entry"));
    let stored = crate::lab::bao(&["kv", "get", "-mount=secret", "-format=json", &secret]);
    let stored: serde_json::Value = serde_json::from_str(&stored).expect("it should be JSON");
    let mut fields = stored["data"]["data"].clone();
    let profile = fields["profile"].as_str().unwrap_or_default().to_owned();
    fields["profile"] = json!(profile.clone() + "\nreneg-sec 3601\n");
    crate::lab::bao_put(&secret, &fields);
    crate::wait::until("the hop runs with the new version", LIMIT, || async {
        let now = world.chain.candidate("entry").await;
        if now != before["entry"].1 && now.starts_with("a@") { Ok(()) } else { Err(now) }
    })
    .await;
    let page = app::until_page(&world.chain, Timestamp::now(), LIMIT).await;
    println!("    new version: seen and page fetched again after {:.1} s", seconds(began, page));
    world.chain.until_up(LIMIT).await;
    let after = world.chain.state().await;
    assert_eq!(after["entry"].0, before["entry"].0, "the pod is the same");
    assert_eq!((&after["middle"], &after["exit"]), (&before["middle"], &before["exit"]));
    assert!(world.chain.incidents().await.iter().all(|i| i.status.as_ref().is_none_or(|s| s.steps.is_empty())));
}
