//! The documents of a chain's and an incident's transitions, field by field, and that Elasticsearch knows each field.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::fields::{FIELDS, Kind};
use super::setup::{Wanted, templates};
use super::transition::{Moment, Servers};
use super::*;
use crate::crd::chain::{ChainPhase, HopState};
use crate::crd::incident::{IncidentPhase, StepOutcome};
use crate::crd::{HopIncident, VpnChain, VpnChainStatus};

pub(super) fn names() -> Names {
    Names::new("default").unwrap()
}

pub(super) fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// The README's chain, of three hops, as it was before.
pub(super) fn chain(status: Option<VpnChainStatus>) -> VpnChain {
    let manifest: Value = serde_saphyr::from_str(include_str!("../../examples/berlin.yaml")).unwrap();
    let mut chain = crate::manifest::check(&manifest).unwrap();
    chain.metadata.namespace = Some("demo".into());
    chain.metadata.uid = Some("uid-berlin".into());
    chain.status = status;
    chain
}

/// A status in which the middle hop waits for the entry.
pub(super) fn held() -> VpnChainStatus {
    serde_json::from_value(json!({
        "phase": "Recovering", "hopsUp": "1/3", "openIncidents": 2, "lastRecovery": "2026-11-22T11:00:00Z",
        "message": "hop \"entry\" is Recovering",
        "hops": [
            {"name": "entry", "state": "Recovering", "candidate": "nl-1@3", "pod": "berlin-entry-0", "since": "2026-11-22T11:59:50Z"},
            {"name": "middle", "state": "Held", "candidate": "se-1@1", "pod": "berlin-middle-0", "since": "2026-11-22T11:59:52Z", "cause": "entry"},
            {"name": "exit", "state": "Up", "candidate": "ch@1@77", "pod": "berlin-exit-0", "since": "2026-11-22T10:00:00Z"},
        ],
        "conditions": [{"type": "Ready", "status": "False", "reason": "Recovering", "message": "m",
            "lastTransitionTime": "2026-11-22T11:59:50Z"}],
    }))
    .unwrap()
}

/// The same with every hop up.
pub(super) fn up() -> VpnChainStatus {
    let mut status = held();
    status.phase = Some(ChainPhase::Up);
    for hop in &mut status.hops {
        (hop.state, hop.cause) = (HopState::Up, None);
    }
    status
}

fn servers() -> Servers {
    let hop = |name: &str, last| (name.to_owned(), vec![[203, 0, 113, last].into()]);
    BTreeMap::from([hop("entry", 1), hop("middle", 2), hop("exit", 3)])
}

/// An incident whose rotation took two steps.
fn incident(phase: IncidentPhase) -> HopIncident {
    let mut incident: HopIncident = serde_json::from_value(json!({
        "apiVersion": "hopkeeper.io/v1alpha1", "kind": "HopIncident",
        "metadata": {"name": "berlin-entry-0a1b", "namespace": "demo", "uid": "uid-incident", "resourceVersion": "42",
            "creationTimestamp": "2026-11-22T12:00:03Z"},
        "spec": {
            "chain": "berlin", "hop": "entry", "podUid": "uid-entry", "pod": "berlin-entry-0",
            "candidate": {"name": "nl-1", "version": "3"}, "rule": "openvpn-auth-failed",
            "title": "The server rejected the user name or password", "verdict": "rotate", "evidence": "own",
            "line": "AUTH: Received control message: AUTH_FAILED",
            "first": {"time": "2026-11-22T12:00:00.500000Z", "position": "x"},
            "last": {"time": "2026-11-22T12:00:02.000000Z", "position": "x"},
        },
        "status": {
            "phase": "Detected", "reason": "TunnelUp", "message": "the hop carries traffic again", "cause": "entry",
            "steps": [{"action": "RotateInPlace", "candidate": {"name": "nl-2", "version": "5"}, "revision": 1, "recreate": 0,
                "startedAt": "2026-11-22T12:00:04.000000Z", "appliedAt": "2026-11-22T12:00:05.000000Z"}],
        },
    }))
    .unwrap();
    let status = incident.status.get_or_insert_default();
    status.phase = phase;
    status.steps[0].outcome = Some(StepOutcome::Up);
    if phase.is_closed() {
        status.closed_at = Some(serde_json::from_value(json!("2026-11-22T12:00:15.250000Z")).unwrap());
    }
    incident
}

fn undecided() -> HopIncident {
    HopIncident { status: None, ..incident(IncidentPhase::Detected) }
}

/// What a document says, and its action.
pub(super) fn read(document: &Document) -> (Value, Value) {
    let mut lines = document.lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    (lines.next().unwrap(), lines.next().unwrap_or_default())
}

fn transitions(before: Option<VpnChainStatus>, now: &VpnChainStatus) -> Vec<(Value, Value)> {
    let (chain, servers) = (chain(before), servers());
    let moment = Moment { chain: &chain, status: now, servers: &servers, at: noon() };
    transition::of_chain(&moment, "9", &names()).iter().map(read).collect()
}

fn of_incident(before: &HopIncident, now: &HopIncident) -> Vec<(Value, Value)> {
    let trace_id = Some("5f1cbb7a3a0e4d2c9c1b0d9a7c2e4f61".to_owned());
    transition::of_incident(&chain(None), before, now, noon(), trace_id, &names()).iter().map(read).collect()
}

/// Every kind of document.
pub(super) fn examples() -> Vec<Value> {
    let mut changed = held();
    changed.hops[0].candidate = Some("nl-2@5".into());
    changed.hops[1].cause = None;
    let mut all = transitions(Some(up()), &held());
    all.extend(transitions(Some(held()), &up()));
    all.extend(transitions(Some(held()), &changed));
    for phase in [
        IncidentPhase::Held,
        IncidentPhase::Acting,
        IncidentPhase::Verifying,
        IncidentPhase::Recovered,
        IncidentPhase::Escalated,
        IncidentPhase::Suppressed,
    ] {
        all.extend(of_incident(&undecided(), &incident(phase)));
    }
    let (chain, status, servers) = (chain(None), held(), servers());
    let states = |status| state::of_chain(&Moment { chain: &chain, status, servers: &servers, at: noon() });
    let states = states(&status).into_iter().chain(states(&up()));
    all.into_iter().map(|(_, body)| body).chain(states.map(|(_, body)| body)).collect()
}

fn leaves(value: &Value, name: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                leaves(value, &name, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| leaves(value, name, found)),
        leaf => found.push((name.to_owned(), leaf.clone())),
    }
}

fn fits(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Keyword | Kind::Text => value.is_string(),
        Kind::Date => value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()),
        Kind::Long => value.is_i64() || value.is_u64(),
        Kind::Double => value.is_number(),
        Kind::Boolean => value.is_boolean(),
        Kind::Ip => value.as_str().is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
    }
}

#[test]
fn every_field_of_every_document_is_in_the_list_with_its_kind_and_none_is_there_in_vain() {
    let kinds: BTreeMap<_, _> = FIELDS.iter().map(|field| (field.name, field.kind)).collect();
    assert_eq!(kinds.len(), FIELDS.len(), "a field is listed twice");
    let mut used = BTreeSet::new();
    for document in examples() {
        let mut found = Vec::new();
        leaves(&document, "", &mut found);
        for (name, value) in found {
            let Some(kind) = kinds.get(name.as_str()) else { panic!("{name} is not in fields::FIELDS") };
            assert!(fits(*kind, &value), "{name} should be {kind:?}: {value}");
            used.insert(name);
        }
    }
    let unused: Vec<_> = kinds.keys().filter(|name| !used.contains(**name)).collect();
    assert!(unused.is_empty(), "no document has {unused:?}");
}

#[test]
fn the_mappings_are_strict_and_nest_the_names() {
    let mappings = fields::mappings();
    assert_eq!(mappings["dynamic"], "strict");
    let at = |path: &str| mappings.pointer(path).cloned().unwrap_or_default();
    assert_eq!(at("/properties/@timestamp/type"), "date");
    assert_eq!(at("/properties/hopkeeper/properties/incident/properties/seconds_to_detect/type"), "double");
    assert_eq!(at("/properties/orchestrator/properties/resource/properties/name/type"), "keyword");
}

/// `HOPKEEPER_GENERATE=1` writes the file instead.
fn committed(path: &str, is: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("HOPKEEPER_GENERATE").is_some() {
        std::fs::write(&path, is).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == is, "{} is old: HOPKEEPER_GENERATE=1 cargo test --lib generated", path.display());
}

#[test]
fn the_generated_templates_are_the_committed_ones() {
    let wanted = Wanted { names: names(), keep: "90d".into() };
    for (file, template) in templates(&wanted) {
        committed(&format!("elasticsearch/{file}"), &format!("{}\n", serde_json::to_string_pretty(&template).unwrap()));
    }
}

#[test]
fn the_generated_table_of_fields_is_the_documentations() {
    const PAGE: &str = "docs/documents.md";
    let (begin, end) = ("<!-- fields: made from src/documents/fields.rs -->\n", "<!-- /fields -->");
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap();
    let (before, rest) = page.split_once(begin).expect("the page should mark where the table begins");
    let (_, after) = rest.split_once(end).expect("the page should mark where the table ends");
    committed(PAGE, &format!("{before}{begin}{}{end}{after}", fields::table()));
}

#[test]
fn a_chains_transition_has_a_document_of_the_chain_and_one_of_each_hop_that_changed() {
    let documents = transitions(Some(up()), &held());
    let actions: Vec<_> = documents.iter().map(|(_, body)| body["event"]["action"].clone()).collect();
    assert_eq!(actions, ["chain-phase-changed", "hop-state-changed", "hop-state-changed"]);
    let (meta, chain) = &documents[0];
    assert_eq!(meta["create"], json!({"_index": "logs-hopkeeper.transition-default", "_id": "uid-berlin:9"}));
    assert_eq!(chain["@timestamp"], "2026-11-22T12:00:00.000Z");
    let (phase, previous) = (&chain["hopkeeper"]["chain"]["phase"], &chain["hopkeeper"]["chain"]["previous_phase"]);
    assert_eq!((phase, previous), (&json!("Recovering"), &json!("Up")));
    assert_eq!(chain["hopkeeper"]["chain"]["path"], json!(["entry", "middle", "exit"]));
    assert_eq!(chain["server"]["ip"], json!(["203.0.113.3"]), "the exit's");
    let (meta, middle) = &documents[2];
    assert_eq!(meta["create"]["_id"], "uid-berlin:9:middle");
    assert_eq!(middle["message"], "hop \"middle\" went from Up to Held");
    assert_eq!(
        middle["hopkeeper"]["hop"],
        json!({"name": "middle", "position": 2, "state": "Held",
        "previous_state": "Up", "up": false, "carrying": 0, "since": "2026-11-22T11:59:52.000Z", "cause": "entry"})
    );
    assert_eq!(
        middle["hopkeeper"]["candidate"],
        json!({"path": "secret/vpn/middle/se-1", "name": "se-1", "version": "1"})
    );
    assert!(transitions(Some(held()), &held()).is_empty());
}

#[test]
fn a_chain_that_comes_up_says_how_long_it_was_down() {
    let mut back = up();
    back.conditions[0].last_transition_time.0 = noon();
    let down = |before: VpnChainStatus, now: &VpnChainStatus| {
        transitions(Some(before), now)[0].1["hopkeeper"]["chain"]["seconds_down"].as_f64()
    };
    assert_eq!(down(held(), &back), Some(10.0));
    assert_eq!(down(back, &held()), None);
    assert_eq!(down(VpnChainStatus::default(), &up()), None, "nobody knows since when");
}

#[test]
fn a_state_says_for_how_long_it_has_been_up() {
    let (chain, servers) = (chain(None), servers());
    let states = |status: &VpnChainStatus| {
        state::of_chain(&Moment { chain: &chain, status, servers: &servers, at: noon() + SignedDuration::from_secs(5) })
    };
    let seconds = |state: &(String, Value), of: &str| state.1["hopkeeper"][of]["seconds_up"].as_f64();
    let down = states(&held());
    assert_eq!((seconds(&down[0], "chain"), seconds(&down[1], "hop")), (None, None));
    assert_eq!(seconds(&down[3], "hop"), Some(7205.0), "the exit carries traffic");
    assert_eq!(seconds(&states(&up())[0], "chain"), Some(15.0));
    assert_eq!(down[0].1["hopkeeper"]["chain"]["route"], "entry → middle → exit");
}

#[test]
fn a_candidate_in_a_secret_is_named_by_that_secret_and_its_name_may_hold_an_at() {
    let first = transitions(None, &up());
    let (_, exit) = first.iter().find(|(_, body)| body["hopkeeper"]["hop"]["name"] == "exit").unwrap();
    let expected = json!({"path": "exit-pool/ch@1", "name": "ch@1", "version": "77"});
    assert_eq!(exit["hopkeeper"]["candidate"], expected);
    assert_eq!(exit["message"], "hop \"exit\" is Up");
    assert!(exit["hopkeeper"]["hop"].get("previous_state").is_none());
}

#[test]
fn an_incident_is_first_told_as_detected_and_then_as_what_was_decided() {
    let documents = of_incident(&undecided(), &incident(IncidentPhase::Held));
    let [(meta, detected), (_, held)] = &documents[..] else { panic!("{documents:?}") };
    assert_eq!(meta["create"]["_id"], "uid-incident:detected");
    assert_eq!(detected["@timestamp"], "2026-11-22T12:00:03.000Z", "when it was created");
    assert_eq!(detected["event"]["type"], json!(["start"]));
    assert_eq!(detected["message"], "The server rejected the user name or password");
    assert_eq!(detected["hopkeeper"]["candidate"]["path"], "secret/vpn/entry/nl-1");
    assert_eq!(held["hopkeeper"]["incident"]["cause"], "entry");
    assert_eq!(
        (&detected["trace"]["id"], detected["trace"]["id"].as_str()),
        (&held["trace"]["id"], Some("5f1cbb7a3a0e4d2c9c1b0d9a7c2e4f61"))
    );
    assert_eq!((&held["event"]["action"], &held["event"]["reason"]), (&json!("incident-held"), &json!("TunnelUp")));
    assert_eq!(held["kubernetes"]["pod"], json!({"name": "berlin-entry-0", "uid": "uid-entry"}));

    let later = of_incident(&incident(IncidentPhase::Acting), &incident(IncidentPhase::Verifying));
    let [(meta, verifying)] = &later[..] else { panic!("{later:?}") };
    assert_eq!(meta["create"]["_id"], "uid-incident:42");
    assert_eq!(verifying["hopkeeper"]["incident"]["previous_phase"], "Acting");
    assert_eq!(verifying["hopkeeper"]["candidate"]["name"], "nl-2", "the one that the step took");
}

#[test]
fn only_the_last_document_of_an_incident_says_how_long_it_took() {
    let close = |phase| of_incident(&incident(IncidentPhase::Verifying), &incident(phase)).pop().unwrap().1;
    let recovered = close(IncidentPhase::Recovered);
    let took = |body: &Value, what: &str| body["hopkeeper"]["incident"][format!("seconds_to_{what}")].as_f64();
    assert_eq!(took(&recovered, "detect"), Some(2.5));
    assert_eq!(took(&recovered, "act"), Some(4.5));
    assert_eq!(took(&recovered, "recover"), Some(14.75));
    assert_eq!(recovered["event"]["outcome"], "success");
    assert_eq!(recovered["event"]["duration"], 14_750_000_000_i64);
    for (phase, outcome) in [(IncidentPhase::Escalated, "failure"), (IncidentPhase::Suppressed, "unknown")] {
        let closed = close(phase);
        assert_eq!((closed["event"]["outcome"].clone(), took(&closed, "recover")), (json!(outcome), None));
        assert_eq!(took(&closed, "detect"), Some(2.5));
    }
    let acting = of_incident(&undecided(), &incident(IncidentPhase::Acting)).pop().unwrap().1;
    assert!(took(&acting, "detect").is_none() && acting["event"].get("outcome").is_none());
}

#[test]
fn an_incident_says_how_late_it_was_where_its_lines_are_and_whether_something_had_to_be_done() {
    let documents = of_incident(&undecided(), &incident(IncidentPhase::Suppressed));
    let [(_, detected), (_, closed)] = &documents[..] else { panic!("{documents:?}") };
    let (detected, closed) = (&detected["hopkeeper"]["incident"], &closed["hopkeeper"]["incident"]);
    assert_eq!((&detected["seconds_late"], closed.get("seconds_late")), (&json!(1.0), None));
    assert_eq!((detected.get("confirmed"), &closed["confirmed"]), (None, &json!(0)));
    let repaired = of_incident(&incident(IncidentPhase::Verifying), &incident(IncidentPhase::Recovered));
    assert_eq!(repaired[0].1["hopkeeper"]["incident"]["confirmed"], 1);
    assert_eq!(
        closed["discover"],
        "_g=(time:(from:'2026-11-22T11:59:00.500Z',to:'2026-11-22T12:01:02.000Z'))\
         &_a=(query:(language:kuery,query:'kubernetes.pod.uid:uid-entry'))"
    );
    let mut strange = undecided();
    strange.spec.pod_uid = "a'b".into();
    let told = of_incident(&strange, &strange);
    assert!(told[0].1["hopkeeper"]["incident"].get("discover").is_none(), "it would end the query");
}

#[test]
fn an_incident_that_was_created_within_its_second_took_no_negative_time() {
    let mut now = incident(IncidentPhase::Recovered);
    now.metadata.creation_timestamp = Some(serde_json::from_value(json!("2026-11-22T12:00:00Z")).unwrap());
    let closed = of_incident(&incident(IncidentPhase::Verifying), &now).pop().unwrap().1;
    assert_eq!(closed["hopkeeper"]["incident"]["seconds_to_detect"], 1.5, "until the line that made the verdict");
}

#[test]
fn a_state_is_told_under_the_same_id_with_the_time_as_its_version() {
    let (chain, servers) = (chain(None), servers());
    let at = |seconds| noon() + SignedDuration::from_secs(seconds);
    let moment = Moment { chain: &chain, status: &held(), servers: &servers, at: at(0) };
    let states = state::of_chain(&moment);
    let ids: Vec<_> = states.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["demo/berlin", "demo/berlin/entry", "demo/berlin/middle", "demo/berlin/exit"]);
    let version = |at| read(&state::replace("x", &json!({}), at, &names())).0["index"]["version"].as_u64().unwrap();
    assert!(version(at(1)) > version(at(0)));
    let (meta, _) = read(&state::replace("x", &json!({}), at(0), &names()));
    assert_eq!(meta["index"]["version_type"], "external");
    assert_eq!(meta["index"]["_index"], "hopkeeper-state-default");
    assert_eq!(chain.name_any(), states[0].1["hopkeeper"]["chain"]["name"]);
}
