//! Servers' names: another address, and a name service that does not answer.

use std::net::Ipv4Addr;

use super::*;
use crate::controller::lookup::NoAnswer;
use crate::domain::types::Verdict;

fn first(_: &str) -> Result<Vec<Ipv4Addr>, NoAnswer> {
    Ok(vec![[203, 0, 113, 1].into()])
}

fn moved(_: &str) -> Result<Vec<Ipv4Addr>, NoAnswer> {
    Ok(vec![[203, 0, 113, 2].into()])
}

fn mute(_: &str) -> Result<Vec<Ipv4Addr>, NoAnswer> {
    Err(NoAnswer)
}

impl Scene {
    /// Candidates whose servers have names, on the first address.
    async fn of_names(names: &[&str], verdict: Verdict) -> Self {
        let profiles: Vec<_> = names.iter().map(|name| (*name, profile(&format!("{name}.example")))).collect();
        let candidates: Vec<_> = profiles.iter().map(|(name, profile)| (*name, profile.as_str())).collect();
        let scene = Self::with_lookup(&candidates, first).await;
        let mut incident = scene.incident();
        incident.spec.verdict = verdict;
        scene.server.put(INCIDENT, &incident);
        scene
    }

    fn server_of_plan(&self) -> String {
        self.plan()["endpoints"][0]["ip"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_restart_looks_up_where_the_server_is_now() {
    let mut scene = Scene::of_names(&["a"], Verdict::Restart).await;
    assert_eq!(scene.server_of_plan(), "203.0.113.1");
    scene.ctx.lookup = moved;
    scene.pass().await.unwrap();
    assert_eq!((scene.used(), scene.server_of_plan()), (("a".into(), 1), "203.0.113.2".into()));
}

#[tokio::test]
async fn a_restart_makes_do_with_the_address_that_it_has() {
    let mut scene = Scene::of_names(&["a"], Verdict::Restart).await;
    scene.ctx.lookup = mute;
    scene.pass().await.unwrap();
    assert_eq!((scene.used(), scene.server_of_plan()), (("a".into(), 1), "203.0.113.1".into()));
}

#[tokio::test]
async fn a_rotation_waits_for_the_name_service() {
    let mut scene = Scene::of_names(&["a", "b"], Verdict::Rotate).await;
    scene.ctx.lookup = mute;
    for _ in 0..2 {
        scene.pass().await.unwrap();
        assert_eq!((scene.used().0, scene.recovery()), ("a".into(), (IncidentPhase::Detected, 0)));
    }
    let status = scene.chain().status.unwrap();
    assert!(status.skipped_candidates.is_empty(), "{:?}", status.skipped_candidates);
    scene.ctx.lookup = first;
    scene.pass().await.unwrap();
    assert_eq!((scene.used().0, scene.recovery()), ("b".into(), (IncidentPhase::Verifying, 1)));
}

#[tokio::test]
async fn a_step_that_was_begun_waits_for_the_name_service() {
    let mut scene = Scene::of_names(&["a", "b"], Verdict::Rotate).await;
    scene.server.fail(Fault { method: "PUT", path: "/secrets/berlin-entry-parameters", code: 409, reason: "Conflict" });
    assert!(is_conflict(&scene.pass().await));
    scene.ctx.lookup = mute;
    scene.pass().await.unwrap();
    assert_eq!((scene.used().0, scene.recovery()), ("a".into(), (IncidentPhase::Acting, 1)));
    scene.ctx.lookup = first;
    scene.pass().await.unwrap();
    assert_eq!((scene.used().0, scene.recovery()), ("b".into(), (IncidentPhase::Verifying, 1)));
}
