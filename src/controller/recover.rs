//! Carries out what `domain::decision` says about a chain's incidents: the only place that rotates or restarts a hop.
//!
//! A step is recorded in the incident's status before its objects are written, every write carries the resourceVersion
//! that the decision was made on, and a step whose objects are already there is not repeated. So a process that dies
//! anywhere is continued by the next one, and a deposed leader changes nothing.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::ResourceExt;

use super::build::secret::Stamp;
use super::candidates::{ChoiceError, Chosen, Skipped, Unfit, choose, newest};
use super::desired::{self, NUDGE_AGAIN, nudge};
use super::observe::{HopSecret, Observed, pod_view};
use super::order::Answered;
use super::validate::ValidChain;
use super::view::{action_of, chain_view, incident_view, outcome_of};
use super::{Context, Error, delivery, incident_status, words};
use crate::crd::HopIncident;
use crate::crd::incident::{HopIncidentStatus, IncidentPhase, Step};
use crate::domain::burned::burned;
use crate::domain::decision::{Decision, decide};
use crate::domain::types::CandidateRef;
use crate::domain::view::{ChainView, StepEnd, StepKind};
use crate::internal_event::controller::{IncidentDecided, StepTaken};
use crate::parameters::PoolError;

/// How long the same candidate is asked for again before it is restarted with what is written.
const AT_HAND: Duration = Duration::from_secs(2);

/// What recovery asks of the reconcile loop.
#[derive(Default)]
pub struct Outcome {
    /// Look again after this long, whatever happens.
    pub wake: Option<Duration>,
    /// Hops whose repair waits for something outside, and for what.
    pub problems: Vec<(String, String)>,
    /// Candidates that turned out unusable, by hop.
    pub skipped: Vec<(String, Skipped)>,
    /// What came of the rotations that a person ordered.
    pub orders: Vec<Answered>,
}

impl Outcome {
    pub(super) fn skip(&mut self, hop: &str, skipped: Vec<Skipped>) {
        self.skipped.extend(skipped.into_iter().map(|s| (hop.to_owned(), s)));
    }

    /// A pool that cannot be read is asked again soon.
    pub(super) fn wait_for_pool(&mut self, chain: &ValidChain<'_>, hop: &str, error: &ChoiceError, ctx: &Context) {
        desired::count_unread(chain, hop, error, ctx);
        self.problems.push((hop.to_owned(), desired::error_text(error)));
        let retry = ctx.settings.pool_retry;
        self.wake = Some(self.wake.map_or(retry, |w| w.min(retry)));
    }
}

/// Whether a repair of the hop is under way.
#[must_use]
pub fn is_busy(observed: &Observed, hop: &str) -> bool {
    let acting = [IncidentPhase::Acting, IncidentPhase::Verifying];
    observed.incidents.iter().any(|i| i.spec.hop == hop && i.status.as_ref().is_some_and(|s| acting.contains(&s.phase)))
}

/// Judges every open incident, outermost hop first, and takes at most one step.
///
/// # Errors
/// When Kubernetes refuses a write; the next reconcile continues from the objects.
pub async fn recover(chain: &ValidChain<'_>, observed: &mut Observed, ctx: &Context) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    observed.deliveries = delivery::of_overdue_steps(chain, observed, ctx).await;
    let place = |i: &HopIncident| {
        let hop = chain.hops().iter().position(|h| h.name == i.spec.hop).unwrap_or(usize::MAX);
        (hop, i.spec.last.time.clone(), i.name_any())
    };
    let is_open = |i: &&HopIncident| !i.status.as_ref().is_some_and(|s| s.phase.is_closed());
    let mut open: Vec<_> = observed.incidents.iter().filter(is_open).cloned().collect();
    open.sort_by_key(place);
    for incident in open {
        let view = chain_view(chain, observed, ctx.now());
        let repair = Repair { chain, ctx, view: &view, incident: &incident };
        let judged = repair.judge(observed, &mut outcome).await?;
        if let Some(updated) = judged {
            let acted = updated.status != incident.status
                && incident_view(&updated).steps.len() != incident_view(&incident).steps.len();
            replace(&mut observed.incidents, updated);
            if acted {
                outcome.wake = Some(Duration::ZERO);
                break;
            }
        }
    }
    Ok(outcome)
}

fn replace(incidents: &mut [HopIncident], updated: HopIncident) {
    let name = updated.name_any();
    if let Some(place) = incidents.iter_mut().find(|i| i.name_any() == name) {
        *place = updated;
    }
}

/// One incident that is being judged.
struct Repair<'a> {
    chain: &'a ValidChain<'a>,
    ctx: &'a Context,
    view: &'a ChainView,
    incident: &'a HopIncident,
}

impl Repair<'_> {
    async fn judge(&self, observed: &mut Observed, outcome: &mut Outcome) -> Result<Option<HopIncident>, Error> {
        let decision = decide(self.view, &incident_view(self.incident));
        let mut status = self.incident.status.clone().unwrap_or_default();
        match decision {
            Decision::Hold { why, cause, until } => {
                if let Some(until) = until {
                    let wait = until.duration_since(self.view.now).unsigned_abs();
                    outcome.wake = Some(outcome.wake.map_or(wait, |w| w.min(wait)));
                }
                if status.phase == IncidentPhase::Verifying {
                    self.remind(observed, outcome).await?;
                    let delivery = observed.deliveries.get(&self.incident.spec.hop).copied().unwrap_or_default();
                    if !words::explain_late_kubelet(&mut status, delivery) {
                        return Ok(None);
                    }
                    return self.record(status).await;
                }
                if status.phase != IncidentPhase::Held {
                    status.held_since.get_or_insert(MicroTime(self.view.now));
                }
                status.phase = IncidentPhase::Held;
                // An outer hop that has just recovered stays the named cause.
                status.cause = cause;
                words::explain_hold(&mut status, why);
                self.record(status).await
            }
            Decision::Suppress(why) => self.close(status, IncidentPhase::Suppressed, words::suppress(why)).await,
            Decision::CauseRecovered(cause) => {
                let why = ("CauseRecovered", format!("outer hop {cause:?} was repaired, and this one followed"));
                self.close(status, IncidentPhase::Recovered, why).await
            }
            Decision::Escalate(why) => self.close(status, IncidentPhase::Escalated, words::escalate(why)).await,
            Decision::Begin(kind) => self.begin(status, kind, observed, outcome).await,
            Decision::CarryOut => self.carry_out(status, None, observed, outcome).await,
            Decision::EndStep { end, then } => {
                self.end_step(&mut status, end);
                match (end, then) {
                    (StepEnd::Up, _) => self.close(status, IncidentPhase::Recovered, words::recovered()).await,
                    (_, Ok(kind)) => self.begin(status, kind, observed, outcome).await,
                    (_, Err(why)) => self.close(status, IncidentPhase::Escalated, words::escalate(why)).await,
                }
            }
        }
    }

    fn end_step(&self, status: &mut HopIncidentStatus, end: StepEnd) {
        if let Some(step) = status.steps.last_mut() {
            step.outcome = Some(outcome_of(end));
            step.finished_at = Some(MicroTime(self.view.now));
        }
    }

    /// Records the step, then carries it out.
    async fn begin(
        &self,
        mut status: HopIncidentStatus,
        kind: StepKind,
        observed: &mut Observed,
        outcome: &mut Outcome,
    ) -> Result<Option<HopIncident>, Error> {
        let Some((index, secret)) = self.hop(observed) else { return Ok(None) };
        let hop = &self.incident.spec.hop;
        let chosen = if kind.rotates() {
            let pool = match desired::open(self.chain, index, self.ctx).await {
                Ok(pool) => pool,
                Err(error) => return self.wait_for_pool(&error.into(), outcome),
            };
            let failed = burned(self.view, hop);
            match choose(self.chain, index, &pool, self.ctx.lookup, Some(secret.candidate()), &failed).await {
                Ok((chosen, skipped)) => {
                    outcome.skip(hop, skipped);
                    Some(chosen)
                }
                Err(error @ ChoiceError::Exhausted { .. }) => {
                    let why = ("PoolExhausted", error.to_string());
                    outcome.skip(hop, error.into_skipped());
                    return self.close(status, IncidentPhase::Escalated, why).await;
                }
                Err(error) => return self.wait_for_pool(&error, outcome),
            }
        } else if desired::fits(secret, &self.chain.plan.hops[index]) {
            None
        } else {
            return Ok(None);
        };
        let candidate = chosen.as_ref().map_or(secret.candidate(), |chosen| &chosen.candidate).clone();
        status.phase = IncidentPhase::Acting;
        status.cause = None;
        words::explain_step(&mut status, kind, &candidate);
        status.steps.push(Step {
            action: action_of(kind),
            candidate,
            revision: secret.plan.revision + 1,
            recreate: secret.stamp.recreate + u64::from(kind.recreates()),
            ready_before: self.ready_since(observed),
            started_at: MicroTime(self.ctx.now()),
            applied_at: None,
            finished_at: None,
            outcome: None,
        });
        let Some(recorded) = self.record(status.clone()).await? else { return Ok(None) };
        fail::fail_point!("recover::recorded");
        let next = Repair { incident: &recorded, ..*self };
        Ok(next.carry_out(status, chosen, observed, outcome).await?.or(Some(recorded)))
    }

    /// Brings the hop's objects into the state that the recorded step wants, then waits for the tunnel. Who has just chosen
    /// the step's candidate passes it on.
    async fn carry_out(
        &self,
        mut status: HopIncidentStatus,
        chosen: Option<Chosen>,
        observed: &mut Observed,
        outcome: &mut Outcome,
    ) -> Result<Option<HopIncident>, Error> {
        let Some((index, secret)) = self.hop(observed) else { return Ok(None) };
        let Some(step) = status.steps.last().cloned() else { return Ok(None) };
        let hop = self.incident.spec.hop.clone();
        if !is_written(secret, &step) {
            let network = &self.chain.plan.hops[index];
            let is_kept = step.candidate == *secret.candidate();
            if is_kept && !desired::fits(secret, network) {
                // The spec changed since: what is to be there now is not this step's affair.
                return Ok(None);
            }
            let chosen = if let Some(chosen) = chosen {
                chosen
            } else if is_kept {
                self.kept(index, secret).await
            } else {
                match self.read_again(index, &step.candidate).await {
                    Ok(Some(Ok(chosen))) => chosen,
                    Ok(Some(Err(Unfit::NoAnswer))) => {
                        let error = PoolError::NoAnswer(step.candidate.name).into();
                        return self.wait_for_pool(&error, outcome);
                    }
                    Ok(None) => {
                        let why = format!("candidate {} was removed from the pool", step.candidate);
                        return self.close(status, IncidentPhase::Escalated, ("CandidateRemoved", why)).await;
                    }
                    Ok(Some(Err(Unfit::Skipped(skipped)))) => {
                        let why = format!("candidate {} cannot be used any more: {}", skipped.name, skipped.reason);
                        outcome.skip(&hop, vec![skipped]);
                        return self.close(status, IncidentPhase::Escalated, ("CandidateSpoiled", why)).await;
                    }
                    Err(error) => return self.wait_for_pool(&error, outcome),
                }
            };
            if chosen.candidate != step.candidate {
                // A newer version was written since: say so before it is used.
                if let Some(last) = status.steps.last_mut() {
                    last.candidate = chosen.candidate;
                }
                return self.record(status).await;
            }
            let recreate = step.recreate.max(desired::moved(secret, network));
            let stamp = Stamp { applied_at: self.ctx.now(), recreate };
            let over = Some(&secret.object.clone());
            let policies = &mut observed.policies;
            let written =
                desired::write(self.chain, index, &chosen, step.revision, stamp, over, policies, self.ctx).await?;
            observed.secrets.insert(hop.clone(), written);
            fail::fail_point!("recover::written");
        }
        let secret = &observed.secrets[&hop];
        if step.recreate > 0 {
            let (recreate, versions) = (secret.stamp.recreate, &mut observed.deployments);
            super::apply::hop_deployment(self.chain, index, recreate, versions, self.ctx).await?;
        }
        if let Some(pod) = observed.pods.get(&hop) {
            nudge(self.ctx, pod, secret).await?;
        }
        fail::fail_point!("recover::nudged");
        status.phase = IncidentPhase::Verifying;
        if let Some(last) = status.steps.last_mut() {
            last.applied_at = Some(MicroTime(secret.stamp.applied_at));
        }
        let (chain, incident) = (self.chain.chain, &self.incident.name_any());
        let trace_id = self.ctx.trace_id(self.incident);
        StepTaken { chain, hop: &hop, incident, step: &step, trace_id }.emit(&self.ctx.metrics);
        let recorded = self.record(status).await;
        fail::fail_point!("recover::verifying");
        recorded
    }

    /// Reminds the kubelet of the Secret that it may not have carried into the pod yet. After an outage of the API server it asks for pods
    /// and for Secrets anew at times of its own: where it sees the nudge first it looks again only a minute or more later.
    async fn remind(&self, observed: &Observed, outcome: &mut Outcome) -> Result<(), Error> {
        let hop = &self.incident.spec.hop;
        let (Some((_, secret)), Some(pod)) = (self.hop(observed), observed.pods.get(hop)) else { return Ok(()) };
        let (made, written) = (pod.creation_timestamp().map(|time| time.0), secret.stamp.applied_at);
        let is_up = self.ready_since(observed).is_some_and(|since| since.0 > written);
        // A pod that was made since has the Secret from its start.
        if is_up || made.is_some_and(|made| made > written) {
            return Ok(());
        }
        outcome.wake = Some(outcome.wake.map_or(NUDGE_AGAIN, |wake| wake.min(NUDGE_AGAIN)));
        nudge(self.ctx, pod, secret).await
    }

    /// A candidate that was recorded, or a newer version of it.
    async fn read_again(
        &self,
        index: usize,
        candidate: &CandidateRef,
    ) -> Result<Option<Result<Chosen, Unfit>>, ChoiceError> {
        let pool = desired::open(self.chain, index, self.ctx).await?;
        Ok(newest(self.chain, index, &pool, self.ctx.lookup, &candidate.name).await?)
    }

    /// The candidate in use. Its server's name may have another address by now, and then it is of no use at the old one; where
    /// that is not to be learned quickly, what is written must do.
    async fn kept(&self, index: usize, secret: &HopSecret) -> Chosen {
        let read = tokio::time::timeout(AT_HAND, self.read_again(index, secret.candidate())).await;
        match read {
            Ok(Ok(Some(Ok(chosen)))) if chosen.candidate == *secret.candidate() => chosen,
            _ => Chosen { candidate: secret.candidate().clone(), resolved: secret.resolved() },
        }
    }

    /// Since when the hop says Ready, if it does.
    fn ready_since(&self, observed: &Observed) -> Option<Time> {
        let pod = observed.pods.get(&self.incident.spec.hop).map(pod_view)?;
        pod.ready.then_some(Time(pod.ready_since))
    }

    fn wait_for_pool(&self, error: &ChoiceError, outcome: &mut Outcome) -> Result<Option<HopIncident>, Error> {
        outcome.wait_for_pool(self.chain, &self.incident.spec.hop, error, self.ctx);
        Ok(None)
    }

    fn hop<'o>(&self, observed: &'o Observed) -> Option<(usize, &'o HopSecret)> {
        let index = self.chain.hops().iter().position(|h| h.name == self.incident.spec.hop)?;
        Some((index, observed.secrets.get(&self.incident.spec.hop)?))
    }

    async fn close(
        &self,
        mut status: HopIncidentStatus,
        phase: IncidentPhase,
        (reason, message): (&'static str, String),
    ) -> Result<Option<HopIncident>, Error> {
        status.phase = phase;
        status.reason = Some(reason.to_owned());
        status.message = Some(message);
        status.closed_at = Some(MicroTime(self.view.now));
        self.record(status).await
    }

    /// Writes the status if it differs, guarded by the resourceVersion that the decision was made on.
    async fn record(&self, status: HopIncidentStatus) -> Result<Option<HopIncident>, Error> {
        let updated = incident_status::write(self.ctx, self.incident, status).await?;
        if let Some(updated) = &updated {
            let (chain, trace_id) = (self.chain.chain, self.ctx.trace_id(updated));
            let event = IncidentDecided { chain, before: self.incident, incident: updated, trace_id };
            event.emit(&self.ctx.metrics);
            if let Some(documents) = &self.ctx.documents {
                documents.incident(self.chain.chain, self.incident, updated, self.ctx.now());
            }
            self.ctx.publish(self.chain.chain, &event).await;
        }
        Ok(updated)
    }
}

fn is_written(secret: &HopSecret, step: &Step) -> bool {
    *secret.candidate() == step.candidate
        && secret.plan.revision >= step.revision
        && secret.stamp.recreate >= step.recreate
}
