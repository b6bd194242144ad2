//! `hopkeeper completions` and `hopkeeper man`: made from the command line's own definition, so they never lag behind it.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use miette::{IntoDiagnostic, WrapErr};

use super::{Cli, output};

/// Prints a shell's completions.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 printed; 1 not; 2 wrong usage.\n\n\
    Examples:\n  \
    hopkeeper completions bash > /etc/bash_completion.d/hopkeeper\n  \
    hopkeeper completions zsh > \"${fpath[1]}/_hopkeeper\"\n  \
    hopkeeper completions fish > ~/.config/fish/completions/hopkeeper.fish")]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes a man page for each command.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 written; 1 not; 2 wrong usage.\n\n\
    Example:\n  hopkeeper man /usr/local/share/man/man1 && man hopkeeper-status")]
pub(super) struct Man {
    /// Where to; it is made where it is missing.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Completions {
    pub(super) fn run(&self) -> miette::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "hopkeeper", &mut script);
        output::print(&String::from_utf8_lossy(&script))
    }
}

impl Man {
    pub(super) fn run(&self) -> miette::Result<()> {
        let failed = || format!("failed to write man pages to {}", self.directory.display());
        std::fs::create_dir_all(&self.directory).into_diagnostic().wrap_err_with(failed)?;
        clap_mangen::generate_to(Cli::command(), &self.directory).into_diagnostic().wrap_err_with(failed)
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shells_completions_know_every_command() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "hopkeeper", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }

    #[test]
    fn every_command_has_a_man_page() {
        let directory = tempfile::tempdir().unwrap();
        Man { directory: directory.path().join("man1") }.run().unwrap();
        let page =
            |name: &str| std::fs::read_to_string(directory.path().join("man1").join(format!("{name}.1"))).unwrap();
        assert!(page("hopkeeper").contains("hopkeeper\\-status"));
        for command in Cli::command().get_subcommands() {
            let page = page(&format!("hopkeeper-{}", command.get_name()));
            assert!(page.contains(".SH SYNOPSIS"), "{}", command.get_name());
        }
    }
}
