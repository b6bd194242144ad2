//! The dead-man switch of the log stream: while this operator leads, judges every few seconds of whom nobody hears.
//!
//! Where several operators share the stream no one of them knows: what the others hear is asked first (`readers`).

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::Client;
use prometheus::Registry;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::own_pod::OwnPod;
use super::readers::Readers;
use crate::config::RunConfig;
use crate::config::log_source::SourceKind;
use crate::controller::logs_state::LogsState;
use crate::domain::silence::{Heard, Silence};
use crate::internal_event::silence::{ReadersListError, SilenceChanged, SilenceMetrics};
use crate::pipeline::{Hearing, HopDirectory};

/// How often it is judged, and told to others, who is heard.
pub(super) fn looks(after: Duration) -> Duration {
    (after / 12).clamp(Duration::from_millis(500), Duration::from_secs(5))
}

/// What is known of the log stream at the start.
fn nothing_known(kind: SourceKind, after: Duration, falls_back: bool) -> LogsState {
    let remedy = match kind {
        SourceKind::Kafka => {
            "look at the shipper (Filebeat) on the nodes, at Kafka, and at this operator's log for what keeps it from reading"
        }
        SourceKind::Elasticsearch => {
            "look at the shipper (Filebeat) on the nodes, at Elasticsearch, and at this operator's log for what keeps it from reading"
        }
        SourceKind::PodLogs | SourceKind::Stdin => {
            "look at the nodes' kubelets, which give the logs to the Kubernetes API, and whether the operator may get pods/log"
        }
    };
    LogsState { silence: None, after, remedy, falls_back }
}

/// What listens for silence, before it runs.
pub struct Listening {
    /// The pipeline notes whom it hears here.
    pub hearing: Hearing,
    /// What is known of the log stream.
    pub logs: watch::Receiver<LogsState>,
    /// The UIDs of the pods that nobody hears; none where somebody else leads.
    pub silent: watch::Receiver<BTreeSet<String>>,
    watch: SilenceWatch,
    /// This reader's own word to the leader, where others share the stream.
    tells: Option<(Readers, Option<(Client, OwnPod)>)>,
}

impl Listening {
    /// None where silence is not to be told.
    ///
    /// # Errors
    /// When a metric's name is taken.
    pub fn prepare(
        config: &RunConfig,
        client: &Client,
        directory: &HopDirectory,
        registry: &Registry,
    ) -> anyhow::Result<Option<Self>> {
        let (Some(after), Ok(kind)) = (config.silence(), config.source_kind()) else { return Ok(None) };
        let hearing = Hearing::new(after);
        let (state, logs) = watch::channel(nothing_known(kind, after, config.falls_back()));
        let (silent, silent_pods) = watch::channel(BTreeSet::new());
        let readers = Readers::new(client.clone(), &config.lease_namespace, after);
        let readers = Some(readers).filter(|_| kind == SourceKind::Kafka);
        let own = OwnPod::of(config).map(|pod| (client.clone(), pod));
        let watch = SilenceWatch {
            hearing: hearing.clone(),
            directory: directory.clone(),
            readers: readers.clone(),
            state,
            silent,
            metrics: SilenceMetrics::register(registry)?,
        };
        let tells = readers.map(|readers| (readers, own));
        Ok(Some(Self { hearing, logs, silent: silent_pods, watch, tells }))
    }

    /// Tells whom this reader hears, and judges once it leads, until stopped.
    pub async fn run(self, identity: &str, mut leads: watch::Receiver<bool>, stop: CancellationToken) {
        let Self { hearing, watch, tells, .. } = self;
        let tell = async {
            if let Some((readers, own)) = tells {
                readers.tell(identity, own, hearing, stop.clone()).await;
            }
        };
        let judge = async {
            let elected = async { leads.wait_for(|leads| *leads).await.is_ok() };
            if stop.run_until_cancelled(elected).await == Some(true) {
                watch.run(stop.clone()).await;
            }
        };
        tokio::join!(tell, judge);
        stop.cancelled().await;
    }
}

/// Judges who is silent.
struct SilenceWatch {
    /// Whom this process hears.
    hearing: Hearing,
    /// The pods that should be heard.
    directory: HopDirectory,
    /// The stream's other readers, where there may be some.
    readers: Option<Readers>,
    /// Where the verdict goes.
    state: watch::Sender<LogsState>,
    /// Its pods alone.
    silent: watch::Sender<BTreeSet<String>>,
    metrics: SilenceMetrics,
}

impl SilenceWatch {
    /// Judges until stopped, the first time when it has listened for long enough.
    async fn run(self, stop: CancellationToken) {
        self.hearing.begin();
        let mut look = tokio::time::interval(looks(self.after()));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(look.tick()).await.is_some() {
            if stop.run_until_cancelled(self.look(Timestamp::now())).await.is_none() {
                return;
            }
        }
    }

    fn after(&self) -> Duration {
        self.state.borrow().after
    }

    async fn look(&self, now: Timestamp) {
        let mut heard = Heard::default();
        if let Some(readers) = &self.readers {
            match readers.heard(now).await {
                Ok(others) => heard = others,
                Err(error) => {
                    ReadersListError { error: &error }.emit();
                    // What they told may be old by the time that they can be asked again.
                    self.hearing.begin();
                    return;
                }
            }
        }
        heard.unite(self.hearing.heard());
        if !self.hearing.is_sure() {
            return;
        }
        let begun = SignedDuration::try_from(self.after()).unwrap_or(SignedDuration::MAX);
        let running = self.directory.running_since(now.saturating_sub(begun).unwrap_or(Timestamp::MIN));
        let young = &self.directory.running_since(now) - &running;
        self.state.send_if_modified(|state| {
            let before = state.silence.clone().unwrap_or_default();
            let silence = Silence::after(&before, &running, &young, &heard);
            if silence != before {
                let (silent, all) = (silence.pods.len(), silence.all);
                SilenceChanged { silent, all, after: state.after }.emit(&self.metrics);
            }
            self.silent.send_if_modified(|pods| {
                let is_news = *pods != silence.pods;
                pods.clone_from(&silence.pods);
                is_news
            });
            let is_news = state.silence.as_ref() != Some(&silence);
            state.silence = Some(silence);
            is_news
        });
    }
}

#[cfg(test)]
mod tests;
