use super::*;
use crate::domain::testing::{at, candidate, incident, step, view};

/// A chain in which `accused` hops have the given incidents, and the decision about the first of them.
fn decision(change: impl FnOnce(&mut ChainView)) -> Decision {
    let mut chain = view(["entry", "middle", "exit"]);
    chain.incidents.push(incident("first", "middle"));
    change(&mut chain);
    decide(&chain, &chain.incidents[0])
}

fn down(chain: &mut ChainView, hop: usize) {
    let pod = chain.hops[hop].pod.as_mut().unwrap();
    (pod.ready, pod.ready_since) = (false, at(9_990));
}

fn path(chain: &mut ChainView) {
    chain.incidents[0].evidence = Evidence::Path;
    down(chain, 1);
}

fn held(why: Hold, cause: Option<&str>, until: Option<i64>) -> Decision {
    Decision::Hold { why, cause: cause.map(str::to_owned), until: until.map(at) }
}

#[test]
fn own_evidence_acts_at_once_even_while_the_pod_still_says_ready() {
    assert_eq!(decision(|_| ()), Decision::Begin(StepKind::RotateInPlace));
}

#[test]
fn path_evidence_with_every_outer_hop_up_acts() {
    assert_eq!(decision(path), Decision::Begin(StepKind::RotateInPlace));
}

#[test]
fn path_evidence_inside_a_broken_outer_hop_is_its_symptom() {
    let decided = decision(|c| {
        path(c);
        down(c, 0);
    });
    assert_eq!(decided, held(Hold::SymptomOf, Some("entry"), None));
}

#[test]
fn an_inner_hop_that_is_down_accuses_nobody() {
    let decided = decision(|c| {
        path(c);
        down(c, 2);
    });
    assert_eq!(decided, Decision::Begin(StepKind::RotateInPlace));
}

#[test]
fn a_symptom_gets_time_to_heal_after_its_cause_did() {
    let decided = decision(|c| {
        path(c);
        c.hops[0].pod.as_mut().unwrap().ready_since = at(9_995);
    });
    assert_eq!(decided, held(Hold::OuterRecovering, Some("entry"), Some(10_015)));
}

#[test]
fn a_symptom_closes_with_its_cause() {
    let decided = decision(|c| {
        c.incidents[0].cause = Some("entry".into());
        c.hops[1].pod.as_mut().unwrap().ready_since = at(10_000);
    });
    assert_eq!(decided, Decision::CauseRecovered("entry".into()));
}

#[test]
fn path_evidence_about_a_hop_that_stays_ready_is_dropped_after_a_while() {
    let ready = |c: &mut ChainView| c.incidents[0].evidence = Evidence::Path;
    assert_eq!(decision(ready), held(Hold::StillReady, None, Some(10_009)));
    let later = |c: &mut ChainView| {
        ready(c);
        c.now = at(10_009);
    };
    assert_eq!(decision(later), Decision::Suppress(Suppress::Healed));
}

#[test]
fn stale_evidence_never_acts() {
    type Spoil = fn(&mut ChainView);
    let cases: [(Spoil, Suppress); 6] = [
        (|c| c.incidents[0].pod_uid = "another".into(), Suppress::PodGone),
        (|c| c.hops[1].pod = None, Suppress::PodGone),
        (|c| c.incidents[0].candidate = candidate("before"), Suppress::StaleParameters),
        (|c| c.incidents[0].last_line = at(800), Suppress::StaleParameters),
        (|c| c.incidents[0].last_line = at(950), Suppress::Healed),
        (|c| c.incidents[0].hop = "removed".into(), Suppress::HopRemoved),
    ];
    for (spoil, why) in cases {
        assert_eq!(decision(spoil), Decision::Suppress(why));
    }
}

#[test]
fn a_second_incident_of_a_hop_under_repair_waits() {
    let decided = decision(|c| {
        let repair = IncidentView { phase: Phase::Verifying, ..incident("other", "middle") };
        c.incidents.push(repair);
    });
    assert_eq!(decided, held(Hold::RepairInProgress, None, None));
}

#[test]
fn a_hop_whose_person_was_called_is_left_alone_until_it_was_up_again() {
    let escalated = |c: &mut ChainView| {
        down(c, 1);
        let called =
            IncidentView { phase: Phase::Escalated, closed_at: Some(at(9_995)), ..incident("other", "middle") };
        c.incidents.push(called);
    };
    assert_eq!(decision(escalated), Decision::Suppress(Suppress::AlreadyEscalated));
    let was_up_since = |c: &mut ChainView| {
        escalated(c);
        c.incidents[1].closed_at = Some(at(9_000));
        c.incidents[1].last_line = at(8_999);
    };
    assert_eq!(decision(was_up_since), Decision::Begin(StepKind::RotateInPlace));
}

#[test]
fn most_hops_refused_within_a_minute_is_the_accounts_fault() {
    let together = |c: &mut ChainView| c.incidents.push(incident("other", "exit"));
    assert_eq!(decision(together), Decision::Escalate(Escalate::CorrelatedFailure));
    let apart = |c: &mut ChainView| {
        together(c);
        c.incidents[1].last_line = at(9_900);
    };
    assert_eq!(decision(apart), Decision::Begin(StepKind::RotateInPlace));
    let resolved = |c: &mut ChainView| {
        together(c);
        c.incidents[1].phase = Phase::Closed;
    };
    assert_eq!(decision(resolved), Decision::Begin(StepKind::RotateInPlace));
}

#[test]
fn cooldown_and_budget_bound_the_repairs_of_a_hop() {
    let earlier = |applied: i64, steps: usize| {
        move |c: &mut ChainView| {
            let step =
                StepView { applied_at: Some(at(applied)), ..step(StepKind::RotateInPlace, "z", Some(StepEnd::Up)) };
            let steps = vec![step; steps];
            c.incidents.push(IncidentView {
                phase: Phase::Closed,
                steps,
                last_line: at(8_000),
                ..incident("old", "middle")
            });
        }
    };
    assert_eq!(decision(earlier(9_980, 1)), held(Hold::Cooldown, None, Some(10_010)));
    assert_eq!(decision(earlier(9_900, 5)), Decision::Begin(StepKind::RotateInPlace));
    assert_eq!(decision(earlier(9_900, 6)), Decision::Escalate(Escalate::BudgetExhausted));
}

#[test]
fn a_paused_chain_holds_and_an_alert_calls_a_person() {
    assert_eq!(decision(|c| c.paused = true), held(Hold::Paused, None, None));
    assert_eq!(decision(|c| c.incidents[0].verdict = Verdict::Alert), Decision::Escalate(Escalate::NeedsPerson));
}

/// The first incident waits for the tunnel after a step to candidate `b`, carried out at 9 999.
fn verifying(kind: StepKind) -> impl Fn(&mut ChainView) {
    move |c| {
        down(c, 1);
        c.hops[1].desired.as_mut().unwrap().candidate = candidate("b");
        c.incidents[0].phase = Phase::Verifying;
        c.incidents[0].steps = vec![StepView { applied_at: Some(at(9_999)), recreate: 1, ..step(kind, "b", None) }];
    }
}

#[test]
fn a_recorded_step_is_carried_out_whatever_else_happened() {
    let decided = decision(|c| {
        verifying(StepKind::RotateInPlace)(c);
        c.incidents[0].phase = Phase::Acting;
        c.paused = true;
    });
    assert_eq!(decided, Decision::CarryOut);
}

#[test]
fn a_step_worked_when_the_pod_became_ready_after_it() {
    let up = |c: &mut ChainView| {
        let pod = c.hops[1].pod.as_mut().unwrap();
        (pod.ready, pod.ready_since) = (true, at(9_998));
    };
    let worked = Decision::EndStep { end: StepEnd::Up, then: Err(Escalate::LadderExhausted) };
    let in_place = |c: &mut ChainView| {
        verifying(StepKind::RotateInPlace)(c);
        up(c);
    };
    assert_eq!(decision(in_place), worked);
    let old_pod = |c: &mut ChainView| {
        verifying(StepKind::Recreate)(c);
        up(c);
    };
    assert_eq!(decision(old_pod), held(Hold::Verifying, None, Some(10_059)));
    let new_pod = |c: &mut ChainView| {
        old_pod(c);
        c.hops[1].pod.as_mut().unwrap().recreate = 1;
    };
    assert_eq!(decision(new_pod), worked);
}

#[test]
fn a_step_that_times_out_is_followed_by_the_next_rung_or_a_person() {
    let late = |c: &mut ChainView| {
        verifying(StepKind::RotateInPlace)(c);
        c.now = at(10_059);
    };
    assert_eq!(decision(late), Decision::EndStep { end: StepEnd::TimedOut, then: Ok(StepKind::Recreate) });
    let last_rung = |c: &mut ChainView| {
        late(c);
        c.policy = Policy { recreate: false, next_candidate: false, ..c.policy.clone() };
    };
    assert_eq!(decision(last_rung), Decision::EndStep { end: StepEnd::TimedOut, then: Err(Escalate::LadderExhausted) });
}

#[test]
fn a_step_that_the_hop_was_not_given_yet_or_that_works_unseen_has_not_failed() {
    let after = |delivery, now| {
        decision(|c| {
            verifying(StepKind::RotateInPlace)(c);
            (c.hops[1].delivery, c.now) = (delivery, at(now));
        })
    };
    let given_up = Decision::EndStep { end: StepEnd::TimedOut, then: Ok(StepKind::Recreate) };
    for kept in [Delivery::Pending, Delivery::Working] {
        assert_eq!(after(kept, 10_059), held(Hold::Verifying, None, Some(10_299)), "{kept:?}");
        assert_eq!(after(kept, 10_299), given_up, "{kept:?} for too long");
    }
    assert_eq!(after(Delivery::Since(at(10_050)), 10_059), held(Hold::Verifying, None, Some(10_110)));
    assert_eq!(after(Delivery::Since(at(10_050)), 10_110), given_up);
    // A node's clock that is off neither ends a step early nor keeps it.
    assert_eq!(after(Delivery::Since(at(9_000)), 10_058), held(Hold::Verifying, None, Some(10_059)));
    assert_eq!(after(Delivery::Since(at(90_000)), 10_299), given_up);
}

#[test]
fn a_step_is_overdue_once_its_time_is_up() {
    let overdue = |change: &dyn Fn(&mut ChainView)| {
        let mut view = view(["entry", "middle", "exit"]);
        view.incidents.push(incident("x", "middle"));
        verifying(StepKind::RotateInPlace)(&mut view);
        view.now = at(10_059);
        change(&mut view);
        is_overdue(&view.incidents[0], &view.policy, view.now)
    };
    assert!(overdue(&|_| ()));
    assert!(!overdue(&|c| c.now = at(10_058)));
    assert!(!overdue(&|c| c.incidents[0].phase = Phase::Acting));
    assert!(!overdue(&|c| c.incidents[0].steps[0].applied_at = None));
}

#[test]
fn a_new_candidate_that_is_refused_too_is_left_at_once() {
    let decided = decision(|c| {
        verifying(StepKind::RotateInPlace)(c);
        c.incidents.push(IncidentView {
            candidate: candidate("b"),
            last_line: at(10_000),
            ..incident("next", "middle")
        });
    });
    assert_eq!(decided, Decision::EndStep { end: StepEnd::Failed, then: Ok(StepKind::RotateInPlace) });
}

#[test]
fn a_step_does_not_time_out_while_an_outer_hop_is_down() {
    let decided = decision(|c| {
        verifying(StepKind::RotateInPlace)(c);
        down(c, 0);
        c.now = at(20_000);
    });
    assert_eq!(decided, held(Hold::Verifying, Some("entry"), None));
}

#[test]
fn a_hop_that_still_says_ready_from_before_the_step_is_not_up() {
    let still = decision(|c| {
        verifying(StepKind::RotateInPlace)(c);
        let pod = c.hops[1].pod.as_mut().unwrap();
        (pod.ready, pod.ready_since) = (true, at(9_000));
        c.incidents[0].steps[0].ready_before = Some(at(9_000));
    });
    assert_eq!(still, held(Hold::Verifying, None, Some(10_059)));
}

#[test]
fn the_old_pod_says_nothing_about_the_candidate_of_a_recreation() {
    let decided = decision(|c| {
        verifying(StepKind::RotateAndRecreate)(c);
        let refusal = incident("next", "middle");
        c.incidents.push(IncidentView { candidate: candidate("b"), last_line: at(10_000), ..refusal });
    });
    assert_eq!(decided, held(Hold::Verifying, None, Some(10_059)));
}

#[test]
fn a_pause_and_the_accounts_fault_also_stop_a_repair_under_way() {
    let late = |c: &mut ChainView| {
        verifying(StepKind::Recreate)(c);
        c.now = at(10_059);
    };
    let paused = |c: &mut ChainView| {
        late(c);
        c.paused = true;
    };
    assert_eq!(decision(paused), held(Hold::Paused, None, None));
    let account = |c: &mut ChainView| {
        late(c);
        c.incidents.push(incident("other", "exit"));
    };
    let then = Err(Escalate::CorrelatedFailure);
    assert_eq!(decision(account), Decision::EndStep { end: StepEnd::TimedOut, then });
}

#[test]
fn incidents_wait_while_the_hops_parameters_cannot_be_read() {
    assert_eq!(decision(|c| c.hops[1].desired = None), held(Hold::NoParameters, None, None));
}

#[test]
fn a_person_is_called_again_after_a_while_and_after_a_change() {
    let called = |closed: i64| {
        move |c: &mut ChainView| {
            down(c, 1);
            c.hops[1].pod.as_mut().unwrap().ready_since = at(1_000);
            let escalated = IncidentView {
                phase: Phase::Escalated,
                closed_at: Some(at(closed)),
                last_line: at(8_000),
                ..incident("other", "middle")
            };
            c.incidents.push(escalated);
        }
    };
    assert_eq!(decision(called(9_800)), Decision::Suppress(Suppress::AlreadyEscalated));
    assert_eq!(decision(called(9_600)), Decision::Begin(StepKind::RotateInPlace));
    let account = |c: &mut ChainView| {
        called(9_600)(c);
        c.incidents[1].is_account = true;
    };
    assert_eq!(decision(account), Decision::Suppress(Suppress::AlreadyEscalated));
    let changed = |c: &mut ChainView| {
        called(9_800)(c);
        c.hops[1].desired.as_mut().unwrap().applied_at = at(9_900);
    };
    assert_eq!(decision(changed), Decision::Begin(StepKind::RotateInPlace));
    let other_trouble = |c: &mut ChainView| {
        called(9_800)(c);
        c.incidents[1].verdict = Verdict::Alert;
    };
    assert_eq!(decision(other_trouble), Decision::Begin(StepKind::RotateInPlace));
}
