//! A pipeline at work on a real source, hops for it, and a sink that writes down what it is asked to create.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use hopkeeper::domain::engine::Detection;
use hopkeeper::domain::event::HopIdentity;
use hopkeeper::domain::incident::{Finding, incident_name};
use hopkeeper::domain::ruleset::RuleSet;
use hopkeeper::domain::types::{CandidateRef, HopId, Implementation};
use hopkeeper::internal_event::pipeline::PipelineMetrics;
use hopkeeper::pipeline::{Created, FindingsError, HopDirectory, IncidentSink, Pipeline, SinkError};
use hopkeeper::source::{Source, SourceError};
use jiff::Timestamp;
use prometheus::Registry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::counted::{self, PATIENCE, until};

/// A line that its rule decides at once.
pub(crate) const EXPIRED: &str = "2026-11-22 16:25:44 WARNING: Your certificate has expired!";

/// The pod of a hop whose parameters are in use since then.
pub(crate) fn pod_since(name: &str, applied_at: Timestamp) -> HopIdentity {
    HopIdentity {
        id: HopId { namespace: "lab".into(), chain: "berlin".into(), hop: "entry".into() },
        pod_uid: format!("uid-{name}"),
        pod_name: name.into(),
        implementation: Implementation::OpenVpn,
        candidate: CandidateRef { name: "a".into(), version: "1".into() },
        plan_id: "a@1#0".into(),
        applied_at,
    }
}

/// A directory that is in sync and knows these pods.
pub(crate) fn directory(pods: impl IntoIterator<Item = HopIdentity>) -> HopDirectory {
    let directory = HopDirectory::new();
    pods.into_iter().for_each(|pod| directory.insert(pod));
    directory.set_synced();
    directory
}

/// Writes down what it is asked to create.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    created: Arc<Mutex<Vec<(String, Instant)>>>,
    failing: Arc<AtomicBool>,
    hanging: Arc<AtomicBool>,
}

#[allow(dead_code)] // Each suite asks for other things.
impl Recorder {
    pub(crate) fn names(&self) -> Vec<String> {
        self.created.lock().expect("should lock").iter().map(|(name, _)| name.clone()).collect()
    }

    /// When each was asked for.
    pub(crate) fn times(&self) -> Vec<Instant> {
        self.created.lock().expect("should lock").iter().map(|(_, at)| *at).collect()
    }

    pub(crate) async fn wait_for(&self, number: usize) {
        until("the sink to be called", || self.names().len() >= number).await;
    }

    pub(crate) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    /// As if the process were killed between the create and storing the place.
    pub(crate) fn hang_after_recording(&self) {
        self.hanging.store(true, Ordering::SeqCst);
    }
}

impl IncidentSink for Recorder {
    async fn create(&self, detection: &Detection) -> Result<Created, SinkError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(SinkError::Unavailable("the API server is away".into()));
        }
        self.created.lock().expect("should lock").push((incident_name(detection), Instant::now()));
        if self.hanging.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(Created::New)
    }

    /// Each reader has a sink of its own here, and knows of no other.
    async fn findings(&self) -> Result<Vec<Finding>, FindingsError> {
        Ok(Vec::new())
    }
}

/// A pipeline at work.
pub(crate) struct Running {
    pub(crate) sink: Recorder,
    registry: Registry,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start_on<S: Source>(
        directory: HopDirectory,
        connect: impl FnMut() -> Result<S, SourceError> + Send + 'static,
    ) -> Self {
        let (sink, registry, stop) = (Recorder::default(), Registry::new(), CancellationToken::new());
        let metrics = PipelineMetrics::register(&registry).expect("should register");
        let pipeline = Pipeline::new(Arc::new(RuleSet::shipped()), directory, sink.clone(), metrics);
        let task = tokio::spawn(pipeline.run(connect, stop.clone()));
        Self { sink, registry, stop, task }
    }

    /// The sum of a counter's values.
    pub(crate) fn count(&self, name: &str) -> usize {
        counted::count(&self.registry, name)
    }

    pub(crate) fn received(&self) -> usize {
        self.count("hopkeeper_records_received_total")
    }

    pub(crate) async fn wait_until_received(&self, records: usize) {
        until("the records", || self.received() >= records).await;
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("should stop").expect("should not panic");
    }

    /// Ends without storing anything.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.expect_err("should be aborted").is_cancelled());
    }
}
