//! `hopkeeper rules …`: check rule files, try their samples, and see what a line means, all by the code that runs in the
//! operator.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Serialize;

use crate::domain::rule::{Client, Rule};
use crate::domain::ruleset::{RuleSet, literal};
use crate::domain::types::{Evidence, Verdict};
use crate::rule_files::{self, Loaded, RuleFilesError};

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

/// One line's explanation.
#[derive(Serialize)]
struct Explanation<'a> {
    line: &'a str,
    rule: Option<&'a str>,
    verdict: Option<Verdict>,
    evidence: Option<Evidence>,
}

impl RulesCommand {
    pub(super) fn run(self) -> miette::Result<()> {
        match self.action {
            Action::Lint { path } => lint(&path),
            Action::Test { path } => test(&path),
            Action::Explain { client, rules, format } => {
                let rules = match rules {
                    Some(path) => load(&path)?.rules,
                    None => RuleSet::shipped(),
                };
                let stdin = std::io::stdin().lock();
                match explain(&rules, client.into(), format, stdin, std::io::stdout().lock()) {
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

fn lint(path: &Path) -> miette::Result<()> {
    let loaded = load(path)?;
    for rule in loaded.rules.rules() {
        for warning in warnings(rule) {
            let origin = &rule.origin;
            println!("{}:{}:{}: warning: {warning}", origin.file, origin.line, origin.column);
        }
    }
    println!("{} rules in {} files: no errors", loaded.rules.rules().len(), loaded.files);
    Ok(())
}

fn warnings(rule: &Rule) -> Vec<String> {
    let mut warnings = Vec::new();
    if rule.samples.fires.is_empty() || rule.samples.silent.is_empty() {
        warnings.push(format!("rule \"{}\" has no firing and silent sample; `rules test` can't try it", rule.id));
    }
    if let Some(pattern) = &rule.pattern {
        if literal::required(pattern.as_str()).is_none() {
            warnings.push(format!(
                "rule \"{}\" requires no text of 3 letters or more, so every line must meet it",
                rule.id
            ));
        }
        if rule.client != Client::Health && !pattern.as_str().trim_start_matches("(?i)").starts_with('^') {
            warnings.push(format!(
                "rule \"{}\" is not anchored with ^: a VPN server may be able to print such text inside another message",
                rule.id
            ));
        }
    }
    warnings
}

fn test(path: &Path) -> miette::Result<()> {
    let rules = load(path)?.rules;
    let wrong = rules.check_samples();
    for sample in &wrong {
        eprintln!("{sample}");
    }
    let samples: usize = rules.rules().iter().map(|r| r.samples.fires.len() + r.samples.silent.len()).sum();
    if !wrong.is_empty() {
        return Err(miette!("{} of {samples} samples came out wrong", wrong.len()));
    }
    let untried = rules.rules().iter().filter(|r| r.samples.fires.is_empty()).count();
    print!("{} rules, {samples} samples: all as their authors say", rules.rules().len());
    println!("{}", if untried > 0 { format!("; {untried} rules have none that fires") } else { String::new() });
    Ok(())
}

fn explain(
    rules: &RuleSet,
    client: Client,
    format: Format,
    mut input: impl BufRead,
    mut output: impl Write,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if input.read_until(b'\n', &mut bytes)? == 0 {
            return output.flush();
        }
        let text = String::from_utf8_lossy(&bytes);
        let line = text.trim_end_matches(['\n', '\r']);
        let rule = rules.decide_record(client, line).into_iter().find_map(|(_, rule)| rule);
        match format {
            Format::Json => {
                let explanation = Explanation {
                    line,
                    rule: rule.map(|rule| rule.id.as_str()),
                    verdict: rule.map(|rule| rule.verdict),
                    evidence: rule.map(|rule| rule.evidence),
                };
                serde_json::to_writer(&mut output, &explanation)?;
                writeln!(output)?;
            }
            Format::Text => match rule {
                Some(rule) => {
                    let times = match rule.threshold.count {
                        1 => String::new(),
                        count => format!(" ({count} times in {} s)", rule.threshold.within.as_secs()),
                    };
                    writeln!(
                        output,
                        "{line}\n    {} {}: {}{times} [{}]",
                        rule.verdict, rule.evidence, rule.title, rule.id
                    )?;
                }
                None => writeln!(output, "{line}")?,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(client: Client, format: Format, input: &str) -> String {
        let mut output = Vec::new();
        explain(&RuleSet::shipped(), client, format, input.as_bytes(), &mut output).expect("should write");
        String::from_utf8(output).expect("should be text")
    }

    #[test]
    fn each_input_line_is_one_json_object() {
        let input = "2026-11-22 16:25:44 AUTH: Received control message: AUTH_FAILED\n\nhello \"x\"\r\n{\"log\":\"VERIFY KU ERROR\\n\"}";
        let output = explained(Client::Openvpn, Format::Json, input);
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(
            lines,
            [
                r#"{"line":"2026-11-22 16:25:44 AUTH: Received control message: AUTH_FAILED","rule":"openvpn-auth-failed","verdict":"rotate","evidence":"own"}"#,
                r#"{"line":"","rule":null,"verdict":null,"evidence":null}"#,
                r#"{"line":"hello \"x\"","rule":null,"verdict":null,"evidence":null}"#,
                r#"{"line":"{\"log\":\"VERIFY KU ERROR\\n\"}","rule":"openvpn-server-certificate-refused","verdict":"rotate","evidence":"own"}"#,
            ]
        );
    }

    #[test]
    fn people_read_what_the_line_means() {
        let output = explained(Client::Openvpn, Format::Text, "AUTH: Received control message: AUTH_FAILED\nx\n");
        assert_eq!(
            output,
            "AUTH: Received control message: AUTH_FAILED\n    rotate own: The server rejected the user name or password (2 times in 60 s) [openvpn-auth-failed]\nx\n"
        );
    }

    #[test]
    fn the_shipped_rules_have_no_warnings() {
        for rule in RuleSet::shipped().rules() {
            assert_eq!(warnings(rule), Vec::<String>::new());
        }
    }
}
