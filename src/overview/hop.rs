//! One hop: its state, what it runs with, what holds it back, and what its pool has left.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::Story;
use crate::crd::chain::{HopSpec, HopState, HopStatus};
use crate::crd::incident::IncidentPhase;
use crate::domain::types::Implementation;

/// One hop of a chain.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HopOverview {
    /// Its name.
    pub name: String,
    /// The program that it runs.
    pub implementation: Implementation,
    /// Its state; `Unknown` while no operator has looked at it.
    pub state: HopState,
    /// Whether it carries traffic.
    pub up: bool,
    /// When its pod's readiness last changed.
    pub since: Option<Timestamp>,
    /// The candidate in use: `name@version`.
    pub candidate: Option<String>,
    /// Candidates of its pool that a rotation could take; none where the pool was not read yet.
    pub candidates_left: Option<u32>,
    /// Its pod.
    pub pod: Option<String>,
    /// Why nothing is being done about it although something is wrong.
    pub held: Option<HeldBy>,
}

/// What holds a hop's repair back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldBy {
    /// The incident that waits, or that a person was called for.
    pub incident: String,
    /// Whether a person was called: nothing more happens by itself.
    pub needs_person: bool,
    /// Why, in PascalCase.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
    /// The outer hop at fault, where it is one.
    pub cause: Option<String>,
}

impl HopOverview {
    /// Whether it carries traffic.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// A hop with what the operator last saw of it; `stories` are the chain's, newest first.
    pub(super) fn of(spec: &HopSpec, status: Option<&HopStatus>, stories: &[Story]) -> Self {
        let state = status.map_or(HopState::Unknown, |s| s.state);
        Self {
            name: spec.name.clone(),
            implementation: spec.implementation(),
            state,
            up: status.is_some_and(HopStatus::carries_traffic),
            since: status.and_then(|s| s.since.as_ref()).map(|t| t.0),
            candidate: status.and_then(|s| s.candidate.clone()),
            candidates_left: status.and_then(|s| s.candidates_left),
            pod: status.and_then(|s| s.pod.clone()),
            held: held(&spec.name, state, stories),
        }
    }
}

/// A symptom's incident says most; then any that waits; for a hop that is held without one, the last call for a person.
fn held(hop: &str, state: HopState, stories: &[Story]) -> Option<HeldBy> {
    let of_hop = |phase: IncidentPhase| stories.iter().filter(move |s| s.hop == hop && s.phase == phase);
    let waits = || of_hop(IncidentPhase::Held);
    let called = || of_hop(IncidentPhase::Escalated).next().filter(|_| state == HopState::Held);
    let story = waits().find(|s| s.cause.is_some()).or_else(|| waits().next()).or_else(called)?;
    Some(HeldBy {
        incident: story.id.clone(),
        needs_person: story.phase == IncidentPhase::Escalated,
        reason: story.reason.clone().unwrap_or_default(),
        message: story.message.clone().unwrap_or_default(),
        cause: story.cause.clone(),
    })
}
