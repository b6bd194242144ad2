//! `hopkeeper crd`: prints the CRDs, or puts them into a cluster.

use clap::Args;
use kube::Client;
use miette::{IntoDiagnostic, miette};

use crate::crd::install::{self, Applied, Change};
use crate::telemetry::error_chain;

/// Print the CRDs (VpnChain, HopIncident) as YAML, or put them into a cluster.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hopkeeper crd --apply\n  hopkeeper crd > crd.yaml")]
pub(super) struct Crd {
    /// Put them into the cluster of KUBECONFIG (or the pod's own) by server-side apply, and say what changed. Chains and
    /// incidents stay.
    #[arg(long)]
    apply: bool,
}

impl Crd {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no cluster, or it does not take them.
    pub(super) fn run(&self) -> miette::Result<()> {
        if !self.apply {
            print!("{}", crate::crd::as_yaml().into_diagnostic()?);
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
        runtime.block_on(apply())
    }
}

async fn apply() -> miette::Result<()> {
    let no_cluster = "no kubernetes API: set KUBECONFIG, or run in a pod";
    let client = Client::try_default().await.map_err(|error| miette!("{no_cluster}: {}", error_chain(&error)))?;
    let applied = install::apply(&client).await.map_err(|error| miette!("{}", error_chain(&error)))?;
    for Applied { name, change } in &applied {
        match change {
            Change::Created => println!("{name}: created"),
            Change::Unchanged => println!("{name}: unchanged"),
            Change::Changed(places) if places.is_empty() => println!("{name}: its spec is unchanged, now managed here"),
            Change::Changed(places) => {
                println!("{name}: changed");
                places.iter().for_each(|place| println!("  {place}"));
            }
        }
    }
    install::established(&client, &applied).await.map_err(|error| miette!("{}", error_chain(&error)))
}
