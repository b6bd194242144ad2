//! What Kubernetes knows of the node's pods. Stands for `add_kubernetes_metadata` with `scope: node`.

use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, Config};

/// The node's pods.
pub(crate) struct Pods {
    store: reflector::Store<Pod>,
}

impl Pods {
    /// Starts the watch. The future keeps the store current and never ends.
    pub(crate) async fn watch(
        kubeconfig: &Path,
        node: &str,
    ) -> anyhow::Result<(Self, impl Future<Output = ()> + Send + use<>)> {
        let config =
            Config::from_custom_kubeconfig(Kubeconfig::read_from(kubeconfig)?, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        let (store, writer) = reflector::store();
        let of_the_node = watcher::Config::default().fields(&format!("spec.nodeName={node}"));
        let events = watcher(Api::<Pod>::all(client), of_the_node);
        let events = reflector(writer, events).default_backoff().touched_objects().for_each(|event| async {
            if let Err(e) = event {
                tracing::warn!(error = %e, "the watch on pods broke; it is tried again");
            }
        });
        Ok((Self { store }, events))
    }

    /// Waits for the first complete list.
    pub(crate) async fn synced(&self) -> anyhow::Result<()> {
        Ok(self.store.wait_until_ready().await?)
    }

    /// The pod with this UID.
    pub(crate) fn get(&self, uid: &str) -> Option<Arc<Pod>> {
        self.store.find(|p| p.metadata.uid.as_deref() == Some(uid))
    }
}
