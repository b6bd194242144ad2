//! `hopkeeper replay`: what would have been decided about a chain, from its logs.

mod input;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgGroup, Args};
use indicatif::{ProgressBar, ProgressStyle};
use kube::ResourceExt;
use miette::{IntoDiagnostic, WrapErr, miette};

use super::output::{Format, OutputArgs};
use super::report::wrong_usage;
use super::rules::BaseArgs;
use crate::crd::VpnChain;
use crate::domain::ruleset::RuleSet;
use crate::domain::ruleset::pack::Base;
use crate::domain::view::Policy;
use crate::replay::{self, Chain, Hop, Record, Replayed, compare, report};
use crate::{controller, manifest};
use input::Input;

/// Tells what would have been decided about a chain, from its logs; never acts.
///
/// The logs are a directory with one file for each hop, `<hop>.<client>.log` (clients: openvpn, boringtun, wireguard-go,
/// wireguard; a suffix such as -debug is allowed), and `<hop>.health.log` where there is one; or a file of records as
/// Filebeat ships them, one JSON object a line; or such records of a Kafka topic or of an Elasticsearch data stream.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("source").required(true).multiple(true).args(["logs", "brokers", "urls"]),
    after_help = "Exit codes: 0 replayed, whatever was decided; 1 not replayed; 2 wrong usage.\n\n\
        Examples:\n  hopkeeper replay --chain chain.yaml --logs incident-1234/\n  \
        hopkeeper replay --chain chain.yaml --logs filebeat.ndjson.gz --rules new/ --against rules/\n  \
        hopkeeper replay --chain chain.yaml --kafka-brokers kafka:9092 --from 2026-11-22T16:00:00Z --to 2026-11-22T17:00:00Z\n  \
        hopkeeper replay --chain chain.yaml --elasticsearch-url https://elasticsearch:9200 --from 2026-11-22T16:00:00Z\n\n\
        Prints nothing but decisions with -o json: {\"time\",\"hop\",\"verdict\",\"rule\",\"evidence\",\"cause\",\"action\"}."
)]
pub(super) struct Replay {
    /// The VpnChain's manifest: names and order of the hops, and the recovery policy.
    #[arg(long, value_name = "FILE")]
    chain: PathBuf,
    #[command(flatten)]
    input: Input,
    /// A directory of *.yaml files, or one file, laid over the shipped rules as the operator does it.
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    #[command(flatten)]
    base: BaseArgs,
    /// Other rules: print only what --rules decides otherwise.
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    #[command(flatten)]
    printed: OutputArgs<Format>,
}

impl Replay {
    pub(super) fn run(self) -> miette::Result<()> {
        let mut chain = chain(&self.chain)?;
        let base = self.base.base();
        let rules_in_use = rules(self.rules.as_deref(), base)?;
        let against = self.against.as_deref().map(|path| rules(Some(path), base)).transpose()?;
        let records = self.input.records(&mut chain)?;
        let replayed = replayed(&chain, &rules_in_use, &records);
        let mut out = std::io::stdout().lock();
        match against {
            Some(old) => self.print_changes(&self::replayed(&chain, &old, &records), &replayed, &mut out),
            None => self.print(&replayed, &mut out),
        }
        .or_else(|error| if error.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
        .into_diagnostic()
        .wrap_err("failed to print the decisions")
    }

    fn print(&self, replayed: &Replayed, out: &mut impl Write) -> std::io::Result<()> {
        if self.printed.format() == Format::Text {
            return out.write_all(report::text(replayed).as_bytes());
        }
        for decided in &replayed.decisions {
            serde_json::to_writer(&mut *out, decided)?;
            writeln!(out)?;
        }
        out.flush()
    }

    fn print_changes(&self, old: &Replayed, new: &Replayed, out: &mut impl Write) -> std::io::Result<()> {
        let changes = compare::compare(old, new);
        if self.printed.format() == Format::Text {
            return out.write_all(compare::text(&changes).as_bytes());
        }
        for (change, decided) in changes {
            let mut object = serde_json::to_value(decided)?;
            object["change"] = change.word().into();
            writeln!(out, "{object}")?;
        }
        out.flush()
    }
}

fn replayed(chain: &Chain, rules: &Arc<RuleSet>, records: &[Record]) -> Replayed {
    let progress = bar(Some(records.len() as u64));
    let replayed = replay::replay(chain, rules, records, |done| {
        if done % 1024 == 0 {
            progress.set_position(done as u64);
        }
    });
    progress.finish_and_clear();
    replayed
}

/// Drawn on standard error, and only on a terminal.
fn bar(length: Option<u64>) -> ProgressBar {
    let style = match length {
        Some(_) => "{wide_bar} {human_pos}/{human_len} lines, {eta} left",
        None => "{spinner} {human_pos} lines, {per_sec}",
    };
    let style = ProgressStyle::with_template(style).expect("should be a template: it is a constant");
    length.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_style(style)
}

/// The rules of a path laid over `base`; without one, the shipped ones.
///
/// # Errors
/// When they cannot be loaded, or none would be left.
pub(super) fn rules(path: Option<&Path>, base: Base) -> miette::Result<Arc<RuleSet>> {
    Ok(Arc::new(match (path, base) {
        (Some(path), base) => super::rules::load(path, base)?.rules,
        (None, Base::Shipped) => RuleSet::shipped(),
        (None, Base::Nothing) => {
            let why = "--no-shipped-rules and HOPKEEPER_NO_SHIPPED_RULES leave no rule where none is given: say --rules DIR too";
            return Err(wrong_usage(why));
        }
    }))
}

/// The chain of a manifest, checked as the API server would.
///
/// # Errors
/// When the file can't be read, has not exactly one chain, or that chain is not valid.
pub(super) fn chain(path: &Path) -> miette::Result<Chain> {
    let valid = manifest_of(path)?;
    let hop = |hop: &crate::crd::chain::HopSpec| Hop {
        name: hop.name.clone(),
        implementation: hop.implementation(),
        has_log: false,
    };
    Ok(Chain {
        namespace: valid.namespace().unwrap_or_else(|| "default".to_owned()),
        policy: policy(&valid.spec.recovery).wrap_err_with(|| path.display().to_string())?,
        name: valid.name_any(),
        paused: valid.spec.paused,
        hops: valid.spec.hops.iter().map(hop).collect(),
    })
}

/// The one chain in a manifest, checked as the API server would.
///
/// # Errors
/// When the file can't be read, has not exactly one chain, or that chain is not valid.
pub(super) fn manifest_of(path: &Path) -> miette::Result<VpnChain> {
    let file = path.display();
    let chains = super::validate::chains_of(path)?;
    let [(_, document)] = chains.as_slice() else {
        return Err(miette!("{file}: {} VpnChains in it; this takes exactly one", chains.len()));
    };
    manifest::check(document).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        miette!("{file}: the chain is not valid: {}", problems.join("; "))
    })
}

/// A manifest's recovery policy.
///
/// # Errors
/// When a duration is none.
pub(super) fn policy(recovery: &crate::crd::chain::Recovery) -> miette::Result<Policy> {
    controller::validate::policy(recovery).into_diagnostic()
}
