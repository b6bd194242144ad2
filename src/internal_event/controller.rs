//! What the reconciler does: each occurrence is a log line, a count, and for decisions a Kubernetes Event.

mod metrics;

use kube::ResourceExt;
use kube::runtime::events::{Event, EventType};
use tracing::{info, warn};

use crate::controller::Error;
use crate::crd::incident::{IncidentPhase, Step};
use crate::crd::{HopIncident, VpnChain};
use crate::overview::story::{Story, Times};
use crate::parameters::PoolError;
pub use metrics::ControllerMetrics;

/// Something that deserves a Kubernetes Event.
pub trait Publishable {
    /// The Event, or none for what is not worth one.
    fn event(&self) -> Option<Event>;
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
        metrics.reconcile_errors.of(&[self.error.category()]).inc();
    }
}

/// A hop's Secret was written.
pub struct ParametersWritten<'a> {
    /// The chain.
    pub chain: &'a VpnChain,
    /// The hop.
    pub hop: &'a str,
    /// The plan's id: candidate, version, revision.
    pub plan: &'a str,
}

impl ParametersWritten<'_> {
    pub(crate) fn emit(&self, metrics: &ControllerMetrics) {
        let (namespace, chain) = (self.chain.namespace().unwrap_or_default(), self.chain.name_any());
        info!(namespace, chain, hop = self.hop, parameters = self.plan, "Wrote the hop's parameters.");
        metrics.parameters_written.of(&[&namespace, &chain, hop_label(self.chain, self.hop)]).inc();
    }
}

/// A pool could not be read; it is asked again. The chain's status tells it too, so the log does not at each try.
pub struct PoolUnread<'a> {
    /// The chain.
    pub chain: &'a VpnChain,
    /// The hop.
    pub hop: &'a str,
    /// Why.
    pub error: &'a PoolError,
}

impl PoolUnread<'_> {
    pub(crate) fn emit(&self, metrics: &ControllerMetrics) {
        let (namespace, chain) = (self.chain.namespace().unwrap_or_default(), self.chain.name_any());
        let (error, category) = (crate::telemetry::error_chain(self.error), self.error.category());
        tracing::debug!(namespace, chain, hop = self.hop, error, category, "A pool was not read; asking again.");
        metrics.pool_errors.of(&[category]).inc();
    }
}

/// A candidate cannot be used.
pub struct CandidateSkipped<'a> {
    /// The chain.
    pub chain: &'a VpnChain,
    /// The hop.
    pub hop: &'a str,
    /// The key in the pool.
    pub candidate: &'a str,
    /// Why, without content.
    pub reason: &'a str,
}

impl CandidateSkipped<'_> {
    pub(crate) fn emit(&self, metrics: &ControllerMetrics) {
        let (namespace, chain) = (self.chain.namespace().unwrap_or_default(), self.chain.name_any());
        warn!(
            namespace,
            chain,
            hop = self.hop,
            candidate = self.candidate,
            reason = self.reason,
            "Skipped a candidate that cannot be used."
        );
        metrics.candidates_skipped.of(&[&namespace, &chain, hop_label(self.chain, self.hop)]).inc();
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
    /// The chain.
    pub chain: &'a VpnChain,
    /// The incident as it was before.
    pub before: &'a HopIncident,
    /// The incident, with its new status.
    pub incident: &'a HopIncident,
    /// The id of its trace, where there will be one.
    pub trace_id: Option<String>,
}

impl IncidentDecided<'_> {
    pub(crate) fn emit(&self, metrics: &ControllerMetrics) {
        let (spec, status) = (&self.incident.spec, self.incident.status.clone().unwrap_or_default());
        let (namespace, chain) = (self.chain.namespace().unwrap_or_default(), self.chain.name_any());
        let (phase, reason) = (format!("{:?}", status.phase), status.reason.unwrap_or_default());
        let message = status.message.unwrap_or_default();
        info!(
            namespace,
            chain,
            hop = spec.hop,
            incident = self.incident.name_any(),
            rule = spec.rule,
            phase,
            reason,
            message,
            trace_id = self.trace_id,
            "Decided about an incident."
        );
        let hop = hop_label(self.chain, &spec.hop);
        metrics.decisions.of(&[&namespace, &chain, hop, &phase, &reason]).inc();
        self.count_steps(metrics);
        if status.phase.is_closed() {
            metrics.closed.of(&[&spec.rule, &phase]).inc();
            self.take_times(status.phase, metrics);
        }
    }

    /// The steps that have ended since.
    fn count_steps(&self, metrics: &ControllerMetrics) {
        let outcomes = |incident: &HopIncident| -> Vec<_> {
            let steps = incident.status.iter().flat_map(|status| &status.steps);
            steps.map(|step| (step.action, step.outcome)).collect()
        };
        let before = outcomes(self.before);
        for (index, (action, outcome)) in outcomes(self.incident).into_iter().enumerate() {
            let Some(outcome) = outcome else { continue };
            if before.get(index).is_none_or(|(_, known)| known.is_none()) {
                let (action, outcome) = (format!("{action:?}"), format!("{outcome:?}"));
                metrics.steps_ended.of(&[&self.incident.spec.rule, &action, &outcome]).inc();
            }
        }
    }

    /// What was suppressed took no time: nothing was wrong, or it is told by another incident.
    fn take_times(&self, phase: IncidentPhase, metrics: &ControllerMetrics) {
        if phase == IncidentPhase::Suppressed {
            return;
        }
        let Times { to_detect_seconds, to_act_seconds, to_recover_seconds } = Story::of(self.incident).times;
        for (histogram, seconds) in [
            (&metrics.time_to_detect, to_detect_seconds),
            (&metrics.time_to_act, to_act_seconds),
            (&metrics.time_to_recover, to_recover_seconds),
        ] {
            seconds.into_iter().for_each(|seconds| histogram.observe(seconds));
        }
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
    pub chain: &'a VpnChain,
    /// The hop.
    pub hop: &'a str,
    /// The incident.
    pub incident: &'a str,
    /// The step.
    pub step: &'a Step,
    /// The id of the incident's trace, where there will be one.
    pub trace_id: Option<String>,
}

impl StepTaken<'_> {
    pub(crate) fn emit(&self, metrics: &ControllerMetrics) {
        let action = format!("{:?}", self.step.action);
        let (namespace, chain) = (self.chain.namespace().unwrap_or_default(), self.chain.name_any());
        info!(namespace, chain, hop = self.hop, incident = self.incident, action,
            candidate = %self.step.candidate, trace_id = self.trace_id, "Took a recovery step.");
        metrics.steps.of(&[&namespace, &chain, hop_label(self.chain, self.hop), &action]).inc();
    }
}

/// A rotation that a person ordered was carried out, or cannot be.
pub struct OrderAnswered<'a> {
    /// The chain.
    pub chain: &'a VpnChain,
    /// The hop that the order names.
    pub hop: &'a str,
    /// Whether it was obeyed.
    pub obeyed: bool,
    /// What came of it, in a sentence.
    pub message: &'a str,
}

impl OrderAnswered<'_> {
    pub(crate) fn emit(&self, metrics: &ControllerMetrics) {
        let Self { chain, hop, obeyed, message } = *self;
        let (namespace, name, label) = (chain.namespace().unwrap_or_default(), chain.name_any(), hop_label(chain, hop));
        info!(namespace, chain = name, hop, obeyed, message, "Answered a person's order to rotate.");
        let answer = if obeyed { "obeyed" } else { "refused" };
        metrics.orders.of(&[&namespace, &name, label, answer]).inc();
    }
}

impl Publishable for OrderAnswered<'_> {
    fn event(&self) -> Option<Event> {
        let (type_, reason) =
            if self.obeyed { (EventType::Normal, "RotationObeyed") } else { (EventType::Warning, "RotationRefused") };
        Some(event(type_, reason, "Rotate", self.message.to_owned()))
    }
}

/// The hop's name as the chain has it. An incident and an order may name any hop, and a label must not take what they say.
fn hop_label<'c>(chain: &'c VpnChain, hop: &str) -> &'c str {
    chain.spec.hops.iter().find(|h| h.name == hop).map_or("", |h| h.name.as_str())
}

pub(super) fn event(type_: EventType, reason: &str, action: &str, mut note: String) -> Event {
    // The API refuses notes over 1 kB and reasons over 128 characters.
    let end = note.floor_char_boundary(1000);
    note.truncate(end);
    Event { type_, reason: reason.to_owned(), note: Some(note), action: action.to_owned(), secondary: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::berlin;
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

    fn event_of(incident: &HopIncident) -> Option<Event> {
        IncidentDecided { chain: &berlin(), before: incident, incident, trace_id: None }.event()
    }

    #[test]
    fn a_decision_becomes_an_event_without_the_line_that_caused_it() {
        let event = event_of(&incident("it works again")).unwrap();
        assert_eq!((event.reason.as_str(), event.action.as_str()), ("SuppressedHealed", "Recover"));
        let note = event.note.unwrap();
        assert_eq!(note, "hop \"entry\": it works again (rule r: t; berlin-entry-0a1b)");
        assert!(matches!(event.type_, EventType::Normal));
        let mut open = incident("m");
        open.status = None;
        assert!(event_of(&open).is_none(), "nothing was decided yet");
    }

    #[test]
    fn what_needs_looking_at_is_a_warning() {
        for phase in [IncidentPhase::Held, IncidentPhase::Acting, IncidentPhase::Verifying, IncidentPhase::Escalated] {
            let mut decided = incident("m");
            decided.status.as_mut().unwrap().phase = phase;
            assert!(matches!(event_of(&decided).unwrap().type_, EventType::Warning));
        }
    }

    #[test]
    fn a_note_is_cut_to_what_the_api_takes_and_between_characters() {
        for text in ["x".repeat(5000), "\u{20ac}".repeat(2000), format!("x{}", "\u{1f600}".repeat(2000))] {
            let long =
                CandidateSkipped { chain: &berlin(), hop: "entry", candidate: "a", reason: &text }.event().unwrap();
            let decided = event_of(&incident(&text)).unwrap();
            for note in [long.note.unwrap(), decided.note.unwrap()] {
                assert!(note.len() <= 1000 && note.len() > 990 && note.starts_with("hop \"entry\""), "{}", note.len());
            }
        }
    }
}
