//! The command line: what the user typed. What it means lives in the modules that the commands call.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use miette::{IntoDiagnostic, WrapErr};

mod cluster;
mod crd;
mod explain_incident;
mod hop;
mod output;
mod pause;
mod pool;
mod replay;
mod rotate;
mod rules;
mod run;
mod status;
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
    Status(status::Status),
    ExplainIncident(explain_incident::ExplainIncident),
    Rotate(rotate::Rotate),
    /// Switches a chain's repairs off: incidents are still recorded.
    Pause(pause::OfChain),
    /// Switches a chain's repairs on again.
    Resume(pause::OfChain),
    Validate(validate::Validate),
    Replay(Box<replay::Replay>),
    #[command(subcommand)]
    Hop(hop::HopCommand),
    Pool(Box<pool::PoolCommand>),
    /// Write, check and try rules: what a log line proves about a hop.
    Rules(rules::RulesCommand),
}

impl Cli {
    /// Runs the command; its exit code when it did what it was asked.
    ///
    /// # Errors
    /// Whatever the command could not do, in words for a person.
    pub fn run(self) -> miette::Result<ExitCode> {
        match self.command {
            Command::Status(command) => return command.run(),
            Command::ExplainIncident(command) => command.run(),
            Command::Rotate(command) => command.run(),
            Command::Pause(chain) => chain.set_paused(true),
            Command::Resume(chain) => chain.set_paused(false),
            Command::Crd(command) => command.run(),
            Command::Run(command) => command.run(),
            Command::Validate(command) => command.run(),
            Command::Replay(command) => command.run(),
            Command::Hop(command) => command.run(),
            Command::Pool(command) => command.run(),
            Command::Rules(command) => command.run(),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

fn written(result: std::io::Result<()>) -> miette::Result<()> {
    match result {
        // The reader of our output had enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.into_diagnostic().wrap_err("failed to write the answer"),
    }
}
