//! The log source that the settings name. Each connection reads its files anew: keys and passwords are replaced.

use std::sync::Arc;

use anyhow::anyhow;
use kube::Client;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::cursor_store::LeaseCursor;
use super::pod_logs::PodLogSource;
use crate::config::RunConfig;
use crate::config::elasticsearch::ElasticsearchArgs;
use crate::config::log_source::{KafkaArgs, SourceKind};
use crate::internal_event::pipeline::PipelineMetrics;
use crate::source::cursor::{CursorStore, FileCursor};
use crate::source::elasticsearch::{ElasticsearchSource, Reading};
use crate::source::kafka::KafkaSource;
use crate::source::lines::{LinesConfig, LinesSource};
use crate::source::{Record, Source, SourceError};

/// How to connect the source.
pub enum LogSource {
    /// A topic.
    Kafka(KafkaArgs),
    /// A data stream.
    Elasticsearch(ElasticsearchArgs, Reading, Arc<dyn CursorStore>, Arc<PipelineMetrics>),
    /// The Kubernetes API's pod logs.
    PodLogs(Client, Option<String>, Arc<dyn CursorStore>, PipelineMetrics),
    /// A file or standard input.
    Lines(LinesConfig),
}

/// A source that is connected.
pub enum Connected {
    /// A topic.
    Kafka(KafkaSource),
    /// A data stream.
    Elasticsearch(ElasticsearchSource),
    /// The Kubernetes API's pod logs.
    PodLogs(PodLogSource),
    /// A file or standard input.
    Lines(LinesSource),
}

impl LogSource {
    /// What the settings name.
    ///
    /// # Errors
    /// When a setting is missing or can't be used.
    pub fn prepare(config: &RunConfig, client: &Client, metrics: &PipelineMetrics) -> anyhow::Result<Self> {
        let args = &config.source;
        let cursor = |lease: &'static str| -> Arc<dyn CursorStore> {
            match &args.cursor_file {
                Some(path) => Arc::new(FileCursor(path.clone())),
                None => Arc::new(LeaseCursor::new(client.clone(), &config.lease_namespace, lease)),
            }
        };
        let kind = config.source_kind().map_err(|why| anyhow!(why))?;
        tracing::info!(?kind, "Log lines are read from this source.");
        Ok(match kind {
            SourceKind::Kafka => {
                // What is wrong with the settings is said now, and not again and again.
                args.kafka.config().map_err(|why| anyhow!(why))?;
                Self::Kafka(args.kafka.clone())
            }
            SourceKind::Elasticsearch => {
                let cursor = cursor("hopkeeper-elasticsearch");
                let (args, reading) = (args.elasticsearch.clone(), (&args.reading).into());
                let source = Self::Elasticsearch(args, reading, cursor, Arc::new(metrics.clone()));
                // What is wrong with the settings is said now, and not again and again.
                source.connect()?;
                source
            }
            SourceKind::PodLogs => {
                let (client, namespace) = (client.clone(), config.namespace.clone());
                Self::PodLogs(client, namespace, cursor("hopkeeper-pod-logs"), metrics.clone())
            }
            SourceKind::Stdin => {
                let origin = args.file.pod.clone();
                let path = args.file.path.clone().filter(|path| path.as_os_str() != "-");
                Self::Lines(LinesConfig { path, origin })
            }
        })
    }

    /// Whether several operators may read it at once.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Kafka(_) | Self::Lines(_))
    }

    /// Connects it.
    ///
    /// # Errors
    /// When a setting can't be used.
    pub fn connect(&self) -> Result<Connected, SourceError> {
        Ok(match self {
            Self::Kafka(args) => {
                let config = args.config().map_err(|why| SourceError::Configure(why.into()))?;
                Connected::Kafka(KafkaSource::connect(&config)?)
            }
            Self::Elasticsearch(args, reading, store, metrics) => {
                let connection = args.connection.read().map_err(|why| SourceError::Configure(why.into()))?;
                let index = args.index.clone();
                let source = ElasticsearchSource::new(connection, index, reading.clone(), Arc::clone(store))?;
                Connected::Elasticsearch(source.counting(Arc::clone(metrics)))
            }
            Self::PodLogs(client, namespace, store, metrics) => {
                let (client, namespace, store) = (client.clone(), namespace.clone(), Arc::clone(store));
                Connected::PodLogs(PodLogSource::new(client, namespace, store, metrics.clone()))
            }
            Self::Lines(config) => Connected::Lines(LinesSource(config.clone())),
        })
    }
}

impl Source for Connected {
    async fn run(self, records: mpsc::Sender<Record>, stop: CancellationToken) -> Result<(), SourceError> {
        match self {
            Self::Kafka(source) => source.run(records, stop).await,
            Self::Elasticsearch(source) => source.run(records, stop).await,
            Self::PodLogs(source) => source.run(records, stop).await,
            Self::Lines(source) => source.run(records, stop).await,
        }
    }
}
