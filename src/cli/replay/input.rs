//! Where a replay's lines come from: a directory, a file, a topic, a data stream.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use jiff::Timestamp;
use miette::{IntoDiagnostic, WrapErr, miette};

use super::bar;
use crate::cli::output::note;
use crate::cli::report::wrong_usage;
use crate::config::elasticsearch::ElasticsearchArgs;
use crate::config::kafka::KafkaConnectionArgs;
use crate::domain::event::{Position, Shard};
use crate::replay::stream::Stream;
use crate::replay::{Chain, Record, kafka, logs};
use crate::source::elasticsearch::client::Search;
use crate::source::elasticsearch::range;
use crate::source::{append_line, compressed};
use crate::telemetry::error_chain;

/// What is read, and of which time.
#[derive(Debug, Args)]
pub(super) struct Input {
    /// A directory of logs; or a file of Filebeat's records (also gzip and zstd), `-` for standard input.
    #[arg(long, value_name = "PATH", conflicts_with = "brokers")]
    logs: Option<PathBuf>,
    /// Records from this time on, such as 2026-11-22T16:00:00Z [default: the oldest].
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Records before this time [default: the newest].
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// Read a Kafka topic from these brokers (host:port, comma-separated), beside the operator: no group is joined.
    #[arg(long = "kafka-brokers", value_name = "LIST", help_heading = "Kafka")]
    brokers: Option<String>,
    /// The topic that the shipper writes to.
    #[arg(long = "kafka-topic", default_value = "vpn-logs", value_name = "NAME", help_heading = "Kafka")]
    topic: String,
    #[command(flatten, next_help_heading = "Kafka")]
    kafka: KafkaConnectionArgs,
    #[command(flatten, next_help_heading = "Elasticsearch")]
    elasticsearch: ElasticsearchArgs,
}

impl Input {
    /// Whether a line's time is asked for.
    fn spans(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time < to)
    }

    /// The chain's lines of the time that is asked for.
    pub(super) fn records(&self, chain: &mut Chain) -> miette::Result<Vec<Record>> {
        if self.from.zip(self.to).is_some_and(|(from, to)| from >= to) {
            return Err(wrong_usage("--from must be before --to"));
        }
        let mut records = self.all(chain)?;
        let times = records.iter().map(|record| record.time);
        let there = times.clone().min().zip(times.max());
        records.retain(|record| self.spans(record.time));
        match there {
            Some((first, last)) if records.is_empty() => Err(miette!(
                "no line is of the time that is asked for: those that are there are from {first} to {last}"
            )),
            _ => Ok(records),
        }
    }

    fn all(&self, chain: &mut Chain) -> miette::Result<Vec<Record>> {
        match (&self.logs, &self.brokers) {
            (Some(path), _) if path.is_dir() => {
                let logs = logs::read(chain, path).into_diagnostic()?;
                logs.warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
                Ok(logs.records)
            }
            (Some(path), _) => file(chain, path),
            (None, Some(brokers)) => self.topic(chain, brokers),
            (None, None) => self.data_stream(chain),
        }
    }

    /// A hop without a line in a part of the stream was silent there: a client has little to say when all is well.
    fn tell_silent_hops(&self, chain: &mut Chain) {
        if self.from.is_some() {
            chain.hops.iter_mut().for_each(|hop| hop.has_log = true);
        }
    }

    fn topic(&self, chain: &mut Chain, brokers: &str) -> miette::Result<Vec<Record>> {
        let range = kafka::Range {
            brokers: brokers.to_owned(),
            topic: self.topic.clone(),
            options: self.kafka.settings().map_err(|why| miette!("{why}"))?,
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
        self.tell_silent_hops(chain);
        of_stream(stream, chain, &self.topic, &progress)
    }

    fn data_stream(&self, chain: &mut Chain) -> miette::Result<Vec<Record>> {
        let told = |error: &dyn std::error::Error| miette!("{}", error_chain(error));
        let connection = self.elasticsearch.connection.read().map_err(|why| miette!("{why}"))?;
        let client = Search::new(connection, self.elasticsearch.index.clone()).map_err(|error| told(&error))?;
        let (mut stream, progress) = (Stream::default(), bar(Some(0)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
        let read = range::read(&client, self.from, self.to, |payload, position, total| {
            stream.take(chain, payload, position, None);
            progress.set_length(total);
            progress.inc(1);
        });
        runtime.block_on(read).map_err(|error| told(&error))?;
        self.tell_silent_hops(chain);
        of_stream(stream, chain, client.index(), &progress)
    }
}

/// A shipper's records, one a line.
fn file(chain: &mut Chain, path: &Path) -> miette::Result<Vec<Record>> {
    let name = path.display().to_string();
    let unreadable = || format!("cannot read {name}");
    let input = if name == "-" {
        compressed::open(BufReader::new(std::io::stdin()))
    } else {
        std::fs::File::open(path).and_then(|file| compressed::open(BufReader::new(file)))
    };
    let mut input = input.into_diagnostic().wrap_err_with(unreadable)?;
    let (mut stream, shard, progress) = (Stream::default(), Shard::new(name.clone()), bar(None));
    let (mut line, mut number) = (Vec::new(), 0);
    while read_line(&mut input, &mut line)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot read {name} to its end"))?
    {
        if !line.is_empty() {
            stream.take(chain, &line, Position::new(shard.clone(), number), None);
            progress.inc(1);
        }
        number += 1;
    }
    of_stream(stream, chain, &name, &progress)
}

/// The next line, of one that is too long as much as tells that it is; false at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(!line.is_empty());
        }
        let (used, is_whole) = append_line(line, bytes);
        input.consume(used);
        if is_whole {
            return Ok(true);
        }
    }
}

fn of_stream(stream: Stream, chain: &Chain, name: &str, progress: &ProgressBar) -> miette::Result<Vec<Record>> {
    progress.finish_and_clear();
    if stream.unreadable > 0 {
        note(&format!("warning: {name}: {} records are no Filebeat events; passed over", stream.unreadable));
    }
    if stream.records.is_empty() && stream.others == 0 {
        return Err(match stream.unreadable {
            0 => miette!("{name}: no record in it, or none of the time that is asked for"),
            _ => miette!(
                "{name}: no record of Filebeat's in it; a client's own log is one file of a directory, <hop>.<client>.log"
            ),
        });
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
