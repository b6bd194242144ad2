//! From a view of the chain to the next thing to do about each incident.
//!
//! Pure: the reconciler carries out what is said here, one step an incident at a time, and asks again.

use jiff::{SignedDuration, Timestamp};

use super::attribution::{Outer, outer_hops};
use super::ladder::next_step;
use super::limits::{cooldown_end, steps_within_budget};
use super::types::{Evidence, Verdict};
use super::view::{ChainView, Delivery, HopView, IncidentView, Phase, Policy, StepEnd, StepKind, StepView};

/// A hop that stays Ready this long after `path` evidence was not at fault, or has healed.
const STILL_READY: SignedDuration = SignedDuration::from_secs(10);
/// Rejections on several hops within this time have one cause: the provider or the account.
const CORRELATED: SignedDuration = SignedDuration::from_secs(60);

/// A kubelet carries a Secret into a running pod, starts a new one, or says that a pod is Ready so late at most. After an outage of the API
/// server it asks again after up to a minute, and after as long once more where the new server refuses it at first.
const KUBELET_LATE: SignedDuration = SignedDuration::from_mins(4);

/// A person who was called is not called again for the same trouble within this time.
const CALL_AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// What to do about one incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing yet; ask again at that time, if there is one (else at the next change).
    Hold {
        /// Why it waits.
        why: Hold,
        /// The outer hop that it waits for.
        cause: Option<String>,
        /// When time alone changes the answer.
        until: Option<Timestamp>,
    },
    /// Close it without action.
    Suppress(Suppress),
    /// Record this step, then carry it out.
    Begin(StepKind),
    /// Carry out the recorded step (again, if a crash came in between).
    CarryOut,
    /// The recorded step ended so. When it did not work, `then` is the next one, and none means a person must look.
    EndStep {
        /// How it ended.
        end: StepEnd,
        /// What follows; of no meaning when the step worked.
        then: Result<StepKind, Escalate>,
    },
    /// The hop works again without a step, because this outer hop was repaired.
    CauseRecovered(String),
    /// A person must look.
    Escalate(Escalate),
}

/// Why an incident waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// An outer hop is at fault; its name is the cause.
    SymptomOf,
    /// An outer hop has just recovered; this one may follow.
    OuterRecovering,
    /// The hop's own pod still says Ready.
    StillReady,
    /// Another incident of the same hop is being repaired.
    RepairInProgress,
    /// The hop was repaired a moment ago.
    Cooldown,
    /// The chain is paused.
    Paused,
    /// The step waits for its tunnel.
    Verifying,
    /// What the hop should run with cannot be read at the moment.
    NoParameters,
}

/// Why an incident needs no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suppress {
    /// The chain has no such hop any more.
    HopRemoved,
    /// The pod that the evidence names is gone.
    PodGone,
    /// The evidence is about parameters that are no longer in use.
    StaleParameters,
    /// The hop carries traffic again.
    Healed,
    /// A person has already been called to this hop.
    AlreadyEscalated,
}

/// Why a person is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escalate {
    /// The rule says that neither a restart nor other parameters help.
    NeedsPerson,
    /// Every rung of the ladder was tried.
    LadderExhausted,
    /// The hop's budget of actions is used up.
    BudgetExhausted,
    /// Several hops are refused together: the provider or the account.
    CorrelatedFailure,
}

/// Decides about one incident of the view that is not closed.
#[must_use]
pub fn decide(view: &ChainView, incident: &IncidentView) -> Decision {
    let Some(index) = view.hops.iter().position(|h| h.name == incident.hop) else {
        return Decision::Suppress(Suppress::HopRemoved);
    };
    match incident.phase {
        Phase::Acting => Decision::CarryOut,
        Phase::Verifying => verify(view, index, incident),
        Phase::Open | Phase::Closed | Phase::Escalated => judge(view, index, incident),
    }
}

/// Whether the incident's step is about to be given up, so that it matters how far its [delivery](Delivery) has come.
#[must_use]
pub fn is_overdue(incident: &IncidentView, policy: &Policy, now: Timestamp) -> bool {
    let written = incident.steps.last().and_then(|step| step.applied_at).filter(|_| incident.phase == Phase::Verifying);
    written.is_some_and(|written| now >= written + policy.verify_within)
}

fn judge(view: &ChainView, index: usize, incident: &IncidentView) -> Decision {
    let hop = &view.hops[index];
    if hop.desired.is_none() {
        return hold(Hold::NoParameters, None, None);
    }
    match (stale(hop, incident), &incident.cause) {
        (Some(Suppress::Healed), Some(cause)) => return Decision::CauseRecovered(cause.clone()),
        (Some(why), _) => return Decision::Suppress(why),
        (None, _) => {}
    }
    let siblings = || view.incidents.iter().filter(|i| i.hop == incident.hop && i.name != incident.name);
    if siblings().any(|i| matches!(i.phase, Phase::Acting | Phase::Verifying)) {
        return hold(Hold::RepairInProgress, None, None);
    }
    if siblings().any(|i| still_calls(view, hop, i)) {
        return Decision::Suppress(Suppress::AlreadyEscalated);
    }
    if incident.verdict == Verdict::Alert {
        return Decision::Escalate(Escalate::NeedsPerson);
    }
    if view.paused {
        return hold(Hold::Paused, None, None);
    }
    if incident.evidence == Evidence::Path
        && let Some(decision) = judge_path(view, index, incident)
    {
        return decision;
    }
    if let Some(until) = cooldown_end(view, &incident.hop).filter(|until| view.now < *until) {
        return hold(Hold::Cooldown, None, Some(until));
    }
    match next_allowed(view, incident, &[]) {
        Ok(kind) => Decision::Begin(kind),
        Err(why) => Decision::Escalate(why),
    }
}

/// Whether an escalated incident of the hop still speaks for it: nothing has changed since a person was called.
fn still_calls(view: &ChainView, hop: &HopView, escalated: &IncidentView) -> bool {
    // What only a person can mend says nothing about whether other parameters would help with another fault.
    if escalated.phase != Phase::Escalated || escalated.verdict == Verdict::Alert || hop.is_ready() {
        return false;
    }
    let quiet = if escalated.is_account { view.policy.budget_per.max(CALL_AGAIN) } else { CALL_AGAIN };
    let ready_since = hop.pod.as_ref().map(|p| p.ready_since);
    let applied_at = hop.desired.as_ref().map(|d| d.applied_at);
    escalated.closed_at.is_some_and(|t| Some(t) > ready_since && Some(t) > applied_at && view.now < t + quiet)
}

/// What makes an incident moot, whatever it says.
fn stale(hop: &HopView, incident: &IncidentView) -> Option<Suppress> {
    let Some(pod) = &hop.pod else { return Some(Suppress::PodGone) };
    let desired = hop.desired.as_ref()?;
    if pod.uid != incident.pod_uid {
        Some(Suppress::PodGone)
    } else if desired.candidate != incident.candidate || incident.last_line < desired.applied_at {
        Some(Suppress::StaleParameters)
    } else if pod.ready && pod.ready_since > incident.last_line {
        Some(Suppress::Healed)
    } else {
        None
    }
}

/// `path` evidence acts only on a hop that is down while every outer hop is up.
fn judge_path(view: &ChainView, index: usize, incident: &IncidentView) -> Option<Decision> {
    match outer_hops(view, index) {
        Outer::Suspect(cause) => return Some(hold(Hold::SymptomOf, Some(cause), None)),
        Outer::JustRecovered(cause, until) => return Some(hold(Hold::OuterRecovering, Some(cause), Some(until))),
        Outer::ProvenUp => {}
    }
    if !view.hops[index].is_ready() {
        return None;
    }
    let patience = incident.last_line + STILL_READY;
    Some(if view.now < patience {
        hold(Hold::StillReady, None, Some(patience))
    } else {
        Decision::Suppress(Suppress::Healed)
    })
}

fn verify(view: &ChainView, index: usize, incident: &IncidentView) -> Decision {
    let hop = &view.hops[index];
    let Some(step) = incident.steps.last() else { return Decision::CarryOut };
    let Some(applied_at) = step.applied_at else { return Decision::CarryOut };
    let end_without = |end| {
        if view.paused {
            hold(Hold::Paused, None, None)
        } else {
            Decision::EndStep { end, then: next_after(view, incident, end) }
        }
    };
    if is_up(hop, step) {
        return Decision::EndStep { end: StepEnd::Up, then: Err(Escalate::LadderExhausted) };
    }
    if refused(view, hop, incident, step, applied_at) {
        return end_without(StepEnd::Failed);
    }
    let deadline = begins_to_count(hop, applied_at) + view.policy.verify_within;
    // While an outer hop is down this one cannot come up: its time begins when the outer one is back.
    let deadline = match outer_hops(view, index) {
        Outer::Suspect(cause) => return hold(Hold::Verifying, Some(cause), None),
        Outer::JustRecovered(_, until) => deadline.max(until),
        Outer::ProvenUp => deadline,
    };
    if view.now >= deadline { end_without(StepEnd::TimedOut) } else { hold(Hold::Verifying, None, Some(deadline)) }
}

/// When a step's time begins: what the hop has not been given yet has not failed, and what works has not either.
fn begins_to_count(hop: &HopView, applied_at: Timestamp) -> Timestamp {
    let latest = applied_at + KUBELET_LATE;
    match hop.delivery {
        Delivery::Unknown => applied_at,
        Delivery::Since(given) => given.clamp(applied_at, latest),
        Delivery::Pending | Delivery::Working => latest,
    }
}

/// Ready, and not still so from before the step: `net` holds readiness back for 2 s after every change, so it visibly
/// flips. No clocks are compared.
fn is_up(hop: &HopView, step: &StepView) -> bool {
    hop.pod.as_ref().is_some_and(|pod| {
        let fresh = Some(pod.ready_since) != step.ready_before;
        pod.ready && fresh && (!step.kind.recreates() || pod.recreate >= step.recreate)
    })
}

/// The hop's own server refused the very candidate that the step brought.
fn refused(view: &ChainView, hop: &HopView, incident: &IncidentView, step: &StepView, applied_at: Timestamp) -> bool {
    // A pod from before a recreation still fails with what it has.
    let Some(pod) = hop.pod.as_ref().filter(|p| !step.kind.recreates() || p.recreate >= step.recreate) else {
        return false;
    };
    view.incidents.iter().any(|i| {
        i.hop == incident.hop
            && i.pod_uid == pod.uid
            && i.name != incident.name
            && i.evidence == Evidence::Own
            && i.verdict == Verdict::Rotate
            && i.candidate == step.candidate
            && i.last_line > applied_at
    })
}

fn next_after(view: &ChainView, incident: &IncidentView, end: StepEnd) -> Result<StepKind, Escalate> {
    let mut steps = incident.steps.clone();
    if let Some(last) = steps.last_mut() {
        last.ended = Some(end);
    }
    next_allowed(view, incident, &steps)
}

fn next_allowed(view: &ChainView, incident: &IncidentView, steps: &[StepView]) -> Result<StepKind, Escalate> {
    let kind = next_step(incident.verdict, incident.evidence, &view.policy, steps).ok_or(Escalate::LadderExhausted)?;
    if steps_within_budget(view, &incident.hop) >= view.policy.budget_actions {
        return Err(Escalate::BudgetExhausted);
    }
    if kind.rotates() && correlated(view, incident) {
        return Err(Escalate::CorrelatedFailure);
    }
    Ok(kind)
}

/// More than half of the hops (two at least) were refused within a minute, and none of it is resolved.
fn correlated(view: &ChainView, incident: &IncidentView) -> bool {
    let refusal = |i: &&IncidentView| {
        i.evidence == Evidence::Own
            && i.verdict == Verdict::Rotate
            && i.phase != Phase::Closed
            && (i.last_line.duration_until(incident.last_line)).abs() <= CORRELATED
    };
    if !refusal(&incident) {
        return false;
    }
    let mut hops: Vec<&str> = view.incidents.iter().filter(refusal).map(|i| i.hop.as_str()).collect();
    hops.push(&incident.hop);
    hops.sort_unstable();
    hops.dedup();
    hops.len() >= 2 && hops.len() * 2 > view.hops.len()
}

fn hold(why: Hold, cause: Option<&str>, until: Option<Timestamp>) -> Decision {
    Decision::Hold { why, cause: cause.map(str::to_owned), until }
}

#[cfg(test)]
mod tests;
