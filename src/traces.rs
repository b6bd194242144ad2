//! Traces by OTLP: one of each incident, from its first line to its end, for whoever looks at traces already.
//!
//! A trace is made from what the closed incident has recorded, and from nothing else: `incident` does so, purely. So there is
//! nothing to keep until then, a crash loses none, and whoever tells of an incident tells the same under the same ids. `sink`
//! knows which incidents are news, an [`Outbox`](crate::outbox::Outbox) holds them, bounded, and `exporter` sends them to the
//! `collector`. `settings` are OpenTelemetry's own variables. Nothing here is ever waited for by a decision.

mod attributes;
mod collector;
mod exporter;
mod incident;
mod request;
mod settings;
mod sink;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use anyhow::anyhow;
use prometheus::Registry;

use crate::config::otlp::OtlpArgs;
use crate::internal_event::traces::TraceMetrics;
use crate::outbox::{Outbox, Parcel};
use collector::Collector;
pub use exporter::Exporter;
use request::Origin;
use settings::Settings;
pub use sink::TraceSink;

/// So much may wait while the collector is away: about a thousand traces.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// So much of a trace's memory is not its text.
const OVERHEAD_BYTES: usize = 64;

/// One trace on its way: a whole request.
pub(crate) struct Trace {
    request: Vec<u8>,
}

impl Parcel for Trace {
    fn bytes(&self) -> usize {
        self.request.len() + OVERHEAD_BYTES
    }
}

/// Both ends, where traces are wanted; nothing is asked yet.
///
/// # Errors
/// When a setting can't be used.
pub fn prepare(args: &OtlpArgs, registry: &Registry) -> anyhow::Result<Option<(TraceSink, Exporter)>> {
    let Some(settings) = Settings::read(args).map_err(|why| anyhow!(why))? else { return Ok(None) };
    let metrics = TraceMetrics::register(registry)?;
    let outbox = Arc::new(Outbox::new(MAX_BYTES));
    let origin = Origin::new(&settings.resource);
    let collector = Collector::new(settings).map_err(|why| anyhow!(why))?;
    let exporter = Exporter::new(collector, Arc::clone(&outbox), metrics.clone());
    Ok(Some((TraceSink::new(origin, outbox, metrics), exporter)))
}
