//! `hopkeeper crd`: prints the CRDs, or puts them into a cluster.

use clap::Args;
use kube::Client;
use miette::{IntoDiagnostic, miette};

use super::cluster::{ContextArgs, block_on};
use super::output::print;
use crate::crd::install::{self, Applied, Change};
use crate::telemetry::error_chain;

/// Prints the CRDs (VpnChain, HopIncident) as YAML, or puts them into a cluster.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 printed, or in the cluster; 1 not done; 2 wrong usage.\n\n\
    Examples:\n  hopkeeper crd --apply\n  hopkeeper crd > crd.yaml")]
pub(super) struct Crd {
    /// Put them into the cluster by server-side apply, and say what changed. Chains and incidents stay.
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    context: ContextArgs,
}

impl Crd {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no cluster, or it does not take them.
    pub(super) fn run(&self) -> miette::Result<()> {
        if !self.apply {
            return print(&crate::crd::as_yaml().into_diagnostic()?);
        }
        block_on(async { apply(&self.context.client().await?).await })
    }
}

async fn apply(client: &Client) -> miette::Result<()> {
    let applied = install::apply(client).await.map_err(|error| miette!("{}", error_chain(&error)))?;
    for Applied { name, change } in &applied {
        let told = match change {
            Change::Created => "created".to_owned(),
            Change::Unchanged => "unchanged".to_owned(),
            Change::Changed(places) if places.is_empty() => "its spec is unchanged, now managed here".to_owned(),
            Change::Changed(places) => places.iter().fold("changed".to_owned(), |told, place| told + "\n  " + place),
        };
        print(&format!("{name}: {told}\n"))?;
    }
    install::established(client, &applied).await.map_err(|error| miette!("{}", error_chain(&error)))
}
