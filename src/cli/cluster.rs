//! How a command reaches the cluster: kubectl's flags with kubectl's meaning, and errors with their remedy.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kube::api::ListParams;
use kube::{Api, Client, Config};
use miette::{IntoDiagnostic, Report, miette};

use crate::crd::{HopIncident, VpnChain};
use crate::live::selectors;
use crate::{config, controller, kubeconfig, telemetry};

pub(super) mod live;

/// Who changed a chain, in its managed fields.
pub(super) const FIELD_MANAGER: &str = "hopkeeper-cli";
/// An API server that does not answer is told after this long.
const CONNECT: Duration = Duration::from_secs(10);

/// What helps where the API server does not answer.
const UNREACHABLE: &str =
    "is the API server reachable, and the context the right one? `kubectl cluster-info` names its address";

/// Which cluster, as kubectl is told.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ContextArgs {
    /// The kubeconfig file [default: those that KUBECONFIG lists, else ~/.kube/config; in a pod its service account].
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig [default: the current one].
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// Which cluster and namespace, as kubectl is told.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ClusterArgs {
    #[command(flatten)]
    context: ContextArgs,
    /// The namespace [default: the context's].
    #[arg(short, long, value_name = "NAMESPACE", value_parser = config::namespace)]
    namespace: Option<String>,
}

/// A cluster, and the namespace that is meant.
pub(super) struct Cluster {
    /// Its API.
    pub(super) client: Client,
    /// The namespace.
    pub(super) namespace: String,
}

/// Whose objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// One namespace, or none for all of them.
    pub(super) namespace: Option<String>,
    /// One chain, or none for all of them.
    pub(super) chain: Option<String>,
}

impl ClusterArgs {
    /// The cluster, without having asked anything of the API server.
    ///
    /// # Errors
    /// When no kubeconfig is found, or it has no such context.
    pub(super) async fn connect(&self) -> miette::Result<Cluster> {
        let config = self.context.config().await?;
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        Ok(Cluster { client: client(config)?, namespace })
    }
}

impl ContextArgs {
    /// A client, without having asked anything of the API server.
    ///
    /// # Errors
    /// When no kubeconfig is found, or it has no such context.
    pub(super) async fn client(&self) -> miette::Result<Client> {
        client(self.config().await?)
    }

    async fn config(&self) -> miette::Result<Config> {
        let found = kubeconfig::config(self.kubeconfig.as_deref(), self.context.as_deref()).await;
        let mut config = found.map_err(|why| miette!(help = kubeconfig::REMEDY, "{why}"))?;
        config.connect_timeout = Some(CONNECT);
        Ok(config)
    }
}

fn client(config: Config) -> miette::Result<Client> {
    Client::try_from(config).map_err(|e| refused("use the kubeconfig", &e))
}

impl Cluster {
    /// The chains of the namespace.
    pub(super) fn chains(&self) -> Api<VpnChain> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The incidents of the namespace.
    pub(super) fn incidents(&self) -> Api<HopIncident> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// A chain of the namespace.
    ///
    /// # Errors
    /// When it is not there, or the API server says no.
    pub(super) async fn chain(&self, name: &str) -> miette::Result<VpnChain> {
        let found = self.chains().get_opt(name).await.map_err(|e| refused("read the chain", &e))?;
        found.ok_or_else(|| no_chain(name, &self.namespace))
    }

    /// Everything in the scope.
    ///
    /// # Errors
    /// When the API server says no, or the one chain that is meant is not there.
    pub(super) async fn read(&self, scope: &Scope) -> miette::Result<(Vec<VpnChain>, Vec<HopIncident>)> {
        let namespace = scope.namespace.as_deref();
        let (chains, incidents) = (
            controller::api::<VpnChain>(&self.client, namespace),
            controller::api::<HopIncident>(&self.client, namespace),
        );
        let (of_name, of_chain) = selectors(scope.chain.as_deref());
        let mut list = (ListParams::default(), ListParams::default());
        (list.0.field_selector, list.1.label_selector) = (of_name, of_chain);
        let (chains, incidents) = tokio::try_join!(chains.list(&list.0), incidents.list(&list.1))
            .map_err(|e| refused("list chains and incidents", &e))?;
        if let Some(name) = scope.chain.as_deref().filter(|_| chains.items.is_empty()) {
            return Err(no_chain(name, &self.namespace));
        }
        Ok((chains.items, incidents.items))
    }
}

/// There is no such chain.
pub(super) fn no_chain(name: &str, namespace: &str) -> Report {
    miette!(
        help = "`hopkeeper status -A` lists the chains of all namespaces; -n chooses one",
        "no chain {name:?} in namespace {namespace:?}"
    )
}

/// The chain has no such hop.
pub(super) fn no_hop<'h>(chain: &str, hop: &str, hops: impl Iterator<Item = &'h str>) -> Report {
    miette!("chain {chain:?} has no hop {hop:?}: it has {}", hops.collect::<Vec<_>>().join(", "))
}

/// The API server said no, or nothing: what was to be done, and what helps.
pub(super) fn refused(what: &str, error: &kube::Error) -> Report {
    match error {
        kube::Error::Api(status) if status.is_not_found() => miette!(
            help = "install the CRDs: hopkeeper crd --apply",
            "failed to {what}: the cluster does not know them: {}",
            status.message
        ),
        kube::Error::Api(status) => miette!("failed to {what}: {}", status.message),
        other => miette!(help = UNREACHABLE, "failed to {what}: {}", telemetry::error_chain(other)),
    }
}

/// Runs a command's conversation with the cluster.
///
/// # Errors
/// Those of the command.
pub(super) fn block_on<T>(command: impl Future<Output = miette::Result<T>>) -> miette::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
    runtime.block_on(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: home
contexts:
  - { name: home, context: { cluster: c, user: u, namespace: vpn } }
  - { name: other, context: { cluster: c, user: u } }
clusters: [{ name: c, cluster: { server: 'http://127.0.0.1:1' } }]
users: [{ name: u, user: {} }]
";

    /// The namespace that is meant, or what was said instead.
    fn namespace(context: Option<&str>, namespace: Option<&str>) -> Result<String, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        std::fs::write(&path, KUBECONFIG).unwrap();
        let args = ClusterArgs {
            context: ContextArgs { kubeconfig: Some(path), context: context.map(str::to_owned) },
            namespace: namespace.map(str::to_owned),
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        block_on(async { args.connect().await.map(|cluster| cluster.namespace) }).map_err(|e| e.to_string())
    }

    #[test]
    fn the_namespace_is_the_flags_then_the_contexts_then_default() {
        assert_eq!(namespace(None, Some("x")).as_deref(), Ok("x"));
        assert_eq!(namespace(None, None).as_deref(), Ok("vpn"));
        assert_eq!(namespace(Some("other"), None).as_deref(), Ok("default"));
        let said = namespace(Some("missing"), None).unwrap_err();
        assert_eq!(said, "the kubeconfig has no context \"missing\"");
    }

    #[test]
    fn a_cluster_without_the_crds_says_how_to_install_them() {
        let status = kube::core::Status { code: 404, reason: "NotFound".into(), ..kube::core::Status::default() };
        let report = refused("list chains", &kube::Error::Api(Box::new(status)));
        assert!(report.help().unwrap().to_string().contains("hopkeeper crd"));
    }
}
