//! `hopkeeper replay`: what would have been decided about a chain, from its logs.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgGroup, Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use kube::ResourceExt;
use miette::{IntoDiagnostic, WrapErr, miette};

use crate::config::{kafka_options, key_value};
use crate::domain::event::{Position, Shard};
use crate::domain::ruleset::RuleSet;
use crate::domain::ruleset::pack::Base;
use crate::domain::view::Policy;
use crate::replay::stream::Stream;
use crate::replay::{self, Chain, Hop, Record, Replayed, compare, kafka, logs, report};
use crate::{controller, manifest};

/// Tells what would have been decided about a chain, from its logs; never acts.
///
/// The logs are a directory with one file for each hop, `<hop>.<client>.log` (clients: openvpn, boringtun, wireguard-go,
/// wireguard; a suffix such as -debug is allowed), and `<hop>.health.log` where there is one; or a file of records as
/// Filebeat ships them, one JSON object a line; or such records of a Kafka topic.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("source").required(true).args(["logs", "brokers"]),
    after_help = "Examples:\n  hopkeeper replay --chain chain.yaml --logs incident-1234/\n  \
        hopkeeper replay --chain chain.yaml --logs filebeat.ndjson.gz --rules new/ --against rules/\n  \
        hopkeeper replay --chain chain.yaml --kafka-brokers kafka:9092 --from 2026-11-22T16:00:00Z --to 2026-11-22T17:00:00Z\n\n\
        Prints nothing but decisions with --format json: {\"time\",\"hop\",\"verdict\",\"rule\",\"evidence\",\"cause\",\"action\"}."
)]
pub(super) struct Replay {
    /// The VpnChain's manifest: names and order of the hops, and the recovery policy.
    #[arg(long, value_name = "FILE")]
    chain: PathBuf,
    /// A directory of logs; or a file of Filebeat's records (also .gz), `-` for standard input.
    #[arg(long, value_name = "PATH")]
    logs: Option<PathBuf>,
    /// A directory of *.yaml files, or one file, laid over the shipped rules as the operator does it.
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Other rules: print only what --rules decides otherwise.
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// `text` for people; `json` for programs: one object for each decision.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Read a Kafka topic from these brokers (host:port, comma-separated), beside the operator: no group is joined.
    #[arg(long = "kafka-brokers", value_name = "LIST", help_heading = "Kafka")]
    brokers: Option<String>,
    /// The topic that the shipper writes to.
    #[arg(long = "kafka-topic", default_value = "vpn-logs", value_name = "NAME", help_heading = "Kafka")]
    topic: String,
    /// Further librdkafka setting, for TLS and SASL; may be repeated. For a secret use KEY=@FILE.
    #[arg(long = "kafka-option", value_name = "KEY=VALUE", value_parser = key_value, help_heading = "Kafka")]
    options: Vec<(String, String)>,
    /// Records from this time on, such as 2026-11-22T16:00:00Z [default: the oldest].
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Records before this time [default: the newest].
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Replay {
    pub(super) fn run(self) -> miette::Result<()> {
        let mut chain = chain(&self.chain)?;
        let rules = rules(self.rules.as_deref())?;
        let against = self.against.as_deref().map(rules_of).transpose()?;
        let mut records = self.records(&mut chain)?;
        records.retain(|r| self.from.is_none_or(|from| r.time >= from) && self.to.is_none_or(|to| r.time < to));
        let replayed = replayed(&chain, &rules, &records);
        let mut out = std::io::stdout().lock();
        match against {
            Some(old) => self.print_changes(&self::replayed(&chain, &old, &records), &replayed, &mut out),
            None => self.print(&replayed, &mut out),
        }
        .or_else(|error| if error.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
        .into_diagnostic()
        .wrap_err("failed to print the decisions")
    }

    fn records(&self, chain: &mut Chain) -> miette::Result<Vec<Record>> {
        let Some(path) = &self.logs else { return self.topic_records(chain) };
        if path.is_dir() {
            let logs = logs::read(chain, path).into_diagnostic()?;
            logs.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
            return Ok(logs.records);
        }
        let name = path.display().to_string();
        let file = || std::fs::File::open(path).into_diagnostic().wrap_err_with(|| format!("cannot read {name}"));
        let input: Box<dyn BufRead> = if name == "-" {
            Box::new(std::io::stdin().lock())
        } else if name.ends_with(".gz") {
            Box::new(std::io::BufReader::new(flate2::read::MultiGzDecoder::new(file()?)))
        } else {
            Box::new(std::io::BufReader::new(file()?))
        };
        let (mut stream, shard, progress) = (Stream::default(), Shard::new(name.clone()), bar(None));
        for (number, line) in (0..).zip(input.split(b'\n')) {
            let line = line.into_diagnostic().wrap_err_with(|| format!("cannot read {name} to its end"))?;
            if !line.is_empty() {
                stream.take(chain, &line, Position::new(shard.clone(), number), None);
                progress.inc(1);
            }
        }
        progress.finish_and_clear();
        of_stream(stream, chain, &name)
    }

    fn topic_records(&self, chain: &mut Chain) -> miette::Result<Vec<Record>> {
        let range = kafka::Range {
            brokers: self.brokers.clone().unwrap_or_default(),
            topic: self.topic.clone(),
            options: kafka_options(&self.options).into_diagnostic()?,
            from: self.from,
            to: self.to,
        };
        let (mut stream, progress) = (Stream::default(), bar(Some(0)));
        kafka::read(&range, |payload, position, received, to_come| {
            stream.take(chain, payload, position, received);
            progress.inc(1);
            progress.set_length(progress.position() + to_come);
        })
        .into_diagnostic()?;
        progress.finish_and_clear();
        of_stream(stream, chain, &self.topic)
    }

    fn print(&self, replayed: &Replayed, out: &mut impl Write) -> std::io::Result<()> {
        if self.format == Format::Text {
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
        if self.format == Format::Text {
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

fn of_stream(stream: Stream, chain: &Chain, name: &str) -> miette::Result<Vec<Record>> {
    if stream.unreadable > 0 {
        eprintln!("warning: {name}: {} records are no Filebeat events; passed over", stream.unreadable);
    }
    if stream.records.is_empty() {
        let (namespace, chain) = (&chain.namespace, &chain.name);
        return Err(miette!(
            "{name}: no line of chain {chain:?} in namespace {namespace:?} among {} records of other pods; \
             pods are known by their names, {chain}-<hop>-…: does the manifest have the right name and namespace?",
            stream.others
        ));
    }
    Ok(stream.records)
}

fn rules(path: Option<&Path>) -> miette::Result<Arc<RuleSet>> {
    path.map_or_else(|| Ok(Arc::new(RuleSet::shipped())), rules_of)
}

fn rules_of(path: &Path) -> miette::Result<Arc<RuleSet>> {
    Ok(Arc::new(super::rules::load(path, Base::Shipped)?.rules))
}

/// The chain of a manifest, checked as the API server would.
///
/// # Errors
/// When the file can't be read, has not exactly one chain, or that chain is not valid.
pub(super) fn chain(path: &Path) -> miette::Result<Chain> {
    let file = path.display();
    let chains = super::validate::chains_of(path)?;
    let [document] = chains.as_slice() else {
        return Err(miette!("{file}: {} VpnChains in it; a replay takes exactly one", chains.len()));
    };
    let valid = manifest::check(document).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        miette!("{file}: the chain is not valid: {}", problems.join("; "))
    })?;
    let hop = |hop: &crate::crd::chain::HopSpec| Hop {
        name: hop.name.clone(),
        implementation: hop.implementation(),
        has_log: false,
    };
    Ok(Chain {
        namespace: valid.namespace().unwrap_or_else(|| "default".to_owned()),
        policy: policy(&valid.spec.recovery).wrap_err_with(|| format!("{file}"))?,
        name: valid.name_any(),
        paused: valid.spec.paused,
        hops: valid.spec.hops.iter().map(hop).collect(),
    })
}

/// A manifest's recovery policy.
///
/// # Errors
/// When a duration is none.
pub(super) fn policy(recovery: &crate::crd::chain::Recovery) -> miette::Result<Policy> {
    controller::validate::policy(recovery).into_diagnostic()
}
