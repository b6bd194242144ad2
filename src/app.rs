//! The operator, put together: the only place that knows every part. Each task is required: the first one that ends,
//! ends the process, so that a pod never looks alive with a dead controller in it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use kube_lease_manager::LeaseManagerBuilder;
use prometheus::Registry;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::RunConfig;
use crate::config::status_page::Listen;
use crate::controller::logs_state::LogsState;
use crate::controller::rules_state::RulesState;
use crate::controller::{self, Settings};
use crate::documents::sink::DocumentSink;
use crate::domain::ruleset::RuleSet;
use crate::http::{self, Endpoints};
use crate::internal_event::controller::ControllerMetrics;
use crate::internal_event::pipeline::PipelineMetrics;
use crate::internal_event::process::{LeadershipTaken, ProcessMetrics};
use crate::internal_event::rules::RuleMetrics;
use crate::parameters::vault::Vault;
use crate::pipeline::{HopDirectory, Pipeline};
use crate::traces::{self, TraceSink};
use fallback::Fallback;
use tasks::Tasks;

pub mod cursor_store;
pub mod documents;
pub mod fallback;
pub mod hop_watch;
mod kubernetes_client;
pub mod kubernetes_sink;
pub mod log_source;
pub mod own_pod;
pub mod pod_logs;
pub mod readers;
pub mod rule_events;
pub mod rule_watch;
pub mod silence;
pub mod status_page;
mod tasks;

const LEASE: &str = "hopkeeper";

/// Runs the operator until SIGTERM or SIGINT.
///
/// # Errors
/// When something needed is missing at the start, or a required task ended.
pub async fn run(config: RunConfig, rules: RuleSet) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let registry = Registry::new();
    let pipeline_metrics = PipelineMetrics::register(&registry)?;
    let controller_metrics = Arc::new(ControllerMetrics::register(&registry)?);
    let vault = config.vault.vault()?;
    let (traces, exporter) = traces::prepare(&config.otlp, &registry)?.unzip();
    let process_metrics = ProcessMetrics::register(&registry)?;
    let client = kubernetes_client::client(process_metrics.clone()).await?;
    let listener =
        http::listen(config.listen).await.with_context(|| format!("failed to listen on {}", config.listen))?;
    let page = match config.status_page.listen {
        Listen::Off => None,
        Listen::At(address) => {
            Some(http::listen(address).await.with_context(|| format!("failed to listen on {address}"))?)
        }
    };
    let source = log_source::LogSource::prepare(&config, &client, &pipeline_metrics)?;
    let (documents, writer) = documents::prepare(&config, &registry)?.unzip();
    let directory = HopDirectory::new();
    let listening = silence::Listening::prepare(&config, &client, &directory, &registry)?;

    let mut tasks = Tasks::default();
    let chains = hop_watch::ChainUids::default();
    let ready = Arc::new(watch::Sender::new(false));

    let watches =
        hop_watch::run(client.clone(), config.namespace.clone(), directory.clone(), chains.clone(), stop.clone());
    tasks.spawn("hop watch", async {
        watches.await;
        Ok(())
    });

    let sink = kubernetes_sink::KubernetesSink::new(client.clone(), config.namespace.clone(), chains.clone());
    let state = RulesState { rules: rules.rules().len(), problem: None };
    let rule_metrics = RuleMetrics::register(&registry, state.rules)?;
    let (state, rules_state) = watch::channel(state);
    let rules = Arc::new(rules);
    let pipeline = Pipeline::new(Arc::clone(&rules), directory.clone(), sink, pipeline_metrics.clone());
    let (rules, rules_in_use) = watch::channel(rules);
    if let Some(listening) = listening.as_ref().filter(|_| config.falls_back()) {
        let fallback = Fallback {
            client: client.clone(),
            namespace: config.namespace.clone(),
            directory: directory.clone(),
            chains,
            rules: rules_in_use.clone(),
            metrics: pipeline_metrics.of_another_reader(),
            silent: listening.silent.clone(),
            after: config.silent_after,
        };
        let stop = stop.clone();
        tasks.spawn("fallback", async {
            fallback.run(stop).await;
            Ok(())
        });
    }
    let pipeline = pipeline.following(rules_in_use).noting(listening.as_ref().map(|l| l.hearing.clone()));
    let (pipeline_stop, leads) = (stop.clone(), watch::Sender::new(false));
    let mut led = leads.subscribe();
    let identity = identity();
    if let Some(listener) = page {
        let replica = status_page::Replica {
            identity: identity.clone(),
            lease_namespace: config.lease_namespace.clone(),
            leads: leads.subscribe(),
        };
        let (namespace, auth) = (config.namespace.clone(), config.status_page.auth);
        let served = status_page::run(listener, client.clone(), namespace, auth, replica, stop.clone());
        tasks.spawn("status page", served);
    }
    tasks.spawn("pipeline", async move {
        // Readers of Kafka share the work; of another source one is enough, and two would move one cursor.
        let may_read = async { source.is_shared() || led.wait_for(|leads| *leads).await.is_ok() };
        if pipeline_stop.run_until_cancelled(may_read).await == Some(true) {
            pipeline.run(move || source.connect(), pipeline_stop.clone()).await;
        }
        pipeline_stop.cancelled().await;
        Ok(())
    });

    if let Some(path) = config.rules.clone() {
        let watches = rule_watch::RuleWatch::new(path, config.base(), rules, state, rule_metrics).run(stop.clone());
        tasks.spawn("rule watch", async {
            watches.await;
            Ok(())
        });
        if let Some(pod) = own_pod::OwnPod::of(&config) {
            let recorder = recorder(&client, config.pod_name.clone());
            let events = rule_events::run(client.clone(), recorder, pod, rules_state.clone(), stop.clone());
            tasks.spawn("rule events", async {
                events.await;
                Ok(())
            });
        }
    }

    let logs = listening.as_ref().map(|listening| listening.logs.clone());
    if let Some(listening) = listening {
        let (identity, leads, stop) = (identity.clone(), leads.subscribe(), stop.clone());
        tasks.spawn("silence", async move {
            listening.run(&identity, leads, stop).await;
            Ok(())
        });
    }

    if let Some(writer) = writer {
        let stop = stop.clone();
        tasks.spawn("documents", async move {
            // Ends after the leader's part, which it takes the last documents from.
            writer.run().await;
            stop.cancelled().await;
            Ok(())
        });
    }

    if let Some(exporter) = exporter {
        let stop = stop.clone();
        tasks.spawn("traces", async move {
            // Ends after the leader's part too.
            exporter.run().await;
            stop.cancelled().await;
            Ok(())
        });
    }

    let endpoints = Endpoints { registry, ready: ready.clone() };
    let serve = http::serve(listener, endpoints, stop.clone());
    tasks.spawn("http", async { Ok(serve.await?) });
    let means = Means {
        identity,
        vault,
        process: process_metrics,
        metrics: controller_metrics,
        rules: rules_state,
        logs,
        documents: documents.map(|sink| sink.naming_traces(traces.is_some())),
        traces,
    };
    tasks.spawn("leader", lead(client, config, means, leads, stop.clone()));
    let stopped = stop.clone();
    tasks.spawn("readiness", async move {
        if stopped.run_until_cancelled(directory.synced()).await.is_some() {
            ready.send_replace(true);
            stopped.cancelled().await;
        }
        Ok(())
    });
    tasks.supervise(stop).await
}

/// What the leader works with, besides Kubernetes.
struct Means {
    /// Who this replica is to the others.
    identity: String,
    vault: Option<Vault>,
    process: ProcessMetrics,
    metrics: Arc<ControllerMetrics>,
    rules: watch::Receiver<RulesState>,
    logs: Option<watch::Receiver<LogsState>>,
    documents: Option<DocumentSink>,
    traces: Option<TraceSink>,
}

/// Waits for the lease, then reconciles until the lease is lost: the process ends then, and begins again as a follower.
///
/// The lease only keeps two operators from doing the same work. Safety rests on the guards of each write.
async fn lead(
    client: Client,
    config: RunConfig,
    means: Means,
    leads: watch::Sender<bool>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let Means { identity, vault, process, metrics, rules, logs, documents, traces } = means;
    let seconds = config.lease_duration.as_secs().max(3);
    let election = LeaseManagerBuilder::new(client.clone(), LEASE)
        .with_namespace(&config.lease_namespace)
        .with_identity(&identity)
        .with_duration(seconds)
        .with_grace((seconds / 3).max(1));
    // It asks for the Lease at once.
    let Some(manager) = stop.run_until_cancelled(election.build()).await else { return Ok(()) };
    let manager = manager.context("failed to prepare leader election")?;
    let (mut leading, election) = manager.watch().await;
    let recorder = recorder(&client, Some(identity));
    let settings = Settings {
        pods: config.pods.into(),
        namespace: config.namespace,
        parameters_poll: config.parameters_poll,
        pool_retry: Duration::from_secs(2),
        keep_incidents: config.keep_incidents,
        concurrency: config.concurrency,
    };
    let ctx = controller::Context::new(client, vault, settings, recorder, metrics);
    let ctx = Arc::new(ctx.telling(rules).listening(logs).documenting(documents).tracing(traces));

    let outcome = async {
        let elected = leading.wait_for(|leads| *leads).await.is_ok();
        if !elected {
            return Err(anyhow!("leader election ended"));
        }
        LeadershipTaken.emit(&process);
        leads.send_replace(true);
        // A reconcile under way is dropped with the lease: it may hold a view from before the next leader's writes.
        tokio::select! {
            () = controller::run(ctx, stop.clone()) => Ok(()),
            () = until_lost(&mut leading) => Err(anyhow!("lost the leader election")),
        }
    };
    let result = stop.run_until_cancelled(outcome).await.unwrap_or(Ok(()));
    // Closing the channel ends the election task, which gives the lease back.
    drop(leading);
    let released = tokio::time::timeout(Duration::from_secs(3), election).await;
    if !matches!(released, Ok(Ok(Ok(_)))) {
        tracing::warn!("The lease was not given back; it expires by itself.");
    }
    result
}

/// Tells this process from the other operators.
fn identity() -> String {
    format!("{}-{}", std::env::var("HOSTNAME").unwrap_or_else(|_| "hopkeeper".into()), std::process::id())
}

fn recorder(client: &Client, instance: Option<String>) -> Recorder {
    Recorder::new(client.clone(), Reporter { controller: "hopkeeper".into(), instance })
}

async fn until_lost(leading: &mut watch::Receiver<bool>) {
    // A closed channel is a lost election too.
    let _ = leading.wait_for(|leads| !*leads).await;
}
