//! The only actor: dereference → validate → desired state → build and apply → recover → status, for one chain at a time.
//!
//! Everything that it does is a write to an object; the hops do the rest.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::events::Recorder;
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::crd::{HopIncident, VpnChain, names};
use crate::documents::sink::DocumentSink;
use crate::domain::plan::PlanError;
use crate::domain::trace::trace_id_text;
use crate::internal_event::controller::{ControllerMetrics, Publishable, ReconcileError};
use crate::parameters::vault::Vault;
use crate::traces::TraceSink;
use logs_state::LogsState;
use rules_state::RulesState;

pub mod apply;
mod backoff;
pub mod build;
pub mod candidates;
mod delivery;
mod desired;
#[cfg(test)]
pub(crate) mod edge_tests;
mod history;
mod incident_status;
pub mod logs_state;
pub mod lookup;
pub mod measure;
pub mod observe;
mod order;
mod recover;
pub mod rules_state;
mod segment;
mod teardown;
#[cfg(test)]
pub(crate) mod testing;
mod update_status;
pub mod validate;
pub mod view;
mod words;

/// How the controller behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What all hops' pods have in common.
    pub pods: build::PodSettings,
    /// The one namespace to work in, or all of them.
    pub namespace: Option<String>,
    /// How often the candidate in use is looked up for a new version.
    pub parameters_poll: Duration,
    /// How soon a pool that could not be read is asked again.
    pub pool_retry: Duration,
    /// How many closed incidents of a chain are kept at least.
    pub keep_incidents: usize,
    /// Chains reconciled at the same time.
    pub concurrency: u16,
}

/// What every reconcile shares.
pub struct Context {
    /// Kubernetes.
    pub client: Client,
    /// Vault, where there is one.
    pub vault: Option<Vault>,
    /// How to behave.
    pub settings: Settings,
    /// Kubernetes Events.
    pub recorder: Recorder,
    /// What is counted.
    pub metrics: Arc<ControllerMetrics>,
    /// How names of VPN servers are looked up.
    pub lookup: lookup::Lookup,
    /// When pools were last asked.
    pub polls: desired::Polls,
    /// Failures in a row.
    pub backoff: backoff::Backoff,
    /// How the rules fare, where statuses are to tell it.
    pub rules: Option<watch::Receiver<RulesState>>,
    /// What is known of the log stream, where it is listened for silence.
    pub logs: Option<watch::Receiver<LogsState>>,
    /// Chain-state documents, where they are wanted.
    pub documents: Option<DocumentSink>,
    /// Traces of incidents, where they are wanted.
    pub traces: Option<TraceSink>,
}

impl Context {
    /// A context that has seen nothing yet.
    #[must_use]
    pub fn new(
        client: Client,
        vault: Option<Vault>,
        settings: Settings,
        recorder: Recorder,
        metrics: Arc<ControllerMetrics>,
    ) -> Self {
        let (polls, backoff) = Default::default();
        let lookup = lookup::system;
        let (rules, logs, documents, traces) = (None, None, None, None);
        Self { client, vault, settings, recorder, metrics, lookup, polls, backoff, rules, logs, documents, traces }
    }

    /// Has every chain's status tell how the rules fare.
    #[must_use]
    pub fn telling(self, rules: watch::Receiver<RulesState>) -> Self {
        Self { rules: Some(rules), ..self }
    }

    /// Has statuses tell of whom the log stream is silent, where that is judged.
    #[must_use]
    pub fn listening(self, logs: Option<watch::Receiver<LogsState>>) -> Self {
        Self { logs, ..self }
    }

    /// Has what is written to chains and incidents told as documents too, where there is a sink.
    #[must_use]
    pub fn documenting(self, documents: Option<DocumentSink>) -> Self {
        Self { documents, ..self }
    }

    /// Has closed incidents told as traces, where there is a sink.
    #[must_use]
    pub fn tracing(self, traces: Option<TraceSink>) -> Self {
        Self { traces, ..self }
    }

    /// Keeps nothing of a chain that is no more.
    fn forget_chain(&self, namespace: &str, chain: &str) {
        self.metrics.forget_chain(namespace, chain);
        if let Some(traces) = &self.traces {
            traces.forget_chain(namespace, chain);
        }
    }

    /// The id of an incident's trace, where there will be one.
    pub(crate) fn trace_id(&self, incident: &HopIncident) -> Option<String> {
        self.traces.as_ref()?;
        incident.uid().map(|uid| trace_id_text(&uid))
    }
}

impl Context {
    /// Publishes an Event about a chain; one that cannot be written is not worth a failed reconcile.
    pub(crate) async fn publish(&self, chain: &VpnChain, event: &impl Publishable) {
        if let Some(event) = event.event()
            && let Err(error) = self.recorder.publish(&event, &chain.object_ref(&())).await
        {
            tracing::warn!(error = crate::telemetry::error_chain(&error), "failed to publish a Kubernetes Event");
        }
    }
}

/// Why a reconcile did not finish.
#[derive(Debug, Error)]
pub enum Error {
    /// Kubernetes refused or could not be reached.
    #[error("failed to talk to the kubernetes api")]
    Kubernetes(#[source] Box<kube::Error>),
    /// There is no NetworkAttachmentDefinition kind.
    #[error("the cluster does not know NetworkAttachmentDefinitions: install Multus")]
    NoMultus,
    /// Two chains would have one object.
    #[error(
        "{kind} {name:?} is there, and it is not this chain's: objects are named <chain>-<hop>, and another chain or person has that name already; rename the hop, or the chain"
    )]
    Taken {
        /// What it is.
        kind: String,
        /// Its name.
        name: String,
    },
    /// A candidate does not fit the hop; found out before, so somebody changed the spec in between.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A chain that is being deleted still has pods.
    #[error("{0} pods of the deleted chain are still leaving")]
    StillLeaving(usize),
    /// The finalizer could not be set or taken away.
    #[error("failed to handle the finalizer")]
    Finalizer(#[source] Box<kube::runtime::finalizer::Error<Error>>),
}

impl From<kube::Error> for Error {
    fn from(source: kube::Error) -> Self {
        Self::Kubernetes(Box::new(source))
    }
}

impl Error {
    /// A stable category for metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Kubernetes(source) => match &**source {
                kube::Error::Api(status) if status.is_conflict() => "conflict",
                kube::Error::Api(_) => "kubernetes_refused",
                _ => "kubernetes_unreachable",
            },
            Self::NoMultus => "no_multus",
            Self::Taken { .. } => "taken",
            Self::Plan(_) => "plan",
            Self::StillLeaving(_) => "still_leaving",
            Self::Finalizer(source) => match &**source {
                kube::runtime::finalizer::Error::ApplyFailed(e) | kube::runtime::finalizer::Error::CleanupFailed(e) => {
                    e.category()
                }
                _ => "finalizer",
            },
        }
    }
}

/// Reconciles chains until `stop`.
pub async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let namespace = ctx.settings.namespace.as_deref();
    let of_chain = watcher::Config::default().labels(names::CHAIN);
    let config = Config::default().concurrency(ctx.settings.concurrency);
    // Only their metadata: what is decided on is read anew in each reconcile.
    Controller::new(api::<PartialObjectMeta<VpnChain>>(&ctx.client, namespace), watcher::Config::default())
        .with_config(config)
        .trigger_backoff(watch_pauses())
        .owns(api::<PartialObjectMeta<Deployment>>(&ctx.client, namespace), of_chain.clone())
        .owns(api::<PartialObjectMeta<Secret>>(&ctx.client, namespace), of_chain.clone())
        .owns(api::<PartialObjectMeta<HopIncident>>(&ctx.client, namespace), watcher::Config::default())
        .watches(api::<PartialObjectMeta<Pod>>(&ctx.client, namespace), of_chain, |pod: PartialObjectMeta<Pod>| {
            let chain = pod.labels().get(names::CHAIN)?;
            Some(ObjectRef::new(chain).within(&pod.namespace()?))
        })
        .reconcile_all_on(changes(ctx.rules.clone()))
        .reconcile_all_on(changes(ctx.logs.clone()))
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile, error_policy, ctx)
        .for_each(|_| std::future::ready(()))
        .await;
}

/// Something each time that what every status tells is otherwise than before.
fn changes<T: Send + Sync + 'static>(state: Option<watch::Receiver<T>>) -> impl Stream<Item = ()> {
    futures::stream::unfold(state, |state| async move {
        let mut state = state?;
        state.changed().await.ok()?;
        Some(((), Some(state)))
    })
}

/// How long a watch that failed waits until it is tried again: up to 2 s, and as much again by chance. client-go's 30 s, made for
/// API servers with thousands of watchers, would have a repair wait for a minute after an outage.
pub fn watch_pauses() -> watcher::ExponentialBackoff {
    crate::pauses::growing(Duration::from_millis(500), Duration::from_secs(2)).into()
}

/// A namespaced API, or the whole cluster's.
pub fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

async fn reconcile(chain: Arc<PartialObjectMeta<VpnChain>>, ctx: Arc<Context>) -> Result<Action, Error> {
    let _timer = ctx.metrics.reconcile_timer();
    let namespace = chain.namespace().unwrap_or_default();
    let api = Api::<VpnChain>::namespaced(ctx.client.clone(), &namespace);
    // Read one by one: an object that this version does not understand must not keep the others from being seen.
    let Some(chain) = api.get_opt(&chain.name_any()).await? else {
        // Gone without us, its finalizer taken away by hand.
        ctx.forget_chain(&namespace, &chain.name_any());
        return Ok(Action::await_change());
    };
    let result = finalizer(&api, names::FINALIZER, Arc::new(chain), |event| async {
        match event {
            Event::Apply(chain) => keep_up(&chain, &ctx).await,
            Event::Cleanup(chain) => {
                teardown::teardown(&chain, &ctx).await?;
                ctx.backoff.succeeded(&*chain);
                Ok(Action::await_change())
            }
        }
    });
    result.await.map_err(|e| Error::Finalizer(Box::new(e)))
}

async fn keep_up(chain: &VpnChain, ctx: &Context) -> Result<Action, Error> {
    let valid = match validate::validate(chain) {
        Ok(valid) => valid,
        Err(why) => {
            update_status::invalid(chain, &why, ctx).await?;
            // Nothing but a change of the spec helps.
            return Ok(Action::await_change());
        }
    };
    if let Some(why) = segment::clash(&valid, ctx).await? {
        update_status::invalid(chain, &why, ctx).await?;
        // The other chain may leave the interface, or change.
        return Ok(Action::requeue(ctx.settings.parameters_poll));
    }
    let mut observed = observe::observe(&ctx.client, &valid.namespace, &valid.name()).await?;
    observed.logs = ctx.logs.as_ref().map(|logs| logs.borrow().clone());
    tracing::trace!(
        pods = observed.pods.len(),
        secrets = observed.secrets.len(),
        incidents = observed.incidents.len(),
        "Looked at the chain."
    );
    // Judged before anything else: a repair must not wait for a slow pool or for objects that are right already.
    let mut outcome = recover::recover(&valid, &mut observed, ctx).await?;
    if let Some(traces) = &ctx.traces {
        traces.look(chain, &observed.incidents, ctx.now());
    }
    order::obey(&valid, &mut observed, &mut outcome, ctx).await?;
    let mut supply = desired::supply(&valid, &mut observed, ctx).await?;
    supply.skipped.append(&mut outcome.skipped);
    apply::apply(&valid, &mut observed, ctx).await?;
    if chain.status.as_ref().and_then(|s| s.observed_generation) != chain.meta().generation {
        apply::prune(&valid, ctx).await?;
    }
    update_status::update(&valid, &observed, &supply, &outcome, ctx).await?;
    order::close(&valid, &outcome.orders, ctx).await?;
    history::forget_old(&valid, &observed, ctx).await?;
    ctx.backoff.succeeded(chain);
    let wake = outcome.wake.unwrap_or(ctx.settings.parameters_poll).min(ctx.settings.parameters_poll);
    Ok(Action::requeue(wake.max(MINIMUM_WAKE)))
}

/// Timers end on the second boundary of a decision; a little later they have surely passed.
const MINIMUM_WAKE: Duration = Duration::from_millis(20);

fn error_policy(chain: Arc<PartialObjectMeta<VpnChain>>, error: &Error, ctx: Arc<Context>) -> Action {
    let retry = ctx.backoff.failed(&*chain, error);
    ReconcileError { chain: &*chain, error, retry }.emit(&ctx.metrics);
    Action::requeue(retry)
}
