//! What stands for traces in a program that was built without them (cargo's feature `otlp`): none can be asked for.

use anyhow::bail;
use prometheus::Registry;

use crate::config::otlp::OtlpArgs;
use crate::crd::{HopIncident, VpnChain};

/// There is none.
pub enum TraceSink {}

impl TraceSink {
    /// Never called.
    pub fn look(&self, _chain: &VpnChain, _incidents: &[HopIncident], _now: jiff::Timestamp) {
        match *self {}
    }

    /// Never called.
    pub fn forget_chain(&self, _namespace: &str, _chain: &str) {
        match *self {}
    }
}

/// There is none.
pub enum Exporter {}

impl Exporter {
    /// Never called.
    #[allow(clippy::unused_async, reason = "the one that is there waits")]
    pub async fn run(self) {
        match self {}
    }
}

/// None.
///
/// # Errors
/// When traces are asked for.
pub fn prepare(args: &OtlpArgs, _registry: &Registry) -> anyhow::Result<Option<(TraceSink, Exporter)>> {
    if args.is_wanted() {
        bail!(
            "this hopkeeper was built without traces: leave out --otlp-endpoint (OTEL_EXPORTER_OTLP_ENDPOINT), or build it \
             with cargo's feature otlp, which is among the default ones"
        );
    }
    Ok(None)
}
