//! What is exposed while a chain lives, and that nothing is once it is gone.

use super::super::teardown::teardown;
use super::*;
use crate::internal_event::catalog;
use crate::internal_event::metric::Values;

/// A series: its metric, its labels and its value (of a histogram, how many it has seen).
type Series = (String, Vec<(String, String)>, f64);

impl Scene {
    fn exposed(&self) -> Vec<Series> {
        let mut exposed = Vec::new();
        for family in self.registry.gather() {
            for series in family.get_metric() {
                let label = |pair: &prometheus::proto::LabelPair| (pair.name().to_owned(), pair.value().to_owned());
                let labels = series.get_label().iter().map(label).collect();
                let value = series.get_counter().get_value()
                    + series.get_gauge().get_value()
                    + series.get_histogram().get_sample_count() as f64;
                exposed.push((family.name().to_owned(), labels, value));
            }
        }
        exposed
    }

    /// The sum of a metric's series with these labels.
    fn metric(&self, name: &str, with: &[(&str, &str)]) -> f64 {
        let has = |labels: &[(String, String)]| {
            with.iter().all(|(name, value)| labels.iter().any(|(n, v)| n == name && v == value))
        };
        let found: Vec<_> = self.exposed().into_iter().filter(|(n, labels, _)| n == name && has(labels)).collect();
        assert!(!found.is_empty(), "{name} has no series with {with:?}");
        found.iter().map(|(_, _, value)| value).sum()
    }
}

#[tokio::test]
async fn every_label_of_a_repaired_chain_has_a_value_that_the_catalogue_knows() {
    let scene = Scene::two_candidates().await;
    for _ in 0..3 {
        scene.pass().await.unwrap();
    }
    assert_eq!(scene.metric("hopkeeper_recovery_steps_total", &[("hop", "entry"), ("action", "RotateInPlace")]), 1.0);
    assert_eq!(scene.metric("hopkeeper_recovery_steps_total", &[("hop", "entry"), ("action", "Recreate")]), 0.0);
    for (name, labels, _) in scene.exposed() {
        let metric = catalog::all().find(|metric| metric.name == name).unwrap();
        for (label, value) in labels {
            let known = metric.labels.iter().find(|known| known.name == label).unwrap();
            let is_known = match known.values {
                Values::Words(words) => words.contains(&value.as_str()),
                Values::Namespace => value == "demo",
                Values::Chain => value == "berlin",
                Values::Hop => value == "entry",
                Values::Rule => value == "openvpn-auth-failed",
                Values::Version => value == env!("CARGO_PKG_VERSION"),
            };
            assert!(is_known, "{name}: {label}={value:?}");
        }
    }
}

#[tokio::test]
async fn a_repair_is_measured_from_the_incident_to_the_working_hop() {
    let scene = Scene::two_candidates().await;
    scene.pass().await.unwrap();
    let of = |name: &str, label: (&str, &str)| scene.metric(name, &[label]);
    assert_eq!(of("hopkeeper_chain_state", ("state", "Recovering")), 1.0);
    assert_eq!(of("hopkeeper_hop_state", ("state", "Recovering")), 1.0);
    assert_eq!(of("hopkeeper_incidents_open", ("phase", "Verifying")), 1.0);
    assert_eq!(of("hopkeeper_repair_budget_left", ("hop", "entry")), 5.0);
    let now = Timestamp::now();
    scene.server.put("/api/v1/namespaces/demo/pods/berlin-entry-0", &pod("entry", true, now));
    scene.pass().await.unwrap();
    assert_eq!(scene.recovery().0, IncidentPhase::Recovered);
    assert_eq!(
        (of("hopkeeper_chain_state", ("state", "Recovering")), of("hopkeeper_chain_state", ("state", "Up"))),
        (0.0, 1.0)
    );
    assert_eq!(
        (of("hopkeeper_hop_up", ("hop", "entry")), of("hopkeeper_incidents_open", ("hop", "entry"))),
        (1.0, 0.0)
    );
    assert_eq!(of("hopkeeper_hop_last_change_timestamp_seconds", ("hop", "entry")), now.as_second() as f64);
    assert_eq!(of("hopkeeper_incidents_closed_total", ("rule", "openvpn-auth-failed")), 1.0);
    assert_eq!(of("hopkeeper_recovery_steps_ended_total", ("outcome", "Up")), 1.0);
    assert_eq!(scene.metric("hopkeeper_time_to_act_seconds", &[]), 1.0);
    assert_eq!(scene.metric("hopkeeper_time_to_recover_seconds", &[]), 1.0);
    // Nothing is counted twice by looking again.
    scene.pass().await.unwrap();
    assert_eq!(of("hopkeeper_recovery_steps_ended_total", ("outcome", "Up")), 1.0);
    // The other one and the one in use are all there is, and the refused one is burned.
    assert_eq!(
        (of("hopkeeper_pool_candidates", ("hop", "entry")), of("hopkeeper_pool_candidates_left", ("hop", "entry"))),
        (2.0, 0.0)
    );
}

#[tokio::test]
async fn a_hop_that_was_given_up_needs_a_person() {
    let scene = Scene::new(&[("a", &profile("203.0.113.1"))]).await;
    let down = |at| scene.server.put("/api/v1/namespaces/demo/pods/berlin-entry-0", &pod("entry", false, at));
    down(Timestamp::now() - SignedDuration::from_mins(1));
    for _ in 0..2 {
        scene.pass().await.unwrap();
    }
    assert_eq!(scene.recovery().0, IncidentPhase::Escalated);
    assert_eq!(scene.metric("hopkeeper_hop_needs_person", &[("hop", "entry")]), 1.0);
    assert_eq!(scene.metric("hopkeeper_incidents_closed_total", &[("outcome", "Escalated")]), 1.0);
    assert!(scene.exposed().iter().all(|(name, ..)| name != "hopkeeper_client_certificate_expiry_timestamp_seconds"));
}

#[tokio::test]
async fn a_pool_that_cannot_be_read_is_counted_by_why() {
    let scene = Scene::two_candidates().await;
    scene.server.fail(Fault { method: "GET", path: "/secrets/entry-pool", code: 500, reason: "InternalError" });
    scene.pass().await.unwrap();
    assert_eq!(scene.metric("hopkeeper_pool_errors_total", &[("category", "kubernetes")]), 1.0);
    assert_eq!(scene.metric("hopkeeper_pool_errors_total", &[("category", "vault_sealed")]), 0.0);
}

#[tokio::test]
async fn a_hop_that_only_an_incident_or_an_order_names_is_no_label() {
    let scene = Scene::two_candidates().await;
    let mut other = scene.incident();
    other.metadata.name = Some("y".into());
    other.spec.hop = "CANARY".into();
    scene.server.put(&INCIDENT.replace("/x", "/y"), &other);
    let mut chain = scene.server.get(CHAIN);
    chain["metadata"]["annotations"]["rotate.hopkeeper.io/CANARY"] = json!("a@1");
    scene.server.put(CHAIN, &chain);
    scene.pass().await.unwrap();
    let nameless = [("chain", "berlin"), ("hop", "")];
    assert_eq!(scene.metric("hopkeeper_incident_decisions_total", &nameless), 1.0);
    assert_eq!(scene.metric("hopkeeper_rotation_orders_total", &nameless), 1.0);
    assert!(!format!("{:?}", scene.exposed()).contains("CANARY"));
}

#[tokio::test]
async fn a_hops_series_go_with_it_and_a_chains_with_the_chain() {
    let scene = Scene::two_candidates().await;
    scene.pass().await.unwrap();
    let is_of = |label: &str, value: &str| {
        scene.exposed().iter().any(|(_, labels, _)| labels.contains(&(label.into(), value.into())))
    };
    let mut renamed = scene.chain();
    renamed.spec.hops[0].name = "door".into();
    let mut status = renamed.status.clone().unwrap();
    status.hops[0].name = "door".into();
    scene.ctx.metrics.chain_state(&renamed, &status);
    assert!(is_of("hop", "door") && !is_of("hop", "entry"));
    let _ = teardown(&scene.chain(), &scene.ctx).await;
    assert!(!is_of("chain", "berlin"), "{:?}", scene.exposed());
}

#[tokio::test]
async fn a_chain_that_vanishes_without_its_finalizer_leaves_no_series() {
    let scene = Scene::two_candidates().await;
    scene.pass().await.unwrap();
    let gone = scene.chain();
    scene.server.remove(CHAIN);
    let meta = kube::core::PartialObjectMetaExt::into_request_partial::<VpnChain>(gone.metadata);
    let ctx = Arc::new(scene.ctx);
    reconcile(Arc::new(meta), Arc::clone(&ctx)).await.unwrap();
    let text = prometheus::TextEncoder::new().encode_to_string(&scene.registry.gather()).unwrap();
    assert!(text.contains("hopkeeper_reconcile_seconds_count 1") && !text.contains("berlin"), "{text}");
}
