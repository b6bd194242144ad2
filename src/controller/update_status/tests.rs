//! The status of a working chain, spoiled in one way each.

use jiff::SignedDuration;

use super::*;
use crate::controller::candidates::Skipped;
use crate::controller::candidates::listing::Listing;
use crate::controller::logs_state::LogsState;
use crate::controller::order::Answered;
use crate::controller::testing::{berlin, closed, held_by, in_phase, incident, noon, pod, with_berlin, working};
use crate::controller::validate::validate;
use crate::domain::silence::Silence;
use crate::domain::types::CandidateRef;

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// The status at a moment.
fn status(
    chain: &ValidChain<'_>,
    observed: &Observed,
    supply: &Supply,
    outcome: &Outcome,
    now: Timestamp,
) -> VpnChainStatus {
    super::status(chain, observed, supply, outcome, &chain_view(chain, observed, now))
}

fn of(chain: &ValidChain<'_>, observed: &Observed) -> VpnChainStatus {
    status(chain, observed, &Supply::default(), &Outcome::default(), noon())
}

/// The status after `spoil`.
fn after(spoil: impl FnOnce(&mut Observed)) -> VpnChainStatus {
    with_berlin(|chain| {
        let mut observed = working(chain);
        spoil(&mut observed);
        of(chain, &observed)
    })
}

fn down(observed: &mut Observed, hop: &str) {
    observed.pods.insert(hop.into(), pod(hop, false, noon() - minutes(1)));
}

fn states(status: &VpnChainStatus) -> [HopState; 3] {
    [status.hops[0].state, status.hops[1].state, status.hops[2].state]
}

fn told(status: &VpnChainStatus) -> (ChainPhase, &str) {
    (status.phase.unwrap(), status.message.as_deref().unwrap())
}

fn condition<'a>(
    status: &'a VpnChainStatus,
    type_: &str,
) -> &'a k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition {
    status.conditions.iter().find(|c| c.type_ == type_).unwrap()
}

use HopState::{Connecting, Held, Recovering, Suspect, Unknown, Up};

#[test]
fn a_chain_whose_hops_are_ready_is_up() {
    let status = after(|_| ());
    assert_eq!((told(&status), states(&status)), ((ChainPhase::Up, "every hop carries traffic"), [Up; 3]));
    assert_eq!(
        (status.hops_up.as_deref(), status.open_incidents, status.last_recovery.clone()),
        (Some("3/3"), 0, None)
    );
    let entry = &status.hops[0];
    assert_eq!((entry.candidate.as_deref(), entry.pod.as_deref()), (Some("a@1"), Some("berlin-entry-0")));
    assert_eq!(entry.since, Some(Time(noon() - minutes(60))));
    for type_ in ["Ready", "Reconciled", "ParametersAvailable"] {
        let condition = condition(&status, type_);
        assert_eq!((condition.status.as_str(), condition.observed_generation), ("True", Some(1)), "{type_}");
    }
}

#[test]
fn a_hop_that_was_up_is_suspect_and_one_that_never_was_connects() {
    let status = after(|o| down(o, "middle"));
    assert_eq!(states(&status), [Up, Suspect, Up]);
    assert_eq!(told(&status), (ChainPhase::Degraded, "hop \"middle\" is Suspect"));
    let status = after(|o| drop(o.pods.insert("exit".into(), pod("exit", false, noon() - minutes(120)))));
    assert_eq!(states(&status), [Up, Up, Connecting]);
    assert_eq!(told(&status), (ChainPhase::Connecting, "hop \"exit\" is Connecting"));
}

#[test]
fn a_hop_without_a_pod_connects_once_it_has_parameters() {
    let status = after(|o| drop(o.pods.remove("entry")));
    assert_eq!(states(&status), [Connecting, Up, Up]);
    let status = after(|o| {
        o.pods.remove("entry");
        o.secrets.remove("entry");
    });
    assert_eq!((states(&status), status.hops[0].candidate.clone()), ([Unknown, Up, Up], None));
}

#[test]
fn a_hop_under_repair_is_recovering_even_while_it_says_ready() {
    for phase in [IncidentPhase::Acting, IncidentPhase::Verifying] {
        let status = after(|o| o.incidents.push(in_phase(phase, incident("x", "middle", noon()))));
        assert_eq!(states(&status), [Up, Recovering, Up]);
        assert_eq!((told(&status).0, status.open_incidents), (ChainPhase::Recovering, 1));
    }
}

#[test]
fn a_symptom_is_held_and_names_its_cause() {
    let status = after(|o| {
        down(o, "entry");
        down(o, "exit");
        o.incidents.push(held_by(Some("entry"), incident("x", "exit", noon())));
    });
    assert_eq!(states(&status), [Suspect, Up, Held]);
    assert_eq!(status.hops[2].cause.as_deref(), Some("entry"));
    assert_eq!(told(&status), (ChainPhase::Degraded, "hop \"entry\" is Suspect"));
    let status = after(|o| {
        down(o, "exit");
        o.incidents.push(held_by(Some("entry"), incident("x", "exit", noon())));
    });
    assert_eq!(told(&status).1, "hop \"exit\" is Held: a symptom of outer hop \"entry\"");
}

#[test]
fn an_incident_that_only_waits_calls_nobody() {
    let status = after(|o| {
        down(o, "exit");
        o.incidents.push(held_by(None, incident("cooldown", "exit", noon())));
    });
    assert_eq!((states(&status), told(&status).0), ([Up, Up, Suspect], ChainPhase::Degraded));
    // And it hides no symptom's cause.
    let status = after(|o| {
        down(o, "exit");
        o.incidents.push(held_by(None, incident("cooldown", "exit", noon())));
        o.incidents.push(held_by(Some("entry"), incident("symptom", "exit", noon())));
    });
    assert_eq!((states(&status)[2], status.hops[2].cause.as_deref()), (Held, Some("entry")));
}

#[test]
fn an_escalated_hop_is_held_until_it_was_up_again() {
    let escalated = |closed_at| {
        after(|o| {
            down(o, "middle");
            o.incidents.push(closed(IncidentPhase::Escalated, closed_at, incident("x", "middle", noon())));
        })
    };
    let status = escalated(noon());
    assert_eq!((states(&status), told(&status)), ([Up, Held, Up], (ChainPhase::Held, "hop \"middle\" is Held")));
    assert_eq!(states(&escalated(noon() - minutes(10))), [Up, Suspect, Up]);
    let up_again =
        after(|o| o.incidents.push(closed(IncidentPhase::Escalated, noon(), incident("x", "middle", noon()))));
    assert_eq!(told(&up_again).0, ChainPhase::Up);
}

#[test]
fn a_paused_chain_says_so_whatever_its_hops_do() {
    let mut chain = berlin();
    chain.spec.paused = true;
    let valid = validate(&chain).unwrap();
    let mut observed = working(&valid);
    down(&mut observed, "entry");
    assert_eq!(told(&of(&valid, &observed)), (ChainPhase::Paused, "hop \"entry\" is Suspect"));
}

#[test]
fn the_last_recovery_is_the_newest_and_outlives_its_incident() {
    let recovered = |at, name| closed(IncidentPhase::Recovered, at, incident(name, "entry", noon()));
    let mut chain = berlin();
    chain.status = Some(after(|o| {
        o.incidents.push(recovered(noon() - minutes(5), "x"));
        o.incidents.push(recovered(noon() - minutes(9), "y"));
        o.incidents.push(closed(IncidentPhase::Suppressed, noon(), incident("z", "entry", noon())));
    }));
    assert_eq!(chain.status.as_ref().unwrap().last_recovery, Some(Time(noon() - minutes(5))));
    let valid = validate(&chain).unwrap();
    assert_eq!(of(&valid, &working(&valid)).last_recovery, Some(Time(noon() - minutes(5))));
}

#[test]
fn a_pool_that_cannot_be_read_is_the_message_and_a_condition() {
    with_berlin(|chain| {
        let supply =
            Supply { problems: vec![("exit".into(), "secret \"p\" does not exist".into())], ..Supply::default() };
        let status = status(chain, &working(chain), &supply, &Outcome::default(), noon());
        assert_eq!(told(&status), (ChainPhase::Up, "hop \"exit\": secret \"p\" does not exist"));
        let condition = condition(&status, "ParametersAvailable");
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("False", "PoolUnreadable"));
    });
}

#[test]
fn the_same_state_later_is_the_same_status() {
    let mut chain = berlin();
    chain.status = Some(after(|o| down(o, "entry")));
    let valid = validate(&chain).unwrap();
    let mut observed = working(&valid);
    down(&mut observed, "entry");
    let later = status(&valid, &observed, &Supply::default(), &Outcome::default(), noon() + minutes(30));
    assert_eq!(Some(later), chain.status);
}

#[test]
fn a_conditions_transition_time_moves_only_with_its_status() {
    let mut chain = berlin();
    chain.status = Some(after(|o| down(o, "entry")));
    let valid = validate(&chain).unwrap();
    let mut observed = working(&valid);
    observed.pods.remove("entry");
    let later = noon() + minutes(30);
    let other_reason = status(&valid, &observed, &Supply::default(), &Outcome::default(), later);
    let ready = condition(&other_reason, "Ready");
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "Connecting"));
    assert_eq!(ready.last_transition_time, Time(noon()));
    let up = status(&valid, &working(&valid), &Supply::default(), &Outcome::default(), later);
    assert_eq!(condition(&up, "Ready").last_transition_time, Time(later));
    assert_eq!(condition(&up, "Reconciled").last_transition_time, Time(noon()));
    let types: Vec<_> = up.conditions.iter().map(|c| c.type_.as_str()).collect();
    assert_eq!(types, ["ParametersAvailable", "Ready", "Reconciled"]);
}

#[test]
fn a_skipped_candidate_is_listed_until_it_is_read_well_or_its_hop_is_gone_and_told_once() {
    let skip = |hop: &str, name: &str| (hop.to_owned(), Skipped { name: name.into(), reason: "bad".into() });
    let found =
        Supply { skipped: vec![skip("entry", "a"), skip("entry", "b"), skip("exit", "c")], ..Supply::default() };
    let listed = |status: &VpnChainStatus| status.skipped_candidates.keys().cloned().collect::<Vec<_>>();
    let mut chain = berlin();
    chain.status = Some(with_berlin(|chain| {
        assert_eq!(skipped_candidates(chain, &BTreeMap::new(), &found).1.len(), 3);
        status(chain, &working(chain), &found, &Outcome::default(), noon())
    }));
    let known = chain.status.as_ref().unwrap().skipped_candidates.clone();
    assert_eq!(listed(chain.status.as_ref().unwrap()), ["entry/a", "entry/b", "exit/c"]);
    let mut again = found;
    again.skipped[1].1.reason = "worse".into();
    let news: Vec<_> = with_berlin(|chain| {
        skipped_candidates(chain, &known, &again).1.into_iter().map(|(hop, s)| format!("{hop}/{}", s.name)).collect()
    });
    assert_eq!(news, ["entry/b"]);
    chain.spec.hops.pop();
    let valid = validate(&chain).unwrap();
    // Somebody mended candidate a.
    let supply = Supply { usable: vec![("entry".into(), "a".into())], ..Supply::default() };
    let mended = status(&valid, &working(&valid), &supply, &Outcome::default(), noon());
    assert_eq!(listed(&mended), ["entry/b"]);
}

#[test]
fn the_candidates_left_are_those_that_a_rotation_could_take_and_stay_known_while_the_pool_is_silent() {
    let listing =
        Listing { names: ["a", "b", "c", "d"].map(str::to_owned).to_vec(), version: None, ..Listing::default() };
    let asked = Supply {
        listings: BTreeMap::from([("entry".to_owned(), listing)]),
        skipped: vec![("entry".into(), Skipped { name: "d".into(), reason: "bad".into() })],
        ..Supply::default()
    };
    let mut chain = berlin();
    chain.status = Some(with_berlin(|chain| {
        let mut observed = working(chain);
        let mut failed = incident("x", "entry", noon());
        failed.spec.candidate = CandidateRef { name: "b".into(), version: "1".into() };
        observed.incidents.push(failed);
        status(chain, &observed, &asked, &Outcome::default(), noon())
    }));
    let left = |status: &VpnChainStatus| status.hops.iter().map(|h| h.candidates_left).collect::<Vec<_>>();
    // `a` is in use, `b` was refused, `d` cannot be used; the others' pools were never asked.
    assert_eq!(left(chain.status.as_ref().unwrap()), [Some(1), None, None]);
    let valid = validate(&chain).unwrap();
    assert_eq!(left(&of(&valid, &working(&valid))), [Some(1), None, None]);
}

#[test]
fn the_last_order_is_answered_by_a_condition_that_stays() {
    let answered = |answer, message: &str| {
        let order = Answered { hop: "entry".into(), leave: "a@1".into(), answer, message: message.into() };
        Outcome { orders: vec![order], ..Outcome::default() }
    };
    let mut chain = berlin();
    for (answer, value) in [(Answer::Waiting, "False"), (Answer::Refused, "False"), (Answer::Obeyed, "True")] {
        chain.status = Some(with_berlin(|chain| {
            status(chain, &working(chain), &Supply::default(), &answered(answer, "so it is"), noon())
        }));
        let valid = validate(&chain).unwrap();
        let later = of(&valid, &working(&valid));
        let condition = condition(&later, "RotationObeyed");
        assert_eq!((condition.status.as_str(), condition.message.as_str()), (value, "so it is"));
        assert_eq!(condition.reason, format!("{answer:?}"));
    }
}

#[test]
fn an_invalid_spec_is_told_and_keeps_what_was_known_of_the_hops() {
    let mut chain = berlin();
    chain.status = Some(after(|_| ()));
    chain.metadata.generation = Some(2);
    let why = InvalidChain::Network { field: "gateway.cidr", value: "x".into() };
    let status = invalid_status(&chain, &why, noon() + minutes(1));
    assert_eq!(told(&status), (ChainPhase::Invalid, "gateway.cidr \"x\" is not an IPv4 network such as 10.200.7.0/24"));
    assert_eq!((status.observed_generation, status.hops.len()), (Some(2), 3));
    for type_ in ["Ready", "Reconciled"] {
        let condition = condition(&status, type_);
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("False", "InvalidSpec"));
        assert_eq!(condition.last_transition_time, Time(noon() + minutes(1)));
    }
    chain.status = Some(status.clone());
    assert_eq!(invalid_status(&chain, &why, noon() + minutes(9)), status);
}

/// Nothing comes of these hops' pods; or it is not known yet of whom.
fn silent(hops: Option<&[&str]>, all: bool) -> Option<LogsState> {
    let pods = |hops: &[&str]| hops.iter().map(|hop| format!("uid-{hop}")).collect();
    let silence = hops.map(|hops| Silence { pods: pods(hops), all });
    let after = std::time::Duration::from_secs(60);
    Some(LogsState { silence, after, remedy: "look at the shipper", falls_back: false })
}

#[test]
fn a_hop_of_which_no_line_comes_is_unknown_and_counts_by_what_kubernetes_sees() {
    let status = after(|o| o.logs = silent(Some(&["middle"]), false));
    assert_eq!((states(&status), status.hops_up.as_deref()), ([Up, Unknown, Up], Some("3/3")));
    let message = "every hop carries traffic, but no log line comes of hop \"middle\"";
    assert_eq!(told(&status), (ChainPhase::Up, message));
    assert_eq!(condition(&status, "Ready").status, "True", "nobody is called for traffic that flows");
    let heard = condition(&status, "LogsHeard");
    assert_eq!((heard.status.as_str(), heard.reason.as_str()), ("False", "HopsSilent"));
    let message = "nothing has come of \"middle\" for 60 s, while others are heard: look at the shipper";
    assert_eq!(heard.message, message);

    let status = after(|o| {
        o.logs = silent(Some(&["middle"]), false);
        down(o, "middle");
    });
    assert_eq!((states(&status), status.hops_up.as_deref()), ([Up, Unknown, Up], Some("2/3")));
    assert_eq!(told(&status), (ChainPhase::Degraded, "hop \"middle\" is Unknown"));
}

#[test]
fn silence_of_all_hops_is_the_pipelines() {
    let status = after(|o| o.logs = silent(Some(&["entry", "middle", "exit"]), true));
    assert_eq!((states(&status), status.phase), ([Unknown; 3], Some(ChainPhase::Up)));
    let heard = condition(&status, "LogsHeard");
    let message = "nothing has come of any hop of any chain for 60 s: the log pipeline is down: look at the shipper";
    assert_eq!((heard.reason.as_str(), heard.message.as_str()), ("PipelineDown", message));
    let falls_back = after(|o| {
        o.logs = silent(Some(&["entry", "middle", "exit"]), true);
        o.logs.as_mut().unwrap().falls_back = true;
    });
    let meanwhile = format!("{message}; until then their logs are read through the Kubernetes API");
    assert_eq!(condition(&falls_back, "LogsHeard").message, meanwhile);
}

#[test]
fn what_is_known_without_lines_is_told_of_a_silent_hop_too() {
    let status = after(|o| {
        o.logs = silent(Some(&["entry", "middle", "exit"]), true);
        o.incidents.push(in_phase(IncidentPhase::Verifying, incident("x", "entry", noon())));
        down(o, "exit");
        o.incidents.push(held_by(Some("entry"), incident("y", "exit", noon())));
    });
    assert_eq!((states(&status), status.hops[2].cause.as_deref()), ([Recovering, Unknown, Held], Some("entry")));
    let status = after(|o| {
        o.logs = silent(Some(&["entry"]), false);
        o.incidents.push(in_phase(IncidentPhase::Verifying, incident("x", "entry", noon())));
    });
    let heard = condition(&status, "LogsHeard");
    assert_eq!((states(&status)[0], heard.status.as_str()), (Recovering, "False"), "it is not heard for all that");
    // Another pod than the one that was silent, or none.
    let status = after(|o| {
        o.logs = silent(Some(&["entry", "middle"]), false);
        o.pods.get_mut("entry").unwrap().metadata.uid = Some("uid-new".into());
        o.pods.remove("middle");
    });
    assert_eq!(states(&status), [Up, Connecting, Up]);
}

#[test]
fn who_has_not_listened_long_enough_leaves_a_silent_hop_at_what_was_told_before() {
    let mut chain = berlin();
    let status_with = |chain: &VpnChain, logs: Option<LogsState>| {
        let valid = validate(chain).unwrap();
        let mut observed = working(&valid);
        observed.logs = logs;
        status(&valid, &observed, &Supply::default(), &Outcome::default(), noon() + minutes(5))
    };
    let fresh = status_with(&chain, silent(None, false));
    assert_eq!(states(&fresh), [Up; 3]);
    assert!(fresh.conditions.iter().all(|c| c.type_ != "LogsHeard"), "it is not known yet");

    chain.status = Some(after(|o| o.logs = silent(Some(&["middle"]), false)));
    assert_eq!(Some(status_with(&chain, silent(None, false))), chain.status);
    let heard = status_with(&chain, silent(Some(&[]), false));
    assert_eq!((states(&heard), condition(&heard, "LogsHeard").status.as_str()), ([Up; 3], "True"));
    let off = status_with(&chain, None);
    assert_eq!(states(&off), [Up; 3]);
    assert!(off.conditions.iter().all(|c| c.type_ != "LogsHeard"), "nobody listens any more");
}

#[test]
fn silence_is_an_event_when_it_begins_changes_and_ends() {
    use crate::internal_event::controller::Publishable as _;
    let told = |hops: &[&str]| after(|o| o.logs = silent(Some(hops), false));
    let news = |before: &VpnChainStatus, now: &VpnChainStatus| {
        logs_state::news(before, now).and_then(|news| news.event()).map(|event| (event.reason, event.note.unwrap()))
    };
    let (nobody_asked, heard, one, two) = (after(|_| ()), told(&[]), told(&["entry"]), told(&["entry", "exit"]));
    assert_eq!(news(&nobody_asked, &heard), None, "all is well at the first look");
    assert_eq!(news(&nobody_asked, &one).unwrap().0, "LogsSilent");
    let (reason, note) = news(&heard, &one).unwrap();
    assert!(reason == "LogsSilent" && note.contains("look at the shipper"), "{note}");
    assert_eq!(news(&one, &one), None);
    assert!(news(&one, &two).unwrap().1.contains("\"entry\", \"exit\""));
    assert_eq!(news(&two, &heard).unwrap().0, "LogsHeard");
}
