//! The command line: what the user typed. What it means lives in the modules that the commands call.

use clap::{Parser, Subcommand};

mod crd;
mod hop;
mod replay;
mod rules;
mod run;
mod validate;

/// Keeps multi-hop VPN chains on Kubernetes working.
#[derive(Debug, Parser)]
#[command(name = "hopkeeper", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints the CRDs (VpnChain, HopIncident) as YAML: `hopkeeper crd | kubectl apply --server-side -f -`.
    Crd,
    Run(Box<run::Run>),
    Validate(validate::Validate),
    Replay(Box<replay::Replay>),
    #[command(subcommand)]
    Hop(hop::HopCommand),
    /// Write, check and try rules: what a log line proves about a hop.
    Rules(rules::RulesCommand),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever the command could not do, in words for a person.
    pub fn run(self) -> miette::Result<()> {
        match self.command {
            Command::Crd => crd::run(),
            Command::Run(command) => command.run(),
            Command::Validate(command) => command.run(),
            Command::Replay(command) => command.run(),
            Command::Hop(command) => command.run(),
            Command::Rules(command) => command.run(),
        }
    }
}
