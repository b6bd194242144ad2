//! Rotations that a person orders: done once, answered, and safe to die in.

use super::super::order::{Answer, Answered, close};
use super::*;
use crate::crd::names;

const ENTRY: &str = "rotate.hopkeeper.io/entry";

impl Scene {
    /// A working hop: what was refused once is closed.
    async fn working(candidates: &[(&str, &str)]) -> Self {
        let scene = Self::new(candidates).await;
        let mut old = closed(IncidentPhase::Suppressed, Timestamp::now(), scene.incident());
        // What it accuses is not what these tests are about.
        old.spec.verdict = crate::domain::types::Verdict::Alert;
        scene.server.put(INCIDENT, &old);
        scene.pass().await.unwrap();
        scene.server.forget_requests();
        scene
    }

    async fn working_with_two() -> Self {
        let (a, b) = (profile("203.0.113.1"), profile("203.0.113.2"));
        Self::working(&[("a", &a), ("b", &b)]).await
    }

    /// Orders the hop to leave a candidate.
    fn order(&self, annotation: &str, leave: &str) {
        let mut chain = self.server.get(CHAIN);
        chain["metadata"]["annotations"][annotation] = json!(leave);
        self.server.put(CHAIN, &chain);
    }

    /// The candidate in use as an order names it.
    fn candidate(&self) -> String {
        let candidate = &self.plan()["candidate"];
        format!("{}@{}", candidate["name"].as_str().unwrap(), candidate["version"].as_str().unwrap())
    }

    fn ordered(&self) -> Option<String> {
        self.chain().annotations().get(ENTRY).cloned()
    }

    /// The condition about orders: reason and message.
    fn answer(&self) -> (String, String) {
        let conditions = self.chain().status.unwrap().conditions;
        let condition = conditions.into_iter().find(|c| c.type_ == "RotationObeyed").unwrap();
        (condition.reason, condition.message)
    }
}

#[tokio::test]
async fn an_order_rotates_once_is_answered_and_taken_away() {
    let scene = Scene::working_with_two().await;
    let first = scene.candidate();
    scene.order(ENTRY, &first);
    scene.pass().await.unwrap();
    assert_eq!((scene.used(), scene.secret_writes(), scene.ordered()), (("b".into(), 1), 1, None));
    let expected = format!("hop \"entry\" left candidate {first} as ordered and runs {}", scene.candidate());
    assert_eq!(scene.answer(), ("Obeyed".into(), expected.clone()));
    let events = scene.server.events();
    assert!(events.iter().any(|e| e.contains("RotationObeyed") && e.contains("as ordered")), "{events:?}");
    // The same order again, late: the hop has left that candidate.
    scene.order(ENTRY, &first);
    scene.pass().await.unwrap();
    assert_eq!((scene.used(), scene.secret_writes(), scene.ordered()), (("b".into(), 1), 1, None));
    assert_eq!(scene.answer().1, expected);
    assert!(scene.incident().status.unwrap().steps.is_empty(), "nobody is accused");
}

#[tokio::test]
async fn an_operator_that_dies_before_it_has_answered_does_not_rotate_again() {
    let scene = Scene::working_with_two().await;
    scene.order(ENTRY, &scene.candidate());
    scene.server.fail(Fault { method: "PATCH", path: "/vpnchains/berlin/status", code: 500, reason: "InternalError" });
    assert!(scene.pass().await.is_err());
    assert_eq!((scene.used().0, scene.ordered().is_some()), ("b".into(), true));
    scene.pass().await.unwrap();
    assert_eq!((scene.used(), scene.secret_writes(), scene.ordered()), (("b".into(), 1), 1, None));
    assert_eq!(scene.answer().0, "Obeyed");
}

#[tokio::test]
async fn a_paused_chain_obeys_and_says_that_a_repair_would_not_have_come() {
    let scene = Scene::working_with_two().await;
    let mut chain = scene.chain();
    chain.spec.paused = true;
    scene.server.put(CHAIN, &chain);
    scene.order(ENTRY, &scene.candidate());
    scene.pass().await.unwrap();
    assert_eq!(scene.used().0, "b");
    assert!(
        scene.answer().1.ends_with("; a repair would have been held back: the chain is paused"),
        "{:?}",
        scene.answer()
    );
}

#[tokio::test]
async fn an_order_that_nothing_is_left_for_is_refused_once_and_leaves_the_hop_as_it_is() {
    let a = profile("203.0.113.1");
    let scene = Scene::working(&[("a", &a), ("b", "frobnicate CANARY")]).await;
    scene.order(ENTRY, &scene.candidate());
    scene.pass().await.unwrap();
    assert_eq!((scene.used(), scene.secret_writes(), scene.ordered()), (("a".into(), 0), 0, None));
    let (reason, message) = scene.answer();
    assert!(
        reason == "Refused" && message.contains("keeps candidate a@") && message.contains("2 in all, 1 of them"),
        "{message}"
    );
    assert!(!format!("{message}{:?}", scene.server.events()).contains("CANARY"));
}

#[tokio::test]
async fn an_order_waits_for_a_pool_that_cannot_be_read() {
    let scene = Scene::working_with_two().await;
    scene.order(ENTRY, &scene.candidate());
    scene.server.fail(Fault { method: "GET", path: "/secrets/entry-pool", code: 500, reason: "InternalError" });
    scene.pass().await.unwrap();
    assert_eq!((scene.used().0, scene.ordered().is_some(), scene.answer().0), ("a".into(), true, "Waiting".into()));
    scene.pass().await.unwrap();
    assert_eq!((scene.used().0, scene.ordered(), scene.answer().0), ("b".into(), None, "Obeyed".into()));
}

#[tokio::test]
async fn an_order_that_meets_a_repair_lets_it_end_and_is_obeyed_by_it() {
    let scene = Scene::two_candidates().await;
    scene.order(ENTRY, &scene.candidate());
    // The refused candidate is rotated by its incident: then the hop has left it.
    scene.pass().await.unwrap();
    scene.pass().await.unwrap();
    assert_eq!((scene.used(), scene.secret_writes(), scene.ordered()), (("b".into(), 1), 1, None));
}

#[tokio::test]
async fn an_order_for_a_hop_that_the_chain_has_not_is_refused() {
    let scene = Scene::working_with_two().await;
    scene.order("rotate.hopkeeper.io/nowhere", "a@1");
    scene.pass().await.unwrap();
    assert_eq!(scene.answer(), ("Refused".into(), "the chain has no hop \"nowhere\" that could be rotated".into()));
    assert!(!scene.chain().annotations().keys().any(|name| name.starts_with(names::ROTATE)));
}

#[tokio::test]
async fn an_order_that_was_changed_since_is_not_taken_away() {
    let scene = Scene::working_with_two().await;
    scene.order(ENTRY, "new@2");
    let chain = scene.chain();
    let old = Answered { hop: "entry".into(), leave: "old@1".into(), answer: Answer::Obeyed, message: String::new() };
    close(&validate(&chain).unwrap(), &[old], &scene.ctx).await.unwrap();
    assert_eq!(scene.ordered().as_deref(), Some("new@2"));
}

#[tokio::test]
async fn a_deposed_leader_obeys_nothing_that_its_successor_has_obeyed() {
    let scene = Scene::working_with_two().await;
    scene.order(ENTRY, &scene.candidate());
    let chain = scene.chain();
    let valid = validate(&chain).unwrap();
    let mut old = observe::observe(&scene.ctx.client, "demo", "berlin").await.unwrap();
    keep_up(&chain, &context(scene.server.client(), &prometheus::Registry::new())).await.unwrap();
    let after = scene.used();
    let judged = order::obey(&valid, &mut old, &mut recover::Outcome::default(), &scene.ctx).await;
    assert!(matches!(judged, Err(error) if error.category() == "conflict"));
    assert_eq!((scene.used(), scene.secret_writes()), (after, 1));
}
