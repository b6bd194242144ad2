//! Views for the tests of the pure core: a healthy chain, to be spoiled by each test.

use jiff::{SignedDuration, Timestamp};

use super::types::{CandidateRef, Evidence, Verdict};
use super::view::{
    ChainView, Delivery, Desired, HopView, IncidentView, Phase, PodView, Policy, StepEnd, StepKind, StepView,
};

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(crate) fn candidate(name: &str) -> CandidateRef {
    CandidateRef { name: name.into(), version: "1".into() }
}

pub(crate) fn policy() -> Policy {
    Policy {
        in_place: true,
        recreate: true,
        next_candidate: true,
        verify_within: SignedDuration::from_secs(60),
        cooldown: SignedDuration::from_secs(30),
        budget_actions: 6,
        budget_per: SignedDuration::from_hours(1),
    }
}

pub(crate) fn step(kind: StepKind, to: &str, ended: Option<StepEnd>) -> StepView {
    StepView {
        kind,
        candidate: candidate(to),
        recreate: 0,
        ready_before: None,
        started_at: at(9_000),
        applied_at: Some(at(9_001)),
        ended,
    }
}

/// Every hop Ready since long ago with candidate `a`; the time is 10 000.
pub(crate) fn view<const N: usize>(hops: [&str; N]) -> ChainView {
    let hop = |name: &str| HopView {
        name: name.into(),
        pod: Some(PodView { uid: format!("uid-{name}"), ready: true, ready_since: at(1_000), recreate: 0 }),
        desired: Some(Desired { candidate: candidate("a"), applied_at: at(900), revision: 0, recreate: 0 }),
        delivery: Delivery::Unknown,
    };
    ChainView {
        now: at(10_000),
        paused: false,
        policy: policy(),
        hops: hops.into_iter().map(hop).collect(),
        incidents: Vec::new(),
    }
}

/// An open incident: the hop's server refused candidate `a` a second ago.
pub(crate) fn incident(name: &str, hop: &str) -> IncidentView {
    IncidentView {
        name: name.into(),
        hop: hop.into(),
        pod_uid: format!("uid-{hop}"),
        candidate: candidate("a"),
        verdict: Verdict::Rotate,
        evidence: Evidence::Own,
        last_line: at(9_999),
        phase: Phase::Open,
        cause: None,
        steps: Vec::new(),
        closed_at: None,
        is_account: false,
    }
}
