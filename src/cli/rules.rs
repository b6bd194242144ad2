//! `hopkeeper rules …`: check rule files, try their samples, and see what a line means, all by the code that runs in the
//! operator.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use miette::{IntoDiagnostic, miette};

use crate::domain::rule::Client;
use crate::domain::rule::schema;
use crate::domain::ruleset::pack::Base;
use crate::domain::suggest::Wanted;
use crate::rule_files::{self, Loaded, RuleFilesError};

use super::output::{Format, OutputArgs, note, print};
use super::written;

mod explain;
mod lint;
mod list;
mod suggest;
mod test;

/// What to do with rules.
#[derive(Debug, Args)]
pub(super) struct RulesCommand {
    #[command(subcommand)]
    action: Action,
}

/// What the files are laid over.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct BaseArgs {
    /// Leave the shipped rules out: the files' rules are all there is.
    #[arg(long, env = "HOPKEEPER_NO_SHIPPED_RULES")]
    no_shipped_rules: bool,
}

impl BaseArgs {
    pub(super) fn base(self) -> Base {
        if self.no_shipped_rules { Base::Nothing } else { Base::Shipped }
    }
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Checks rule files: errors, and what is allowed but unwise.
    ///
    /// Errors: unknown keys, bad patterns, impossible thresholds, ids used twice. Warnings: a pattern that a VPN server
    /// can imitate (not anchored), one that another rule shadows or clashes with, one that is slow or large, no samples.
    /// Each is printed as `file:line:column: message` with the place marked. The files are laid over the shipped rules,
    /// as the operator does it.
    #[command(
        after_help = "Exit codes: 0 no error (and no warning, with --deny-warnings), 1 otherwise, 2 wrong usage.\n\n\
                      Examples:\n  hopkeeper rules lint my-rules/\n  hopkeeper rules lint --deny-warnings -o json my-rules/"
    )]
    Lint {
        /// A directory of *.yaml files, or one file.
        path: PathBuf,
        #[command(flatten)]
        printed: OutputArgs<Format>,
        /// Fail on warnings too.
        #[arg(long)]
        deny_warnings: bool,
        #[command(flatten)]
        base: BaseArgs,
    },
    /// Tries every rule on its own samples: `fires` lines must be decided by it, `silent` lines must not.
    ///
    /// The files are laid over the shipped rules, so a sample that another rule decides is told as well.
    #[command(after_help = "Exit codes: 0 all came out as they should, 1 otherwise, 2 wrong usage.\n\n\
                      Example:\n  hopkeeper rules test my-rules/")]
    Test {
        /// A directory of *.yaml files, or one file.
        path: PathBuf,
        #[command(flatten)]
        base: BaseArgs,
    },
    /// Says for each line of standard input which rule decides it, and what it proves.
    ///
    /// Timestamps, levels, colours and prefixes of supervisors may be left on. Thresholds are not counted: a rule that
    /// needs two lines is shown for one. Text for people also marks the part that matched, says what would be done about
    /// it, and why other rules with the same words do not decide the line.
    #[command(
        after_help = "For programs: {\"line\",\"rule\",\"verdict\",\"evidence\"} for each line, null where no rule decides it.\n\n\
                      Exit codes: 0 told, whatever decides; 1 not told; 2 wrong usage.\n\n\
                      Examples:\n  kubectl logs berlin-entry-0 -c vpn | hopkeeper rules explain --client openvpn\n  \
                      echo 'AUTH: Received control message: AUTH_FAILED' | hopkeeper rules explain --client openvpn -o json"
    )]
    Explain {
        /// Which program wrote the lines.
        #[arg(long, value_enum)]
        client: Source,
        /// A directory of *.yaml files, or one file, to lay over the shipped rules.
        #[arg(long, value_name = "DIR")]
        rules: Option<PathBuf>,
        #[command(flatten)]
        printed: OutputArgs<Format>,
        /// Say all of it in JSON too: severity, threshold, the matching part, the decision, the other rules.
        #[arg(long)]
        why: bool,
        #[command(flatten)]
        base: BaseArgs,
    },
    /// Drafts rules for the lines of a log that no rule knows.
    ///
    /// Lines that differ only in numbers, addresses, keys, paths, quoted text or names are one kind; each kind becomes a
    /// rule with samples, those that look like failures first. Secrets are masked. The rule file goes to standard
    /// output, a summary to standard error. Each draft is an alert: what a line proves, a person must judge.
    #[command(after_help = "Exit codes: 0 drafted, also where nothing is unknown; 1 not drafted; 2 wrong usage.\n\n\
                      Examples:\n  kubectl logs berlin-entry-0 -c vpn | hopkeeper rules suggest -\n\n  \
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
        /// A directory of *.yaml files, or one file, over the shipped rules: the rules that are known.
        #[arg(long, value_name = "DIR")]
        rules: Option<PathBuf>,
        /// Leave out kinds with fewer lines.
        #[arg(long, value_name = "LINES", default_value_t = 1)]
        min_count: u64,
        /// At most so many drafts.
        #[arg(long, value_name = "DRAFTS", default_value_t = 20)]
        top: usize,
        #[command(flatten)]
        base: BaseArgs,
    },
    /// Lists all rules: id, client, verdict, evidence, threshold, severity, tags, title.
    #[command(after_help = "Exit codes: 0 listed, 1 otherwise, 2 wrong usage.\n\n\
                      Examples:\n  hopkeeper rules list\n  hopkeeper rules list --rules my-rules/ -o json")]
    List {
        /// A directory of *.yaml files, or one file, to lay over the shipped rules.
        #[arg(long, value_name = "DIR")]
        rules: Option<PathBuf>,
        #[command(flatten)]
        printed: OutputArgs<list::Format>,
        #[command(flatten)]
        base: BaseArgs,
    },
    /// Prints the JSON Schema of rule files, for editors that complete and check.
    #[command(after_help = "Exit codes: 0 printed, 1 not, 2 wrong usage.\n\n\
                      Example:\n  hopkeeper rules schema > my-rules/rules.schema.json\n  \
                      # and as the first line of a rule file:\n  # yaml-language-server: $schema=rules.schema.json")]
    Schema,
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

impl RulesCommand {
    pub(super) fn run(self) -> miette::Result<()> {
        match self.action {
            Action::Lint { path, printed, deny_warnings, base } => {
                lint::lint(&path, base.base(), printed.format(), deny_warnings)?
            }
            Action::Test { path, base } => test::test(&path, base.base())?,
            Action::Suggest { file, client, rules, min_count, top, base } => {
                let rules = layered(rules.as_deref(), base)?.rules;
                suggest::suggest(&rules, &file, client.map(Into::into), Wanted { min_count, top })?;
            }
            Action::Explain { client, rules, printed, why, base } => {
                let rules = layered(rules.as_deref(), base)?.rules;
                let detail = if why { explain::Detail::Why } else { explain::Detail::Contract };
                let stdin = std::io::stdin().lock();
                written(explain::explain(
                    &rules,
                    client.into(),
                    printed.format(),
                    detail,
                    stdin,
                    std::io::stdout().lock(),
                ))?;
            }
            Action::List { rules, printed, base } => {
                let loaded = layered(rules.as_deref(), base)?;
                print(&list::list(&loaded, printed.format())?)?;
            }
            Action::Schema => print(&schema::text_of_schema())?,
        }
        Ok(())
    }
}

fn layered(rules: Option<&Path>, base: BaseArgs) -> miette::Result<Loaded> {
    match rules {
        Some(path) => load(path, base.base()),
        None => Ok(Loaded::without_files(base.base())),
    }
}

/// Loads rules; prints what is wrong in them, each with its place.
pub(super) fn load(path: &Path, base: Base) -> miette::Result<Loaded> {
    told(rule_files::load(path, base))
}

fn told(loaded: Result<Loaded, RuleFilesError>) -> miette::Result<Loaded> {
    match loaded {
        Ok(loaded) => Ok(loaded),
        Err(RuleFilesError::Rules(errors)) => {
            for error in &errors {
                note(&format!("{error}\n{}", error.marked()));
            }
            Err(miette!("{} in the rule files; nothing was loaded", count(errors.len(), "error")))
        }
        Err(error) => Err(error).into_diagnostic(),
    }
}

/// A line longer than this is read in pieces, so that memory stays bounded whatever comes in.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// The next line, or a piece of one that is too long; false at the end.
fn read_piece(input: &mut impl BufRead, bytes: &mut Vec<u8>) -> std::io::Result<bool> {
    bytes.clear();
    Ok(input.take(MAX_LINE_BYTES).read_until(b'\n', bytes)? > 0)
}

/// `1 error`, `2 errors`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
