//! The command line: what the user typed. What it means lives in the modules that the commands call.

mod rules;

use clap::{Parser, Subcommand};

/// Keeps multi-hop VPN chains on Kubernetes working.
#[derive(Debug, Parser)]
#[command(name = "hopkeeper", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
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
            Command::Rules(command) => command.run(),
        }
    }
}
