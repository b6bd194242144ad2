//! The overview as it changes: watches that reconnect by themselves, gathered into one.

use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use kube::runtime::reflector::Store;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, reflector, watcher};
use miette::miette;
use tokio::time::{Instant, timeout_at};

use super::{Cluster, Scope, no_chain};
use crate::controller;
use crate::crd::{HopIncident, VpnChain};
use crate::overview::{Overview, overview};
use crate::telemetry;

/// Changes that come together are shown together.
const TOGETHER: Duration = Duration::from_millis(100);

/// What a watch has told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// All chains, or all incidents, are there.
    Listed(usize),
    /// Something is different.
    Changed,
    /// A list has begun: nothing to show.
    Nothing,
}

/// All chains and incidents of a scope, kept up to date.
pub(in crate::cli) struct Live {
    chains: Store<VpnChain>,
    incidents: Store<HopIncident>,
    told: BoxStream<'static, Result<Told, watcher::Error>>,
    listed: [bool; 2],
    trouble: Option<String>,
    scope: Scope,
    namespace: String,
}

impl Live {
    /// Begins to watch; `changed` waits for the first view.
    pub(in crate::cli) fn new(cluster: &Cluster, scope: Scope) -> Self {
        let (namespace, (of_name, of_chain)) = (scope.namespace.as_deref(), scope.selectors());
        let config = |fields: Option<String>, labels: Option<String>| {
            let mut config = watcher::Config::default();
            (config.field_selector, config.label_selector) = (fields, labels);
            config
        };
        let (chains, chain_writer) = reflector::store();
        let (incidents, incident_writer) = reflector::store();
        let chain_events = watcher(controller::api::<VpnChain>(&cluster.client, namespace), config(of_name, None));
        let incident_events =
            watcher(controller::api::<HopIncident>(&cluster.client, namespace), config(None, of_chain));
        let told = stream::select(
            chain_events.default_backoff().reflect(chain_writer).map_ok(|event| told(&event, 0)),
            incident_events.default_backoff().reflect(incident_writer).map_ok(|event| told(&event, 1)),
        );
        let (told, listed, namespace) = (told.boxed(), [false; 2], cluster.namespace.clone());
        Self { chains, incidents, told, listed, trouble: None, scope, namespace }
    }

    /// Waits until there is something else to show.
    ///
    /// # Errors
    /// When the first lists are refused; a watch that breaks later is tried again, and `trouble` says so meanwhile.
    pub(in crate::cli) async fn changed(&mut self) -> miette::Result<()> {
        let mut news = false;
        while !news {
            news = self.hear().await?;
        }
        let end = Instant::now() + TOGETHER;
        while let Ok(heard) = timeout_at(end, self.hear()).await {
            heard?;
        }
        match &self.scope.chain {
            Some(name) if self.chains.is_empty() => Err(no_chain(name, &self.namespace)),
            _ => Ok(()),
        }
    }

    /// Takes one message of the watches; whether there is something new to show.
    async fn hear(&mut self) -> miette::Result<bool> {
        match self.told.next().await {
            Some(Ok(Told::Listed(which))) => self.listed[which] = true,
            Some(Ok(Told::Changed)) => {}
            Some(Ok(Told::Nothing)) => return Ok(false),
            Some(Err(error)) => {
                let error = telemetry::error_chain(&error);
                if self.listed != [true; 2] {
                    return Err(miette!("failed to watch chains and incidents: {error}"));
                }
                self.trouble = Some(format!("no news from the API server, trying again: {error}"));
                return Ok(true);
            }
            None => return Err(miette!("the watches ended")),
        }
        self.trouble = None;
        Ok(self.listed == [true; 2])
    }

    /// Why what there is may be old.
    pub(in crate::cli) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// What there is now.
    pub(in crate::cli) fn overview(&self) -> Overview {
        let (chains, incidents) = (self.chains.state(), self.incidents.state());
        overview(chains.iter().map(|chain| &**chain), incidents.iter().map(|incident| &**incident))
    }
}

fn told<K>(event: &Event<K>, which: usize) -> Told {
    match event {
        Event::InitDone => Told::Listed(which),
        Event::Apply(_) | Event::Delete(_) => Told::Changed,
        Event::Init | Event::InitApply(_) => Told::Nothing,
    }
}
