//! The reconciler against an API server that refuses writes: what was judged on an old view is never written, and what
//! was begun is finished once.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::events::{Recorder, Reporter};
use serde_json::{Value, json};

use self::api_server::{ApiServer, Fault};
use super::desired::NUDGE_AGAIN;
use super::testing::{berlin, closed, incident, pod, pool, profile, wireguard};
use super::validate::validate;
use super::*;
use crate::crd::incident::IncidentPhase;
use crate::documents::{Buffer, Names};
use crate::internal_event::documents::DocumentMetrics;

pub(crate) mod api_server;
mod delivery;
mod metrics;
mod orders;
mod pools;
mod servers;
mod spec;
mod times;
#[cfg(feature = "otlp")]
mod traces;
mod wall;

const POD: &str = "/api/v1/namespaces/demo/pods/berlin-entry-0";
const SECRET: &str = "/api/v1/namespaces/demo/secrets/berlin-entry-parameters";
const INCIDENT: &str = "/apis/hopkeeper.io/v1alpha1/namespaces/demo/hopincidents/x";
const CHAIN: &str = "/apis/hopkeeper.io/v1alpha1/namespaces/demo/vpnchains/berlin";

/// A chain of one hop, up with candidate `a`, whose server has just refused that candidate.
struct Scene {
    server: ApiServer,
    registry: prometheus::Registry,
    ctx: Context,
}

fn context(client: kube::Client, registry: &prometheus::Registry) -> Context {
    let image = || "example/image:1".to_owned();
    let images = build::Images {
        hopkeeper: image(),
        openvpn: image(),
        boringtun: image(),
        wireguard_go: image(),
        health: image(),
    };
    let settings = Settings {
        pods: build::PodSettings { images, tun: build::TunDevice::HostPath },
        namespace: None,
        parameters_poll: Duration::from_secs(3600),
        pool_retry: Duration::from_secs(2),
        keep_incidents: 50,
        concurrency: 1,
    };
    let reporter = Reporter { controller: "hopkeeper".into(), instance: None };
    let metrics = Arc::new(ControllerMetrics::register(registry).unwrap());
    Context::new(client.clone(), None, settings, Recorder::new(client, reporter), metrics)
}

impl Scene {
    async fn new(candidates: &[(&str, &str)]) -> Self {
        Self::with_lookup(candidates, lookup::system).await
    }

    async fn with_lookup(candidates: &[(&str, &str)], lookup: lookup::Lookup) -> Self {
        let server = ApiServer::start().await;
        let mut chain = berlin();
        chain.spec.hops.truncate(1);
        server.put(CHAIN, &chain);
        server.put("/api/v1/namespaces/demo/secrets/entry-pool", &pool("entry-pool", "1", candidates));
        let registry = prometheus::Registry::new();
        let ctx = Context { lookup, ..context(server.client(), &registry) };
        let scene = Self { ctx, server, registry };
        scene.pass().await.unwrap();
        let long_ago = Timestamp::now() - SignedDuration::from_hours(1);
        scene.server.put(POD, &pod("entry", true, long_ago));
        scene.pass().await.unwrap();
        let mut refused = incident("x", "entry", Timestamp::now());
        refused.spec.candidate = serde_json::from_value(scene.plan()["candidate"].clone()).unwrap();
        scene.server.put(INCIDENT, &refused);
        scene.server.forget_requests();
        scene
    }

    async fn two_candidates() -> Self {
        let (a, b) = (profile("203.0.113.1"), profile("203.0.113.2"));
        Self::new(&[("a", &a), ("b", &b)]).await
    }

    fn chain(&self) -> VpnChain {
        serde_json::from_value(self.server.get(CHAIN)).unwrap()
    }

    async fn pass(&self) -> Result<Action, Error> {
        keep_up(&self.chain(), &self.ctx).await
    }

    fn plan(&self) -> Value {
        let secret: Secret = serde_json::from_value(self.server.get(SECRET)).unwrap();
        serde_json::from_slice(&secret.data.unwrap()["hop.json"].0).unwrap()
    }

    /// The candidate in use and its revision.
    fn used(&self) -> (String, u64) {
        let plan = self.plan();
        (plan["candidate"]["name"].as_str().unwrap().to_owned(), plan["revision"].as_u64().unwrap())
    }

    fn incident(&self) -> HopIncident {
        serde_json::from_value(self.server.get(INCIDENT)).unwrap()
    }

    /// The incident's phase and how many steps it records.
    fn recovery(&self) -> (IncidentPhase, usize) {
        self.incident().status.map(|s| (s.phase, s.steps.len())).unwrap_or_default()
    }

    fn secret_writes(&self) -> usize {
        self.server.written().iter().filter(|line| line.contains("/secrets/")).count()
    }
}

fn is_conflict(result: &Result<Action, Error>) -> bool {
    matches!(result, Err(error) if error.category() == "conflict")
}

#[tokio::test]
async fn a_refused_candidate_is_rotated_once_and_a_second_pass_writes_nothing() {
    let scene = Scene::two_candidates().await;
    scene.pass().await.unwrap();
    assert_eq!((scene.used(), scene.recovery()), (("b".into(), 1), (IncidentPhase::Verifying, 1)));
    assert_eq!(scene.secret_writes(), 1);
    // The first pass after a change may still write the chain's status.
    scene.pass().await.unwrap();
    scene.server.forget_requests();
    for _ in 0..3 {
        scene.pass().await.unwrap();
    }
    assert_eq!(scene.server.written(), [""; 0]);
}

#[tokio::test]
async fn the_kubelet_is_reminded_of_a_secret_every_ten_seconds_until_the_hop_is_up() {
    let scene = Scene::two_candidates().await;
    scene.pass().await.unwrap();
    // The last nudge, when the next look is, and how many a second look makes.
    let nudged_after = async |seconds: i64| {
        let mut secret: Secret = serde_json::from_value(scene.server.get(SECRET)).unwrap();
        let written = Timestamp::now() - SignedDuration::from_secs(seconds);
        secret.annotations_mut().insert(names::APPLIED_AT.into(), written.to_string());
        scene.server.put(SECRET, &secret);
        let woken = scene.pass().await.unwrap();
        scene.server.forget_requests();
        scene.pass().await.unwrap();
        let again = scene.server.written().iter().filter(|line| line.contains("/pods/")).count();
        let nudge =
            scene.server.get(POD)["metadata"]["annotations"][names::NUDGE].as_str().unwrap_or_default().to_owned();
        (nudge.split_once('.').map(|(_, number)| number.to_owned()), woken == Action::requeue(NUDGE_AGAIN), again)
    };
    assert_eq!(nudged_after(0).await, (Some("0".into()), true, 0));
    assert_eq!(nudged_after(12).await, (Some("1".into()), true, 0));
    assert_eq!(nudged_after(23).await, (Some("2".into()), true, 0));
    let since = Timestamp::now() - SignedDuration::from_secs(20);
    scene.server.put(POD, &pod("entry", true, since));
    assert_eq!(nudged_after(33).await, (None, false, 0), "it has come up");
}

#[tokio::test]
async fn a_conflict_on_the_incident_means_that_no_secret_is_written() {
    let scene = Scene::two_candidates().await;
    scene.server.fail(Fault { method: "PUT", path: "/hopincidents/x/status", code: 409, reason: "Conflict" });
    assert!(is_conflict(&scene.pass().await));
    assert_eq!((scene.used(), scene.recovery()), (("a".into(), 0), (IncidentPhase::Detected, 0)));
    assert_eq!(scene.server.written(), [""; 0]);
    scene.pass().await.unwrap();
    assert_eq!((scene.used(), scene.recovery()), (("b".into(), 1), (IncidentPhase::Verifying, 1)));
}

#[tokio::test]
async fn a_conflict_on_the_secret_leaves_the_step_recorded_and_the_next_pass_takes_it_once() {
    let scene = Scene::two_candidates().await;
    scene.server.fail(Fault { method: "PUT", path: SECRET, code: 409, reason: "Conflict" });
    assert!(is_conflict(&scene.pass().await));
    assert_eq!((scene.used(), scene.recovery()), (("a".into(), 0), (IncidentPhase::Acting, 1)));
    for _ in 0..3 {
        scene.pass().await.unwrap();
        assert_eq!((scene.used(), scene.recovery()), (("b".into(), 1), (IncidentPhase::Verifying, 1)));
    }
    assert_eq!(scene.secret_writes(), 1);
}

#[tokio::test]
async fn a_process_that_dies_after_the_secret_was_written_repeats_no_write_of_it() {
    let scene = Scene::two_candidates().await;
    // The second status write, which says that the step is done, is lost: as if killed before it.
    scene
        .server
        .fail_after(1, Fault { method: "PUT", path: "/hopincidents/x/status", code: 500, reason: "InternalError" });
    assert!(scene.pass().await.is_err());
    assert_eq!((scene.used(), scene.recovery()), (("b".into(), 1), (IncidentPhase::Acting, 1)));
    scene.pass().await.unwrap();
    assert_eq!((scene.used(), scene.recovery()), (("b".into(), 1), (IncidentPhase::Verifying, 1)));
    assert_eq!(scene.secret_writes(), 1);
}

#[tokio::test]
async fn a_deposed_leader_that_judged_an_old_view_changes_nothing() {
    let scene = Scene::two_candidates().await;
    let chain = scene.chain();
    let valid = validate(&chain).unwrap();
    let mut old = observe::observe(&scene.ctx.client, "demo", "berlin").await.unwrap();
    let successor = context(scene.server.client(), &prometheus::Registry::new());
    keep_up(&chain, &successor).await.unwrap();
    let after = (scene.used(), scene.recovery());
    scene.server.forget_requests();

    let judged = recover::recover(&valid, &mut old, &scene.ctx).await;
    assert!(matches!(judged, Err(error) if error.category() == "conflict"));
    assert_eq!((scene.server.written(), scene.used(), scene.recovery()), (vec![], after.0, after.1));
}

#[tokio::test]
async fn a_secret_that_somebody_wrote_since_is_not_overwritten() {
    let scene = Scene::two_candidates().await;
    let chain = scene.chain();
    let valid = validate(&chain).unwrap();
    let mut old = observe::observe(&scene.ctx.client, "demo", "berlin").await.unwrap();
    let mut touched = scene.server.get(SECRET);
    touched["metadata"]["annotations"]["someone"] = json!("was here");
    scene.server.put(SECRET, &touched);
    let judged = recover::recover(&valid, &mut old, &scene.ctx).await;
    assert!(matches!(judged, Err(error) if error.category() == "conflict"));
    assert_eq!((scene.used(), scene.recovery()), (("a".into(), 0), (IncidentPhase::Acting, 1)));
    assert_eq!(scene.server.get(SECRET)["metadata"]["annotations"]["someone"], "was here");
}

#[tokio::test]
async fn what_a_rotation_skips_is_told_by_its_key_in_an_event_and_in_the_status() {
    let (a, c) = (profile("203.0.113.1"), profile("203.0.113.3"));
    let scene = Scene::new(&[("a", &a), ("b", "frobnicate CANARY"), ("c", &c)]).await;
    scene.pass().await.unwrap();
    assert_eq!(scene.used(), ("c".into(), 1));
    let skipped = scene.chain().status.unwrap().skipped_candidates;
    assert_eq!(skipped.keys().collect::<Vec<_>>(), ["entry/b"]);
    let events = scene.server.events();
    assert!(events.iter().any(|e| e.contains("CandidateSkipped") && e.contains("candidate \\\"b\\\"")), "{events:?}");
    assert!(!format!("{events:?}{skipped:?}").contains("CANARY"));
}

#[tokio::test]
async fn a_pool_with_nothing_left_calls_a_person_and_leaves_the_hop_as_it_is() {
    let a = profile("203.0.113.1");
    let scene = Scene::new(&[("a", &a)]).await;
    scene.pass().await.unwrap();
    let status = scene.incident().status.unwrap();
    assert_eq!((status.phase, status.reason.as_deref()), (IncidentPhase::Escalated, Some("PoolExhausted")));
    assert_eq!((scene.used(), scene.secret_writes()), (("a".into(), 0), 0));
}

#[tokio::test]
async fn a_pool_that_cannot_be_read_keeps_the_incident_waiting_and_says_so() {
    let scene = Scene::two_candidates().await;
    scene.server.fail(Fault { method: "GET", path: "/secrets/entry-pool", code: 500, reason: "InternalError" });
    scene.pass().await.unwrap();
    assert_eq!((scene.used(), scene.recovery().1), (("a".into(), 0), 0));
    let message = scene.chain().status.unwrap().message.unwrap();
    assert!(message.starts_with("hop \"entry\": failed to read secret \"entry-pool\""), "{message}");
    scene.pass().await.unwrap();
    assert_eq!(scene.used(), ("b".into(), 1));
}

#[tokio::test]
async fn another_protocol_takes_a_candidate_of_its_own_over_the_old_one() {
    let (key, a) = ("A".repeat(43) + "=", profile("203.0.113.1"));
    let other = format!(
        "[Interface]\nPrivateKey = {key}\nAddress = 10.66.0.2/32\n\
         [Peer]\nPublicKey = {key}\nEndpoint = 203.0.113.9:51820\nAllowedIPs = 0.0.0.0/0\n"
    );
    let scene = Scene::new(&[("a", &a), ("w", &other)]).await;
    let old = incident("x", "entry", Timestamp::now());
    scene.server.put(INCIDENT, &closed(IncidentPhase::Suppressed, Timestamp::now(), old));
    let mut chain = scene.chain();
    chain.spec.hops[0].client = crate::domain::types::ClientKind::WireGuard;
    chain.spec.hops[0].open_vpn = None;
    scene.server.put(CHAIN, &chain);
    scene.pass().await.unwrap();
    assert_eq!(scene.used(), ("w".into(), 1));
    assert_eq!((scene.secret_writes(), scene.plan()["network"]["implementation"].clone()), (1, json!("BoringTun")));
    scene.pass().await.unwrap();
    assert_eq!((scene.used(), scene.secret_writes()), (("w".into(), 1), 1));
}

#[tokio::test]
async fn a_deployment_or_a_policy_that_somebody_changed_since_is_not_applied_over() {
    for kind in
        ["apis/apps/v1/namespaces/demo/deployments", "apis/networking.k8s.io/v1/namespaces/demo/networkpolicies"]
    {
        let scene = Scene::two_candidates().await;
        let chain = scene.chain();
        let valid = validate(&chain).unwrap();
        let mut old = observe::observe(&scene.ctx.client, "demo", "berlin").await.unwrap();
        let path = format!("/{kind}/berlin-entry");
        let mut touched = scene.server.get(&path);
        touched["metadata"]["annotations"]["someone"] = json!("was here");
        scene.server.put(&path, &touched);
        let applied = apply::apply(&valid, &mut old, &scene.ctx).await;
        assert!(matches!(applied, Err(error) if error.category() == "conflict"), "{kind}");
    }
}

#[tokio::test]
async fn broken_rules_are_a_condition_of_the_chain_written_once_until_they_are_mended() {
    let mut scene = Scene::two_candidates().await;
    let (rules, receiver) = watch::channel(RulesState { rules: 3, problem: None });
    scene.ctx = Context { rules: Some(receiver), ..scene.ctx };
    let told = |scene: &Scene| {
        let conditions = scene.chain().status.unwrap().conditions;
        let condition = conditions.iter().find(|condition| condition.type_ == "RulesLoaded").unwrap().clone();
        (condition.status, condition.reason, condition.message)
    };
    let status_writes = |scene: &Scene| scene.server.written().iter().filter(|line| line.contains(CHAIN)).count();
    for _ in 0..2 {
        scene.pass().await.unwrap();
    }
    assert_eq!(told(&scene), ("True".into(), "Loaded".into(), "3 rules are in use".into()));

    scene.server.forget_requests();
    rules.send_replace(RulesState { rules: 3, problem: Some("my.yaml:4:5: no".into()) });
    for _ in 0..3 {
        scene.pass().await.unwrap();
    }
    let (status, reason, message) = told(&scene);
    assert_eq!((status.as_str(), reason.as_str()), ("False", "ReloadFailed"));
    assert_eq!(message, "the changed rules did not load, the last good 3 stay in use: my.yaml:4:5: no");
    assert_eq!(status_writes(&scene), 1);

    rules.send_replace(RulesState { rules: 4, problem: None });
    scene.pass().await.unwrap();
    assert_eq!(told(&scene).2, "4 rules are in use");
}

#[tokio::test]
async fn each_change_of_the_rules_wakes_every_chain_until_nobody_changes_them() {
    let (rules, receiver) = watch::channel(RulesState::default());
    let mut wakes = Box::pin(changes(Some(receiver)));
    rules.send_replace(RulesState { rules: 1, problem: None });
    assert_eq!(wakes.next().await, Some(()));
    drop(rules);
    assert_eq!(wakes.next().await, None);
    assert_eq!(Box::pin(changes::<RulesState>(None)).next().await, None);
}

#[tokio::test]
async fn only_what_was_written_is_told_as_documents_and_an_unchanged_chain_is_told_once() {
    let mut scene = Scene::two_candidates().await;
    let buffer = Arc::new(Buffer::new(1 << 20));
    let metrics = DocumentMetrics::register(&prometheus::Registry::new()).unwrap();
    let sink = DocumentSink::new(Names::new("default").unwrap(), Arc::clone(&buffer), metrics);
    scene.ctx = scene.ctx.documenting(Some(sink));
    // What was done to a document, or what the transition is that it tells.
    let told = || {
        let mut lines = String::new();
        buffer.begin(usize::MAX, usize::MAX, |document| lines.push_str(document.lines()));
        buffer.abandon();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let word = |line: Value| match line["event"]["action"].as_str() {
            Some(action) => Some(action.to_owned()),
            None => line["event"]["kind"].as_str().map(|_| line["hopkeeper"]["kind"].as_str().unwrap().to_owned()),
        };
        lines.filter_map(word).collect::<Vec<_>>()
    };
    scene.server.fail(Fault { method: "PUT", path: "/hopincidents/x/status", code: 409, reason: "Conflict" });
    assert!(is_conflict(&scene.pass().await));
    assert_eq!(told(), [""; 0]);
    scene.pass().await.unwrap();
    let (incident, states) = (["incident-detected", "incident-acting", "incident-verifying"], ["chain", "hop"]);
    let all = told();
    assert!(all.starts_with(&incident.map(str::to_owned)) && all.ends_with(&states.map(str::to_owned)), "{all:?}");
    assert!(all.iter().any(|word| word == "hop-state-changed"), "{all:?}");
    scene.pass().await.unwrap();
    told();
    scene.pass().await.unwrap();
    assert_eq!(told(), [""; 0]);
}
