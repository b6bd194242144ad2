//! On which nodes a chain's hops run.

use k8s_openapi::api::core::v1::{Affinity, PodAffinity, PodAffinityTerm, PodAntiAffinity};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::super::{ValidChain, labels};
use crate::crd::chain::Placement;
use crate::crd::names;

/// The label of a pod whose hop has a node of its own.
pub(super) fn label(chain: &ValidChain<'_>) -> Option<(String, String)> {
    let placement = chain.chain.spec.placement;
    (placement == Placement::Spread).then(|| (names::PLACEMENT.to_owned(), format!("{placement:?}")))
}

/// Beside the chain's other hops, or away from them; either is demanded, not wished for.
pub(super) fn affinity(chain: &ValidChain<'_>) -> Affinity {
    let mut hops = LabelSelector { match_labels: Some(labels(&chain.name(), None)), ..LabelSelector::default() };
    let term = |hops| PodAffinityTerm {
        label_selector: Some(hops),
        topology_key: "kubernetes.io/hostname".into(),
        ..PodAffinityTerm::default()
    };
    match chain.chain.spec.placement {
        Placement::SameNode => {
            // Pods that are still spread over nodes from before would draw the others to several.
            let requirement = LabelSelectorRequirement {
                key: names::PLACEMENT.into(),
                operator: "DoesNotExist".into(),
                values: None,
            };
            hops.match_expressions = Some(vec![requirement]);
            let beside = PodAffinity {
                required_during_scheduling_ignored_during_execution: Some(vec![term(hops)]),
                ..PodAffinity::default()
            };
            Affinity { pod_affinity: Some(beside), ..Affinity::default() }
        }
        Placement::Spread => {
            let apart = PodAntiAffinity {
                required_during_scheduling_ignored_during_execution: Some(vec![term(hops)]),
                ..PodAntiAffinity::default()
            };
            Affinity { pod_anti_affinity: Some(apart), ..Affinity::default() }
        }
    }
}
