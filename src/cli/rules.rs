//! `hopkeeper rules …`: check rule files, try their samples, and see what a line means, all by the code that runs in the
//! operator.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use miette::{IntoDiagnostic, WrapErr, miette};

use crate::domain::rule::Client;
use crate::domain::ruleset::RuleSet;
use crate::domain::suggest::Wanted;
use crate::rule_files::{self, Loaded, RuleFilesError};

mod explain;
mod lint;
mod suggest;
mod test;

/// What to do with rules.
#[derive(Debug, Args)]
pub(super) struct RulesCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check rule files: unknown keys, bad patterns, impossible thresholds, ids used twice.
    ///
    /// Prints each mistake as `file:line:column: message` with the place marked, and fails if there is one.
    /// Warnings (a rule without samples, a pattern that every line must meet) do not fail.
    #[command(after_help = "Example:\n  hopkeeper rules lint my-rules/")]
    Lint {
        /// A directory of *.yaml files, or one file.
        path: PathBuf,
    },
    /// Try every rule on its own samples: `fires` lines must be decided by it, `silent` lines must not.
    ///
    /// All rules of the directory take part, so a sample that an earlier rule decides is told as well.
    #[command(after_help = "Example:\n  hopkeeper rules test my-rules/")]
    Test {
        /// A directory of *.yaml files, or one file.
        path: PathBuf,
    },
    /// Say for each line of standard input which rule decides it, and what it proves.
    ///
    /// Timestamps, levels, colours and prefixes of supervisors may be left on. Thresholds are not counted: a rule that
    /// needs two lines is shown for one.
    #[command(
        after_help = "Examples:\n  kubectl logs berlin-entry-0 -c vpn | hopkeeper rules explain --client openvpn\n  \
                      echo 'AUTH: Received control message: AUTH_FAILED' | hopkeeper rules explain --client openvpn --format json"
    )]
    Explain {
        /// Which program wrote the lines.
        #[arg(long, value_enum)]
        client: Source,
        /// A directory of *.yaml files, or one file [default: the shipped rules].
        #[arg(long, value_name = "DIR")]
        rules: Option<PathBuf>,
        /// `text` for people; `json` for programs: one object for each line, null where no rule decides it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Draft rules for the lines of a log that no rule knows.
    ///
    /// Lines that differ only in numbers, addresses, keys, paths, quoted text or names are one kind; each kind becomes a
    /// rule with samples, those that look like failures first. Secrets are masked. The rule file goes to standard
    /// output, a summary to standard error. Each draft is an alert: what a line proves, a person must judge.
    #[command(after_help = "Examples:\n  kubectl logs berlin-entry-0 -c vpn | hopkeeper rules suggest -\n\n  \
                      From a log to rules that are tried (keep what matters, set evidence and verdict):\n  \
                      hopkeeper rules suggest vpn.log > my-rules/new.yaml\n  \
                      $EDITOR my-rules/new.yaml\n  \
                      hopkeeper rules lint my-rules && hopkeeper rules test my-rules")]
    Suggest {
        /// The log; - for standard input.
        file: PathBuf,
        /// Which program wrote it [default: the one whose rules know most of its first lines].
        #[arg(long, value_enum)]
        client: Option<Source>,
        /// A directory of *.yaml files, or one file: the rules that are known [default: the shipped rules].
        #[arg(long, value_name = "DIR")]
        rules: Option<PathBuf>,
        /// Leave out kinds with fewer lines.
        #[arg(long, value_name = "LINES", default_value_t = 1)]
        min_count: u64,
        /// At most so many drafts.
        #[arg(long, value_name = "DRAFTS", default_value_t = 20)]
        top: usize,
    },
}

/// The program that wrote the lines.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Source {
    /// OpenVPN
    Openvpn,
    /// wireguard-go
    WireguardGo,
    /// boringtun-cli
    Boringtun,
    /// the kernel's WireGuard, wg and wg-quick
    Wireguard,
    /// the health sidecar's JSON lines
    Health,
}

impl From<Source> for Client {
    fn from(source: Source) -> Self {
        match source {
            Source::Openvpn => Self::Openvpn,
            Source::WireguardGo => Self::WireguardGo,
            Source::Boringtun => Self::Boringtun,
            Source::Wireguard => Self::Wireguard,
            Source::Health => Self::Health,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl RulesCommand {
    pub(super) fn run(self) -> miette::Result<()> {
        match self.action {
            Action::Lint { path } => lint::lint(&path),
            Action::Test { path } => test::test(&path),
            Action::Suggest { file, client, rules, min_count, top } => {
                let rules = match rules {
                    Some(path) => load(&path)?.rules,
                    None => RuleSet::shipped(),
                };
                suggest::suggest(&rules, &file, client.map(Into::into), Wanted { min_count, top })
            }
            Action::Explain { client, rules, format } => {
                let rules = match rules {
                    Some(path) => load(&path)?.rules,
                    None => RuleSet::shipped(),
                };
                let stdin = std::io::stdin().lock();
                match explain::explain(&rules, client.into(), format, stdin, std::io::stdout().lock()) {
                    // The reader of our output had enough, as `head` does.
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
                    result => result.into_diagnostic().wrap_err("failed to explain the lines"),
                }
            }
        }
    }
}

/// Loads rules; prints what is wrong in them, each with its place.
fn load(path: &Path) -> miette::Result<Loaded> {
    match rule_files::load(path) {
        Ok(loaded) => Ok(loaded),
        Err(RuleFilesError::Rules(errors)) => {
            for error in &errors {
                eprintln!("{error}\n{}", error.marked());
            }
            let number = if errors.len() == 1 { "1 error".to_owned() } else { format!("{} errors", errors.len()) };
            Err(miette!("{number} in the rule files; nothing was loaded"))
        }
        Err(error) => Err(error).into_diagnostic(),
    }
}
