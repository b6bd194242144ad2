//! The reconciler's part of a replay: makes a view of the chain at each moment, asks `domain::decision`, and notes what
//! would be done instead of doing it.
//!
//! The log goes on as it really did, so only the first step of each outage is told: what the next rung of the ladder
//! would have met nobody knows.

mod incident;

use std::sync::Arc;

use jiff::Timestamp;

use super::readiness::Readiness;
use super::signs::{Sign, Trouble};
use super::{Action, Chain, Decided, Record};
use crate::domain::attribution::INNER_RECOVERY;
use crate::domain::decision::{Decision, Escalate, Hold, Suppress, decide};
use crate::domain::engine::{Detection, Engine};
use crate::domain::event::{HopIdentity, LogEvent, Position, Shard};
use crate::domain::incident::incident_name;
use crate::domain::ruleset::RuleSet;
use crate::domain::types::{CandidateRef, Evidence, HopId, Verdict};
use crate::domain::view::{ChainView, Delivery, Desired, HopView, Phase, PodView, StepEnd, StepView};
use incident::Incident;

/// What was told about a hop in the present outage.
#[derive(Default)]
struct Told {
    decisions: Vec<(Action, Option<String>)>,
    /// The hop was seen down since.
    was_down: bool,
}

pub(super) struct Judge<'a> {
    chain: &'a Chain,
    engine: Engine,
    readiness: Readiness,
    identities: Vec<HopIdentity>,
    incidents: Vec<Incident>,
    told: Vec<Told>,
    decisions: Vec<Decided>,
    now: Timestamp,
    wake: Option<Timestamp>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(chain: &'a Chain, rules: &Arc<RuleSet>, readiness: Readiness) -> Self {
        let identity = |hop: &super::Hop| HopIdentity {
            id: HopId { namespace: chain.namespace.clone(), chain: chain.name.clone(), hop: hop.name.clone() },
            pod_uid: format!("replay-{}", hop.name),
            pod_name: hop.name.clone(),
            implementation: hop.implementation,
            candidate: CandidateRef { name: "as-logged".into(), version: "1".into() },
            plan_id: String::new(),
            // Every line is about the parameters that ran when it was written.
            applied_at: Timestamp::UNIX_EPOCH,
        };
        Self {
            chain,
            engine: Engine::new(Arc::clone(rules)),
            readiness,
            identities: chain.hops.iter().map(identity).collect(),
            incidents: Vec::new(),
            told: chain.hops.iter().map(|_| Told::default()).collect(),
            decisions: Vec::new(),
            now: Timestamp::MIN,
            wake: None,
        }
    }

    /// Takes the next record; `number` names its place.
    pub(super) fn take(&mut self, number: u64, record: &Record, sign: &Sign) {
        self.run_until(record.time);
        self.now = self.now.max(record.time);
        self.readiness.take(record, sign);
        let identity = &mut self.identities[record.hop];
        if !record.is_health {
            identity.implementation = record.implementation;
        }
        if let Some(uid) = &record.pod_uid {
            identity.pod_uid.clone_from(uid);
        }
        if let Some(applied) = &sign.applied
            && *applied != identity.plan_id
        {
            // The log's own operator gave the hop other parameters.
            identity.plan_id.clone_from(applied);
            identity.candidate = CandidateRef { name: applied.clone(), version: "1".into() };
        }
        let identity = identity.clone();
        let event = LogEvent {
            time: record.time,
            namespace: identity.id.namespace.clone(),
            pod: identity.pod_name.clone(),
            pod_uid: Some(identity.pod_uid.clone()),
            container: if record.is_health { "health" } else { "vpn" }.into(),
            text: record.text.clone(),
            file_offset: record.file_offset,
            position: Position::new(Shard::new("replay"), number),
        };
        for detection in self.engine.observe(&event, &identity) {
            self.readiness.confirm(record.hop, &detection);
            self.open(record.hop, &detection);
        }
        self.engine.expire(record.time);
        self.judge();
    }

    /// Lets time pass to `now`, where no record came.
    pub(super) fn pass(&mut self, now: Timestamp) {
        self.run_until(now);
        if now > self.now {
            self.now = now;
            self.engine.expire(now);
            self.judge();
        }
    }

    /// The time that it has come to.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Whether a hop carries traffic now.
    pub(super) fn is_ready(&self, hop: usize) -> bool {
        self.readiness.is_ready(hop, self.now)
    }

    /// What was decided since the last time.
    pub(super) fn take_decisions(&mut self) -> Vec<Decided> {
        std::mem::take(&mut self.decisions)
    }

    /// What is undecided when the log ends stays so.
    pub(super) fn finish(mut self) -> Vec<Decided> {
        for index in 0..self.incidents.len() {
            let incident = &self.incidents[index];
            if incident.view.phase == Phase::Open && self.told[incident.hop].decisions.is_empty() {
                self.tell(index, Action::Hold, self.incidents[index].view.cause.clone());
            }
        }
        // Of decisions at one time the cause comes before its symptoms.
        let place = |name: &str| self.chain.hops.iter().position(|hop| hop.name == name);
        self.decisions.sort_by_key(|decided| (decided.time, place(&decided.hop)));
        self.decisions
    }

    fn open(&mut self, hop: usize, detection: &Detection) {
        let trouble = Trouble::of_detection(detection);
        let times = (detection.first.time, detection.last.time);
        let new = Incident::new(incident_name(detection), hop, &detection.hop, trouble, times);
        incident::add(&mut self.incidents, new);
    }

    /// Lets time pass to where a hold, a deadline or a doubt ends.
    fn run_until(&mut self, time: Timestamp) {
        while let Some(wake) = self.wake.filter(|wake| *wake < time && *wake > self.now) {
            self.now = wake;
            self.judge();
        }
    }

    fn judge(&mut self) {
        self.wake = None;
        for (index, told) in self.told.iter_mut().enumerate() {
            told.was_down |= !self.readiness.is_ready(index, self.now);
        }
        if !self.incidents.iter().any(|incident| incident.view.phase != Phase::Closed) && self.unheard().is_none() {
            self.end_outages();
            return;
        }
        // What is decided about one hop changes the view of the next: until nothing changes.
        while self.judge_once() {}
        self.end_outages();
        let change = self.readiness.next_change(self.now);
        self.wake_at(change);
        self.forget();
    }

    /// Outermost hop first; true when something was done.
    fn judge_once(&mut self) -> bool {
        let view = self.view();
        let mut order: Vec<usize> = (0..self.incidents.len()).collect();
        order.sort_by_key(|index| (self.incidents[*index].hop, self.incidents[*index].view.last_line));
        order.into_iter().any(|index| self.judge_incident(index, &view)) || self.infer()
    }

    fn judge_incident(&mut self, index: usize, view: &ChainView) -> bool {
        if matches!(self.incidents[index].view.phase, Phase::Closed | Phase::Escalated) {
            return false;
        }
        match decide(view, &self.incidents[index].view) {
            Decision::Hold { why: Hold::SymptomOf, cause: Some(cause), .. } => self.hold(index, &cause),
            Decision::Hold { why: Hold::RepairInProgress, .. } => self.supersede(index),
            Decision::Hold { until, .. } => {
                self.wake_at(until);
                false
            }
            Decision::Suppress(why) => {
                let untold = self.told[self.incidents[index].hop].decisions.is_empty();
                if why == Suppress::Healed && untold {
                    self.tell(index, Action::None, None);
                }
                self.close(index, Phase::Closed)
            }
            Decision::CauseRecovered(_) | Decision::EndStep { end: StepEnd::Up, .. } => {
                self.close(index, Phase::Closed)
            }
            // The logged reality took another course.
            Decision::EndStep { .. } | Decision::CarryOut => false,
            Decision::Escalate(why) => {
                self.tell(index, Action::Alert, None);
                self.incidents[index].view.is_account = why == Escalate::CorrelatedFailure;
                self.close(index, Phase::Escalated)
            }
            Decision::Begin(kind) => {
                if self.must_wait(index) {
                    return false;
                }
                self.tell(index, if kind.rotates() { Action::Rotate } else { Action::Restart }, None);
                let ready_before = view.hops[self.incidents[index].hop].pod.as_ref().filter(|pod| pod.ready);
                let (now, candidate) = (self.now, self.incidents[index].view.candidate.clone());
                let ready_before = ready_before.map(|pod| pod.ready_since);
                let incident = &mut self.incidents[index].view;
                incident.phase = Phase::Verifying;
                incident.cause = None;
                incident.steps.push(StepView {
                    kind,
                    candidate,
                    recreate: 0,
                    ready_before,
                    started_at: now,
                    applied_at: Some(now),
                    ended: None,
                });
                true
            }
        }
    }

    /// `path` evidence from lines alone waits until every outer hop had time to complain as well.
    fn must_wait(&mut self, index: usize) -> bool {
        let incident = &self.incidents[index];
        let hop = incident.hop;
        if incident.view.evidence == Evidence::Own || incident.is_inferred {
            return false;
        }
        let until = self.patience(incident);
        if self.now < until {
            self.wake_at(Some(until));
            return true;
        }
        // It was a symptom, and has not complained since the cause is gone.
        if incident.view.cause.is_some() && !self.readiness.complains_after(hop, self.recovered_outside(hop)) {
            return true;
        }
        let unknown = self.readiness.unknown_outside(hop).is_some();
        if unknown {
            self.tell(index, Action::Hold, None);
        }
        unknown
    }

    /// Until when an outer hop may still turn out to be the cause, or, where one has just recovered, this hop may follow:
    /// an OpenVPN that waits for an answer tries again within a minute.
    fn patience(&self, incident: &Incident) -> Timestamp {
        let hold = self.readiness.hold(incident.hop);
        let since = self.readiness.down(incident.hop).map_or(incident.first, |down| down.since.min(incident.first));
        (since + hold).max(self.recovered_outside(incident.hop) + hold.max(INNER_RECOVERY))
    }

    /// When an outer hop last became ready.
    fn recovered_outside(&self, hop: usize) -> Timestamp {
        let ready = |outer: &usize| self.readiness.is_ready(*outer, self.now);
        let recovered = (0..hop).filter(ready).map(|outer| self.readiness.since(outer, self.now));
        recovered.max().unwrap_or(Timestamp::MIN)
    }

    /// Tells of a symptom once it is certain that no hop further out will turn out to be the cause.
    fn hold(&mut self, index: usize, cause: &str) -> bool {
        let Some(cause_hop) = self.chain.hops.iter().position(|hop| hop.name == cause) else { return false };
        let until = self.patience(&self.incidents[index]);
        let acted = self.told[cause_hop].decisions.iter().any(|(action, _)| *action < Action::Hold);
        let is_certain = (0..cause_hop).all(|outer| self.readiness.speaks_of_health(outer))
            && self.readiness.is_certainly_down(cause_hop, self.now);
        let may_follow = self.now < self.recovered_outside(cause_hop) + INNER_RECOVERY;
        if (may_follow || !is_certain) && !acted && self.now < until {
            self.wake_at(Some(until));
            return false;
        }
        self.incidents[index].view.cause = Some(cause.to_owned());
        self.tell(index, Action::Hold, Some(cause.to_owned()));
        false
    }

    /// What the hop's own server says outweighs a repair that was begun on a guess.
    fn supersede(&mut self, index: usize) -> bool {
        let (hop, evidence, verdict) = {
            let incident = &self.incidents[index];
            (incident.hop, incident.view.evidence, incident.view.verdict)
        };
        let guess = self.incidents.iter_mut().find(|other| {
            other.hop == hop
                && other.view.phase == Phase::Verifying
                && other.view.evidence == Evidence::Path
                && evidence == Evidence::Own
                && other.view.verdict != verdict
        });
        guess.is_some_and(|guess| {
            guess.view.phase = Phase::Closed;
            true
        })
    }

    /// The outermost hop that is down, and the innermost of those that are held because of it.
    fn suffered(&self) -> Option<(usize, usize)> {
        let is_waiting = |i: &Incident| i.view.phase == Phase::Open && i.view.evidence == Evidence::Path;
        let innermost = self.incidents.iter().filter(|i| is_waiting(i)).map(|i| i.hop).max()?;
        (0..innermost).find(|hop| !self.readiness.is_ready(*hop, self.now)).map(|hop| (hop, innermost))
    }

    /// The outermost hop that is down, where its server hears nothing of it. Inner hops need not say that they suffer:
    /// nobody is inside of an exit, and an OpenVPN may say so only minutes later.
    fn unheard(&self) -> Option<usize> {
        let down = (0..self.chain.hops.len()).find(|hop| !self.readiness.is_ready(*hop, self.now))?;
        self.readiness.is_unheard(down).then_some(down)
    }

    /// A hop that is down without an incident of its own, while inner ones are held because of it: its single lines and
    /// their symptoms together are enough. What its server asks for again and again is so by itself.
    fn infer(&mut self) -> bool {
        let Some((hop, innermost)) = self.suffered().or_else(|| self.unheard().map(|hop| (hop, hop))) else {
            return false;
        };
        let since = self.readiness.since(hop, self.now);
        let has_own = |i: &Incident| i.hop == hop && i.view.closed_at.is_none_or(|closed| closed >= since);
        if self.incidents.iter().any(has_own) || self.readiness.speaks_of_health(hop) {
            return false;
        }
        let gone = || Trouble {
            rule: "client-gone".into(),
            title: "The client was not running: it logged nothing until it started again".into(),
            verdict: Verdict::Restart,
            evidence: Evidence::Own,
        };
        let trouble = if self.readiness.is_gone(hop, self.now) {
            gone()
        } else {
            // It still has time to say what is wrong: OpenVPN takes another minute after its first complaint.
            let hold = self.readiness.hold(innermost);
            let until = (since + hold).max(self.recovered_outside(hop) + hold.max(INNER_RECOVERY));
            if self.now < until {
                self.wake_at(Some(until));
                return false;
            }
            self.readiness.down(hop).and_then(|down| down.trouble.clone()).unwrap_or_else(|| Trouble {
                rule: "not-connected".into(),
                title: "The client lost its connection and has not said that it has one again".into(),
                verdict: Verdict::Restart,
                evidence: Evidence::Path,
            })
        };
        if trouble.evidence == Evidence::Path && self.readiness.unknown_outside(hop).is_some() {
            return false;
        }
        let name = format!("{}-{}-{}", trouble.rule, hop, since.as_nanosecond());
        let incident = Incident::new(name, hop, &self.identities[hop], trouble, (since, self.now));
        self.incidents.push(Incident { is_inferred: true, ..incident });
        true
    }

    fn view(&self) -> ChainView {
        let hop = |(index, hop): (usize, &super::Hop)| HopView {
            name: hop.name.clone(),
            pod: Some(PodView {
                uid: self.identities[index].pod_uid.clone(),
                ready: self.readiness.is_ready(index, self.now),
                ready_since: self.readiness.since(index, self.now),
                recreate: 0,
            }),
            desired: Some(Desired {
                candidate: self.identities[index].candidate.clone(),
                applied_at: Timestamp::UNIX_EPOCH,
                revision: 0,
                recreate: 0,
            }),
            delivery: Delivery::Unknown,
        };
        ChainView {
            now: self.now,
            paused: self.chain.paused,
            policy: self.chain.policy.clone(),
            hops: self.chain.hops.iter().enumerate().map(hop).collect(),
            incidents: self.incidents.iter().map(|incident| incident.view.clone()).collect(),
        }
    }

    /// Once in an outage of its hop.
    fn tell(&mut self, index: usize, action: Action, cause: Option<String>) {
        let incident = &self.incidents[index];
        let told = &mut self.told[incident.hop].decisions;
        if told.contains(&(action, cause.clone())) {
            return;
        }
        told.push((action, cause.clone()));
        self.decisions.push(Decided {
            time: self.now,
            hop: incident.view.hop.clone(),
            verdict: incident.view.verdict,
            rule: incident.rule.clone(),
            evidence: incident.view.evidence,
            cause,
            action,
            title: incident.title.clone(),
            since: incident.first,
        });
    }

    fn close(&mut self, index: usize, phase: Phase) -> bool {
        let incident = &mut self.incidents[index].view;
        incident.phase = phase;
        incident.closed_at = Some(self.now);
        true
    }

    /// A hop that was down and is ready again has ended its outage: what comes next is told anew.
    fn end_outages(&mut self) {
        for (index, told) in self.told.iter_mut().enumerate() {
            let is_open = |i: &Incident| i.hop == index && !matches!(i.view.phase, Phase::Closed | Phase::Escalated);
            if told.was_down && self.readiness.is_ready(index, self.now) && !self.incidents.iter().any(is_open) {
                *told = Told::default();
            }
        }
    }

    /// Closed incidents count for budgets only for a time.
    fn forget(&mut self) {
        let (now, keep) = (self.now, self.chain.policy.budget_per);
        self.incidents.retain(|i| i.view.closed_at.is_none_or(|closed| now.duration_since(closed) <= keep));
    }

    fn wake_at(&mut self, time: Option<Timestamp>) {
        if let Some(time) = time.filter(|time| *time > self.now) {
            self.wake = Some(self.wake.map_or(time, |wake| wake.min(time)));
        }
    }
}

#[cfg(test)]
mod tests;
