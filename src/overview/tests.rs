//! The README's chain in trouble: its entry is being repaired, its exit is a symptom.

use serde_json::{Value, json};

use super::*;
use crate::crd::incident::IncidentPhase;
use crate::domain::types::Evidence;

/// A chain whose status says so; its hops are Recovering, Up and Held.
pub(crate) fn berlin() -> VpnChain {
    let manifest: Value = serde_saphyr::from_str(include_str!("../../examples/berlin.yaml")).unwrap();
    let mut chain = crate::manifest::check(&manifest).unwrap();
    chain.metadata.namespace = Some("vpn".into());
    chain.metadata.generation = Some(2);
    chain.status = Some(
        serde_json::from_value(json!({
            "observedGeneration": 2, "phase": "Recovering", "hopsUp": "1/3", "openIncidents": 2,
            "lastRecovery": "2026-11-22T11:00:00Z", "message": "hop \"entry\" is Recovering",
            "hops": [
                {"name": "entry", "state": "Recovering", "candidate": "b@1", "pod": "berlin-entry-0",
                 "since": "2026-11-22T11:59:58Z", "candidatesLeft": 2},
                {"name": "middle", "state": "Up", "candidate": "nl-1@7", "pod": "berlin-middle-0",
                 "since": "2026-11-22T10:00:00Z", "candidatesLeft": 0},
                {"name": "exit", "state": "Held", "candidate": "c@4711", "pod": "berlin-exit-0",
                 "since": "2026-11-22T11:59:59Z", "cause": "entry"},
            ],
            "conditions": [
                condition("ParametersAvailable", "True", "PoolsReadable", "every hop has parameters"),
                condition("Ready", "False", "Recovering", "hop \"entry\" is Recovering"),
                condition("RotationObeyed", "False", "Refused", "hop \"exit\" keeps candidate c@4711"),
                condition("RulesLoaded", "False", "ReloadFailed", "my.yaml:4:5: no"),
            ],
        }))
        .unwrap(),
    );
    chain
}

fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-22T11:00:00Z"})
}

/// An incident of a hop, its first line at noon and its last a second and a half later.
pub(crate) fn incident(name: &str, hop: &str, status: Value) -> HopIncident {
    let mut incident: HopIncident = serde_json::from_value(json!({
        "apiVersion": "hopkeeper.io/v1alpha1", "kind": "HopIncident",
        "metadata": {"name": name, "namespace": "vpn", "creationTimestamp": "2026-11-22T12:00:01Z"},
        "spec": {
            "chain": "berlin", "hop": hop, "podUid": "u", "pod": format!("berlin-{hop}-0"),
            "candidate": {"name": "a", "version": "3"}, "rule": "openvpn-auth-failed",
            "title": "The server rejected the user name or password", "verdict": "rotate", "evidence": "own",
            "first": {"time": "2026-11-22T12:00:00.000000Z", "position": "kafka:vpn-logs/2/4711"},
            "last": {"time": "2026-11-22T12:00:01.500000Z", "position": "kafka:vpn-logs/2/4720"},
            "line": "AUTH: Received control message: AUTH_FAILED",
        },
    }))
    .unwrap();
    incident.status = Some(serde_json::from_value(status).unwrap());
    incident
}

/// The entry's rotation to `b@1`; after `end` it is over.
pub(crate) fn rotated(end: Option<&str>) -> HopIncident {
    let mut step = json!({
        "action": "RotateInPlace", "candidate": {"name": "b", "version": "1"}, "revision": 1, "recreate": 0,
        "startedAt": "2026-11-22T12:00:01.700000Z", "appliedAt": "2026-11-22T12:00:01.900000Z",
    });
    let mut status = json!({"phase": "Verifying", "reason": "RotateInPlace",
        "message": "loading candidate b@1 into the running pod"});
    if let Some(end) = end {
        step["finishedAt"] = json!("2026-11-22T12:00:04.000000Z");
        step["outcome"] = json!(end);
        status = json!({"phase": "Recovered", "reason": "TunnelUp", "message": "the hop carries traffic again",
            "closedAt": "2026-11-22T12:00:04.000000Z"});
    }
    status["steps"] = json!([step]);
    incident("berlin-entry-0a1b2c3d4e5f", "entry", status)
}

/// The exit's symptom of it.
pub(crate) fn symptom() -> HopIncident {
    let mut incident = incident(
        "berlin-exit-112233445566",
        "exit",
        json!({"phase": "Held", "cause": "entry", "reason": "SymptomOfOuterHop",
            "message": "outer hop \"entry\" carries no traffic: this is its symptom"}),
    );
    incident.spec.evidence = Evidence::Path;
    incident.spec.last.time.0 += jiff::SignedDuration::from_secs(5);
    incident
}

fn in_trouble() -> ChainOverview {
    let mut other = rotated(None);
    other.metadata.namespace = Some("elsewhere".into());
    let all = overview(&[berlin()], &[rotated(None), symptom(), other]);
    assert_eq!(all.chains.len(), 1);
    all.chains.into_iter().next().unwrap()
}

#[test]
fn a_chain_is_seen_with_its_path_its_hops_and_its_own_incidents_newest_first() {
    let chain = in_trouble();
    assert_eq!((chain.phase, chain.hops_up, chain.is_up()), (Some(ChainPhase::Recovering), 1, false));
    assert!(chain.is_current && !chain.paused);
    assert_eq!(chain.path(), "application → exit → middle → entry → internet");
    let ids: Vec<_> = chain.open_incidents().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, ["berlin-exit-112233445566", "berlin-entry-0a1b2c3d4e5f"]);
    let left: Vec<_> = chain.hops.iter().map(|h| h.candidates_left).collect();
    assert_eq!(left, [Some(2), Some(0), None]);
}

#[test]
fn what_is_held_says_why_and_names_the_outer_hop() {
    let chain = in_trouble();
    let held: Vec<_> = chain.hops.iter().map(|h| h.held.as_ref()).collect();
    assert!(held[0].is_none() && held[1].is_none());
    let exit = held[2].unwrap();
    assert_eq!(
        (exit.cause.as_deref(), exit.reason.as_str(), exit.needs_person),
        (Some("entry"), "SymptomOfOuterHop", false)
    );
}

#[test]
fn a_hop_that_is_held_without_an_open_incident_waits_for_a_person() {
    let escalated = |name, at: &str| {
        let status =
            json!({"phase": "Escalated", "reason": "PoolExhausted", "message": "nothing left", "closedAt": at});
        incident(name, "exit", status)
    };
    let old = escalated("old", "2026-11-22T12:00:02.000000Z");
    let mut new = escalated("new", "2026-11-22T12:00:09.000000Z");
    new.spec.last.time.0 += jiff::SignedDuration::from_secs(7);
    let all = overview(&[berlin()], &[old, new]);
    let hops = &all.chains[0].hops;
    let held = hops[2].held.as_ref().unwrap();
    assert_eq!((held.incident.as_str(), held.needs_person), ("new", true));
    // The entry is not held: what was escalated of it is history.
    let status = json!({"phase": "Escalated", "closedAt": "2026-11-22T10:00:00.000000Z"});
    let all = overview(&[berlin()], &[incident("x", "entry", status)]);
    assert_eq!(all.chains[0].hops[0].held, None);
}

#[test]
fn a_condition_that_is_false_is_a_problem_unless_it_repeats_the_phase() {
    let types: Vec<_> = in_trouble().problems.into_iter().map(|p| p.type_).collect();
    assert_eq!(types, ["RulesLoaded"]);
}

#[test]
fn a_chain_that_no_operator_has_looked_at_is_unknown_not_well() {
    let mut chain = berlin();
    chain.status = None;
    let all = overview(&[chain], &[]);
    let chain = &all.chains[0];
    assert_eq!((chain.phase, chain.is_current, chain.hops_up), (None, false, 0));
    assert!(chain.hops.iter().all(|h| h.state == crate::crd::chain::HopState::Unknown));
}

#[test]
fn a_spec_that_changed_since_is_not_current() {
    let mut chain = berlin();
    chain.metadata.generation = Some(3);
    assert!(!overview(&[chain], &[]).chains[0].is_current);
}

#[test]
fn chains_are_listed_by_namespace_and_name() {
    let at = |namespace: &str, name: &str| {
        let mut chain = berlin();
        (chain.metadata.namespace, chain.metadata.name) = (Some(namespace.into()), Some(name.into()));
        chain
    };
    let all = overview(&[at("b", "x"), at("a", "y"), at("a", "x")], &[]);
    let names: Vec<_> = all.chains.iter().map(|c| format!("{}/{}", c.namespace, c.name)).collect();
    assert_eq!(names, ["a/x", "a/y", "b/x"]);
}

#[test]
fn a_storys_times_count_from_its_first_line_and_end_only_with_a_recovery() {
    let story = Story::of(&rotated(Some("Up")));
    // Kubernetes says 12:00:01, but the deciding line came half a second after that.
    assert_eq!(story.times.to_detect_seconds, Some(1.5));
    assert_eq!((story.times.to_act_seconds, story.times.to_recover_seconds), (Some(1.9), Some(4.0)));
    assert!(!story.is_open());
    let mut noted = rotated(Some("Up"));
    noted.spec.detected_at = Some(serde_json::from_value(json!("2026-11-22T12:00:01.750000Z")).unwrap());
    assert_eq!(Story::of(&noted).times.to_detect_seconds, Some(1.75), "more than whole seconds are known");
    let open = Story::of(&rotated(None));
    assert_eq!((open.times.to_act_seconds, open.times.to_recover_seconds, open.is_open()), (Some(1.9), None, true));
    let mut early = rotated(Some("TimedOut"));
    let status = early.status.as_mut().unwrap();
    status.phase = IncidentPhase::Escalated;
    status.steps[0].applied_at.as_mut().unwrap().0 = "2026-11-22T11:59:59Z".parse().unwrap();
    let times = Story::of(&early).times;
    assert_eq!((times.to_act_seconds, times.to_recover_seconds), (Some(0.0), None));
}

#[test]
fn whose_fault_it_is_follows_from_evidence_cause_and_steps() {
    let hop = |incident: &HopIncident| Story::of(incident).attribution.hop;
    assert_eq!(hop(&rotated(None)).as_deref(), Some("entry"));
    assert_eq!(hop(&symptom()).as_deref(), Some("entry"), "the exit's symptom is the entry's fault");
    let mut own_path = rotated(None);
    own_path.spec.evidence = Evidence::Path;
    assert_eq!(hop(&own_path).as_deref(), Some("entry"), "a step on a path incident: outer hops were up");
    let mut undecided = symptom();
    undecided.status.as_mut().unwrap().cause = None;
    assert_eq!(hop(&undecided), None);
}

#[test]
fn a_program_reads_the_overview_in_camel_case() {
    let json = serde_json::to_value(in_trouble()).unwrap();
    assert_eq!(json["hops"][0]["candidatesLeft"], 2);
    assert_eq!(json["incidents"][1]["times"]["toActSeconds"], 1.9);
    assert_eq!(json["incidents"][1]["steps"][0]["applied"], "2026-11-22T12:00:01.9Z");
    assert_eq!((&json["phase"], &json["hops"][2]["held"]["cause"]), (&json!("Recovering"), &json!("entry")));
}
