//! `hopkeeper rotate`: a person's order that a hop takes the next candidate of its pool.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt};
use miette::miette;
use serde_json::json;

use super::cluster::{Cluster, ClusterArgs, FIELD_MANAGER, block_on, no_hop, refused};
use super::output;
use crate::controller::{validate, view};
use crate::crd::chain::{HopState, HopStatus};
use crate::crd::{VpnChain, names};
use crate::domain::limits::limits;
use crate::domain::view::ChainView;
use crate::telemetry;

/// Orders a hop to take the next candidate of its pool, although nothing is wrong with the one in use.
///
/// The order stands as an annotation of the chain that names the candidate to leave, so giving it twice rotates once. The
/// operator obeys it also while the chain is paused, in its cooldown, or with its budget used up, and says so; a repair of
/// that hop that is under way comes first. No incident is made, and the candidate that is left stays in the pool.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 ordered (with --wait: done, and the hop carries traffic); 1 not ordered, refused, or not \
    done in time; 2 wrong usage.\n\nExamples:\n  hopkeeper rotate berlin/entry\n  hopkeeper rotate berlin/entry --wait --timeout 2m"
)]
pub(super) struct Rotate {
    /// The chain and the hop.
    #[arg(value_name = "CHAIN/HOP", value_parser = target)]
    hop: Target,
    /// Wait until the hop carries traffic with another candidate, or the order is refused.
    #[arg(long)]
    wait: bool,
    /// How long to wait, with --wait.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = crate::config::duration)]
    timeout: Duration,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// A hop of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    chain: String,
    hop: String,
}

fn target(text: &str) -> Result<Target, String> {
    match text.split_once('/') {
        Some((chain, hop)) if !chain.is_empty() && !hop.is_empty() && !hop.contains('/') => {
            Ok(Target { chain: chain.to_owned(), hop: hop.to_owned() })
        }
        _ => Err("name the chain and the hop, for example berlin/entry".to_owned()),
    }
}

impl Rotate {
    pub(super) fn run(self) -> miette::Result<()> {
        block_on(async {
            let cluster = self.cluster.connect().await?;
            let Target { chain: name, hop } = &self.hop;
            let chain = cluster.chain(name).await?;
            let before = in_use(&chain, hop)?;
            let leave = before.candidate.clone().unwrap_or_default();
            for note in notes(&cluster, &chain, before).await? {
                output::note(&format!("note: {note}"));
            }
            give(&cluster.chains(), name, hop, &leave).await?;
            output::print(&format!("hop {hop} of chain {}/{name} is to leave candidate {leave}\n", cluster.namespace))?;
            if !self.wait {
                return Ok(());
            }
            let answered = |chain: Option<&VpnChain>| chain.is_none_or(|chain| answer(chain, before, &leave).is_some());
            let waiting = await_condition(cluster.chains(), name, answered);
            let seconds = self.timeout.as_secs();
            let chain = tokio::time::timeout(self.timeout, waiting)
                .await
                .map_err(|_| {
                    miette!(
                        help = "the order stands: `hopkeeper status` shows what the operator makes of it",
                        "hop {hop:?} does not carry traffic with another candidate after {seconds} s"
                    )
                })?
                .map_err(|e| miette!("failed to watch the chain: {}", telemetry::error_chain(&e)))?;
            match chain.as_ref().and_then(|chain| answer(chain, before, &leave)) {
                Some(Ok(candidate)) => {
                    output::print(&format!("hop {hop} carries traffic with candidate {candidate}\n"))
                }
                Some(Err(why)) => Err(miette!("the operator refused: {why}")),
                None => Err(miette!("the chain was deleted meanwhile")),
            }
        })
    }
}

/// What the operator last saw of the hop, which has a candidate to leave.
fn in_use<'c>(chain: &'c VpnChain, hop: &str) -> miette::Result<&'c HopStatus> {
    if !chain.spec.hops.iter().any(|h| h.name == hop) {
        return Err(no_hop(&chain.name_any(), hop, chain.spec.hops.iter().map(|h| h.name.as_str())));
    }
    let seen = chain.status.iter().flat_map(|s| &s.hops).find(|h| h.name == hop);
    seen.filter(|hop| hop.candidate.is_some()).ok_or_else(|| {
        miette!(
            help = "is an operator running? `hopkeeper status` shows what it saw",
            "hop {hop:?} has no candidate yet"
        )
    })
}

/// What a repair would have waited for, and other things that are good to know before.
async fn notes(cluster: &Cluster, chain: &VpnChain, hop: &HopStatus) -> miette::Result<Vec<String>> {
    let mut notes = Vec::new();
    let of_chain = ListParams::default().labels(&format!("{}={}", names::CHAIN, chain.name_any()));
    let incidents = cluster.incidents().list(&of_chain).await.map_err(|e| refused("list incidents", &e))?;
    // A policy that can't be read is the operator's to tell.
    if let Ok(policy) = validate::policy(&chain.spec.recovery) {
        let seen = ChainView {
            now: Timestamp::now(),
            paused: chain.spec.paused,
            policy,
            hops: Vec::new(),
            incidents: incidents.iter().map(view::incident_view).collect(),
        };
        let limits = limits(&seen, &hop.name).to_string();
        if !limits.is_empty() {
            notes.push(format!("a repair would be held back now ({limits}); a person's order is not"));
        }
    }
    if hop.candidates_left == Some(0) {
        notes.push("its pool had no other candidate left when it was last read: the order may be refused".to_owned());
    }
    if chain.annotations().contains_key(&annotation(&hop.name)) {
        notes.push("it was ordered before, and not answered yet".to_owned());
    }
    Ok(notes)
}

fn annotation(hop: &str) -> String {
    format!("{}{hop}", names::ROTATE)
}

async fn give(chains: &Api<VpnChain>, chain: &str, hop: &str, leave: &str) -> miette::Result<()> {
    let patch = json!({"metadata": {"annotations": {annotation(hop): leave}}});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    chains.patch(chain, &params, &Patch::Merge(patch)).await.map_err(|e| refused("order the rotation", &e))?;
    Ok(())
}

/// The candidate that the hop carries traffic with instead, or why it keeps the one it had; none while it is not known.
///
/// The operator writes the status before it takes the order away: without the order, the condition is about this one.
fn answer(chain: &VpnChain, before: &HopStatus, leave: &str) -> Option<Result<String, String>> {
    if chain.annotations().contains_key(&annotation(&before.name)) {
        return None;
    }
    let status = chain.status.as_ref()?;
    let hop = status.hops.iter().find(|h| h.name == before.name)?;
    match hop.candidate.as_deref() {
        Some(candidate) if candidate != leave => {
            // Each change of parameters takes a hop out of Ready for a moment: Up since before is not Up with them.
            (hop.state == HopState::Up && hop.since != before.since).then(|| Ok(candidate.to_owned()))
        }
        _ => {
            let condition = status.conditions.iter().find(|c| c.type_ == "RotationObeyed" && c.reason == "Refused")?;
            Some(Err(condition.message.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overview::tests::berlin;

    #[test]
    fn a_hop_is_named_with_its_chain() {
        assert_eq!(target("berlin/entry"), Ok(Target { chain: "berlin".into(), hop: "entry".into() }));
        for wrong in ["berlin", "/entry", "berlin/", "vpn/berlin/entry"] {
            assert!(target(wrong).unwrap_err().contains("berlin/entry"), "{wrong}");
        }
    }

    #[test]
    fn only_a_hop_with_a_candidate_can_leave_it() {
        let mut chain = berlin();
        assert_eq!(in_use(&chain, "entry").unwrap().candidate.as_deref(), Some("b@1"));
        let said = in_use(&chain, "x").unwrap_err().to_string();
        assert_eq!(said, "chain \"berlin\" has no hop \"x\": it has entry, middle, exit");
        chain.status = None;
        assert_eq!(in_use(&chain, "entry").unwrap_err().to_string(), "hop \"entry\" has no candidate yet");
    }

    #[test]
    fn the_answer_is_known_once_the_order_is_gone_and_the_hop_was_up_anew() {
        let before = berlin().status.unwrap().hops[1].clone();
        let mut chain = berlin();
        let told = |chain: &VpnChain| answer(chain, &before, "nl-1@7");
        chain.metadata.annotations = Some([(annotation("middle"), "nl-1@7".to_owned())].into());
        chain.status.as_mut().unwrap().hops[1].candidate = Some("nl-2@7".into());
        assert_eq!(told(&chain), None, "the order stands");
        chain.metadata.annotations = None;
        assert_eq!(told(&chain), None, "Up since before the rotation");
        let hop = &mut chain.status.as_mut().unwrap().hops[1];
        hop.since.as_mut().unwrap().0 += jiff::SignedDuration::from_secs(9);
        hop.state = HopState::Suspect;
        assert_eq!(told(&chain), None, "not up yet");
        chain.status.as_mut().unwrap().hops[1].state = HopState::Up;
        assert_eq!(told(&chain), Some(Ok("nl-2@7".into())));
    }

    #[test]
    fn a_refusal_is_told_in_the_operators_words() {
        let before = berlin().status.unwrap().hops[1].clone();
        let mut chain = berlin();
        chain.status.as_mut().unwrap().conditions.clear();
        assert_eq!(answer(&chain, &before, "nl-1@7"), None, "nothing was answered");
        let refused = json!({"type": "RotationObeyed", "status": "False", "reason": "Refused", "message": "nothing left",
            "lastTransitionTime": "2026-11-22T12:00:00Z"});
        chain.status.as_mut().unwrap().conditions.push(serde_json::from_value(refused).unwrap());
        assert_eq!(answer(&chain, &before, "nl-1@7"), Some(Err("nothing left".into())));
    }
}
