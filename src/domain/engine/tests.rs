//! The engine on the shipped rules: what fires, what is history, what a replay finds again.

use super::*;
use crate::domain::event::Position;
use crate::domain::types::{CandidateRef, HopId, Implementation};

const AUTH_FAILED: &str = "AUTH: Received control message: AUTH_FAILED";
const COMPLETED: &str = "Initialization Sequence Completed";

pub(crate) fn hop() -> HopIdentity {
    HopIdentity {
        id: HopId { namespace: "prod".into(), chain: "berlin".into(), hop: "entry".into() },
        pod_uid: "uid-1".into(),
        pod_name: "berlin-entry-0".into(),
        implementation: Implementation::OpenVpn,
        candidate: CandidateRef { name: "a".into(), version: "1".into() },
        plan_id: "a@1#0".into(),
        applied_at: at(-20),
    }
}

/// The hop, with parameters that were written lately.
fn applied_at(second: i64) -> HopIdentity {
    HopIdentity { applied_at: at(second), ..hop() }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).expect("should be a time")
}

pub(crate) fn event(second: i64, text: &str) -> LogEvent {
    let sequence = u64::try_from(second).expect("should not be negative");
    LogEvent {
        time: at(second),
        namespace: "prod".into(),
        pod: "berlin-entry-0".into(),
        pod_uid: Some("uid-1".into()),
        container: "vpn".into(),
        text: text.into(),
        file_offset: Some(sequence * 100),
        position: Position::new(Shard::new("kafka:vpn/0"), sequence),
    }
}

fn engine() -> Engine {
    Engine::new(Arc::new(RuleSet::shipped()))
}

pub(crate) fn detection() -> Detection {
    let mut engine = engine();
    engine.observe(&event(10, AUTH_FAILED), &hop());
    engine.observe(&event(12, AUTH_FAILED), &hop()).pop().expect("should fire")
}

#[test]
fn two_refusals_within_a_minute_are_a_detection_with_its_lines() {
    let found = detection();
    assert_eq!(
        (found.rule.as_str(), found.verdict, found.evidence),
        ("openvpn-auth-failed", Verdict::Rotate, Evidence::Own)
    );
    assert_eq!((found.window_start, found.first.position.sequence, found.last.position.sequence), (at(10), 10, 12));
    assert_eq!(found.trigger, AUTH_FAILED);
}

#[test]
fn a_refusal_that_heals_is_none() {
    let mut engine = engine();
    for (second, text) in [(10, AUTH_FAILED), (11, COMPLETED), (12, AUTH_FAILED), (13, COMPLETED)] {
        assert!(engine.observe(&event(second, text), &hop()).is_empty());
    }
    assert_eq!(engine.open_windows(), 0);
}

#[test]
fn a_line_from_before_the_tunnel_worked_is_history_even_when_it_comes_late() {
    let mut engine = engine();
    engine.observe(&event(20, COMPLETED), &hop());
    engine.observe(&event(18, AUTH_FAILED), &hop());
    assert!(engine.observe(&event(19, AUTH_FAILED), &hop()).is_empty());
    assert_eq!(engine.take_tally().stale, 2);
}

#[test]
fn lines_older_than_the_parameters_are_stale() {
    let mut engine = engine();
    let hop = applied_at(0);
    engine.observe(&health(0, "connecting", "a@1#0", 1), &hop);
    for second in 0..3 {
        assert!(engine.observe(&event(second, AUTH_FAILED), &hop).is_empty());
    }
    assert_eq!(engine.take_tally(), Tally { stale: 4, ..Tally::default() });
    assert_eq!(engine.open_windows(), 0);
}

#[test]
fn other_parameters_start_afresh() {
    let mut engine = engine();
    engine.observe(&event(10, AUTH_FAILED), &hop());
    let mut rotated = hop();
    rotated.candidate.name = "b".into();
    assert!(engine.observe(&event(12, AUTH_FAILED), &rotated).is_empty());
    assert_eq!(engine.needed_from(&Shard::new("kafka:vpn/0")), Some(12));
}

#[test]
fn a_line_shipped_twice_is_one_line() {
    let mut engine = engine();
    engine.observe(&event(10, AUTH_FAILED), &hop());
    let mut again = event(10, AUTH_FAILED);
    again.position.sequence = 11;
    assert!(engine.observe(&again, &hop()).is_empty());
}

#[test]
fn several_lines_in_one_record_are_each_counted() {
    let mut engine = engine();
    let both = format!("{AUTH_FAILED}\n{AUTH_FAILED}\n");
    assert_eq!(engine.observe(&event(10, &both), &hop()).len(), 1);
}

#[test]
fn open_windows_hold_their_records_until_they_are_over() {
    let (mut engine, shard) = (engine(), Shard::new("kafka:vpn/0"));
    engine.observe(&event(10, AUTH_FAILED), &hop());
    engine.observe(&event(12, AUTH_FAILED), &hop());
    assert_eq!(engine.needed_from(&shard), Some(10));
    engine.observe(&event(311, "another line"), &hop());
    assert_eq!(engine.expire(at(311)), 0);
    engine.observe(&event(312, "another line"), &hop());
    assert_eq!(engine.expire(at(312)), 1);
    assert_eq!(engine.needed_from(&shard), None);

    engine.observe(&event(400, AUTH_FAILED), &hop());
    engine.drop_shard(&shard);
    assert_eq!(engine.needed_from(&shard), None);
}

#[test]
fn a_silent_pod_holds_its_records_for_ten_minutes() {
    let mut engine = engine();
    engine.observe(&event(10, AUTH_FAILED), &hop());
    let forgotten = [0, 300, 599, 601].map(|later| engine.expire(at(10_000 + later)));
    assert_eq!(forgotten, [0, 0, 0, 1]);
}

#[test]
fn a_fault_inside_the_pod_explains_its_silence() {
    const NOT_PERMITTED: &str = "write UDPv4 []: Operation not permitted (fd=3,code=1)";
    const NO_ANSWER: &str =
        "TLS Error: TLS key negotiation failed to occur within 60 seconds (check your network connectivity)";
    let mut engine = engine();
    let verdicts = |found: Vec<Detection>| found.iter().map(|d| d.verdict).collect::<Vec<_>>();
    assert_eq!(verdicts(engine.observe(&event(5, NO_ANSWER), &hop())), [Verdict::Rotate]);
    for second in [300, 301, 302, 380] {
        engine.observe(&event(second, NOT_PERMITTED), &hop());
    }
    assert!(engine.observe(&event(450, NO_ANSWER), &hop()).is_empty());
    assert_eq!(engine.take_tally().explained, 1);
    assert_eq!(verdicts(engine.observe(&event(501, NO_ANSWER), &hop())), [Verdict::Rotate]);
}

#[test]
fn containers_other_than_the_client_and_its_health_are_not_read() {
    let mut engine = engine();
    for second in [10, 11, 12] {
        let mut event = event(second, AUTH_FAILED);
        event.container = "net".into();
        assert!(engine.observe(&event, &hop()).is_empty());
    }
    assert_eq!(engine.take_tally(), Tally::default());
}

fn health(second: i64, state: &str, applied: &str, carrier: u8) -> LogEvent {
    let line = format!(
        r#"{{"hopkeeper":"health","state":"{state}","applied":"{applied}","carrier":{carrier},"rx_age_seconds":30}}"#
    );
    LogEvent { container: "health".into(), ..event(second, &line) }
}

#[test]
fn a_sidecar_that_hangs_is_an_incident_even_when_its_last_word_was_good() {
    let mut engine = engine();
    let mut rules = |seconds: [i64; 6], carrier| {
        let lines = seconds.map(|second| health(second, "down", "a@1#0", carrier));
        lines.iter().flat_map(|line| engine.observe(line, &hop())).map(|d| d.rule.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(rules([30, 35, 40, 45, 50, 55], 1), ["health-nobody-watches"]);
    assert_eq!(rules([60, 65, 70, 75, 80, 85], 0), ["health-no-client"]);
}

#[test]
fn a_client_that_still_runs_the_former_parameters_proves_nothing_about_these() {
    let (mut engine, hop) = (engine(), applied_at(0));
    engine.observe(&health(4, "stalled", "z@9#0", 1), &hop);
    for second in [5, 6, 25, 30] {
        assert!(engine.observe(&event(second, AUTH_FAILED), &hop).is_empty(), "at {second} s");
    }
    // Matched by a rule, but what it tells is the former ones' silence.
    assert!(engine.observe(&health(31, "stalled", "z@9#0", 1), &hop).is_empty());
    assert_eq!(engine.take_tally(), Tally { matched: 2, stale: 6, ..Tally::default() });

    engine.observe(&health(32, "connecting", "a@1#0", 1), &hop);
    engine.observe(&event(33, AUTH_FAILED), &hop);
    assert_eq!(engine.observe(&event(35, AUTH_FAILED), &hop).len(), 1);
}

#[test]
fn a_client_that_runs_the_new_parameters_is_believed_at_once() {
    let (mut engine, hop) = (engine(), applied_at(0));
    // Within the time that client lines are settling, but what it says holds.
    engine.observe(&health(2, "connecting", "a@1#0", 1), &hop);
    engine.observe(&event(4, AUTH_FAILED), &hop);
    assert_eq!(engine.observe(&event(6, AUTH_FAILED), &hop).len(), 1);
}

#[test]
fn without_health_lines_parameters_take_effect_after_twenty_seconds() {
    let refused = |health: Option<LogEvent>, seconds: [i64; 2]| {
        let (mut engine, hop) = (engine(), applied_at(0));
        health.map(|line| engine.observe(&line, &hop));
        seconds.map(|second| engine.observe(&event(second, AUTH_FAILED), &hop).len())
    };
    assert_eq!(refused(None, [18, 19]), [0, 0]);
    assert_eq!(refused(None, [20, 21]), [0, 1]);
    // A sidecar that has nothing to say, or spoke before the change, says nothing.
    assert_eq!(refused(Some(health(5, "down", "", 0)), [20, 21]), [0, 1]);
    let before = LogEvent { time: at(-1), ..health(0, "up", "z@9#0", 1) };
    assert_eq!(refused(Some(before), [20, 21]), [0, 1]);
    // Nor does one that fell silent.
    assert_eq!(refused(Some(health(5, "up", "z@9#0", 1)), [65, 66]), [0, 0]);
    assert_eq!(refused(Some(health(5, "up", "z@9#0", 1)), [66, 67]), [0, 1]);
}

#[test]
fn the_same_candidate_loaded_again_is_another_plan() {
    let (mut engine, hop) = (engine(), applied_at(0));
    engine.observe(&health(2, "connecting", "a@1#0", 1), &hop);
    engine.observe(&event(4, AUTH_FAILED), &hop);
    let again = HopIdentity { plan_id: "a@1#1".into(), ..hop };
    assert!(engine.observe(&event(6, AUTH_FAILED), &again).is_empty());
    assert_eq!(engine.open_windows(), 0);
}

#[test]
fn a_fault_inside_the_pod_counts_whatever_the_client_runs() {
    let (mut engine, hop) = (engine(), applied_at(0));
    let lines = [10, 15, 20].map(|second| health(second, "down", "z@9#0", 0));
    let found: Vec<_> = lines.iter().flat_map(|line| engine.observe(line, &hop)).map(|d| d.rule.to_string()).collect();
    assert_eq!(found, ["health-no-client"]);
}

#[test]
fn what_is_uncertain_changes_nothing_until_the_health_line_is_heard() {
    let (mut engine, shard, hop) = (engine(), Shard::new("kafka:vpn/0"), applied_at(0));
    let since = |mut line: LogEvent, since: i64| {
        line.text = line.text.replace("\"carrier\"", &format!(r#""applied_since":"{}","carrier""#, at(since)));
        line
    };
    for second in [2, 4] {
        assert_eq!(engine.observe_if_certain(&event(second, AUTH_FAILED), &hop), None);
    }
    assert_eq!((engine.open_windows(), engine.take_tally()), (0, Tally::default()));
    let word = since(health(5, "connecting", "a@1#0", 1), 1);
    engine.hear(&word, &hop);
    assert_eq!(engine.take_tally(), Tally::default(), "heard, not counted");
    assert_eq!(engine.observe_if_certain(&event(0, AUTH_FAILED), &hop), Some(Vec::new()));
    assert_eq!(engine.take_tally().stale, 1);
    assert_eq!(engine.observe_if_certain(&event(2, AUTH_FAILED), &hop), Some(Vec::new()));
    assert_eq!(engine.needed_from(&shard), Some(2), "any health line after it tells the next reader the same");
    assert_eq!(engine.observe_if_certain(&event(4, AUTH_FAILED), &hop).map(|found| found.len()), Some(1));
    // A health line is never uncertain.
    assert!(engine.observe_if_certain(&health(6, "up", "z@9#0", 1), &applied_at(1)).is_some());
}

#[test]
fn a_line_that_no_rule_knows_is_counted_as_that_alone() {
    let mut engine = engine();
    engine.observe(&event(10, "a text that no client prints"), &hop());
    engine.observe(&event(11, AUTH_FAILED), &hop());
    assert_eq!(engine.take_tally(), Tally { matched: 1, unmatched: 1, ..Tally::default() });
}

#[test]
fn the_last_handshake_is_told_by_health_lines_of_these_parameters_and_once() {
    let mut engine = engine();
    let line = |second: i64, age: i64| {
        let text = format!(r#"{{"hopkeeper":"health","state":"up","applied":"a@1#0","handshake_age_seconds":{age}}}"#);
        LogEvent { container: "health".into(), ..event(second, &text) }
    };
    engine.observe(&line(100, 20), &hop());
    // Never, so far; and one that came late.
    engine.observe(&line(110, -1), &hop());
    engine.observe(&line(90, 15), &hop());
    engine.observe(&line(1, 0), &applied_at(50));
    assert_eq!(engine.take_handshakes(), HashMap::from([(hop().id, at(80))]));
    assert!(engine.take_handshakes().is_empty());
}
