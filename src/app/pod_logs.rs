//! Records from the Kubernetes API's pod logs: the containers `vpn` and `health` of every hop's pod, followed from their
//! first line. Needs no shipper.
//!
//! Each container is a shard of its own. The place that is stored is the time of its oldest line that is not done. Beside another
//! source only the pods are followed that it has fallen silent about, from a while ago on, and no place is stored.

mod follow;
mod instance;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::controller::{api, watch_pauses};
use crate::crd::names;
use crate::domain::event::Shard;
use crate::internal_event::pipeline::{PipelineMetrics, PlacesNotSaved, PodsNotWatched};
use crate::source::cursor::CursorStore;
use crate::source::progress::Progress;
use crate::source::raw::Origin;
use crate::source::{Record, Source, SourceError};
use follow::Follower;
use instance::{Instance, containers};

/// How often the places are stored.
const SAVE: Duration = Duration::from_secs(5);
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);
/// An object's annotations may have 256 KiB in all. What does not fit is read from its start again.
const MAX_CURSOR_BYTES: usize = 200 * 1024;

/// A reader that has not begun.
pub struct PodLogSource {
    client: Client,
    namespace: Option<String>,
    scope: Scope,
    metrics: PipelineMetrics,
}

/// What is followed, and from where.
enum Scope {
    /// All hops' pods, from where the last process was.
    All(Arc<dyn CursorStore>),
    /// Those of another source that has fallen silent about them, by UID, from so long ago.
    Silent(watch::Receiver<BTreeSet<String>>, Duration),
}

impl PodLogSource {
    /// Reads the hops' pods of one namespace, or of all.
    pub fn new(
        client: Client,
        namespace: Option<String>,
        store: Arc<dyn CursorStore>,
        metrics: PipelineMetrics,
    ) -> Self {
        Self { client, namespace, scope: Scope::All(store), metrics }
    }

    /// The same of the pods that are in `silent`, for as long as they are. Of each the lines of the last `lookback` come first: what
    /// the other source had only begun to count.
    pub fn of_silent(
        client: Client,
        namespace: Option<String>,
        silent: watch::Receiver<BTreeSet<String>>,
        lookback: Duration,
        metrics: PipelineMetrics,
    ) -> Self {
        Self { client, namespace, scope: Scope::Silent(silent, lookback), metrics }
    }
}

/// A container that is followed.
struct Followed {
    progress: Arc<Progress>,
    instance: watch::Sender<Instance>,
    /// Where the last process was.
    start: Option<Timestamp>,
    /// Ends its follower, wherever that is.
    stop: CancellationToken,
}

struct Reader {
    client: Client,
    scope: Scope,
    records: mpsc::Sender<Record>,
    followed: HashMap<Origin, Followed>,
    followers: FuturesUnordered<BoxFuture<'static, Origin>>,
    /// Those that another source is heard of.
    others: HashMap<Origin, Instance>,
    /// What the last process left behind, for containers that were not met yet.
    places: BTreeMap<String, Timestamp>,
    /// The containers that the present list has shown so far.
    listed: Option<HashSet<Origin>>,
    saved: String,
    metrics: PipelineMetrics,
}

impl Source for PodLogSource {
    async fn run(self, records: mpsc::Sender<Record>, stop: CancellationToken) -> Result<(), SourceError> {
        let Some(places) = stop.run_until_cancelled(self.scope.places()).await else { return Ok(()) };
        let config = watcher::Config::default().labels(names::HOP);
        let pods = watcher(api::<Pod>(&self.client, self.namespace.as_deref()), config).backoff(watch_pauses());
        let mut reader = Reader {
            client: self.client,
            scope: self.scope,
            records,
            followed: HashMap::new(),
            followers: FuturesUnordered::new(),
            others: HashMap::new(),
            places: places?,
            listed: None,
            saved: String::new(),
            metrics: self.metrics,
        };
        stop.run_until_cancelled(reader.read(pods)).await;
        // Lets the worker come to its end, before the last places are stored.
        let mut reader = reader.end_reading();
        stop.cancelled().await;
        reader.followed.values().for_each(|followed| followed.progress.lose());
        if tokio::time::timeout(LEAVE_TIMEOUT, reader.save()).await.is_err() {
            tracing::warn!("The last places were not stored in time; what they stand for is read again.");
        }
        Ok(())
    }
}

impl Scope {
    /// Where the last process was.
    async fn places(&self) -> Result<BTreeMap<String, Timestamp>, SourceError> {
        let Self::All(store) = self else { return Ok(BTreeMap::new()) };
        let saved = store.load().await.map_err(|error| SourceError::Read(error.into()))?;
        Ok(saved.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Whether a container is to be followed.
    fn has(&self, origin: &Origin) -> bool {
        match self {
            Self::All(_) => true,
            Self::Silent(pods, _) => origin.uid.as_ref().is_some_and(|uid| pods.borrow().contains(uid)),
        }
    }

    /// Waits until other containers are to be followed.
    async fn changed(&mut self) {
        if let Self::Silent(pods, _) = self
            && pods.changed().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}

impl Reader {
    /// Follows what there is until nobody takes records any more. A container that can't be read concerns no other one.
    async fn read(&mut self, pods: impl futures::Stream<Item = watcher::Result<Event<Pod>>>) {
        let mut pods = pin!(pods);
        let mut save = tokio::time::interval(SAVE);
        save.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = pods.next() => match event {
                    Some(Ok(event)) => self.pod_changed(event),
                    Some(Err(error)) => {
                        PodsNotWatched { error: &error }.emit(&self.metrics);
                    }
                    None => return,
                },
                Some(origin) = self.followers.next(), if !self.followers.is_empty() => self.follower_ended(origin),
                () = self.scope.changed() => self.scope_changed(),
                _ = save.tick() => self.save().await,
                () = self.records.closed() => return,
            }
        }
    }

    fn end_reading(mut self) -> Self {
        self.followers.clear();
        // The worker ends with the last sender.
        self.records = mpsc::channel(1).0;
        self
    }

    fn pod_changed(&mut self, event: Event<Pod>) {
        match event {
            Event::Init => self.listed = Some(HashSet::new()),
            Event::InitApply(pod) | Event::Apply(pod) => {
                for (origin, instance) in containers(&pod) {
                    if let Some(listed) = &mut self.listed {
                        listed.insert(origin.clone());
                    }
                    self.meet(origin, instance);
                }
            }
            Event::InitDone => {
                if let Some(listed) = self.listed.take() {
                    self.keep(|origin| listed.contains(origin));
                    self.places.clear();
                }
            }
            Event::Delete(pod) => {
                let gone: HashSet<Origin> = containers(&pod).map(|(origin, _)| origin).collect();
                self.keep(|origin| !gone.contains(origin));
            }
        }
    }

    fn follower_ended(&mut self, origin: Origin) {
        let Some(followed) = self.followed.remove(&origin) else { return };
        followed.progress.lose();
        let instance = followed.instance.borrow().clone();
        if !instance.is_gone {
            self.meet(origin, instance);
        }
    }

    /// Follows those that are silent now, and leaves those that are heard again.
    fn scope_changed(&mut self) {
        for (_, left) in self.followed.iter().filter(|(origin, _)| !self.scope.has(origin)) {
            left.stop.cancel();
        }
        for (origin, instance) in std::mem::take(&mut self.others) {
            self.meet(origin, instance);
        }
    }

    /// The others are gone: they are read to their ends, and their followers end by themselves.
    fn keep(&mut self, is_there: impl Fn(&Origin) -> bool) {
        self.others.retain(|origin, _| is_there(origin));
        for (origin, followed) in &self.followed {
            if !is_there(origin) {
                followed.instance.send_modify(|instance| instance.is_gone = true);
            }
        }
    }

    fn meet(&mut self, origin: Origin, instance: Instance) {
        if let Some(followed) = self.followed.get(&origin) {
            followed.instance.send_if_modified(|known| {
                let changed = *known != instance;
                known.clone_from(&instance);
                changed
            });
            return;
        }
        let start = match &self.scope {
            Scope::Silent(..) if !self.scope.has(&origin) => {
                self.others.insert(origin, instance);
                return;
            }
            Scope::Silent(_, lookback) => Timestamp::now().checked_sub(*lookback).ok(),
            Scope::All(_) => self.places.remove(&key(&origin)),
        };
        let name = format!("pod-logs:{}/{}/{}", origin.namespace, origin.pod, origin.container);
        let progress = Arc::new(Progress::new(Shard::new(name)));
        let (sender, receiver) = watch::channel(instance);
        let api = Api::namespaced(self.client.clone(), &origin.namespace);
        let (records, metrics) = (self.records.clone(), self.metrics.clone());
        let follower = Follower::new(api, origin.clone(), receiver, records, Arc::clone(&progress), start, metrics);
        let (stop, whose) = (CancellationToken::new(), origin.clone());
        let stopped = stop.clone();
        let follow = async move {
            stopped.run_until_cancelled(follower.run()).await;
            whose
        };
        self.followers.push(follow.boxed());
        self.followed.insert(origin, Followed { progress, instance: sender, start, stop });
    }

    async fn save(&mut self) {
        let Scope::All(store) = &self.scope else { return };
        let cursor = cursor(&self.followed, &self.places);
        if cursor == self.saved {
            return;
        }
        match store.save(cursor.clone()).await {
            Ok(()) => self.saved = cursor,
            Err(error) => {
                PlacesNotSaved { error: &error }.emit(&self.metrics);
            }
        }
    }
}

fn key(origin: &Origin) -> String {
    format!("{}/{}", origin.uid.as_deref().unwrap_or_default(), origin.container)
}

/// The places as text: of each container the time from which it must be read again.
fn cursor(followed: &HashMap<Origin, Followed>, places: &BTreeMap<String, Timestamp>) -> String {
    let place = |(origin, followed): (&Origin, &Followed)| {
        Some((key(origin), followed.progress.resume_from().or(followed.start)?))
    };
    let mut all: BTreeMap<String, Timestamp> = followed.iter().filter_map(place).collect();
    all.extend(places.iter().map(|(key, time)| (key.clone(), *time)));
    loop {
        let text = serde_json::to_string(&all).expect("should serialize: they are times");
        if text.len() <= MAX_CURSOR_BYTES {
            return text;
        }
        let keep = all.len() / 2;
        all = all.into_iter().take(keep).collect();
    }
}

#[cfg(test)]
mod tests;
