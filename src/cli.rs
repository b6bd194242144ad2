//! The command line: what the user typed. What it means lives in the modules that the commands call.

use clap::{Parser, Subcommand};
use miette::{IntoDiagnostic, WrapErr};

mod crd;
mod hop;
mod pool;
mod replay;
mod rules;
mod run;
mod setup;
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
    Crd(crd::Crd),
    Run(Box<run::Run>),
    Setup(setup::Setup),
    Validate(validate::Validate),
    Replay(Box<replay::Replay>),
    #[command(subcommand)]
    Hop(hop::HopCommand),
    Pool(Box<pool::PoolCommand>),
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
            Command::Crd(command) => command.run(),
            Command::Run(command) => command.run(),
            Command::Setup(command) => command.run(),
            Command::Validate(command) => command.run(),
            Command::Replay(command) => command.run(),
            Command::Hop(command) => command.run(),
            Command::Pool(command) => command.run(),
            Command::Rules(command) => command.run(),
        }
    }
}

fn written(result: std::io::Result<()>) -> miette::Result<()> {
    match result {
        // The reader of our output had enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.into_diagnostic().wrap_err("failed to write the answer"),
    }
}
