//! An incident of a replay, and how many are kept of an outage that goes on. What is decided about it is `judge`'s affair.

use jiff::Timestamp;

use crate::domain::event::HopIdentity;
use crate::domain::view::{IncidentView, Phase};
use crate::replay::signs::Trouble;

/// An incident and what was told of it.
pub(super) struct Incident {
    pub(super) view: IncidentView,
    pub(super) hop: usize,
    pub(super) rule: String,
    pub(super) title: String,
    pub(super) first: Timestamp,
    /// Made from a doubt, not by the engine: its hop was waited for long enough.
    pub(super) is_inferred: bool,
}

impl Incident {
    /// One that is not judged yet; `first` and `last` are its lines' times.
    pub(super) fn new(
        name: String,
        hop: usize,
        identity: &HopIdentity,
        trouble: Trouble,
        (first, last): (Timestamp, Timestamp),
    ) -> Self {
        let view = IncidentView {
            name,
            hop: identity.id.hop.clone(),
            pod_uid: identity.pod_uid.clone(),
            candidate: identity.candidate.clone(),
            verdict: trouble.verdict,
            evidence: trouble.evidence,
            last_line: last,
            phase: Phase::Open,
            cause: None,
            steps: Vec::new(),
            closed_at: None,
            is_account: false,
        };
        Self { view, hop, rule: trouble.rule, title: trouble.title, first, is_inferred: false }
    }

    /// Says the same of the same client: waits for what the other waits for.
    fn waits_like(&self, other: &Self) -> bool {
        let key = |i: &Self| (i.hop, i.view.phase, i.view.evidence, i.view.verdict);
        self.view.phase == Phase::Open
            && key(self) == key(other)
            && self.rule == other.rule
            && self.view.pod_uid == other.view.pod_uid
            && self.view.candidate == other.view.candidate
    }
}

/// Adds an incident. A hop that stays down has another one every few minutes: of those that wait, the first says since when,
/// and the last that it still is so; what came between says no more.
pub(super) fn add(incidents: &mut Vec<Incident>, new: Incident) {
    let mut waiting = 0;
    incidents.retain(|incident| {
        let is_like = incident.waits_like(&new);
        waiting += usize::from(is_like);
        !is_like || waiting == 1
    });
    incidents.push(new);
}
