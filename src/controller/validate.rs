//! From a `VpnChain` to a chain that can be built: all that can be wrong with a spec is found here.

use ipnet::Ipv4Net;
use jiff::SignedDuration;
use kube::ResourceExt;
use thiserror::Error;

use crate::crd::VpnChain;
use crate::crd::chain::{HopSpec, Recovery, Rung};
use crate::domain::plan::{ChainInput, ChainPlan, HopInput, PlanError};
use crate::domain::view::Policy;

/// A chain whose spec can be carried out.
pub struct ValidChain<'a> {
    /// The object.
    pub chain: &'a VpnChain,
    /// Its namespace.
    pub namespace: String,
    /// Its networks.
    pub plan: ChainPlan,
    /// Its recovery policy.
    pub policy: Policy,
}

impl ValidChain<'_> {
    /// Its hops, entry first.
    pub fn hops(&self) -> &[HopSpec] {
        &self.chain.spec.hops
    }
    /// Its name.
    pub fn name(&self) -> String {
        self.chain.name_any()
    }
}

/// Why a spec cannot be carried out, although the API server took it.
#[derive(Debug, Error)]
pub enum InvalidChain {
    /// A network that is not one.
    #[error("{field} {value:?} is not an IPv4 network such as 10.200.7.0/24")]
    Network {
        /// The field.
        field: &'static str,
        /// What it says.
        value: String,
    },
    /// A duration that is not one.
    #[error("{field} {value:?} is not a duration such as 30s")]
    Duration {
        /// The field.
        field: &'static str,
        /// What it says.
        value: String,
    },
    /// The networks do not fit together.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Checks a spec.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn validate(chain: &VpnChain) -> Result<ValidChain<'_>, InvalidChain> {
    let spec = &chain.spec;
    let hops = spec.hops.iter().map(|hop| HopInput {
        name: hop.name.clone(),
        implementation: hop.implementation(),
        transport: hop.transport(),
    });
    let input = ChainInput {
        hops: hops.collect(),
        gateway: network("gateway.cidr", &spec.gateway.cidr)?,
        links: network("links.cidr", &spec.links.cidr)?,
        mtu: spec.mtu,
    };
    let plan = ChainPlan::new(&input)?;
    let namespace = chain.namespace().unwrap_or_default();
    Ok(ValidChain { chain, namespace, plan, policy: policy(&spec.recovery)? })
}

fn network(field: &'static str, value: &str) -> Result<Ipv4Net, InvalidChain> {
    value.parse().map_err(|_| InvalidChain::Network { field, value: value.to_owned() })
}

fn policy(recovery: &Recovery) -> Result<Policy, InvalidChain> {
    let has = |rung| recovery.ladder.contains(&rung);
    Ok(Policy {
        in_place: has(Rung::InPlace),
        recreate: has(Rung::Recreate),
        next_candidate: has(Rung::NextCandidate),
        verify_within: duration("recovery.verifyWithin", &recovery.verify_within)?,
        cooldown: duration("recovery.cooldown", &recovery.cooldown)?,
        budget_actions: recovery.budget.actions as usize,
        budget_per: duration("recovery.budget.per", &recovery.budget.per)?,
    })
}

fn duration(field: &'static str, value: &str) -> Result<SignedDuration, InvalidChain> {
    let parsed = value.parse::<kube::core::Duration>().ok().filter(|d| !d.is_negative());
    let fits = parsed.and_then(|d| SignedDuration::try_from(std::time::Duration::from(d)).ok());
    fits.ok_or_else(|| InvalidChain::Duration { field, value: value.to_owned() })
}
