//! Chains and incidents as they change: watches that reconnect by themselves, gathered into one.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use kube::Client;
use kube::runtime::reflector::Store;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, reflector, watcher};
use tokio::time::{Instant, timeout_at};

use crate::controller::{api, watch_pauses};
use crate::crd::{HopIncident, VpnChain, names};
use crate::overview::{Overview, overview};
use crate::telemetry;

/// Changes that come together are shown together.
const TOGETHER: Duration = Duration::from_millis(100);
/// A watch that failed is tried again within 10 s, and a connection fails within 30 s: who has heard of no failure for
/// longer has one that stands, though nothing may have changed since.
const MENDED: Duration = Duration::from_secs(45);

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

/// Chains and incidents, kept up to date.
pub struct Live {
    chains: Store<VpnChain>,
    incidents: Store<HopIncident>,
    told: BoxStream<'static, Result<Told, watcher::Error>>,
    listed: [bool; 2],
    /// What a watch failed with last, and when.
    failure: Option<(String, Instant)>,
}

impl Live {
    /// Begins to watch: one namespace or all of them, one chain with its incidents or all of them.
    #[must_use]
    pub fn new(client: &Client, namespace: Option<&str>, chain: Option<&str>) -> Self {
        let (mut of_name, mut of_chain) = (watcher::Config::default(), watcher::Config::default());
        (of_name.field_selector, of_chain.label_selector) = selectors(chain);
        let (chains, chain_writer) = reflector::store();
        let (incidents, incident_writer) = reflector::store();
        let chain_events = watcher(api::<VpnChain>(client, namespace), of_name).backoff(watch_pauses());
        let incident_events = watcher(api::<HopIncident>(client, namespace), of_chain).backoff(watch_pauses());
        let told = stream::select(
            chain_events.reflect(chain_writer).map_ok(|event| told(&event, 0)),
            incident_events.reflect(incident_writer).map_ok(|event| told(&event, 1)),
        );
        Self { chains, incidents, told: told.boxed(), listed: [false; 2], failure: None }
    }

    /// Waits until there is something else to show: objects, or whether they are up to date.
    pub async fn changed(&mut self) {
        while !self.hear().await {}
        let end = Instant::now() + TOGETHER;
        while Instant::now() < end && timeout_at(end, self.hear()).await.is_ok() {}
    }

    /// Takes one message of the watches; whether there is something new to show.
    async fn hear(&mut self) -> bool {
        let told = match &self.failure {
            Some((_, at)) => match timeout_at(*at + MENDED, self.told.next()).await {
                Ok(told) => told,
                Err(_) => {
                    self.failure = None;
                    return true;
                }
            },
            None => self.told.next().await,
        };
        match told.expect("should go on: a watch begins again by itself") {
            Ok(Told::Listed(which)) => self.listed[which] = true,
            Ok(Told::Changed) => {}
            Ok(Told::Nothing) => return false,
            Err(error) => {
                let error = telemetry::error_chain(&error);
                let before = self.failure.replace((error.clone(), Instant::now()));
                return before.is_none_or(|(before, _)| before != error);
            }
        }
        self.failure = None;
        self.is_listed()
    }

    /// Whether all that there is has been seen once.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.listed == [true; 2]
    }

    /// Why what there is may be old: what a watch failed with.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_ref().map(|(error, _)| error.as_str())
    }

    /// What there is now.
    #[must_use]
    pub fn objects(&self) -> (Vec<Arc<VpnChain>>, Vec<Arc<HopIncident>>) {
        (self.chains.state(), self.incidents.state())
    }

    /// The same, as people are shown it.
    #[must_use]
    pub fn overview(&self) -> Overview {
        let (chains, incidents) = self.objects();
        overview(chains.iter().map(|chain| &**chain), incidents.iter().map(|incident| &**incident))
    }
}

/// What selects a chain (a field selector), and its incidents (a label selector); none for all of them.
#[must_use]
pub fn selectors(chain: Option<&str>) -> (Option<String>, Option<String>) {
    (chain.map(|name| format!("metadata.name={name}")), chain.map(|name| format!("{}={name}", names::CHAIN)))
}

fn told<K>(event: &Event<K>, which: usize) -> Told {
    match event {
        Event::InitDone => Told::Listed(which),
        Event::Apply(_) | Event::Delete(_) => Told::Changed,
        Event::Init | Event::InitApply(_) => Told::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_chain_is_selected_by_its_name_and_its_incidents_by_their_label() {
        assert_eq!(selectors(None), (None, None));
        let (chain, incidents) = selectors(Some("berlin"));
        assert_eq!(chain.as_deref(), Some("metadata.name=berlin"));
        assert_eq!(incidents.as_deref(), Some("hopkeeper.io/chain=berlin"));
    }
}
