//! The command line: what the user typed. What it means lives in the modules that the commands call.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use miette::{IntoDiagnostic, WrapErr};

mod cluster;
mod crd;
mod delete;
mod explain_incident;
mod generate;
mod hop;
mod output;
mod pause;
mod pool;
mod replay;
mod report;
mod rotate;
mod rules;
mod run;
mod setup;
mod status;
mod top;
mod validate;
mod watch;

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
    Setup(Box<setup::Setup>),
    Status(status::Status),
    Top(top::Top),
    ExplainIncident(explain_incident::ExplainIncident),
    Rotate(rotate::Rotate),
    /// Switches a chain's repairs off: incidents are still recorded.
    Pause(pause::OfChain),
    /// Switches a chain's repairs on again.
    Resume(pause::OfChain),
    Delete(delete::Delete),
    Validate(validate::Validate),
    Replay(Box<replay::Replay>),
    Watch(watch::Watch),
    #[command(subcommand)]
    Hop(hop::HopCommand),
    Pool(Box<pool::PoolCommand>),
    /// Writes, checks and tries rules: what a log line proves about a hop.
    Rules(rules::RulesCommand),
    Completions(generate::Completions),
    Man(generate::Man),
}

/// Under this name kubectl finds the program as its plugin.
const PLUGIN: &str = "kubectl-hopkeeper";

impl Cli {
    /// What was typed; `arguments` begin with the name that the program was called by. As kubectl's plugin it speaks of
    /// itself as `kubectl hopkeeper`.
    ///
    /// # Errors
    /// What is wrong with it, or the help or version that was asked for.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let called = arguments.first().and_then(|path| Path::new(path).file_name());
        let mut command = Self::command();
        if called.is_some_and(|name| name == PLUGIN) {
            command = command.bin_name("kubectl hopkeeper");
        }
        let mut matches = command.try_get_matches_from_mut(arguments)?;
        Self::from_arg_matches_mut(&mut matches).map_err(|wrong| wrong.format(&mut command))
    }

    /// Runs the command, and tells a person what it could not do; its exit code.
    pub fn run(self) -> ExitCode {
        report::prepare();
        self.answer().unwrap_or_else(|report| report::told(&report))
    }

    fn answer(self) -> miette::Result<ExitCode> {
        match self.command {
            Command::Status(command) => return command.run(),
            Command::Top(command) => command.run(),
            Command::ExplainIncident(command) => command.run(),
            Command::Rotate(command) => command.run(),
            Command::Pause(chain) => chain.set_paused(true),
            Command::Resume(chain) => chain.set_paused(false),
            Command::Delete(command) => command.run(),
            Command::Crd(command) => command.run(),
            Command::Run(command) => command.run(),
            Command::Setup(command) => command.run(),
            Command::Validate(command) => command.run(),
            Command::Replay(command) => command.run(),
            Command::Watch(command) => command.run(),
            Command::Hop(command) => command.run(),
            Command::Pool(command) => command.run(),
            Command::Rules(command) => command.run(),
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn said(arguments: &[&str]) -> String {
        let typed = Cli::from_arguments(arguments.iter().map(OsString::from));
        typed.expect_err("it should only say something").to_string()
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// Every command that does something, below `above`.
    fn commands(command: &clap::Command, above: &str, found: &mut Vec<(String, clap::Command)>) {
        let name = format!("{above} {}", command.get_name());
        for below in command.get_subcommands() {
            commands(below, &name, found);
        }
        if !command.has_subcommands() {
            found.push((name, command.clone()));
        }
    }

    #[test]
    fn every_command_that_a_person_types_tells_its_exit_codes_and_what_it_does() {
        let mut found = Vec::new();
        commands(&Cli::command(), "", &mut found);
        for (name, command) in found.iter().filter(|(name, _)| !name.contains(" hop net ")) {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let codes = after.split_once("Exit codes: 0 ").map(|(_, codes)| codes).unwrap_or_default();
            assert!(codes.contains(" 1 ") && codes.contains(" 2 wrong usage"), "{name}: {after}");
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            let verb = about.split(' ').next().unwrap_or_default().trim_end_matches(',');
            assert!(verb.ends_with('s'), "{name}: {about:?} does not say what it does as the others do");
        }
        assert!(found.len() > 25, "{}", found.len());
    }

    #[test]
    fn whoever_prints_for_programs_is_asked_in_the_same_way() {
        let mut found = Vec::new();
        commands(&Cli::command(), "", &mut found);
        let mut asked = 0;
        for (name, command) in &found {
            let prints = |argument: &&clap::Arg| argument.get_possible_values().iter().any(|v| v.get_name() == "json");
            for argument in command.get_arguments().filter(prints).filter(|argument| argument.get_id() != "log_format")
            {
                assert_eq!((argument.get_long(), argument.get_short()), (Some("output"), Some('o')), "{name}");
                asked += 1;
            }
        }
        assert_eq!(asked, 11);
    }

    #[test]
    fn called_as_kubectls_plugin_it_speaks_of_itself_so() {
        assert!(
            said(&["/usr/local/bin/kubectl-hopkeeper", "status", "--help"]).contains("Usage: kubectl hopkeeper status")
        );
        assert!(said(&["./target/hopkeeper", "status", "--help"]).contains("Usage: hopkeeper status"));
        assert!(said(&["kubectl-hopkeeper", "frobnicate"]).contains("Usage: kubectl hopkeeper"));
    }

    #[test]
    fn what_contradicts_itself_is_wrong_usage() {
        for wrong in [
            &["status", "-A", "-n", "vpn"][..],
            &["status", "berlin", "-A"],
            &["rotate", "berlin"],
            &["pause"],
            &["delete"],
            &["delete", "-A"],
            &["status", "--timeout", "1s"],
        ] {
            let typed = Cli::from_arguments(["hopkeeper"].iter().chain(wrong).map(OsString::from));
            assert_eq!(typed.expect_err("it should be refused").exit_code(), 2, "{wrong:?}");
        }
    }
}
