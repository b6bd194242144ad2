//! Pods and Secrets come in any order, watches break: lines must still find their hop, and only while it is there.

use kube::core::ObjectMeta;
use serde_json::json;

use super::*;

type Meta<K> = PartialObjectMeta<K>;

fn metadata(value: serde_json::Value) -> ObjectMeta {
    serde_json::from_value(value).unwrap()
}

fn object<K>(value: serde_json::Value) -> Meta<K> {
    PartialObjectMeta { metadata: metadata(value), types: None, _phantom: std::marker::PhantomData }
}

fn pod(uid: &str) -> Meta<Pod> {
    object(json!({"namespace": "demo", "name": format!("pod-{uid}"), "uid": uid, "labels": {
        "hopkeeper.io/chain": "berlin", "hopkeeper.io/hop": "entry", "hopkeeper.io/implementation": "BoringTun",
    }}))
}

fn secret(candidate: &str, applied_at: &str) -> Meta<Secret> {
    object(json!({"namespace": "demo", "name": "berlin-entry-parameters",
        "labels": {
            "hopkeeper.io/chain": "berlin", "hopkeeper.io/hop": "entry",
            "hopkeeper.io/candidate": candidate, "hopkeeper.io/version": "7",
        },
        "annotations": {"hopkeeper.io/applied-at": applied_at},
    }))
}

fn chain(name: &str) -> Meta<VpnChain> {
    object(json!({"namespace": "demo", "name": name, "uid": format!("uid-{name}")}))
}

const NOON: &str = "2026-11-22T12:00:00Z";

fn known(join: &Join) -> Vec<&'static str> {
    ["p1", "p2", "p3"].into_iter().filter(|uid| join.directory.get(uid).is_some()).collect()
}

#[test]
fn a_hop_is_known_once_its_pod_and_its_secret_are_in_either_order() {
    let identity = HopIdentity {
        id: HopId { namespace: "demo".into(), chain: "berlin".into(), hop: "entry".into() },
        pod_uid: "p1".into(),
        pod_name: "pod-p1".into(),
        implementation: Implementation::BoringTun,
        candidate: CandidateRef { name: "a".into(), version: "7".into() },
        applied_at: NOON.parse().unwrap(),
    };
    for pod_first in [true, false] {
        let mut join = Join::default();
        if pod_first {
            join.pod_changed(Event::Apply(pod("p1")));
            assert!(known(&join).is_empty());
        }
        join.secret_changed(Event::Apply(secret("a", NOON)));
        if !pod_first {
            assert!(known(&join).is_empty());
            join.pod_changed(Event::Apply(pod("p1")));
        }
        assert_eq!(join.directory.get("p1").as_deref(), Some(&identity));
    }
}

#[test]
fn other_parameters_change_the_identity_of_every_pod_of_the_hop() {
    let mut join = Join::default();
    join.secret_changed(Event::Apply(secret("a", NOON)));
    join.pod_changed(Event::Apply(pod("p1")));
    join.pod_changed(Event::Apply(pod("p2")));
    join.secret_changed(Event::Apply(secret("b", "2026-11-22T13:00:00Z")));
    for uid in ["p1", "p2"] {
        let hop = join.directory.get(uid).unwrap();
        assert_eq!((hop.candidate.name.as_str(), hop.applied_at.to_string().as_str()), ("b", "2026-11-22T13:00:00Z"));
    }
}

#[test]
fn a_pod_that_is_gone_is_unknown_and_its_successor_is_not() {
    let mut join = Join::default();
    join.secret_changed(Event::Apply(secret("a", NOON)));
    join.pod_changed(Event::Apply(pod("p1")));
    join.pod_changed(Event::Apply(pod("p2")));
    join.pod_changed(Event::Delete(pod("p1")));
    assert_eq!(known(&join), ["p2"]);
    // What is left of its Secret's watch does not bring it back.
    join.secret_changed(Event::Apply(secret("b", NOON)));
    assert_eq!(known(&join), ["p2"]);
}

#[test]
fn a_new_list_drops_the_pods_that_vanished_and_never_the_ones_that_are_there() {
    let mut join = Join::default();
    join.secret_changed(Event::Apply(secret("a", NOON)));
    for uid in ["p1", "p2"] {
        join.pod_changed(Event::Apply(pod(uid)));
    }
    join.pod_changed(Event::Init);
    assert_eq!(known(&join), ["p1", "p2"], "a line that comes during the list must find its hop");
    join.pod_changed(Event::InitApply(pod("p2")));
    // The list broke off and begins again.
    join.pod_changed(Event::Init);
    join.pod_changed(Event::InitApply(pod("p1")));
    join.pod_changed(Event::InitApply(pod("p3")));
    assert_eq!(known(&join), ["p1", "p2", "p3"]);
    join.pod_changed(Event::InitDone);
    assert_eq!(known(&join), ["p1", "p3"]);
}

#[test]
fn a_secret_that_vanished_during_a_broken_watch_names_no_later_pod() {
    let mut join = Join::default();
    join.secret_changed(Event::Apply(secret("a", NOON)));
    join.secret_changed(Event::Init);
    join.secret_changed(Event::InitDone);
    join.pod_changed(Event::Apply(pod("p1")));
    assert!(known(&join).is_empty());
    join.secret_changed(Event::Apply(secret("b", NOON)));
    assert_eq!(known(&join), ["p1"]);
    join.secret_changed(Event::Delete(secret("b", NOON)));
    join.pod_changed(Event::Apply(pod("p2")));
    assert_eq!(known(&join), ["p1"], "a pod keeps the parameters that it was seen with");
}

#[test]
fn objects_that_name_no_hop_are_passed_over() {
    let mut join = Join::default();
    let bare = || json!({"namespace": "demo", "name": "x", "uid": "p1", "labels": {"hopkeeper.io/hop": "entry"}});
    let strange = json!({"namespace": "demo", "name": "x", "uid": "p1", "labels": {
        "hopkeeper.io/chain": "berlin", "hopkeeper.io/hop": "entry", "hopkeeper.io/implementation": "Tinc",
    }});
    join.pod_changed(Event::Apply(object(bare())));
    join.pod_changed(Event::Apply(object(strange)));
    join.secret_changed(Event::Apply(object(bare())));
    join.secret_changed(Event::Apply(secret("a", "yesterday")));
    assert!(join.pods.is_empty() && join.parameters.is_empty() && known(&join).is_empty());
}

#[test]
fn chains_are_known_by_uid_while_they_are_there() {
    let (chains, mut join) = (ChainUids::default(), Join::default());
    let mut change = |event| chain_changed(&chains, &mut join, event);
    change(Event::Init);
    change(Event::InitApply(chain("berlin")));
    change(Event::InitApply(chain("oslo")));
    change(Event::InitDone);
    assert_eq!(chains.get("demo", "berlin").as_deref(), Some("uid-berlin"));
    assert_eq!(chains.get("other", "berlin"), None);
    change(Event::Delete(chain("berlin")));
    change(Event::Apply(chain("rome")));
    assert_eq!((chains.get("demo", "berlin"), chains.get("demo", "rome").is_some()), (None, true));
    change(Event::Init);
    change(Event::InitApply(chain("rome")));
    change(Event::InitDone);
    assert_eq!((chains.get("demo", "oslo"), chains.get("demo", "rome").is_some()), (None, true));
}
