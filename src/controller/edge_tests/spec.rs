//! The spec changes in the middle of a step, or together with an order.

use super::*;
use crate::crd::names;

impl Scene {
    /// Changes the chain's spec.
    fn change(&self, change: impl FnOnce(&mut Value)) {
        let mut chain = self.server.get(CHAIN);
        change(&mut chain["spec"]);
        chain["metadata"]["generation"] = 2.into();
        self.server.put(CHAIN, &chain);
    }

    fn recreate(&self) -> String {
        let secret: Secret = serde_json::from_value(self.server.get(SECRET)).unwrap();
        secret.annotations()[names::RECREATE].clone()
    }
}

/// Its step was recorded, and nothing written.
async fn recorded(scene: &Scene) {
    scene.server.fail(Fault { method: "PUT", path: "/secrets/berlin-entry-parameters", code: 409, reason: "Conflict" });
    assert!(is_conflict(&scene.pass().await));
    assert_eq!((scene.used(), scene.recovery()), (("a".into(), 0), (IncidentPhase::Acting, 1)));
}

#[tokio::test]
async fn a_step_that_keeps_a_candidate_of_another_client_waits_for_one_of_this() {
    let scene = Scene::two_candidates().await;
    let mut restart = scene.incident();
    restart.spec.verdict = crate::domain::types::Verdict::Restart;
    scene.server.put(INCIDENT, &restart);
    recorded(&scene).await;
    scene.change(|spec| {
        spec["hops"][0]["client"] = "WireGuard".into();
        spec["hops"][0]["parameters"] = json!({"secretRef": {"name": "wg-pool"}});
    });
    for _ in 0..2 {
        scene.pass().await.unwrap();
        assert_eq!(scene.used().0, "a", "the pool is not there yet");
    }
    scene
        .server
        .put("/api/v1/namespaces/demo/secrets/wg-pool", &pool("wg-pool", "1", &[("w", &wireguard("203.0.113.9"))]));
    for _ in 0..2 {
        scene.pass().await.unwrap();
    }
    assert_eq!(scene.used().0, "w");
}

#[tokio::test]
async fn a_write_on_other_addresses_makes_the_pod_anew_whoever_writes_first() {
    let elsewhere = |scene: &Scene| scene.change(|spec| spec["gateway"]["cidr"] = "10.200.9.0/24".into());
    let scene = Scene::two_candidates().await;
    recorded(&scene).await;
    elsewhere(&scene);
    scene.pass().await.unwrap();
    assert_eq!((scene.used().0, scene.recreate()), ("b".into(), "1".into()), "by a step");

    let scene = Scene::two_candidates().await;
    scene.server.put(INCIDENT, &closed(IncidentPhase::Suppressed, Timestamp::now(), scene.incident()));
    let leave = format!("a@{}", scene.plan()["candidate"]["version"].as_str().unwrap());
    let mut chain = scene.server.get(CHAIN);
    chain["metadata"]["annotations"]["rotate.hopkeeper.io/entry"] = leave.into();
    scene.server.put(CHAIN, &chain);
    elsewhere(&scene);
    scene.pass().await.unwrap();
    assert_eq!((scene.used().0, scene.recreate()), ("b".into(), "1".into()), "by an order");
}

#[tokio::test]
async fn what_somebody_else_has_by_the_same_name_is_left_alone_and_told() {
    let scene = Scene::two_candidates().await;
    let path = "/apis/networking.k8s.io/v1/namespaces/demo/networkpolicies/berlin-entry";
    let mut theirs = scene.server.get(path);
    theirs["metadata"]["labels"] = json!({});
    scene.server.put(path, &theirs);
    theirs = scene.server.get(path);
    let error = scene.pass().await.unwrap_err();
    assert_eq!(error.category(), "taken", "{error}");
    assert!(error.to_string().starts_with("NetworkPolicy \"berlin-entry\" is there"), "{error}");
    assert_eq!(scene.server.get(path), theirs);
}
