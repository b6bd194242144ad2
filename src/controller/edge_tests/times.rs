//! What an incident records of its times.

use super::*;

#[tokio::test]
async fn since_when_an_incident_was_held_stays_known_after_its_repair_has_begun() {
    let scene = Scene::two_candidates().await;
    let pause = |paused: bool| {
        let mut chain = scene.chain();
        chain.spec.paused = paused;
        scene.server.put(CHAIN, &chain);
    };
    let since = || scene.incident().status.and_then(|status| status.held_since);
    pause(true);
    scene.pass().await.unwrap();
    let held = since().expect("should be known: the chain is paused");
    assert_eq!(scene.recovery(), (IncidentPhase::Held, 0));
    scene.pass().await.unwrap();
    assert_eq!(since().as_ref(), Some(&held), "it is held for the same time");
    pause(false);
    scene.pass().await.unwrap();
    assert_eq!(scene.recovery(), (IncidentPhase::Verifying, 1));
    assert_eq!(since(), Some(held));
}

#[tokio::test]
async fn an_incident_that_is_acted_on_at_once_was_never_held() {
    let scene = Scene::two_candidates().await;
    scene.pass().await.unwrap();
    assert_eq!(scene.recovery(), (IncidentPhase::Verifying, 1));
    assert_eq!(scene.incident().status.unwrap().held_since, None);
}
