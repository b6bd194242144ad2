//! Keeps every hop's Secret, the desired state of the hop: makes the first one, follows a new version of the candidate
//! in use and changes of the chain's network. Rotations are `recover`'s.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use secrecy::SecretString;
use serde_json::json;

use super::build::secret::{Stamp, hop_secret};
use super::candidates::{ChoiceError, Chosen, Skipped, choose, newest};
use super::observe::{HopSecret, Observed};
use super::validate::ValidChain;
use super::{Context, Error};
use crate::crd::names;
use crate::domain::plan::{HopNetwork, HopPlan, PLAN_FILE};
use crate::internal_event::controller::{CandidateSkipped, ParametersWritten};
use crate::parameters::{Pool, PoolError};

/// What was found while looking after the hops' Secrets.
#[derive(Default)]
pub struct Supply {
    /// Candidates that cannot be used, by hop.
    pub skipped: Vec<(String, Skipped)>,
    /// Hops without parameters or with a pool that cannot be read, and why.
    pub problems: Vec<(String, String)>,
}

/// Makes sure that every hop has its Secret and that it fits the spec; updates `observed` with what it wrote.
///
/// # Errors
/// When Kubernetes refuses. A pool that cannot be read is a problem of its hop only.
pub async fn supply(chain: &ValidChain<'_>, observed: &mut Observed, ctx: &Context) -> Result<Supply, Error> {
    let mut supply = Supply::default();
    for (index, hop) in chain.hops().iter().enumerate() {
        let written = match observed.secrets.get(&hop.name) {
            None => fresh(chain, index, None, ctx, &mut supply).await?,
            Some(secret) if secret.plan.network != chain.plan.hops[index] => {
                match replanned(secret, &chain.plan.hops[index]) {
                    Some(plan) => Some(replan(chain, secret, plan, ctx).await?),
                    None => fresh(chain, index, Some(secret), ctx, &mut supply).await?,
                }
            }
            Some(secret) => {
                let busy = super::recover::is_busy(observed, &hop.name);
                if busy { None } else { follow(chain, index, secret, ctx, &mut supply).await? }
            }
        };
        if let Some(secret) = written {
            observed.secrets.insert(hop.name.clone(), secret);
            if let Some(pod) = observed.pods.get(&hop.name) {
                nudge(ctx, pod, &observed.secrets[&hop.name]).await?;
            }
        }
    }
    alert(chain, &supply.skipped, ctx).await;
    Ok(supply)
}

/// Tells people of candidates that cannot be used.
pub(super) async fn alert(chain: &ValidChain<'_>, skipped: &[(String, Skipped)], ctx: &Context) {
    for (hop, skipped) in skipped {
        let event = CandidateSkipped { hop, candidate: &skipped.name, reason: &skipped.reason };
        event.emit(&ctx.metrics);
        ctx.publish(chain.chain, &event).await;
    }
}

/// The first candidate that can be used, for a hop that has none, or whose own does not fit what the spec now says.
async fn fresh(
    chain: &ValidChain<'_>,
    index: usize,
    over: Option<&HopSecret>,
    ctx: &Context,
    supply: &mut Supply,
) -> Result<Option<HopSecret>, Error> {
    let hop = &chain.hops()[index];
    let chosen = match open(chain, index, ctx).await {
        Ok(pool) => choose(chain, index, &pool, over.map(HopSecret::candidate), &[]).await,
        Err(error) => Err(error.into()),
    };
    match chosen {
        Ok((chosen, skipped)) => {
            supply.skipped.extend(skipped.into_iter().map(|s| (hop.name.clone(), s)));
            let stamp = Stamp { applied_at: ctx.now(), recreate: over.map_or(0, |o| o.stamp.recreate) };
            let revision = over.map_or(0, |o| o.plan.revision + 1);
            write(chain, index, &chosen, revision, stamp, over.map(|o| &o.object), ctx).await.map(Some)
        }
        Err(error) => {
            supply.problems.push((hop.name.clone(), error_text(&error)));
            if let ChoiceError::Exhausted { skipped, .. } = error {
                supply.skipped.extend(skipped.into_iter().map(|s| (hop.name.clone(), s)));
            }
            Ok(None)
        }
    }
}

/// The plan of the same candidate on another network; none when it does not fit there, or is for another VPN protocol.
fn replanned(secret: &HopSecret, network: &HopNetwork) -> Option<HopPlan> {
    let HopPlan { network: before, candidate, revision, .. } = &secret.plan;
    if before.implementation.client() != network.implementation.client() {
        return None;
    }
    HopPlan::new(network.clone(), &secret.resolved(), candidate.clone(), *revision).ok()
}

/// The same candidate on a network that the spec changed. The pool need not be asked.
async fn replan(chain: &ValidChain<'_>, secret: &HopSecret, plan: HopPlan, ctx: &Context) -> Result<HopSecret, Error> {
    let mut object = secret.object.clone();
    object.metadata.managed_fields = None;
    let bytes = k8s_openapi::ByteString(plan.to_json().into_bytes());
    object.data.get_or_insert_default().insert(PLAN_FILE.to_owned(), bytes);
    let api = Api::<Secret>::namespaced(ctx.client.clone(), &chain.namespace);
    let object = api.replace(&object.name_any(), &post(), &object).await?;
    Ok(HopSecret { object, plan, stamp: secret.stamp })
}

/// Follows a new version of the candidate in use; asks the pool only every so often.
async fn follow(
    chain: &ValidChain<'_>,
    index: usize,
    secret: &HopSecret,
    ctx: &Context,
    supply: &mut Supply,
) -> Result<Option<HopSecret>, Error> {
    let hop = &chain.hops()[index];
    if !ctx.polls.is_due(&secret.object.uid().unwrap_or_default(), ctx.settings.parameters_poll) {
        return Ok(None);
    }
    let current = secret.candidate();
    let found = match open(chain, index, ctx).await {
        Ok(pool) => newest(chain, index, &pool, &current.name).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(Some(Ok(chosen))) if chosen.candidate.version != current.version && differs(secret, &chosen) => {
            let stamp = Stamp { applied_at: ctx.now(), ..secret.stamp };
            write(chain, index, &chosen, secret.plan.revision, stamp, Some(&secret.object), ctx).await.map(Some)
        }
        Ok(Some(Err(skipped))) => {
            supply.skipped.push((hop.name.clone(), skipped));
            Ok(None)
        }
        // Removed from the pool: the hop keeps what works, and never comes back to it.
        Ok(_) => Ok(None),
        Err(error) => {
            supply.problems.push((hop.name.clone(), crate::telemetry::error_chain(&error)));
            Ok(None)
        }
    }
}

fn differs(secret: &HopSecret, chosen: &Chosen) -> bool {
    use secrecy::ExposeSecret;
    let stored = |name: &str| secret.object.data.as_ref().and_then(|d| d.get(name)).map(|b| b.0.as_slice());
    let same = |(name, text): (&String, &SecretString)| stored(name) == Some(text.expose_secret().as_bytes());
    // One more file than the candidate has is the plan.
    let files = secret.object.data.as_ref().map_or(0, |d| d.len());
    // The tunnel's own addresses are in the plan, not in the client's file.
    let addresses = secret.plan.tunnel_addresses != chosen.resolved.tunnel_addresses;
    addresses || !chosen.resolved.files.iter().all(same) || files != chosen.resolved.files.len() + 1
}

/// Opens a hop's pool.
///
/// # Errors
/// When there is none.
pub async fn open<'a>(chain: &'a ValidChain<'_>, hop: usize, ctx: &'a Context) -> Result<Pool<'a>, PoolError> {
    Pool::open(&chain.hops()[hop].parameters, ctx.vault.as_ref(), &ctx.client, &chain.namespace).await
}

/// Writes a hop's Secret: creates it, or replaces exactly the version that `over` is.
///
/// # Errors
/// When Kubernetes refuses, above all when somebody else wrote it since.
pub async fn write(
    chain: &ValidChain<'_>,
    hop: usize,
    chosen: &Chosen,
    revision: u64,
    stamp: Stamp,
    over: Option<&Secret>,
    ctx: &Context,
) -> Result<HopSecret, Error> {
    let network = chain.plan.hops[hop].clone();
    let plan = HopPlan::new(network, &chosen.resolved, chosen.candidate.clone(), revision)?;
    let mut object = hop_secret(chain, &plan, &chosen.resolved.files, stamp);
    // The wall around the entry hop must have its new opening before the client knows of it.
    super::apply::hop_policy(chain, hop, &plan.endpoints, ctx).await?;
    let api = Api::<Secret>::namespaced(ctx.client.clone(), &chain.namespace);
    let object = match over {
        None => api.create(&post(), &object).await?,
        Some(over) => {
            object.metadata.resource_version = over.resource_version();
            api.replace(&object.name_any(), &post(), &object).await?
        }
    };
    ParametersWritten { chain: &chain.name(), hop: &plan.network.name, plan: &plan.id() }.emit(&ctx.metrics);
    Ok(HopSecret { object, plan, stamp })
}

/// Touches the hop's pod, so that the kubelet refreshes the mounted Secret at once (measured: 0.2–0.8 s, else up to 60 s).
///
/// # Errors
/// When Kubernetes refuses; a pod that is gone is no error, its successor reads the Secret at its start.
pub async fn nudge(ctx: &Context, pod: &Pod, secret: &HopSecret) -> Result<(), Error> {
    let Some(namespace) = pod.namespace() else { return Ok(()) };
    let version = secret.object.resource_version().unwrap_or_default();
    let patch = json!({"metadata": {"uid": pod.uid(), "annotations": {names::NUDGE: version}}});
    let api = Api::<Pod>::namespaced(ctx.client.clone(), &namespace);
    match api.patch_metadata(&pod.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A choice's failure with its causes.
pub(super) fn error_text(error: &ChoiceError) -> String {
    crate::telemetry::error_chain(error)
}

fn post() -> PostParams {
    PostParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// When each Secret's pool was last asked, in this process.
#[derive(Default)]
pub struct Polls(std::sync::Mutex<std::collections::HashMap<String, Instant>>);

impl Polls {
    /// Whether the time has come, and if so, remembers it.
    fn is_due(&self, key: &str, every: Duration) -> bool {
        let mut last = self.0.lock().expect("should not be poisoned: nothing panics while it is held");
        let now = Instant::now();
        last.retain(|_, at| now.duration_since(*at) < every * 4);
        let due = last.get(key).is_none_or(|at| now.duration_since(*at) >= every);
        if due {
            last.insert(key.to_owned(), now);
        }
        due
    }
}

impl Context {
    /// The time by which applied parameters are judged.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

#[cfg(test)]
mod tests;
