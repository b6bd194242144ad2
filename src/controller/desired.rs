//! Keeps every hop's Secret, the desired state of the hop: makes the first one, follows a new version of the candidate
//! in use and changes of the chain's network. Rotations are `recover`'s.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use secrecy::SecretString;
use serde_json::json;

use super::apply::post;
use super::build::secret::{Stamp, hop_secret};
use super::candidates::listing::Listing;
use super::candidates::{ChoiceError, Chosen, Skipped, Unfit, choose, newest, servers_ahead};
use super::observe::{HopSecret, Observed, pod_view};
use super::validate::ValidChain;
use super::view::chain_view;
use super::{Context, Error};
use crate::crd::names;
use crate::domain::burned::burned;
use crate::domain::plan::{EndpointAddress, HopNetwork, HopPlan, PLAN_FILE, PlanError};
use crate::internal_event::controller::{ParametersWritten, PoolUnread};
use crate::parameters::{Pool, PoolError};

/// What was found while looking after the hops' Secrets.
#[derive(Default)]
pub struct Supply {
    /// Candidates that cannot be used, by hop.
    pub skipped: Vec<(String, Skipped)>,
    /// Hops without parameters or with a pool that cannot be read, and why.
    pub problems: Vec<(String, String)>,
    /// Candidates that were read and can be used, by hop.
    pub usable: Vec<(String, String)>,
    /// What the pools held when they were last asked, by hop.
    pub listings: BTreeMap<String, Listing>,
}

impl Supply {
    /// Remembers candidates that cannot be used.
    pub fn skip(&mut self, hop: &str, skipped: Vec<Skipped>) {
        self.skipped.extend(skipped.into_iter().map(|s| (hop.to_owned(), s)));
    }
}

/// Makes sure that every hop has its Secret and that it fits the spec; updates `observed` with what it wrote.
///
/// # Errors
/// When Kubernetes refuses. A pool that cannot be read is a problem of its hop only.
pub async fn supply(chain: &ValidChain<'_>, observed: &mut Observed, ctx: &Context) -> Result<Supply, Error> {
    let mut supply = Supply::default();
    let mut asked = ask(chain, observed, ctx).await;
    for (index, hop) in chain.hops().iter().enumerate() {
        let written = match observed.secrets.get(&hop.name) {
            None => first(chain, index, observed, ctx, &mut supply).await?,
            Some(secret) if !same_client(secret, &chain.plan.hops[index]) => {
                first(chain, index, observed, ctx, &mut supply).await?
            }
            Some(secret) if !fits(secret, &chain.plan.hops[index]) => {
                replan(chain, index, secret, ctx, &mut supply).await?
            }
            Some(_) if super::recover::is_busy(observed, &hop.name) => None,
            Some(_) => follow(chain, index, asked.remove(&index), observed, ctx, &mut supply).await?,
        };
        if let Some(secret) = written {
            if let Some(pod) = observed.pods.get(&hop.name) {
                nudge(ctx, pod, &secret).await?;
            }
            observed.secrets.insert(hop.name.clone(), secret);
        }
        let key = observed.secrets.get(&hop.name).and_then(|secret| secret.object.uid());
        supply.listings.extend(key.and_then(|key| ctx.polls.listing(&key)).map(|listing| (hop.name.clone(), listing)));
    }
    Ok(supply)
}

/// Takes a first candidate for a hop that has no Secret, or one that cannot be understood or is for another VPN protocol.
async fn first(
    chain: &ValidChain<'_>,
    index: usize,
    observed: &mut Observed,
    ctx: &Context,
    supply: &mut Supply,
) -> Result<Option<HopSecret>, Error> {
    let hop = &chain.hops()[index].name;
    let view = chain_view(chain, observed, ctx.now());
    let chosen = match open(chain, index, ctx).await {
        Ok(pool) => choose(chain, index, &pool, ctx.lookup, None, &burned(&view, hop)).await,
        Err(error) => Err(error.into()),
    };
    match chosen {
        Ok((chosen, skipped)) => {
            supply.skip(hop, skipped);
            let (over, revision, recreate) = match observed.secrets.get(hop) {
                Some(other) => (Some(other.object.clone()), other.plan.revision + 1, other.stamp.recreate),
                // A running pod is not made anew just because its Secret was lost.
                None => {
                    let recreate = observed.pods.get(hop).map_or(0, |p| pod_view(p).recreate);
                    (observed.unreadable.get(hop).cloned(), 0, recreate)
                }
            };
            let stamp = Stamp { applied_at: ctx.now(), recreate };
            let versions = &mut observed.policies;
            write(chain, index, &chosen, revision, stamp, over.as_ref(), versions, ctx).await.map(Some)
        }
        Err(error) => {
            count_unread(chain, hop, &error, ctx);
            supply.problems.push((hop.clone(), error_text(&error)));
            supply.skip(hop, error.into_skipped());
            Ok(None)
        }
    }
}

/// Whether the hop's candidate is one for the client that the spec wants.
fn same_client(secret: &HopSecret, network: &HopNetwork) -> bool {
    secret.plan.network.implementation.client() == network.implementation.client()
}

/// The plan of the same candidate on another network.
fn replanned(secret: &HopSecret, network: &HopNetwork) -> Result<HopPlan, PlanError> {
    HopPlan::new(network.clone(), &secret.resolved(), secret.candidate().clone(), secret.plan.revision)
}

/// Whether what is written is for the network that the spec has now. Where it is not, it cannot be written again with its candidate
/// before [`supply`] has made it fit, or has told why it cannot.
pub fn fits(secret: &HopSecret, network: &HopNetwork) -> bool {
    secret.plan.network == *network
}

/// The recreation counter of a write on this network. A pod has its addresses from its beginning, and does not move: on others
/// there is a new one.
pub fn moved(secret: &HopSecret, network: &HopNetwork) -> u64 {
    secret.stamp.recreate + u64::from(!secret.plan.network.is_at_home_in(network))
}

/// The same candidate on a network that the spec changed. The pool need not be asked.
async fn replan(
    chain: &ValidChain<'_>,
    index: usize,
    secret: &HopSecret,
    ctx: &Context,
    supply: &mut Supply,
) -> Result<Option<HopSecret>, Error> {
    let plan = match replanned(secret, &chain.plan.hops[index]) {
        Ok(plan) => plan,
        Err(clash) => {
            supply.problems.push((chain.hops()[index].name.clone(), clash.to_string()));
            return Ok(None);
        }
    };
    let stamp = Stamp { recreate: moved(secret, &plan.network), ..secret.stamp };
    let mut object = secret.object.clone();
    object.metadata.managed_fields = None;
    object.annotations_mut().insert(names::RECREATE.to_owned(), stamp.recreate.to_string());
    let bytes = k8s_openapi::ByteString(plan.to_json().into_bytes());
    object.data.get_or_insert_default().insert(PLAN_FILE.to_owned(), bytes);
    let api = Api::<Secret>::namespaced(ctx.client.clone(), &chain.namespace);
    let object = api.replace(&object.name_any(), &post(), &object).await?;
    Ok(Some(HopSecret { object, plan, stamp }))
}

/// What a hop's pool says about it: its candidates, and the newest version of the one in use.
type Asked = Result<(Answer, Option<Result<Chosen, Unfit>>), PoolError>;

/// Whether a hop has what it needs, so that only a new version of its candidate is of interest.
fn is_settled(chain: &ValidChain<'_>, index: usize, observed: &Observed) -> bool {
    let hop = &chain.hops()[index].name;
    let fits = |secret: &HopSecret| fits(secret, &chain.plan.hops[index]);
    observed.secrets.get(hop).is_some_and(fits) && !super::recover::is_busy(observed, hop)
}

/// Asks the pools whose time has come about the hops that have what they need, side by side: one that does not answer is
/// waited for by all together.
async fn ask(chain: &ValidChain<'_>, observed: &Observed, ctx: &Context) -> BTreeMap<usize, Asked> {
    let settled = (0..chain.hops().len()).filter(|index| is_settled(chain, *index, observed));
    let due = settled.filter_map(|index| {
        let secret = &observed.secrets[&chain.hops()[index].name];
        let key = secret.object.uid().unwrap_or_default();
        ctx.polls.is_due(&key, ctx.settings.parameters_poll).then_some((index, key, secret.candidate()))
    });
    let asked = due.map(|(index, key, current)| async move {
        let burned = burned(&chain_view(chain, observed, ctx.now()), &chain.hops()[index].name);
        let answer = async {
            let pool = open(chain, index, ctx).await?;
            let listing = Listing::read(&pool, ctx.polls.listing(&key)).await?;
            // The other hops reach their servers through the chain: there is no wall to be opened.
            let names = if index == 0 { listing.names.clone() } else { Vec::new() };
            let ahead = servers_ahead(chain, index, &pool, ctx.lookup, names, current, &burned);
            let newest = newest(chain, index, &pool, ctx.lookup, &current.name);
            let (servers_ahead, newest) = tokio::try_join!(ahead, newest)?;
            Ok((Answer { listing, servers_ahead }, newest))
        };
        (index, answer.await)
    });
    futures::future::join_all(asked).await.into_iter().collect()
}

/// Follows a new version of the candidate in use, where the pool was asked.
async fn follow(
    chain: &ValidChain<'_>,
    index: usize,
    asked: Option<Asked>,
    observed: &mut Observed,
    ctx: &Context,
    supply: &mut Supply,
) -> Result<Option<HopSecret>, Error> {
    let hop = &chain.hops()[index].name;
    let secret = &observed.secrets[hop];
    let key = secret.object.uid().unwrap_or_default();
    let newest = match asked {
        None => {
            supply.problems.extend(ctx.polls.last_problem(&key).map(|why| (hop.clone(), why)));
            return Ok(None);
        }
        Some(Ok((answer, newest))) => {
            ctx.polls.remember(&key, Ok(answer));
            newest
        }
        Some(Err(error)) => {
            PoolUnread { chain: chain.chain, hop, error: &error }.emit(&ctx.metrics);
            let problem = crate::telemetry::error_chain(&error);
            ctx.polls.remember(&key, Err(problem.clone()));
            supply.problems.push((hop.clone(), problem));
            return Ok(None);
        }
    };
    let current = secret.candidate();
    match newest {
        Some(Ok(chosen)) => {
            supply.usable.push((hop.clone(), current.name.clone()));
            if chosen.candidate.version == current.version || !differs(secret, &chosen) {
                return Ok(None);
            }
            // A pod that may not load parameters takes them up by being made anew.
            let recreate = secret.stamp.recreate + u64::from(!chain.policy.in_place);
            let stamp = Stamp { applied_at: ctx.now(), recreate };
            let (revision, over) = (secret.plan.revision, secret.object.clone());
            write(chain, index, &chosen, revision, stamp, Some(&over), &mut observed.policies, ctx).await.map(Some)
        }
        Some(Err(Unfit::Skipped(skipped))) => {
            supply.skip(hop, vec![skipped]);
            Ok(None)
        }
        // The hop keeps what works. Where the candidate was removed from the pool, it never comes back to it.
        None | Some(Err(Unfit::NoAnswer)) => Ok(None),
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
#[expect(clippy::too_many_arguments, reason = "each is one thing that the Secret says, or a guard on writing it")]
pub async fn write(
    chain: &ValidChain<'_>,
    hop: usize,
    chosen: &Chosen,
    revision: u64,
    stamp: Stamp,
    over: Option<&Secret>,
    policies: &mut super::apply::Versions,
    ctx: &Context,
) -> Result<HopSecret, Error> {
    let network = chain.plan.hops[hop].clone();
    let plan = HopPlan::new(network, &chosen.resolved, chosen.candidate.clone(), revision)?;
    let mut object = hop_secret(chain, &plan, &chosen.resolved.files, stamp);
    // The wall around the entry hop must have its new opening before the client knows of it.
    let servers = ctx.polls.reachable(&plan, over);
    super::apply::hop_policy(chain, hop, &servers, policies, ctx).await?;
    let api = Api::<Secret>::namespaced(ctx.client.clone(), &chain.namespace);
    let object = match over {
        None => super::apply::create(&api, &object).await?,
        Some(over) => {
            object.metadata.resource_version = over.resource_version();
            api.replace(&object.name_any(), &post(), &object).await?
        }
    };
    ParametersWritten { chain: chain.chain, hop: &plan.network.name, plan: &plan.id() }.emit(&ctx.metrics);
    Ok(HopSecret { object, plan, stamp })
}

/// How long after a nudge the next one may come.
pub(super) const NUDGE_AGAIN: Duration = Duration::from_secs(10);

/// Touches the hop's pod, so that the kubelet refreshes the mounted Secret at once (measured: 0.2–0.8 s, else up to 60 s). Called
/// again it does so every [`NUDGE_AGAIN`].
///
/// # Errors
/// When Kubernetes refuses; a pod that is gone is no error, its successor reads the Secret at its start.
pub async fn nudge(ctx: &Context, pod: &Pod, secret: &HopSecret) -> Result<(), Error> {
    let Some(namespace) = pod.namespace() else { return Ok(()) };
    let version = secret.object.resource_version().unwrap_or_default();
    let waits = ctx.now().duration_since(secret.stamp.applied_at).as_secs().max(0);
    let nudge = format!("{version}.{}", waits.unsigned_abs() / NUDGE_AGAIN.as_secs());
    if pod.annotations().get(names::NUDGE) == Some(&nudge) {
        return Ok(());
    }
    let patch = json!({"metadata": {"uid": pod.uid(), "annotations": {names::NUDGE: nudge}}});
    let api = Api::<Pod>::namespaced(ctx.client.clone(), &namespace);
    match api.patch_metadata(&pod.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Counts a choice that failed with its pool.
pub(super) fn count_unread(chain: &ValidChain<'_>, hop: &str, error: &ChoiceError, ctx: &Context) {
    if let ChoiceError::Pool(error) = error {
        PoolUnread { chain: chain.chain, hop, error }.emit(&ctx.metrics);
    }
}

/// A choice's failure with its causes.
pub(super) fn error_text(error: &ChoiceError) -> String {
    crate::telemetry::error_chain(error)
}

/// When each Secret's pool was last asked, in this process, and what it said.
#[derive(Default)]
pub struct Polls(std::sync::Mutex<std::collections::HashMap<String, Poll>>);

/// One pool's last answer.
struct Poll {
    at: Instant,
    problem: Option<String>,
    /// The last one that it gave, also when it gave none since.
    answer: Option<Answer>,
}

/// What a pool said.
struct Answer {
    listing: Listing,
    /// Of the candidates that a rotation of the entry hop would try next. Who enforces NetworkPolicies takes a new one up in its own
    /// time, after an outage of the API server a minute late; these need not wait for that.
    servers_ahead: Vec<EndpointAddress>,
}

impl Polls {
    /// Whether the time has come.
    fn is_due(&self, key: &str, every: Duration) -> bool {
        let mut last = self.polls();
        let now = Instant::now();
        last.retain(|_, poll| now.duration_since(poll.at) < every * 4);
        last.get(key).is_none_or(|poll| now.duration_since(poll.at) >= every)
    }

    fn remember(&self, key: &str, answer: Result<Answer, String>) {
        let mut polls = self.polls();
        let (problem, answer) = match answer {
            Ok(answer) => (None, Some(answer)),
            Err(problem) => (Some(problem), polls.remove(key).and_then(|before| before.answer)),
        };
        polls.insert(key.to_owned(), Poll { at: Instant::now(), problem, answer });
    }

    /// What the last answer was, so that the status does not say otherwise until the next one.
    fn last_problem(&self, key: &str) -> Option<String> {
        self.polls().get(key)?.problem.clone()
    }

    /// What the pool held when it last gave an answer.
    fn listing(&self, key: &str) -> Option<Listing> {
        Some(self.polls().get(key)?.answer.as_ref()?.listing.clone())
    }

    /// The servers that the outer wall lets a hop reach: those of its plan, and of the candidates that come next. The kill switch in the
    /// pod lets its client reach the former alone.
    pub(super) fn reachable(&self, plan: &HopPlan, secret: Option<&Secret>) -> Vec<EndpointAddress> {
        let mut servers = plan.endpoints.clone();
        let key = secret.and_then(ResourceExt::uid).unwrap_or_default();
        let ahead = self.polls().get(&key).and_then(|poll| Some(poll.answer.as_ref()?.servers_ahead.clone()));
        for server in ahead.unwrap_or_default() {
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
        servers
    }

    fn polls(&self) -> std::sync::MutexGuard<'_, std::collections::HashMap<String, Poll>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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
