//! The `hopkeeper` program: parses the command line and runs it.

use std::process::ExitCode;

use hopkeeper::cli::Cli;

fn main() -> ExitCode {
    // One TLS provider for every client; the first one installed stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[cfg(feature = "failpoints")]
    let _pauses = fail::FailScenario::setup();
    Cli::from_arguments(std::env::args_os()).unwrap_or_else(|said| said.exit()).run()
}
