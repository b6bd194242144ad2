//! Where the log lines come from: what was typed, and what it means.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::elasticsearch::{ElasticsearchArgs, ReadingArgs};
use super::kafka::KafkaConnectionArgs;
use crate::source::kafka::KafkaConfig;
use crate::source::raw::Origin;

/// The log stream.
#[derive(Clone, Debug, Args)]
pub struct SourceArgs {
    /// Where log lines come from [default: kafka or elasticsearch where its address is given, else pod-logs].
    #[arg(long, env = "HOPKEEPER_SOURCE", value_enum, value_name = "SOURCE")]
    pub source: Option<SourceKind>,
    /// Kafka.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Elasticsearch.
    #[command(flatten)]
    pub elasticsearch: ElasticsearchArgs,
    /// How Elasticsearch is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// A file.
    #[command(flatten)]
    pub file: FileArgs,
    /// Keep the place reached in Elasticsearch or pod logs in this file, not in a Lease: outside of a cluster.
    #[arg(long, env = "HOPKEEPER_CURSOR_FILE", value_name = "FILE", help_heading = "Log stream")]
    pub cursor_file: Option<PathBuf>,
}

/// The log sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SourceKind {
    /// A topic that Filebeat writes to.
    Kafka,
    /// A data stream that Filebeat writes to.
    Elasticsearch,
    /// The Kubernetes API's pod logs: no shipper is needed.
    PodLogs,
    /// A file, a pipe or standard input.
    Stdin,
}

impl SourceArgs {
    /// Which source is meant. Elasticsearch's address alone says nothing where documents are written there.
    ///
    /// # Errors
    /// When it lacks a setting, or two are meant; what to give is said.
    pub fn kind(&self, documents: bool) -> Result<SourceKind, String> {
        let has_kafka = self.kafka.brokers.is_some();
        let has_elasticsearch = !self.elasticsearch.connection.urls.is_empty();
        let lacks = |source: &str, flag: &str, example: &str| {
            Err(format!("--source {source} needs {flag}, for example {flag} {example}"))
        };
        match self.source {
            Some(SourceKind::Kafka) if !has_kafka => lacks("kafka", "--kafka-brokers", "kafka:9092"),
            Some(SourceKind::Elasticsearch) if !has_elasticsearch => {
                lacks("elasticsearch", "--elasticsearch-url", "https://elasticsearch:9200")
            }
            Some(kind) => Ok(kind),
            None if has_kafka && documents => Ok(SourceKind::Kafka),
            None if has_elasticsearch && documents => {
                Err("--documents uses --elasticsearch-url: say with --source elasticsearch that the log lines \
                 are read there too, or with --source pod-logs or stdin that they are not"
                    .to_owned())
            }
            None if has_kafka && has_elasticsearch => {
                Err("--kafka-brokers and --elasticsearch-url are both given: say \
                 with --source which one the log lines come from"
                    .to_owned())
            }
            None if has_kafka => Ok(SourceKind::Kafka),
            None if has_elasticsearch => Ok(SourceKind::Elasticsearch),
            None if self.file.path.is_some() => Ok(SourceKind::Stdin),
            None => Ok(SourceKind::PodLogs),
        }
    }
}

/// Kafka.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Log stream (Kafka)")]
pub struct KafkaArgs {
    /// Brokers, host:port, comma-separated.
    #[arg(long = "kafka-brokers", env = "HOPKEEPER_KAFKA_BROKERS", value_name = "LIST")]
    pub brokers: Option<String>,
    /// Topic that Filebeat writes to.
    #[arg(long = "kafka-topic", env = "HOPKEEPER_KAFKA_TOPIC", default_value = "vpn-logs", value_name = "NAME")]
    pub topic: String,
    /// Consumer group; operators with the same one share the partitions.
    #[arg(long = "kafka-group", env = "HOPKEEPER_KAFKA_GROUP", default_value = "hopkeeper", value_name = "NAME")]
    pub group: String,
    /// TLS, and who we are.
    #[command(flatten)]
    pub connection: KafkaConnectionArgs,
}

impl KafkaArgs {
    /// What a consumer takes; files are read now.
    ///
    /// # Errors
    /// When settings contradict one another, or a file can't be read; what to do is said.
    pub fn config(&self) -> Result<KafkaConfig, String> {
        Ok(KafkaConfig {
            brokers: self.brokers.clone().unwrap_or_default(),
            topics: vec![self.topic.clone()],
            group: self.group.clone(),
            options: self.connection.settings()?,
        })
    }
}

/// A file, a pipe or standard input.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Log stream (file or standard input)")]
pub struct FileArgs {
    /// File of records as Filebeat ships them, one a line, plain, gzip or zstd; `-` is standard input. A plain file is
    /// followed while it grows.
    #[arg(long = "source-file", env = "HOPKEEPER_SOURCE_FILE", value_name = "FILE")]
    pub path: Option<PathBuf>,
    /// The lines are a client's own, and whose: namespace/pod, or namespace/pod/container.
    #[arg(long = "source-pod", env = "HOPKEEPER_SOURCE_POD", value_name = "NAMESPACE/POD", value_parser = Origin::parse)]
    pub pod: Option<Origin>,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SourceArgs,
    }

    fn kind(arguments: &str) -> Result<SourceKind, String> {
        let line = ["x"].into_iter().chain(arguments.split_whitespace());
        Line::try_parse_from(line).map_err(|error| error.to_string())?.args.kind(false)
    }

    #[test]
    fn the_source_follows_from_its_address_and_pod_logs_need_none() {
        for (arguments, expected) in [
            ("", SourceKind::PodLogs),
            ("--kafka-brokers k:9092", SourceKind::Kafka),
            ("--elasticsearch-url https://e:9200", SourceKind::Elasticsearch),
            (
                "--kafka-brokers k:9092 --elasticsearch-url https://e:9200 --source elasticsearch",
                SourceKind::Elasticsearch,
            ),
            ("--kafka-brokers k:9092 --source pod-logs", SourceKind::PodLogs),
            ("--source-file -", SourceKind::Stdin),
            ("--source stdin", SourceKind::Stdin),
        ] {
            assert_eq!(kind(arguments), Ok(expected), "{arguments}");
        }
    }

    #[test]
    fn a_missing_setting_is_named() {
        for (arguments, expected) in [
            ("--source kafka", "--kafka-brokers kafka:9092"),
            ("--source elasticsearch", "--elasticsearch-url https://elasticsearch:9200"),
            ("--kafka-brokers k:9092 --elasticsearch-url https://e:9200", "say with --source"),
            ("--source journald", "pod-logs"),
            ("--source-pod berlin-entry-0", "NAMESPACE/POD/CONTAINER"),
        ] {
            let refused = kind(arguments).expect_err(arguments);
            assert!(refused.contains(expected), "{arguments}: {refused}");
        }
    }
}
