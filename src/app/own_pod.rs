//! The operator's own pod: Events are attached to it, and what is only of use while it is there goes with it.

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};

use crate::config::RunConfig;

/// Which pod the operator is.
#[derive(Clone, Debug)]
pub struct OwnPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl OwnPod {
    /// The one that the settings name.
    pub fn of(config: &RunConfig) -> Option<Self> {
        config.pod_name.clone().map(|name| Self { namespace: config.lease_namespace.clone(), name })
    }

    /// Its UID, where it can be found.
    pub async fn uid(&self, client: &Client) -> Option<String> {
        let found = Api::<Pod>::namespaced(client.clone(), &self.namespace).get_metadata_opt(&self.name).await;
        found.ok().flatten().and_then(|pod| pod.metadata.uid)
    }
}
