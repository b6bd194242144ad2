//! Obeys the rotations that a person ordered by an annotation on the chain: writes the hop's Secret, says what came of it,
//! takes the annotation away. No incident is made: nothing failed, so nobody is accused and no candidate is burned.
//!
//! It may die anywhere. The Secret is written over the version that was judged; the answer stands in the status before
//! the annotation goes; and an order that is met again finds another candidate in use, so it was obeyed.

use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::build::secret::Stamp;
use super::candidates::{ChoiceError, choose};
use super::desired::{self, nudge};
use super::observe::Observed;
use super::recover::Outcome;
use super::validate::ValidChain;
use super::view::chain_view;
use super::{Context, Error};
use crate::crd::{VpnChain, names};
use crate::domain::burned::burned;
use crate::domain::limits::limits;
use crate::domain::order::{Order, OrderWait, judge};
use crate::domain::view::ChainView;
use crate::internal_event::controller::OrderAnswered;

/// `name@version`, both labels: more is no candidate's, and must not fill the status.
const LONGEST: usize = 127;

/// What came of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The hop runs another candidate.
    Obeyed,
    /// It cannot be done.
    Refused,
    /// It will be done.
    Waiting,
}

/// An order that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The hop that it names.
    pub hop: String,
    /// The candidate to leave, as it was written.
    pub leave: String,
    /// What came of it.
    pub answer: Answer,
    /// The same in a sentence.
    pub message: String,
}

/// The orders on a chain: hop and candidate to leave.
fn orders(chain: &VpnChain) -> impl Iterator<Item = (String, String)> {
    let ours = |(name, leave): (&String, &String)| Some((name.strip_prefix(names::ROTATE)?.to_owned(), leave.clone()));
    chain.annotations().iter().filter_map(ours)
}

/// Carries out what can be carried out now.
///
/// # Errors
/// When Kubernetes refuses a write, above all when somebody wrote the hop's Secret since it was looked at.
pub async fn obey(
    chain: &ValidChain<'_>,
    observed: &mut Observed,
    outcome: &mut Outcome,
    ctx: &Context,
) -> Result<(), Error> {
    for (hop, leave) in orders(chain.chain) {
        let view = chain_view(chain, observed, ctx.now());
        let (answer, message) = match judge(&view, &hop, &leave) {
            Order::Rotate => rotate(chain, &hop, &view, observed, outcome, ctx).await?,
            Order::Obeyed => (Answer::Obeyed, obeyed(&hop, &leave, &view, observed)),
            Order::Wait(OrderWait::RepairInProgress) => (
                Answer::Waiting,
                format!("hop {hop:?} is being repaired: the rotation that was ordered comes after it"),
            ),
            Order::Wait(OrderWait::NoParameters) => (
                Answer::Waiting,
                format!("hop {hop:?} has no parameters yet: the rotation that was ordered comes after them"),
            ),
            Order::NoSuchHop => (Answer::Refused, format!("the chain has no hop {hop:?} that could be rotated")),
        };
        if answer != Answer::Waiting {
            let obeyed = answer == Answer::Obeyed;
            let event = OrderAnswered { chain: chain.chain, hop: &hop, obeyed, message: &message };
            event.emit(&ctx.metrics);
            ctx.publish(chain.chain, &event).await;
        }
        outcome.orders.push(Answered { hop, leave, answer, message });
    }
    Ok(())
}

/// Takes the next candidate into the hop's Secret.
async fn rotate(
    chain: &ValidChain<'_>,
    hop: &str,
    view: &ChainView,
    observed: &mut Observed,
    outcome: &mut Outcome,
    ctx: &Context,
) -> Result<(Answer, String), Error> {
    let index = chain.hops().iter().position(|h| h.name == hop);
    let Some((index, secret)) = index.zip(observed.secrets.get(hop)) else {
        return Ok((Answer::Waiting, format!("hop {hop:?} has no parameters yet")));
    };
    let current = secret.candidate().clone();
    // The one to leave is no choice, whether or not it works.
    let mut avoid = burned(view, hop);
    avoid.push(current.clone());
    let chosen = match desired::open(chain, index, ctx).await {
        Ok(pool) => choose(chain, index, &pool, ctx.lookup, Some(&current), &avoid).await,
        Err(error) => Err(error.into()),
    };
    let (chosen, skipped) = match chosen {
        Ok(chosen) => chosen,
        Err(ChoiceError::Exhausted { listed, skipped, .. }) => {
            let unusable = skipped.len();
            outcome.skip(hop, skipped);
            let why = format!(
                "hop {hop:?} keeps candidate {current}: its pool has no other one that can be used and has not failed \
                 lately ({listed} in all, {unusable} of them unusable)"
            );
            return Ok((Answer::Refused, why));
        }
        Err(error @ ChoiceError::Pool(_)) => {
            outcome.wait_for_pool(chain, hop, &error, ctx);
            let why = desired::error_text(&error);
            return Ok((Answer::Waiting, format!("hop {hop:?} cannot be rotated yet: {why}")));
        }
    };
    outcome.skip(hop, skipped);
    let network = &chain.plan.hops[index];
    let recreate = desired::moved(secret, network).max(secret.stamp.recreate + u64::from(!chain.policy.in_place));
    let stamp = Stamp { applied_at: ctx.now(), recreate };
    let (revision, over) = (secret.plan.revision + 1, secret.object.clone());
    let written =
        desired::write(chain, index, &chosen, revision, stamp, Some(&over), &mut observed.policies, ctx).await?;
    if let Some(pod) = observed.pods.get(hop) {
        nudge(ctx, pod, &written).await?;
    }
    observed.secrets.insert(hop.to_owned(), written);
    Ok((Answer::Obeyed, obeyed(hop, &current.to_string(), view, observed)))
}

fn obeyed(hop: &str, left: &str, view: &ChainView, observed: &Observed) -> String {
    let left: String = left.chars().take(LONGEST).collect();
    let now = observed.secrets.get(hop).map(|s| s.candidate().to_string()).unwrap_or_default();
    let message = format!("hop {hop:?} left candidate {left} as ordered and runs {now}");
    match limits(view, hop).to_string() {
        none if none.is_empty() => message,
        limits => format!("{message}; a repair would have been held back: {limits}"),
    }
}

/// Takes the annotations of the orders away that are answered, where they still say what was answered.
///
/// # Errors
/// When Kubernetes refuses.
pub async fn close(chain: &ValidChain<'_>, orders: &[Answered], ctx: &Context) -> Result<(), Error> {
    let api = Api::<VpnChain>::namespaced(ctx.client.clone(), &chain.namespace);
    for order in orders.iter().filter(|order| order.answer != Answer::Waiting) {
        let place = format!("/metadata/annotations/{}{}", names::ROTATE.replace('/', "~1"), order.hop);
        let operations = json!([
            {"op": "test", "path": place, "value": order.leave},
            {"op": "remove", "path": place},
        ]);
        let patch = serde_json::from_value(operations).expect("it should be a JSON patch");
        match api.patch(&chain.name(), &PatchParams::default(), &Patch::Json::<()>(patch)).await {
            Ok(_) => {}
            // Gone, or ordered anew since: that change wakes this loop again.
            Err(kube::Error::Api(status)) if status.is_not_found() || status.code == 422 => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
