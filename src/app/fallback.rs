//! Reads silent hops' logs through the Kubernetes API until the log stream is heard of them again.
//!
//! It is one more reader of the same lines, with windows of its own: what both find has one name and is created once, and what the
//! stream brings late is older than the parameters that were written meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::hop_watch::ChainUids;
use super::kubernetes_sink::KubernetesSink;
use super::pod_logs::PodLogSource;
use crate::domain::ruleset::RuleSet;
use crate::internal_event::pipeline::PipelineMetrics;
use crate::internal_event::silence::{FallbackBegan, FallbackEnded};
use crate::pipeline::{HopDirectory, Pipeline};

/// What it reads with. `silent` is empty wherever nobody judges, so that only the leader reads.
pub struct Fallback {
    /// Kubernetes.
    pub client: Client,
    /// The only namespace to work in.
    pub namespace: Option<String>,
    /// The pods that lines can be about.
    pub directory: HopDirectory,
    /// The chains that incidents belong to.
    pub chains: ChainUids,
    /// The rules in use.
    pub rules: watch::Receiver<Arc<RuleSet>>,
    /// Counters that it shares with the log stream's own pipeline.
    pub metrics: PipelineMetrics,
    /// The UIDs of the pods that nobody hears.
    pub silent: watch::Receiver<BTreeSet<String>>,
    /// For so long nothing came of them when they are called silent.
    pub after: Duration,
}

impl Fallback {
    /// Reads while somebody is silent, until stopped.
    pub async fn run(self, stop: CancellationToken) {
        let mut silent = self.silent.clone();
        loop {
            let begins = async { silent.wait_for(|silent| !silent.is_empty()).await.map(|silent| silent.len()) };
            let Some(Ok(silent)) = stop.run_until_cancelled(begins).await else { break };
            FallbackBegan { silent }.emit();
            self.read(&stop).await;
            FallbackEnded.emit();
        }
        stop.cancelled().await;
    }

    /// Reads until nobody is silent any more.
    async fn read(&self, stop: &CancellationToken) {
        let rules = Arc::clone(&self.rules.borrow());
        let lookback = longest_window(&rules) + self.after;
        let sink = KubernetesSink::new(self.client.clone(), self.namespace.clone(), self.chains.clone());
        let pipeline =
            Pipeline::new(rules, self.directory.clone(), sink, self.metrics.clone()).following(self.rules.clone());
        let connect = || {
            let (client, namespace, metrics) = (self.client.clone(), self.namespace.clone(), self.metrics.clone());
            Ok(PodLogSource::of_silent(client, namespace, self.silent.clone(), lookback, metrics))
        };
        let (heard, mut silent) = (stop.child_token(), self.silent.clone());
        let until_heard = async {
            let all_heard = async { silent.wait_for(BTreeSet::is_empty).await.is_ok() };
            heard.run_until_cancelled(all_heard).await;
            heard.cancel();
        };
        tokio::join!(pipeline.run(connect, heard.clone()), until_heard);
    }
}

/// What a rule may have begun to count before its pod fell silent.
fn longest_window(rules: &RuleSet) -> Duration {
    let spans = |rule: &crate::domain::rule::Rule| rule.absent.unwrap_or_default().max(rule.threshold.within);
    rules.rules().iter().map(spans).max().unwrap_or_default()
}
