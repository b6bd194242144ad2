//! The chain-state documents' sink and writer, as the settings want them.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use prometheus::Registry;

use crate::config::RunConfig;
use crate::documents::Buffer;
use crate::documents::sink::DocumentSink;
use crate::documents::writer::Writer;
use crate::elasticsearch::Elasticsearch;
use crate::internal_event::documents::DocumentMetrics;

/// Both, where documents are wanted; nothing is asked yet.
///
/// # Errors
/// When a setting is missing or can't be used.
pub fn prepare(config: &RunConfig, registry: &Registry) -> anyhow::Result<Option<(DocumentSink, Writer)>> {
    if !config.documents.enabled {
        return Ok(None);
    }
    let connection = config.source.elasticsearch.connection.clone();
    // What is wrong with the settings is said now, and not again and again.
    let read = connection.read().map_err(|why| anyhow!(why))?;
    Elasticsearch::new(read, |_| "").context("--documents needs an Elasticsearch that can be reached")?;
    let metrics = DocumentMetrics::register(registry)?;
    let names = config.documents.names.names.clone();
    let buffer = Arc::new(Buffer::new(config.documents.buffer_bytes()));
    let writer = Writer::new(Box::new(move || connection.read()), names.clone(), Arc::clone(&buffer), metrics.clone());
    Ok(Some((DocumentSink::new(names, buffer, metrics), writer)))
}
