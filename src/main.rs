//! The `hopkeeper` program: parses the command line and runs it.

use clap::Parser;

fn main() -> miette::Result<()> {
    hopkeeper::cli::Cli::parse().run()
}
