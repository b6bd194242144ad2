//! What Kubernetes knows of the hop pods: a watch on pods with the label `hopkeeper.io/chain`, and look-ups of their namespace and
//! node. Stands for Filebeat's kubernetes autodiscover provider: a log is read when its pod is known, and not otherwise.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, Config};
use serde_json::{Map, Value};

use crate::envelope;

/// Namespaces and nodes are asked for again after this time.
const STALE: Duration = Duration::from_secs(30);

/// The pods, and a cache of what they refer to.
pub(crate) struct Pods {
    client: Client,
    store: reflector::Store<Pod>,
    namespaces: HashMap<String, (Option<Namespace>, Instant)>,
    nodes: HashMap<String, (Option<Node>, Instant)>,
}

impl Pods {
    /// Starts the watch; returns when all pods of now are known. The future keeps the store current and never ends.
    pub(crate) async fn watch(kubeconfig: &Path) -> anyhow::Result<(Self, impl Future<Output = ()> + Send + use<>)> {
        let config =
            Config::from_custom_kubeconfig(Kubeconfig::read_from(kubeconfig)?, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        let (store, writer) = reflector::store();
        let events = watcher(Api::<Pod>::all(client.clone()), watcher::Config::default().labels("hopkeeper.io/chain"));
        let events = reflector(writer, events).default_backoff().touched_objects().for_each(|event| async {
            if let Err(e) = event {
                tracing::warn!(error = %e, "the watch on pods broke; it is tried again");
            }
        });
        Ok((Self { client, store, namespaces: HashMap::new(), nodes: HashMap::new() }, events))
    }

    /// Waits for the first complete list.
    pub(crate) async fn synced(&self) -> anyhow::Result<()> {
        Ok(self.store.wait_until_ready().await?)
    }

    /// The hop pod with this UID.
    pub(crate) fn get(&self, uid: &str) -> Option<Arc<Pod>> {
        self.store.find(|p| p.metadata.uid.as_deref() == Some(uid))
    }

    /// The metadata of one container's events.
    pub(crate) async fn metadata(&mut self, pod: &Pod, container: &str, id: &str) -> Map<String, Value> {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let node = pod.spec.as_ref().and_then(|s| s.node_name.clone()).unwrap_or_default();
        let namespace = cached(&mut self.namespaces, &self.client, &namespace).await;
        let node = cached(&mut self.nodes, &self.client, &node).await;
        envelope::metadata(pod, container, id, namespace.as_ref(), node.as_ref())
    }
}

async fn cached<K>(cache: &mut HashMap<String, (Option<K>, Instant)>, client: &Client, name: &str) -> Option<K>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    if let Some((found, at)) = cache.get(name)
        && at.elapsed() < STALE
    {
        return found.clone();
    }
    let asked = tokio::time::timeout(Duration::from_secs(1), Api::<K>::all(client.clone()).get_opt(name)).await;
    let found = match asked {
        Ok(Ok(found)) => found,
        _ => cache.remove(name).and_then(|(old, _)| old), // the API server is away: what was known last
    };
    cache.insert(name.to_owned(), (found.clone(), Instant::now()));
    found
}
