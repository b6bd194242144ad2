//! What the watches say, event by event, and what the directory then knows.

use kube::core::{ObjectMeta, PartialObjectMetaExt};

use super::*;

fn meta(name: &str, uid: &str, labels: &[(&str, &str)]) -> ObjectMeta {
    ObjectMeta {
        namespace: Some("prod".into()),
        name: Some(name.into()),
        uid: Some(uid.into()),
        labels: Some(labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()),
        ..ObjectMeta::default()
    }
}

fn pod(hop: &str, uid: &str) -> Pod {
    let labels = [(names::CHAIN, "berlin"), (names::HOP, hop), (names::IMPLEMENTATION, "OpenVpn")];
    Pod { metadata: meta(&format!("berlin-{hop}-{uid}"), uid, &labels), ..Pod::default() }
}

/// That pod, with its container `health` in a state since a time.
fn with_health(mut pod: Pod, state: &str) -> Pod {
    let status = |name: &str, state: &str| {
        serde_json::json!({"name": name, "image": "", "imageID": "", "ready": true, "restartCount": 0,
            "state": {state: {"startedAt": "2026-11-22T16:00:00Z", "exitCode": 0}}})
    };
    let statuses = serde_json::json!({"containerStatuses": [status("vpn", "running"), status("health", state)]});
    pod.status = Some(serde_json::from_value(statuses).unwrap());
    pod
}

fn secret(hop: &str) -> PartialObjectMeta<Secret> {
    let labels = [(names::CHAIN, "berlin"), (names::HOP, hop), (names::CANDIDATE, "a"), (names::VERSION, "3")];
    let mut meta = meta(&format!("berlin-{hop}-parameters"), hop, &labels);
    let applied_at = (names::APPLIED_AT.to_owned(), "2026-11-22T16:00:00Z".to_owned());
    meta.annotations = Some([applied_at, (names::REVISION.to_owned(), "2".to_owned())].into());
    meta.into_request_partial()
}

fn chain(name: &str) -> PartialObjectMeta<VpnChain> {
    meta(name, &format!("uid-{name}"), &[]).into_request_partial()
}

/// A join that knows the pods `one` and `two`.
fn two_hops() -> Join {
    let mut join = Join::default();
    for hop in ["entry", "exit"] {
        join.secret_changed(Event::Apply(secret(hop)));
    }
    join.pod_changed(Event::Apply(pod("entry", "one")));
    join.pod_changed(Event::Apply(pod("exit", "two")));
    join
}

#[test]
fn pods_stay_known_while_a_new_list_is_made_and_fails() {
    let mut join = two_hops();
    join.pod_changed(Event::Init);
    assert_eq!(join.directory.len(), 2);
    join.pod_changed(Event::InitApply(pod("entry", "one")));
    // The list failed on its way, and begins again.
    join.pod_changed(Event::Init);
    assert_eq!(join.directory.len(), 2);
}

#[test]
fn pods_that_went_unnoticed_are_forgotten_when_the_list_is_complete() {
    let mut join = two_hops();
    join.pod_changed(Event::Init);
    join.pod_changed(Event::InitApply(pod("exit", "two")));
    // Seen in a list that failed is not seen.
    join.pod_changed(Event::Init);
    join.pod_changed(Event::InitApply(pod("entry", "one")));
    join.pod_changed(Event::InitDone);
    assert!(join.directory.get("one").is_some() && join.directory.get("two").is_none());
    // What changes later is not measured by that list.
    join.pod_changed(Event::Apply(pod("exit", "three")));
    assert!(join.directory.get("three").is_some());
}

#[test]
fn parameters_that_went_unnoticed_are_not_given_to_a_later_pod() {
    let mut join = two_hops();
    join.secret_changed(Event::Init);
    join.secret_changed(Event::InitApply(secret("entry")));
    join.pod_changed(Event::Apply(pod("exit", "early")));
    assert!(join.directory.get("early").is_some(), "the list is not complete");
    join.secret_changed(Event::InitDone);
    join.pod_changed(Event::Apply(pod("exit", "three")));
    join.pod_changed(Event::Apply(pod("entry", "four")));
    assert!(join.directory.get("three").is_none() && join.directory.get("four").is_some());
}

#[test]
fn chains_deleted_while_nobody_watched_are_forgotten() {
    let (chains, mut join) = (ChainUids::default(), Join::default());
    let mut change = |event| chain_changed(&chains, &mut join, event);
    for name in ["berlin", "paris"] {
        change(Event::Apply(chain(name)));
    }
    change(Event::Init);
    change(Event::InitApply(chain("paris")));
    assert!(chains.get("prod", "berlin").is_some(), "the list is not complete");
    change(Event::InitDone);
    assert_eq!(chains.get("prod", "berlin"), None);
    assert_eq!(chains.get("prod", "paris").as_deref(), Some("uid-paris"));
}

#[test]
fn a_hop_is_known_by_what_its_secret_wants() {
    let hop = two_hops().directory.get("one").expect("should be known");
    assert_eq!((hop.plan_id.as_str(), hop.candidate.to_string().as_str()), ("a@3#2", "a@3"));
}

#[test]
fn a_hop_is_known_once_its_pod_and_its_secret_are_in_either_order() {
    let identity = HopIdentity {
        id: HopId { namespace: "prod".into(), chain: "berlin".into(), hop: "entry".into() },
        pod_uid: "one".into(),
        pod_name: "berlin-entry-one".into(),
        implementation: Implementation::OpenVpn,
        candidate: CandidateRef { name: "a".into(), version: "3".into() },
        plan_id: "a@3#2".into(),
        applied_at: "2026-11-22T16:00:00Z".parse().unwrap(),
    };
    for pod_first in [true, false] {
        let mut join = Join::default();
        if pod_first {
            join.pod_changed(Event::Apply(pod("entry", "one")));
            assert!(join.directory.get("one").is_none());
        }
        join.secret_changed(Event::Apply(secret("entry")));
        if !pod_first {
            assert!(join.directory.get("one").is_none());
            join.pod_changed(Event::Apply(pod("entry", "one")));
        }
        assert_eq!(join.directory.get("one").as_deref(), Some(&identity));
    }
}

#[test]
fn other_parameters_change_the_identity_of_every_pod_of_the_hop() {
    let mut join = two_hops();
    join.pod_changed(Event::Apply(pod("entry", "three")));
    let mut other = secret("entry");
    other.metadata.labels.get_or_insert_default().insert(names::CANDIDATE.to_owned(), "b".to_owned());
    let later = "2026-11-22T17:00:00Z".to_owned();
    other.metadata.annotations.get_or_insert_default().insert(names::APPLIED_AT.to_owned(), later);
    join.secret_changed(Event::Apply(other));
    for (uid, expected) in [("one", "b"), ("three", "b"), ("two", "a")] {
        assert_eq!(join.directory.get(uid).unwrap().candidate.name, expected);
    }
    assert_eq!(join.directory.get("one").unwrap().applied_at.to_string(), "2026-11-22T17:00:00Z");
}

#[test]
fn objects_that_name_no_hop_are_passed_over() {
    let mut join = Join::default();
    let bare = || meta("x", "one", &[(names::HOP, "entry")]);
    let strange = [(names::CHAIN, "berlin"), (names::HOP, "entry"), (names::IMPLEMENTATION, "Tinc")];
    join.pod_changed(Event::Apply(Pod { metadata: bare(), ..Pod::default() }));
    join.pod_changed(Event::Apply(Pod { metadata: meta("x", "one", &strange), ..Pod::default() }));
    join.secret_changed(Event::Apply(bare().into_request_partial()));
    let mut undated = secret("entry");
    undated.metadata.annotations.get_or_insert_default().insert(names::APPLIED_AT.to_owned(), "yesterday".to_owned());
    join.secret_changed(Event::Apply(undated));
    assert!(join.pods.is_empty() && join.parameters.is_empty() && join.directory.is_empty());
}

#[test]
fn a_pod_runs_while_its_health_container_does_and_it_is_not_leaving() {
    let mut join = two_hops();
    let started: Timestamp = "2026-11-22T16:00:00Z".parse().unwrap();
    let mut running = |pod: Pod| {
        join.pod_changed(Event::Apply(pod));
        join.directory.running_since(started).contains("one")
    };
    assert!(!running(pod("entry", "one")), "nothing of it has started");
    assert!(running(with_health(pod("entry", "one"), "running")));
    assert!(!running(with_health(pod("entry", "one"), "terminated")));
    let mut leaving = with_health(pod("entry", "one"), "running");
    leaving.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(started));
    assert!(!running(leaving));
}
