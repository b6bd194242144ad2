//! What the reconciler does: each occurrence is a log line, a count, and for decisions a Kubernetes Event.

use kube::ResourceExt;
use kube::runtime::events::{Event, EventType};
use prometheus::{Histogram, HistogramOpts, HistogramTimer, IntCounterVec, IntGaugeVec, Opts, Registry};
use tracing::{info, warn};

use crate::controller::Error;
use crate::crd::chain::HopState;
use crate::crd::incident::{IncidentPhase, Step};
use crate::crd::{HopIncident, VpnChain, VpnChainStatus};

/// Something that deserves a Kubernetes Event.
pub trait Publishable {
    /// The Event, or none for what is not worth one.
    fn event(&self) -> Option<Event>;
}

/// The reconciler's metrics.
pub struct ControllerMetrics {
    reconciles: Histogram,
    reconcile_errors: IntCounterVec,
    decisions: IntCounterVec,
    steps: IntCounterVec,
    parameters_written: IntCounterVec,
    candidates_skipped: IntCounterVec,
    orders: IntCounterVec,
    hop_up: IntGaugeVec,
}

impl ControllerMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let hop_up = IntGaugeVec::new(
            Opts::new("hopkeeper_hop_up", "1 while the hop carries traffic, else 0."),
            &["namespace", "chain", "hop"],
        )?;
        registry.register(Box::new(hop_up.clone()))?;
        let reconciles = Histogram::with_opts(HistogramOpts::new(
            "hopkeeper_reconcile_seconds",
            "How long a reconcile of one chain took.",
        ))?;
        registry.register(Box::new(reconciles.clone()))?;
        Ok(Self {
            reconciles,
            reconcile_errors: counters("hopkeeper_reconcile_errors_total", "Failed reconciles.", &["category"])?,
            decisions: counters(
                "hopkeeper_incident_decisions_total",
                "Phases that incidents entered.",
                &["namespace", "chain", "hop", "phase", "reason"],
            )?,
            steps: counters(
                "hopkeeper_recovery_steps_total",
                "Recovery steps taken.",
                &["namespace", "chain", "hop", "action"],
            )?,
            parameters_written: counters(
                "hopkeeper_parameters_written_total",
                "Writes of a hop's parameters.",
                &["chain", "hop"],
            )?,
            candidates_skipped: counters("hopkeeper_candidates_skipped_total", "Candidates found unusable.", &["hop"])?,
            orders: counters(
                "hopkeeper_rotation_orders_total",
                "Rotations that a person ordered, by what came of them.",
                &["namespace", "chain", "hop", "answer"],
            )?,
            hop_up,
        })
    }

    /// Times a reconcile until it is dropped.
    pub fn reconcile_timer(&self) -> HistogramTimer {
        self.reconciles.start_timer()
    }

    /// The gauges of a chain.
    pub fn chain_state(&self, chain: &VpnChain, status: &VpnChainStatus) {
        let (namespace, name) = (chain.namespace().unwrap_or_default(), chain.name_any());
        for hop in &status.hops {
            let up = i64::from(hop.state == HopState::Up);
            self.hop_up.with_label_values(&[&namespace, &name, &hop.name]).set(up);
        }
    }

    /// Drops the gauges of a chain that is being deleted.
    pub fn forget_chain(&self, chain: &VpnChain) {
        let (namespace, name) = (chain.namespace().unwrap_or_default(), chain.name_any());
        for hop in &chain.spec.hops {
            // A hop that never had a gauge is no error.
            let _ = self.hop_up.remove_label_values(&[&namespace, &name, &hop.name]);
        }
    }
}

/// A reconcile failed; it is tried again.
pub struct ReconcileError<'a, K> {
    /// The chain.
    pub chain: &'a K,
    /// Why.
    pub error: &'a Error,
    /// When it is tried again.
    pub retry: std::time::Duration,
}

impl<K: ResourceExt> ReconcileError<'_, K> {
    pub(crate) fn emit(&self, metrics: &ControllerMetrics) {
        let (namespace, chain) = (self.chain.namespace().unwrap_or_default(), self.chain.name_any());
        let (error, retry) = (crate::telemetry::error_chain(self.error), self.retry.as_secs_f64());
        match self.error.category() {
            // Both end by themselves, and are how the guards on writes and on deletion work.
            category @ ("conflict" | "still_leaving") => {
                tracing::debug!(
                    namespace,
                    chain,
                    error,
                    category,
                    retry_seconds = retry,
                    "The chain is looked at again."
                );
            }
            category => {
                warn!(namespace, chain, error, category, retry_seconds = retry, "Reconciling the chain failed.");
            }
        }
        metrics.reconcile_errors.with_label_values(&[self.error.category()]).inc();
    }
}

/// A hop's Secret was written.
pub struct ParametersWritten<'a> {
    /// The chain.
    pub chain: &'a str,
    /// The hop.
    pub hop: &'a str,
    /// The plan's id: candidate, version, revision.
    pub plan: &'a str,
}

impl ParametersWritten<'_> {
    pub(crate) fn emit(&self, metrics: &ControllerMetrics) {
        info!(chain = self.chain, hop = self.hop, parameters = self.plan, "Wrote the hop's parameters.");
        metrics.parameters_written.with_label_values(&[self.chain, self.hop]).inc();
    }
}

/// A candidate cannot be used.
pub struct CandidateSkipped<'a> {
    /// The hop.
    pub hop: &'a str,
    /// The key in the pool.
    pub candidate: &'a str,
    /// Why, without content.
    pub reason: &'a str,
}

impl CandidateSkipped<'_> {
    pub(crate) fn emit(&self, metrics: &ControllerMetrics) {
        warn!(
            hop = self.hop,
            candidate = self.candidate,
            reason = self.reason,
            "Skipped a candidate that cannot be used."
        );
        metrics.candidates_skipped.with_label_values(&[self.hop]).inc();
    }
}

impl Publishable for CandidateSkipped<'_> {
    fn event(&self) -> Option<Event> {
        let note = format!("hop {:?}: candidate {:?} cannot be used: {}", self.hop, self.candidate, self.reason);
        Some(event(EventType::Warning, "CandidateSkipped", "ReadPool", note))
    }
}

/// An incident entered a phase.
pub struct IncidentDecided<'a> {
    /// The incident, with its new status.
    pub incident: &'a HopIncident,
}

impl IncidentDecided<'_> {
    pub(crate) fn emit(&self, metrics: &ControllerMetrics) {
        let (spec, status) = (&self.incident.spec, self.incident.status.clone().unwrap_or_default());
        let namespace = self.incident.namespace().unwrap_or_default();
        let (phase, reason) = (format!("{:?}", status.phase), status.reason.unwrap_or_default());
        let message = status.message.unwrap_or_default();
        info!(
            namespace,
            chain = spec.chain,
            hop = spec.hop,
            incident = self.incident.name_any(),
            rule = spec.rule,
            phase,
            reason,
            message,
            "Decided about an incident."
        );
        metrics.decisions.with_label_values(&[&namespace, &spec.chain, &spec.hop, &phase, &reason]).inc();
    }
}

impl Publishable for IncidentDecided<'_> {
    fn event(&self) -> Option<Event> {
        let (spec, status) = (&self.incident.spec, self.incident.status.as_ref()?);
        let type_ = match status.phase {
            IncidentPhase::Recovered | IncidentPhase::Suppressed => EventType::Normal,
            _ => EventType::Warning,
        };
        let reason = format!("{:?}{}", status.phase, status.reason.as_deref().unwrap_or_default());
        let why = status.message.as_deref().unwrap_or_default();
        let note =
            format!("hop {:?}: {why} (rule {}: {}; {})", spec.hop, spec.rule, spec.title, self.incident.name_any());
        Some(event(type_, &reason, "Recover", note))
    }
}

/// A step's objects are written.
pub struct StepTaken<'a> {
    /// The chain.
    pub chain: &'a str,
    /// The chain's namespace.
    pub namespace: &'a str,
    /// The hop.
    pub hop: &'a str,
    /// The incident.
    pub incident: &'a str,
    /// The step.
    pub step: &'a Step,
}

impl StepTaken<'_> {
    pub(crate) fn emit(&self, metrics: &ControllerMetrics) {
        let action = format!("{:?}", self.step.action);
        info!(namespace = self.namespace, chain = self.chain, hop = self.hop, incident = self.incident, action,
            candidate = %self.step.candidate, "Took a recovery step.");
        metrics.steps.with_label_values(&[self.namespace, self.chain, self.hop, &action]).inc();
    }
}

/// A rotation that a person ordered was carried out, or cannot be.
pub struct OrderAnswered<'a> {
    /// The chain's namespace.
    pub namespace: &'a str,
    /// The chain.
    pub chain: &'a str,
    /// The hop that the order names.
    pub hop: &'a str,
    /// Whether it was obeyed.
    pub obeyed: bool,
    /// What came of it, in a sentence.
    pub message: &'a str,
}

impl OrderAnswered<'_> {
    pub(crate) fn emit(&self, metrics: &ControllerMetrics) {
        let Self { namespace, chain, hop, obeyed, message } = *self;
        info!(namespace, chain, hop, obeyed, message, "Answered a person's order to rotate.");
        let answer = if obeyed { "obeyed" } else { "refused" };
        metrics.orders.with_label_values(&[namespace, chain, hop, answer]).inc();
    }
}

impl Publishable for OrderAnswered<'_> {
    fn event(&self) -> Option<Event> {
        let (type_, reason) =
            if self.obeyed { (EventType::Normal, "RotationObeyed") } else { (EventType::Warning, "RotationRefused") };
        Some(event(type_, reason, "Rotate", self.message.to_owned()))
    }
}

fn event(type_: EventType, reason: &str, action: &str, mut note: String) -> Event {
    // The API refuses notes over 1 kB and reasons over 128 characters.
    let end = note.floor_char_boundary(1000);
    note.truncate(end);
    Event { type_, reason: reason.to_owned(), note: Some(note), action: action.to_owned(), secondary: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::HopIncidentSpec;

    fn incident(message: &str) -> HopIncident {
        let spec: HopIncidentSpec = serde_json::from_value(serde_json::json!({
            "chain": "berlin", "hop": "entry", "podUid": "u", "pod": "p", "candidate": {"name": "a", "version": "1"},
            "rule": "r", "title": "t", "verdict": "rotate", "evidence": "own", "line": "CANARY",
            "first": {"time": "2026-11-22T12:00:00.000000Z", "position": "x"},
            "last": {"time": "2026-11-22T12:00:00.000000Z", "position": "x"},
        }))
        .unwrap();
        let mut incident = HopIncident::new("berlin-entry-0a1b", spec);
        let status = incident.status.get_or_insert_default();
        (status.phase, status.reason, status.message) =
            (IncidentPhase::Suppressed, Some("Healed".into()), Some(message.into()));
        incident
    }

    #[test]
    fn a_decision_becomes_an_event_without_the_line_that_caused_it() {
        let event = IncidentDecided { incident: &incident("it works again") }.event().unwrap();
        assert_eq!((event.reason.as_str(), event.action.as_str()), ("SuppressedHealed", "Recover"));
        let note = event.note.unwrap();
        assert_eq!(note, "hop \"entry\": it works again (rule r: t; berlin-entry-0a1b)");
        assert!(matches!(event.type_, EventType::Normal));
        let mut open = incident("m");
        open.status = None;
        assert!(IncidentDecided { incident: &open }.event().is_none(), "nothing was decided yet");
    }

    #[test]
    fn what_needs_looking_at_is_a_warning() {
        for phase in [IncidentPhase::Held, IncidentPhase::Acting, IncidentPhase::Verifying, IncidentPhase::Escalated] {
            let mut decided = incident("m");
            decided.status.as_mut().unwrap().phase = phase;
            assert!(matches!(IncidentDecided { incident: &decided }.event().unwrap().type_, EventType::Warning));
        }
    }

    #[test]
    fn a_note_is_cut_to_what_the_api_takes_and_between_characters() {
        for text in ["x".repeat(5000), "\u{20ac}".repeat(2000), format!("x{}", "\u{1f600}".repeat(2000))] {
            let long = CandidateSkipped { hop: "entry", candidate: "a", reason: &text }.event().unwrap();
            let decided = IncidentDecided { incident: &incident(&text) }.event().unwrap();
            for note in [long.note.unwrap(), decided.note.unwrap()] {
                assert!(note.len() <= 1000 && note.len() > 990 && note.starts_with("hop \"entry\""), "{}", note.len());
            }
        }
    }
}
