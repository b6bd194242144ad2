//! The reconciler's metrics, and what of them goes with a chain.

use kube::ResourceExt;
use prometheus::{Histogram, HistogramTimer, Registry};

use crate::controller::measure::HopMeasure;
use crate::crd::chain::{ChainPhase, HopState, HopStatus};
use crate::crd::{VpnChain, VpnChainStatus};
use crate::internal_event::catalog;
use crate::internal_event::metric::{Counters, Gauges, OfChain};

/// The reconciler's metrics.
pub struct ControllerMetrics {
    reconciles: Histogram,
    pub(super) reconcile_errors: Counters,
    pub(super) decisions: Counters,
    pub(super) steps: Counters,
    pub(super) steps_ended: Counters,
    pub(super) closed: Counters,
    pub(super) time_to_detect: Histogram,
    pub(super) time_to_act: Histogram,
    pub(super) time_to_recover: Histogram,
    pub(super) pool_errors: Counters,
    pub(super) parameters_written: Counters,
    pub(super) candidates_skipped: Counters,
    pub(super) orders: Counters,
    chain_state: Gauges,
    hop_up: Gauges,
    hop_state: Gauges,
    hop_last_change: Gauges,
    hop_needs_person: Gauges,
    incidents_open: Gauges,
    symptoms_held: Gauges,
    budget_left: Gauges,
    pool: Gauges,
    pool_left: Gauges,
    certificate_expiry: Gauges,
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
            steps_ended: catalog::STEPS_ENDED.new_counters(registry)?,
            closed: catalog::INCIDENTS_CLOSED.new_counters(registry)?,
            time_to_detect: catalog::TIME_TO_DETECT.new_histogram(registry)?,
            time_to_act: catalog::TIME_TO_ACT.new_histogram(registry)?,
            time_to_recover: catalog::TIME_TO_RECOVER.new_histogram(registry)?,
            pool_errors: catalog::POOL_ERRORS.new_counters(registry)?,
            parameters_written: catalog::PARAMETERS_WRITTEN.new_counters(registry)?,
            candidates_skipped: catalog::CANDIDATES_SKIPPED.new_counters(registry)?,
            orders: catalog::ORDERS.new_counters(registry)?,
            chain_state: catalog::CHAIN_STATE.new_gauges(registry)?,
            hop_up: catalog::HOP_UP.new_gauges(registry)?,
            hop_state: catalog::HOP_STATE.new_gauges(registry)?,
            hop_last_change: catalog::HOP_LAST_CHANGE.new_gauges(registry)?,
            hop_needs_person: catalog::HOP_NEEDS_PERSON.new_gauges(registry)?,
            incidents_open: catalog::INCIDENTS_OPEN.new_gauges(registry)?,
            symptoms_held: catalog::SYMPTOMS_HELD.new_gauges(registry)?,
            budget_left: catalog::BUDGET_LEFT.new_gauges(registry)?,
            pool: catalog::POOL_CANDIDATES.new_gauges(registry)?,
            pool_left: catalog::POOL_CANDIDATES_LEFT.new_gauges(registry)?,
            certificate_expiry: catalog::CERTIFICATE_EXPIRY.new_gauges(registry)?,
        })
    }

    /// Times a reconcile until it is dropped.
    pub fn reconcile_timer(&self) -> HistogramTimer {
        self.reconciles.start_timer()
    }

    /// The states of a chain, whose counters begin at 0; series of hops that it has no more go.
    pub fn chain_state(&self, chain: &VpnChain, status: &VpnChainStatus) {
        let (namespace, name) = (chain.namespace().unwrap_or_default(), chain.name_any());
        self.start(chain, &namespace, &name);
        for phase in ChainPhase::ALL {
            let is = i64::from(status.phase == Some(phase));
            self.chain_state.of(&[&namespace, &name, &format!("{phase:?}")]).set(is);
        }
        let has = |hop: &str| chain.spec.hops.iter().any(|h| h.name == hop);
        for hop in status.hops.iter().filter(|hop| has(&hop.name)) {
            self.hop(&namespace, &name, hop);
        }
        let is_gone = |hop: &str| !hop.is_empty() && !has(hop);
        self.retain(&|n, c, hop| n != namespace || c != name || !hop.is_some_and(is_gone));
    }

    fn hop(&self, namespace: &str, chain: &str, status: &HopStatus) {
        let at = [namespace, chain, &status.name];
        self.hop_up.of(&at).set(i64::from(status.carries_traffic()));
        for state in HopState::ALL {
            let is = i64::from(status.state == state);
            self.hop_state.of(&[namespace, chain, &status.name, &format!("{state:?}")]).set(is);
        }
        self.hop_needs_person.of(&at).set(i64::from(status.state == HopState::Held && status.cause.is_none()));
        set_or_drop(&self.hop_last_change, &at, status.since.as_ref().map(|since| since.0.as_second()));
        set_or_drop(&self.pool_left, &at, status.candidates_left.map(i64::from));
    }

    /// The other numbers of a chain's hops.
    pub fn measured(&self, chain: &VpnChain, measures: &[HopMeasure]) {
        let (namespace, name) = (chain.namespace().unwrap_or_default(), chain.name_any());
        for HopMeasure { hop, open, symptoms, budget_left, pool, certificate_expires } in measures {
            let at = [namespace.as_str(), &name, hop];
            for (phase, count) in open {
                self.incidents_open.of(&[&namespace, &name, hop, &format!("{phase:?}")]).set(whole(*count));
            }
            self.symptoms_held.of(&at).set(whole(*symptoms));
            self.budget_left.of(&at).set(whole(*budget_left));
            set_or_drop(&self.certificate_expiry, &at, certificate_expires.map(|at| at.as_second()));
            // Not known at times, but not gone for that.
            if let Some(pool) = pool {
                self.pool.of(&at).set(whole(*pool));
            }
        }
    }

    /// Drops every series of a chain that is gone.
    pub fn forget_chain(&self, namespace: &str, chain: &str) {
        self.retain(&|n, c, _| n != namespace || c != chain);
    }

    /// Begins what counts few things; the decisions have too many phases and reasons to begin with each.
    fn start(&self, chain: &VpnChain, namespace: &str, name: &str) {
        for hop in &chain.spec.hops {
            for counters in [&self.steps, &self.parameters_written, &self.candidates_skipped, &self.orders] {
                counters.start(&[namespace, name, &hop.name]);
            }
        }
    }

    fn retain(&self, stays: &dyn Fn(&str, &str, Option<&str>) -> bool) {
        let of_chains: [&dyn OfChain; 16] = [
            &self.decisions,
            &self.steps,
            &self.parameters_written,
            &self.candidates_skipped,
            &self.orders,
            &self.chain_state,
            &self.hop_up,
            &self.hop_state,
            &self.hop_last_change,
            &self.hop_needs_person,
            &self.incidents_open,
            &self.symptoms_held,
            &self.budget_left,
            &self.pool,
            &self.pool_left,
            &self.certificate_expiry,
        ];
        of_chains.iter().for_each(|series| series.retain(stays));
    }
}

/// What is not known has no series, rather than an old or an invented value.
fn set_or_drop(gauges: &Gauges, at: &[&str], value: Option<i64>) {
    match value {
        Some(value) => gauges.of(at).set(value),
        None => gauges.drop_series(at),
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
