//! `hopkeeper delete`: has chains taken down, and waits until nothing of them is left.

use std::time::Duration;

use clap::Args;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::core::PartialObjectMeta;
use kube::{Api, ResourceExt};
use miette::{Report, miette};
use tokio::time::Instant;

use super::cluster::{Cluster, ClusterArgs, block_on, no_chain, refused};
use super::output;
use crate::controller;
use crate::crd::VpnChain;

/// How often the API server is asked what is still there.
const POLL: Duration = Duration::from_millis(500);

/// Deletes chains, and waits until their pods and networks are gone.
///
/// The operator takes a chain down: its pods first, under their kill switch, then its bridges on the nodes. So one has to run.
/// Pools stay, and incidents go.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 gone; 1 not deleted, or not gone in time; 2 wrong usage.\n\n\
    Examples:\n  hopkeeper delete berlin\n  hopkeeper delete -A --selector app.kubernetes.io/instance=hopkeeper --timeout 5m")]
pub(super) struct Delete {
    /// The chain.
    #[arg(value_name = "CHAIN", required_unless_present = "selector", conflicts_with = "selector")]
    chain: Option<String>,
    /// The chains with these labels, as kubectl selects them; that there is none is no error.
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// The chains of all namespaces.
    #[arg(short = 'A', long, requires = "selector", conflicts_with = "namespace")]
    all_namespaces: bool,
    /// How long to wait for them to be gone.
    #[arg(long, value_name = "TIME", default_value = "180s", value_parser = crate::config::duration)]
    timeout: Duration,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Which object, and no other of its name.
type Found = PartialObjectMeta<VpnChain>;

impl Delete {
    pub(super) fn run(self) -> miette::Result<()> {
        block_on(async {
            let cluster = self.cluster.connect().await?;
            self.delete(&cluster).await
        })
    }

    async fn delete(&self, cluster: &Cluster) -> miette::Result<()> {
        let namespace = (!self.all_namespaces).then_some(cluster.namespace.as_str());
        let api = controller::api::<VpnChain>(&cluster.client, namespace);
        let meant = self.meant();
        let doomed = found(&api, &meant).await?;
        match &self.chain {
            Some(name) if doomed.is_empty() => return Err(no_chain(name, &cluster.namespace)),
            None if doomed.is_empty() => output::print("no chain has these labels\n")?,
            _ => {}
        }
        for chain in &doomed {
            let of_namespace = Api::<VpnChain>::namespaced(cluster.client.clone(), &namespace_of(chain));
            let exactly = Preconditions { uid: chain.uid(), resource_version: None };
            let params = DeleteParams { preconditions: Some(exactly), ..DeleteParams::default() };
            match of_namespace.delete(&chain.name_any(), &params).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                done => drop(done.map_err(|e| refused(&format!("delete chain {}", told(chain)), &e))?),
            }
        }
        self.gone(&api, &meant, doomed).await
    }

    fn meant(&self) -> ListParams {
        match (&self.chain, &self.selector) {
            (Some(name), _) => ListParams::default().fields(&format!("metadata.name={name}")),
            (None, labels) => ListParams::default().labels(labels.as_deref().unwrap_or_default()),
        }
    }

    /// Waits until none of them is there, and tells of each when it is gone.
    async fn gone(&self, api: &Api<VpnChain>, meant: &ListParams, mut left: Vec<Found>) -> miette::Result<()> {
        let end = Instant::now() + self.timeout;
        while !left.is_empty() {
            let there: Vec<_> = found(api, meant).await?.iter().map(ResourceExt::uid).collect();
            let (still, gone): (Vec<_>, Vec<_>) = left.into_iter().partition(|chain| there.contains(&chain.uid()));
            for chain in &gone {
                output::print(&format!("chain {} is gone\n", told(chain)))?;
            }
            if !still.is_empty() && Instant::now() >= end {
                return Err(late(&still, self.timeout));
            }
            left = still;
            tokio::time::sleep(if left.is_empty() { Duration::ZERO } else { POLL }).await;
        }
        Ok(())
    }
}

async fn found(api: &Api<VpnChain>, meant: &ListParams) -> miette::Result<Vec<Found>> {
    Ok(api.list_metadata(meant).await.map_err(|e| refused("list chains", &e))?.items)
}

fn namespace_of(chain: &Found) -> String {
    chain.namespace().unwrap_or_default()
}

fn told(chain: &Found) -> String {
    format!("{}/{}", namespace_of(chain), chain.name_any())
}

fn late(left: &[Found], waited: Duration) -> Report {
    let names: Vec<_> = left.iter().map(told).collect();
    miette!(
        help = "they are being deleted, and an operator that looks after their namespace takes them down: its log says what it waits \
                for. Where none will run again: kubectl patch vpnchain NAME --type=merge -p '{\"metadata\":{\"finalizers\":null}}', \
                and their bridges stay on the nodes",
        "after {} s still there: {}",
        waited.as_secs(),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::edge_tests::api_server::ApiServer;
    use crate::overview::tests::berlin;

    const BERLIN: &str = "/apis/hopkeeper.io/v1alpha1/namespaces/vpn/vpnchains/berlin";

    fn delete(chain: Option<&str>, labels: Option<&str>) -> Delete {
        Delete {
            chain: chain.map(str::to_owned),
            selector: labels.map(str::to_owned),
            all_namespaces: false,
            timeout: Duration::ZERO,
            cluster: ClusterArgs::default(),
        }
    }

    fn cluster(server: &ApiServer) -> Cluster {
        Cluster { client: server.client(), namespace: "vpn".into() }
    }

    #[tokio::test]
    async fn a_chain_that_nobody_takes_down_is_named_with_the_remedy() {
        let server = ApiServer::start().await;
        server.put(BERLIN, &berlin());
        let late = delete(Some("berlin"), None).delete(&cluster(&server)).await.unwrap_err();
        assert_eq!(late.to_string(), "after 0 s still there: vpn/berlin");
        assert!(late.help().unwrap().to_string().contains(r#"-p '{"metadata":{"finalizers":null}}'"#));
    }

    #[tokio::test]
    async fn a_chain_that_is_not_there_is_an_error_and_labels_that_none_has_are_not() {
        let server = ApiServer::start().await;
        let missing = delete(Some("berlin"), None).delete(&cluster(&server)).await.unwrap_err();
        assert_eq!(missing.to_string(), "no chain \"berlin\" in namespace \"vpn\"");
        delete(None, Some("a=b")).delete(&cluster(&server)).await.unwrap();
    }

    #[test]
    fn one_chain_is_meant_by_its_name_and_several_by_their_labels() {
        assert_eq!(delete(Some("berlin"), None).meant().field_selector.as_deref(), Some("metadata.name=berlin"));
        assert_eq!(delete(None, Some("a=b")).meant().label_selector.as_deref(), Some("a=b"));
    }
}
