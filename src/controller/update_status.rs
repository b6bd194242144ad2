//! The chain's status: whole, deterministic, and written only when it differs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::candidates::Skipped;
use super::desired::Supply;
use super::incident_status::set_condition;
use super::logs_state;
use super::measure::measures;
use super::observe::{HopSecret, Observed, pod_view};
use super::order::Answer;
use super::recover::Outcome;
use super::validate::{InvalidChain, ValidChain};
use super::view::chain_view;
use super::{Context, Error};
use crate::crd::chain::{ChainPhase, HopState, HopStatus};
use crate::crd::incident::IncidentPhase;
use crate::crd::{HopIncident, VpnChain, VpnChainStatus, names};
use crate::documents::sink::Servers;
use crate::domain::burned::burned;
use crate::domain::view::ChainView;
use crate::internal_event::controller::CandidateSkipped;

/// Writes what was found and done.
///
/// # Errors
/// When Kubernetes refuses.
pub async fn update(
    chain: &ValidChain<'_>,
    observed: &Observed,
    supply: &Supply,
    outcome: &Outcome,
    ctx: &Context,
) -> Result<(), Error> {
    let known = chain.chain.status.as_ref().map(|s| s.skipped_candidates.clone()).unwrap_or_default();
    for (hop, found) in skipped_candidates(chain, &known, supply).1 {
        let event = CandidateSkipped { chain: chain.chain, hop, candidate: &found.name, reason: &found.reason };
        event.emit(&ctx.metrics);
        ctx.publish(chain.chain, &event).await;
    }
    let view = chain_view(chain, observed, ctx.now());
    ctx.metrics.measured(chain.chain, &measures(chain, observed, supply, &view));
    let status = status(chain, observed, supply, outcome, &view);
    if let Some(event) = logs_state::news(&chain.chain.status.clone().unwrap_or_default(), &status) {
        ctx.publish(chain.chain, &event).await;
    }
    write(chain.chain, status, || servers(observed), ctx).await
}

/// The servers of each hop that has parameters.
fn servers(observed: &Observed) -> Servers {
    let of_hop = |(hop, secret): (&String, &HopSecret)| {
        let servers: BTreeSet<_> = secret.plan.endpoints.iter().map(|endpoint| endpoint.ip).collect();
        (hop.clone(), servers.into_iter().collect())
    };
    observed.secrets.iter().map(of_hop).collect()
}

/// The whole status. The view's moment is only seen where a condition changes, and in how many candidates have rested long
/// enough.
fn status(
    chain: &ValidChain<'_>,
    observed: &Observed,
    supply: &Supply,
    outcome: &Outcome,
    view: &ChainView,
) -> VpnChainStatus {
    let now = view.now;
    let before = chain.chain.status.clone().unwrap_or_default();
    let (skipped, _) = skipped_candidates(chain, &before.skipped_candidates, supply);
    let left = candidates_left(chain, observed, supply, &skipped, view);
    let hops: Vec<_> = chain
        .hops()
        .iter()
        .map(|hop| {
            let known = before.hops.iter().find(|known| known.name == hop.name);
            HopStatus { candidates_left: left.get(&hop.name).copied(), ..hop_status(&hop.name, known, observed) }
        })
        .collect();
    let up = hops.iter().filter(|h| h.carries_traffic()).count();
    let phase = phase(chain, &hops, up);
    let problems: Vec<_> = supply.problems.iter().chain(&outcome.problems).collect();
    let open = observed.incidents.iter().filter(|i| !phase_of(i).is_closed()).count();
    let recovered = observed.incidents.iter().filter(|i| phase_of(i) == IncidentPhase::Recovered);
    let last_recovery = recovered.filter_map(|i| i.status.as_ref()?.closed_at.as_ref()).map(|t| t.0).max();
    let message = message(phase, &hops, &problems);

    let mut status = VpnChainStatus {
        observed_generation: chain.chain.meta().generation,
        phase: Some(phase),
        hops_up: Some(format!("{up}/{}", hops.len())),
        open_incidents: i64::try_from(open).unwrap_or(i64::MAX),
        last_recovery: last_recovery.map(Time).or(before.last_recovery.clone()),
        message: Some(message.clone()),
        conditions: before.conditions.clone(),
        nodes: nodes(&before.nodes, observed),
        skipped_candidates: skipped,
        hops,
    };
    let mut set = |type_: &str, value: bool, reason: &str, message: &str| {
        set_condition(&mut status.conditions, type_, value, reason, message, status.observed_generation, now);
    };
    set("Ready", phase == ChainPhase::Up, &format!("{phase:?}"), &message);
    set("Reconciled", true, "Applied", "every object of the chain is as the spec wants it");
    for order in &outcome.orders {
        set("RotationObeyed", order.answer == Answer::Obeyed, &format!("{:?}", order.answer), &order.message);
    }
    match problems.first() {
        Some((hop, why)) => set("ParametersAvailable", false, "PoolUnreadable", &format!("hop {hop:?}: {why}")),
        None => set("ParametersAvailable", true, "PoolsReadable", "every hop has parameters"),
    }
    match &observed.logs {
        Some(logs) => {
            let is_silent = |hop: &&str| observed.pods.get(*hop).is_some_and(|pod| logs.is_silent(pod, None));
            let silent: Vec<&str> = chain.hops().iter().map(|hop| hop.name.as_str()).filter(is_silent).collect();
            logs.set(&mut status, &silent, now);
        }
        None => logs_state::forget(&mut status.conditions),
    }
    status
}

/// Says that the spec cannot be carried out.
///
/// # Errors
/// When Kubernetes refuses.
pub async fn invalid(chain: &VpnChain, why: &InvalidChain, ctx: &Context) -> Result<(), Error> {
    write(chain, invalid_status(chain, why, ctx.now()), Servers::new, ctx).await
}

fn invalid_status(chain: &VpnChain, why: &InvalidChain, now: Timestamp) -> VpnChainStatus {
    let mut status = chain.status.clone().unwrap_or_default();
    let message = crate::telemetry::error_chain(why);
    status.observed_generation = chain.meta().generation;
    status.phase = Some(ChainPhase::Invalid);
    status.message = Some(message.clone());
    let generation = status.observed_generation;
    set_condition(&mut status.conditions, "Reconciled", false, "InvalidSpec", &message, generation, now);
    set_condition(&mut status.conditions, "Ready", false, "InvalidSpec", &message, generation, now);
    status
}

/// `servers` is asked only where documents are written.
async fn write(
    chain: &VpnChain,
    mut status: VpnChainStatus,
    servers: impl FnOnce() -> Servers,
    ctx: &Context,
) -> Result<(), Error> {
    if let Some(rules) = &ctx.rules {
        rules.borrow().set(&mut status.conditions, status.observed_generation, ctx.now());
    }
    ctx.metrics.chain_state(chain, &status);
    let mut version = None;
    if chain.status.clone().unwrap_or_default() != status {
        version = Some(patch(chain, &status, ctx).await?);
    }
    if let Some(documents) = &ctx.documents {
        documents.chain(chain, &status, &servers(), version.as_deref(), ctx.now());
    }
    Ok(())
}

/// Gives the resourceVersion that the status was written as.
async fn patch(chain: &VpnChain, status: &VpnChainStatus, ctx: &Context) -> Result<String, Error> {
    let api = Api::<VpnChain>::namespaced(ctx.client.clone(), &chain.namespace().unwrap_or_default());
    let patch = json!({
        "apiVersion": VpnChain::api_version(&()), "kind": VpnChain::kind(&()), "status": status,
    });
    let apply = PatchParams::apply(names::FIELD_MANAGER).force();
    let written = api.patch_status(&chain.name_any(), &apply, &Patch::Apply(patch)).await?;
    Ok(written.resource_version().unwrap_or_default())
}

/// Candidates that cannot be used: those known before, without the ones that were read well since, and the new ones.
/// Besides, by hop, only what is new: that is worth an Event.
fn skipped_candidates<'s>(
    chain: &ValidChain<'_>,
    before: &BTreeMap<String, String>,
    supply: &'s Supply,
) -> (BTreeMap<String, String>, Vec<(&'s str, &'s Skipped)>) {
    let (mut skipped, mut news) = (before.clone(), Vec::new());
    skipped.retain(|key, _| chain.hops().iter().any(|h| key.starts_with(&format!("{}/", h.name))));
    for (hop, candidate) in &supply.usable {
        skipped.remove(&format!("{hop}/{candidate}"));
    }
    for (hop, found) in &supply.skipped {
        let known = skipped.insert(format!("{hop}/{}", found.name), found.reason.clone());
        if known.as_ref() != Some(&found.reason) {
            news.push((hop.as_str(), found));
        }
    }
    (skipped, news)
}

/// How many candidates of a hop's pool are left, by hop; what was known before where the pool has not been asked yet.
fn candidates_left(
    chain: &ValidChain<'_>,
    observed: &Observed,
    supply: &Supply,
    skipped: &BTreeMap<String, String>,
    view: &ChainView,
) -> BTreeMap<String, u32> {
    let counted = |hop: &String| {
        let (listing, secret) = (supply.listings.get(hop)?, observed.secrets.get(hop)?);
        let is_unusable = |name: &str| skipped.contains_key(&format!("{hop}/{name}"));
        Some((hop.clone(), listing.left(secret.candidate(), &burned(view, hop), is_unusable)))
    };
    let known = chain.chain.status.iter().flat_map(|status| &status.hops);
    let mut left: BTreeMap<String, u32> = known.filter_map(|h| Some((h.name.clone(), h.candidates_left?))).collect();
    left.extend(chain.hops().iter().filter_map(|hop| counted(&hop.name)));
    left
}

/// The nodes that links were made on, also those that the pods have left since.
fn nodes(before: &[String], observed: &Observed) -> Vec<String> {
    let now = observed.pods.values().filter_map(|p| p.spec.as_ref()?.node_name.clone());
    let all: BTreeSet<_> = before.iter().cloned().chain(now).collect();
    all.into_iter().collect()
}

fn phase_of(incident: &HopIncident) -> IncidentPhase {
    incident.status.as_ref().map(|s| s.phase).unwrap_or_default()
}

fn cause_of(incident: &HopIncident) -> Option<String> {
    incident.status.as_ref()?.cause.clone()
}

fn hop_status(hop: &str, before: Option<&HopStatus>, observed: &Observed) -> HopStatus {
    let pod = observed.pods.get(hop);
    let view = pod.map(pod_view);
    let incidents = || observed.incidents.iter().filter(|i| i.spec.hop == hop);
    let in_phase = |wanted: &[IncidentPhase]| incidents().find(|i| wanted.contains(&phase_of(i)));
    let repair = in_phase(&[IncidentPhase::Acting, IncidentPhase::Verifying]);
    // One that waits for a cooldown has no cause: nobody is needed, and nothing is known to be another hop's fault.
    let held = incidents().find(|i| phase_of(i) == IncidentPhase::Held && cause_of(i).is_some());
    let up = view.as_ref().is_some_and(|v| v.ready);
    let escalated = incidents().any(|i| {
        let closed = i.status.as_ref().and_then(|s| s.closed_at.as_ref()).map(|t| t.0);
        phase_of(i) == IncidentPhase::Escalated && view.as_ref().is_some_and(|v| closed > Some(v.ready_since))
    });
    let was_up = pod.is_some_and(|p| {
        let created = p.metadata.creation_timestamp.as_ref().map(|t| t.0);
        view.as_ref().is_some_and(|v| Some(v.ready_since) > created.map(|c| c + jiff::SignedDuration::from_secs(5)))
    });
    let logs = observed.logs.as_ref();
    let is_silent = pod.zip(logs).is_some_and(|(pod, logs)| logs.is_silent(pod, before));
    let state = match () {
        () if repair.is_some() => HopState::Recovering,
        // What holds it is known without a line of its log.
        () if !up && (held.is_some() || escalated) => HopState::Held,
        () if is_silent => HopState::Unknown,
        () if up => HopState::Up,
        () if pod.is_none() && observed.secrets.contains_key(hop) => HopState::Connecting,
        () if pod.is_none() => HopState::Unknown,
        () if was_up => HopState::Suspect,
        () => HopState::Connecting,
    };
    HopStatus {
        name: hop.to_owned(),
        state,
        candidate: observed.secrets.get(hop).map(|s| s.candidate().to_string()),
        pod: pod.map(ResourceExt::name_any),
        ready: up,
        since: view.map(|v| Time(v.ready_since)),
        candidates_left: None,
        cause: held.filter(|_| !up && repair.is_none()).and_then(cause_of),
    }
}

fn phase(chain: &ValidChain<'_>, hops: &[HopStatus], up: usize) -> ChainPhase {
    let any = |state: HopState| hops.iter().any(|h| h.state == state);
    match () {
        () if chain.chain.spec.paused => ChainPhase::Paused,
        () if up == hops.len() => ChainPhase::Up,
        () if any(HopState::Recovering) => ChainPhase::Recovering,
        () if hops.iter().any(|h| h.state == HopState::Held && h.cause.is_none()) => ChainPhase::Held,
        () if any(HopState::Suspect) || any(HopState::Held) => ChainPhase::Degraded,
        () if hops.iter().any(|h| h.state == HopState::Unknown && h.pod.is_some() && !h.ready) => ChainPhase::Degraded,
        () => ChainPhase::Connecting,
    }
}

fn message(phase: ChainPhase, hops: &[HopStatus], problems: &[&(String, String)]) -> String {
    if let Some((hop, why)) = problems.first() {
        return format!("hop {hop:?}: {why}");
    }
    let not_up = |h: &&HopStatus| !h.carries_traffic();
    match (phase, hops.iter().find(not_up)) {
        (ChainPhase::Up, _) | (_, None) => match hops.iter().find(|h| h.state == HopState::Unknown) {
            None => "every hop carries traffic".to_owned(),
            Some(hop) => format!("every hop carries traffic, but no log line comes of hop {:?}", hop.name),
        },
        (_, Some(hop)) => match &hop.cause {
            Some(cause) => format!("hop {:?} is {:?}: a symptom of outer hop {cause:?}", hop.name, hop.state),
            None => format!("hop {:?} is {:?}", hop.name, hop.state),
        },
    }
}

#[cfg(test)]
mod tests;
