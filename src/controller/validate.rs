//! From a `VpnChain` to a chain that can be built: all that can be wrong with a spec is found here.

use ipnet::Ipv4Net;
use jiff::SignedDuration;
use kube::ResourceExt;
use thiserror::Error;

use crate::crd::VpnChain;
use crate::crd::chain::{HopSpec, LinkType, Links, Placement, Recovery, Rung};
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
    /// What its links are made of.
    pub medium: Medium,
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

/// What the links between a chain's hops are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Medium {
    /// Bridges of their own, on one node.
    Bridge,
    /// Interfaces with MAC addresses of their own on a node's interface; also on its VXLAN device.
    Macvlan {
        /// The node's interface.
        master: String,
    },
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
    /// Hops on different nodes, and links that do not leave one.
    #[error("placement Spread needs links that cross nodes: set links.type to macvlan or vxlan")]
    SpreadOnBridges,
    /// Links on an interface that is not named.
    #[error("links of type macvlan need links.master, the nodes' interface that carries them")]
    NoMaster,
    /// Links that would leak.
    #[error(
        "links of type ipvlan cannot carry a chain: the kernel gives an ipvlan interface packets for its own addresses only, and hands the inner hop's to the node, which lets them out beside the tunnels: set links.type to macvlan, or to vxlan where a switch admits one MAC address a port"
    )]
    Ipvlan,
    /// Another chain's links use the same addresses on the same interface.
    #[error(
        "links.cidr {own} overlaps that of chain {other}, {theirs}, and both are on the nodes' interface {master}: give one of them another links.cidr, or a links.master of its own"
    )]
    SharedSegment {
        /// This chain's range.
        own: Ipv4Net,
        /// The other chain, `namespace/name`.
        other: String,
        /// Its range.
        theirs: Ipv4Net,
        /// The interface.
        master: String,
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
    let medium = medium(&spec.links)?;
    if spec.placement == Placement::Spread && medium == Medium::Bridge {
        return Err(InvalidChain::SpreadOnBridges);
    }
    let namespace = chain.namespace().unwrap_or_default();
    Ok(ValidChain { chain, namespace, plan, medium, policy: policy(&spec.recovery)? })
}

fn medium(links: &Links) -> Result<Medium, InvalidChain> {
    let master = || links.segment().map(str::to_owned).ok_or(InvalidChain::NoMaster);
    Ok(match links.kind {
        LinkType::Bridge => Medium::Bridge,
        LinkType::Macvlan | LinkType::Vxlan => Medium::Macvlan { master: master()? },
        LinkType::Ipvlan => return Err(InvalidChain::Ipvlan),
    })
}

fn network(field: &'static str, value: &str) -> Result<Ipv4Net, InvalidChain> {
    value.parse().map_err(|_| InvalidChain::Network { field, value: value.to_owned() })
}

/// A chain's recovery policy.
///
/// # Errors
/// When a duration is not one.
pub fn policy(recovery: &Recovery) -> Result<Policy, InvalidChain> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::berlin;

    fn refusal(spoil: impl FnOnce(&mut VpnChain)) -> String {
        let mut chain = berlin();
        spoil(&mut chain);
        match validate(&chain) {
            Ok(_) => panic!("should be refused: {:?}", chain.spec),
            Err(why) => crate::telemetry::error_chain(&why),
        }
    }

    #[test]
    fn every_way_in_which_a_spec_can_be_impossible_is_told() {
        type Spoil = fn(&mut VpnChain);
        let cases: [(Spoil, &str); 10] = [
            (|c| c.spec.gateway.cidr = "10.200.7.0".into(), "gateway.cidr \"10.200.7.0\" is not an IPv4 network"),
            (|c| c.spec.links.cidr = "fd00::/64".into(), "links.cidr \"fd00::/64\" is not an IPv4 network"),
            (|c| c.spec.hops.clear(), "a chain needs at least one hop"),
            (|c| c.spec.hops[2].name = "entry".into(), "two hops are named \"entry\""),
            (|c| c.spec.gateway.cidr = c.spec.links.cidr.clone(), "overlaps links.cidr"),
            (|c| c.spec.gateway.cidr = "127.0.0.0/24".into(), "cannot be used inside a pod"),
            (|c| c.spec.links.cidr = "198.18.255.0/30".into(), "has room for 1 links"),
            (|c| c.spec.mtu = 500, "would have an MTU of"),
            (|c| c.spec.placement = Placement::Spread, "placement Spread needs links that cross nodes"),
            (|c| c.spec.links.kind = LinkType::Macvlan, "need links.master"),
        ];
        for (spoil, expected) in cases {
            let said = refusal(spoil);
            assert!(said.contains(expected), "{said}");
        }
        let said = refusal(|c| c.spec.gateway.cidr = "10.200.7.0/28".into());
        assert!(said.contains("gateway.cidr 10.200.7.0/28 is too small"), "{said}");
    }

    #[test]
    fn a_vxlan_is_a_macvlan_on_the_device_that_each_node_has() {
        let with = |links: serde_json::Value| {
            let mut chain = berlin();
            chain.spec.links = serde_json::from_value(links).unwrap();
            chain.spec.placement = Placement::Spread;
            chain
        };
        let medium = |links: serde_json::Value| validate(&with(links)).unwrap().medium;
        let on = |master: &str| Medium::Macvlan { master: master.into() };
        assert_eq!(medium(serde_json::json!({"type": "vxlan"})), on("hkvxlan0"));
        assert_eq!(medium(serde_json::json!({"type": "vxlan", "master": "mine0"})), on("mine0"));
        assert_eq!(medium(serde_json::json!({"type": "macvlan", "master": "eth1.7"})), on("eth1.7"));
        let ipvlan = with(serde_json::json!({"type": "ipvlan", "master": "eth1"}));
        assert!(
            matches!(validate(&ipvlan), Err(InvalidChain::Ipvlan)),
            "one that was there before the API server refused it"
        );
        assert_eq!(validate(&berlin()).unwrap().medium, Medium::Bridge);
    }

    #[test]
    fn the_recovery_section_becomes_the_policy() {
        let mut chain = berlin();
        chain.spec.recovery = serde_json::from_value(serde_json::json!({
            "ladder": ["Recreate"], "verifyWithin": "90s", "cooldown": "5s", "budget": {"actions": 2, "per": "30m"},
        }))
        .unwrap();
        let policy = validate(&chain).unwrap().policy;
        assert_eq!((policy.in_place, policy.recreate, policy.next_candidate), (false, true, false));
        assert_eq!(
            (policy.verify_within, policy.cooldown),
            (SignedDuration::from_secs(90), SignedDuration::from_secs(5))
        );
        assert_eq!((policy.budget_actions, policy.budget_per), (2, SignedDuration::from_mins(30)));
    }
}
