//! The NetworkPolicy around the entry hop, which comes into force some time after it was written.

use super::*;

const POLICY: &str = "/apis/networking.k8s.io/v1/namespaces/demo/networkpolicies/berlin-entry";

/// The servers that the policy lets the hop reach.
fn opened(scene: &Scene) -> Vec<String> {
    let policy = scene.server.get(POLICY);
    let server = |rule: &Value| rule["to"][0]["ipBlock"]["cidr"].as_str().unwrap().to_owned();
    policy["spec"]["egress"].as_array().unwrap().iter().map(server).collect()
}

#[tokio::test]
async fn it_is_open_beforehand_for_the_candidates_that_come_next() {
    let profiles = [1, 2, 3, 4].map(|last| profile(&format!("203.0.113.{last}")));
    let candidates = ["a", "b", "c", "d"].into_iter().zip(profiles.iter().map(String::as_str));
    let mut scene = Scene::new(&candidates.collect::<Vec<_>>()).await;
    let servers = |last: &[u8]| last.iter().map(|last| format!("203.0.113.{last}/32")).collect::<Vec<_>>();
    assert_eq!(opened(&scene), servers(&[1, 2, 3]));
    scene.pass().await.unwrap();
    assert_eq!(scene.used(), ("b".into(), 1));
    assert_eq!(opened(&scene), servers(&[2, 3]), "what failed is shut again");
    // The pool is asked again, once no repair is under way.
    scene.ctx.settings.parameters_poll = Duration::ZERO;
    scene.server.put(POD, &pod("entry", true, Timestamp::now() + SignedDuration::from_secs(2)));
    scene.pass().await.unwrap();
    scene.pass().await.unwrap();
    assert_eq!((opened(&scene), scene.used().0), (servers(&[2, 3, 4]), "b".into()));
}

#[tokio::test]
async fn it_stays_open_for_them_while_the_pool_cannot_be_read() {
    let mut scene = Scene::two_candidates().await;
    let before = opened(&scene);
    assert_eq!(before.len(), 2);
    scene.server.remove(INCIDENT);
    scene.server.remove("/api/v1/namespaces/demo/secrets/entry-pool");
    scene.ctx.settings.parameters_poll = Duration::from_secs(1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.pass().await.unwrap();
    assert_eq!(opened(&scene), before);
}
