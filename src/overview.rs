//! What people look at: chains, hops, what is held and why, and every incident as a story. One read model for the terminal
//! and for whatever else shows chains, so that they never tell different things.
//!
//! Pure: made from `VpnChain` and `HopIncident` objects alone, without a clock; ages are the viewer's business. Names and
//! texts come from the objects; nothing that can hold a secret is read.

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use schemars::JsonSchema;
use serde::Serialize;

use crate::crd::chain::ChainPhase;
use crate::crd::{HopIncident, VpnChain};

pub mod hop;
pub mod story;
mod text;
mod tone;
pub mod words;

pub use hop::{HeldBy, HopOverview};
pub use story::Story;
pub use text::printable;
pub use tone::Tone;

/// Chains, by namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The chains.
    pub chains: Vec<ChainOverview>,
}

/// One chain.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChainOverview {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The chain as a whole; none while no operator has looked at it.
    pub phase: Option<ChainPhase>,
    /// Its state in a sentence.
    pub message: Option<String>,
    /// Whether repairs are switched off.
    pub paused: bool,
    /// Whether an operator has looked at the spec as it is now.
    pub is_current: bool,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When an incident last ended in a working hop.
    pub last_recovery: Option<Timestamp>,
    /// How many hops carry traffic.
    pub hops_up: usize,
    /// Its hops, entry first.
    pub hops: Vec<HopOverview>,
    /// What is not as it should be, beside the hops: conditions that are false.
    pub problems: Vec<Problem>,
    /// Its incidents, the newest first.
    pub incidents: Vec<Story>,
}

/// A condition that is not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The condition's type.
    #[serde(rename = "type")]
    pub type_: String,
    /// Why, in PascalCase.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
}

impl Overview {
    /// One chain.
    #[must_use]
    pub fn chain(&self, namespace: &str, name: &str) -> Option<&ChainOverview> {
        self.chains.iter().find(|chain| chain.namespace == namespace && chain.name == name)
    }
}

impl ChainOverview {
    /// Every hop carries traffic.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.hops_up == self.hops.len()
    }

    /// The incidents that are not closed.
    pub fn open_incidents(&self) -> impl Iterator<Item = &Story> {
        self.incidents.iter().filter(|story| story.is_open())
    }

    /// Its phase in a word.
    #[must_use]
    pub fn phase_word(&self) -> String {
        self.phase.map_or_else(|| "Unknown".to_owned(), |phase| format!("{phase:?}"))
    }

    /// Its state in a sentence, and whether that is about the spec as it is now.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.message {
            Some(message) if self.is_current => message.clone(),
            Some(message) => {
                format!("{message} (before the last change of the spec, which no operator has looked at yet)")
            }
            None => "no operator has looked at it yet".to_owned(),
        }
    }

    /// What is not as it should be and that sentence does not say.
    pub fn other_problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| Some(&problem.message) != self.message.as_ref())
    }

    /// The way of a packet: application → exit → … → entry → internet.
    #[must_use]
    pub fn path(&self) -> String {
        let hops = self.hops.iter().rev().map(|hop| hop.name.as_str());
        std::iter::once("application").chain(hops).chain(["internet"]).collect::<Vec<_>>().join(" → ")
    }
}

/// All chains with their incidents.
#[must_use]
pub fn overview<'a>(
    chains: impl IntoIterator<Item = &'a VpnChain>,
    incidents: impl IntoIterator<Item = &'a HopIncident>,
) -> Overview {
    let mut stories: HashMap<(String, String), Vec<Story>> = HashMap::new();
    for story in incidents.into_iter().map(Story::of) {
        stories.entry((story.namespace.clone(), story.chain.clone())).or_default().push(story);
    }
    let of_chain = |chain: &VpnChain| (chain.namespace().unwrap_or_default(), chain.name_any());
    let chains = chains.into_iter();
    let mut chains: Vec<_> =
        chains.map(|chain| chain_overview(chain, stories.remove(&of_chain(chain)).unwrap_or_default())).collect();
    chains.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    Overview { chains }
}

fn chain_overview(chain: &VpnChain, mut stories: Vec<Story>) -> ChainOverview {
    let status = chain.status.clone().unwrap_or_default();
    stories.sort_by(|a, b| (b.last.time, &b.id).cmp(&(a.last.time, &a.id)));
    let hops: Vec<HopOverview> = chain
        .spec
        .hops
        .iter()
        .map(|hop| HopOverview::of(hop, status.hops.iter().find(|s| s.name == hop.name), &stories))
        .collect();
    // `Ready` says what phase and hops say, and an order that was refused is over.
    let is_problem = |c: &&Condition| c.status == "False" && c.type_ != "Ready" && c.reason != "Refused";
    let failed = status.conditions.iter().filter(is_problem);
    let problems =
        failed.map(|c| Problem { type_: c.type_.clone(), reason: c.reason.clone(), message: c.message.clone() });
    ChainOverview {
        phase: status.phase,
        message: status.message,
        paused: chain.spec.paused,
        is_current: status.observed_generation.is_some() && status.observed_generation == chain.metadata.generation,
        created: chain.metadata.creation_timestamp.as_ref().map(|t| t.0),
        last_recovery: status.last_recovery.as_ref().map(|t| t.0),
        hops_up: hops.iter().filter(|hop| hop.is_up()).count(),
        hops,
        problems: problems.collect(),
        incidents: stories,
        namespace: chain.namespace().unwrap_or_default(),
        name: chain.name_any(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
