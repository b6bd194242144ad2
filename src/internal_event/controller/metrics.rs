//! The reconciler's metrics, and what of them goes with a chain.

use kube::ResourceExt;
use prometheus::{Histogram, HistogramTimer, Registry};

use crate::crd::chain::HopState;
use crate::crd::{VpnChain, VpnChainStatus};
use crate::internal_event::catalog;
use crate::internal_event::metric::{Counters, Gauges, OfChain};

/// The reconciler's metrics.
pub struct ControllerMetrics {
    reconciles: Histogram,
    pub(super) reconcile_errors: Counters,
    pub(super) decisions: Counters,
    pub(super) steps: Counters,
    pub(super) parameters_written: Counters,
    pub(super) candidates_skipped: Counters,
    pub(super) orders: Counters,
    hop_up: Gauges,
}

impl ControllerMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            reconciles: catalog::RECONCILES.new_histogram(registry)?,
            reconcile_errors: catalog::RECONCILE_ERRORS.new_counters(registry)?,
            decisions: catalog::DECISIONS.new_counters(registry)?,
            steps: catalog::STEPS.new_counters(registry)?,
            parameters_written: catalog::PARAMETERS_WRITTEN.new_counters(registry)?,
            candidates_skipped: catalog::CANDIDATES_SKIPPED.new_counters(registry)?,
            orders: catalog::ORDERS.new_counters(registry)?,
            hop_up: catalog::HOP_UP.new_gauges(registry)?,
        })
    }

    /// Times a reconcile until it is dropped.
    pub fn reconcile_timer(&self) -> HistogramTimer {
        self.reconciles.start_timer()
    }

    /// The gauges of a chain, whose counters begin at 0; series of hops that it has no more go.
    pub fn chain_state(&self, chain: &VpnChain, status: &VpnChainStatus) {
        let (namespace, name) = (chain.namespace().unwrap_or_default(), chain.name_any());
        self.start(chain, &namespace, &name);
        for hop in &status.hops {
            let up = i64::from(hop.state == HopState::Up);
            self.hop_up.of(&[&namespace, &name, &hop.name]).set(up);
        }
        let has = |hop: &str| chain.spec.hops.iter().any(|h| h.name == hop);
        self.forget(&namespace, &name, &|hop| hop.is_some_and(|hop| !hop.is_empty() && !has(hop)));
    }

    /// Drops every series of a chain that is gone.
    pub fn forget_chain(&self, namespace: &str, chain: &str) {
        self.forget(namespace, chain, &|_| true);
    }

    /// Begins what counts few things; the decisions have too many phases and reasons to begin with each.
    fn start(&self, chain: &VpnChain, namespace: &str, name: &str) {
        for hop in &chain.spec.hops {
            for counters in [&self.steps, &self.parameters_written, &self.candidates_skipped, &self.orders] {
                counters.start(&[namespace, name, &hop.name]);
            }
        }
    }

    fn forget(&self, namespace: &str, chain: &str, is_gone: &dyn Fn(Option<&str>) -> bool) {
        let of_chains: [&dyn OfChain; 6] = [
            &self.decisions,
            &self.steps,
            &self.parameters_written,
            &self.candidates_skipped,
            &self.orders,
            &self.hop_up,
        ];
        of_chains.iter().for_each(|series| series.forget(namespace, chain, is_gone));
    }
}
