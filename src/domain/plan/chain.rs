//! A chain's addresses and MTUs, from its hops and two networks.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::PlanError;
use super::mtu::{MINIMUM_MTU, tunnel_mtu};
use crate::domain::types::{Implementation, Transport};

/// How far into the gateway network the applications' addresses start.
const FIRST_APPLICATION: u32 = 16;
const LINK_PREFIX: u8 = 30;

/// What a chain's network depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainInput {
    /// The hops, entry first.
    pub hops: Vec<HopInput>,
    /// The network that applications attach to.
    pub gateway: Ipv4Net,
    /// The network that links between hops are cut from.
    pub links: Ipv4Net,
    /// The largest packet in bytes that the cluster network carries.
    pub mtu: u16,
}

/// What a hop's network depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HopInput {
    /// The hop's name.
    pub name: String,
    /// The program that runs in it.
    pub implementation: Implementation,
    /// Which transports its candidates may use; WireGuard ignores it.
    pub transport: Transport,
}

/// The networks of a whole chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainPlan {
    /// Each hop, entry first.
    pub hops: Vec<HopNetwork>,
    /// The links; link `k` joins hop `k` and hop `k + 1`.
    pub links: Vec<LinkNetwork>,
    /// The network that applications attach to.
    pub gateway: Ipv4Net,
    /// The exit hop's address there: the applications' default route.
    pub gateway_address: Ipv4Addr,
    /// The first and last address for applications.
    pub applications: (Ipv4Addr, Ipv4Addr),
    /// The MTU in bytes of the applications' default route.
    pub gateway_mtu: u16,
}

/// One link: a /30 between two hops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkNetwork {
    /// Its place in the chain; joins hop `index` and hop `index + 1`.
    pub index: usize,
    /// The network.
    pub subnet: Ipv4Net,
    /// The outer hop's address, on its `in0`.
    pub outer_hop: Ipv4Net,
    /// The inner hop's address, on its `out0`.
    pub inner_hop: Ipv4Net,
}

/// One hop's network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopNetwork {
    /// The hop's name.
    pub name: String,
    /// Its place: 0 is the entry.
    pub index: usize,
    /// The program that runs in it.
    pub implementation: Implementation,
    /// The side of the next inner hop, or of the applications.
    pub inner: InnerSide,
    /// The side of the next outer hop; none at the entry, which uses the cluster network.
    pub outer: Option<OuterSide>,
    /// The tunnel's MTU in bytes.
    pub tun_mtu: u16,
    /// The largest packet in bytes that the client itself may send.
    pub base_mtu: u16,
}

/// A hop's side towards the applications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InnerSide {
    /// The hop's address on `in0`.
    pub address: Ipv4Net,
    /// Whether this is the gateway network, not a link.
    pub is_gateway: bool,
}

/// A hop's side towards the next outer hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OuterSide {
    /// The hop's address on `out0`.
    pub address: Ipv4Net,
    /// The next outer hop's address.
    pub via: Ipv4Addr,
    /// The MTU in bytes of the route to this hop's server: the next outer hop's tunnel.
    pub route_mtu: u16,
}

impl ChainPlan {
    /// Plans a chain's network.
    ///
    /// # Errors
    /// When the networks overlap or are too small, or the tunnels leave too little room for a packet.
    pub fn new(input: &ChainInput) -> Result<Self, PlanError> {
        check(input)?;
        let links = links(input)?;
        let mtus = mtus(input)?;
        let (first, last) = (u32::from(input.gateway.network()), u32::from(input.gateway.broadcast()));
        let gateway_address = Ipv4Addr::from(first + 1);

        let hops = input
            .hops
            .iter()
            .enumerate()
            .map(|(index, hop)| HopNetwork {
                name: hop.name.clone(),
                index,
                implementation: hop.implementation,
                inner: match links.get(index) {
                    Some(link) => InnerSide { address: link.outer_hop, is_gateway: false },
                    None => InnerSide { address: with_prefix(gateway_address, input.gateway), is_gateway: true },
                },
                outer: index.checked_sub(1).map(|outer| OuterSide {
                    address: links[outer].inner_hop,
                    via: links[outer].outer_hop.addr(),
                    route_mtu: mtus[outer],
                }),
                tun_mtu: mtus[index],
                base_mtu: if index == 0 { input.mtu } else { mtus[index - 1] },
            })
            .collect();

        Ok(Self {
            hops,
            links,
            gateway: input.gateway.trunc(),
            gateway_address,
            applications: (Ipv4Addr::from(first + FIRST_APPLICATION), Ipv4Addr::from(last - 1)),
            gateway_mtu: mtus[mtus.len() - 1],
        })
    }
}

impl HopNetwork {
    /// The interface by which the client's own packets leave.
    pub fn outer_interface(&self) -> &'static str {
        if self.outer.is_some() { super::OUTER_INTERFACE } else { super::CLUSTER_INTERFACE }
    }

    /// The interfaces on links to other hops, and the largest packet in bytes that each must carry: what the outer one of the two
    /// lets out of its tunnel, or takes into it.
    pub fn links(&self) -> impl Iterator<Item = (&'static str, u16)> {
        let inner = (!self.inner.is_gateway).then_some((super::INNER_INTERFACE, self.tun_mtu));
        let outer = self.outer.as_ref().map(|outer| (super::OUTER_INTERFACE, outer.route_mtu));
        inner.into_iter().chain(outer)
    }

    /// The interfaces to the hop's neighbours, with their addresses.
    pub fn sides(&self) -> impl Iterator<Item = (&'static str, Ipv4Net)> {
        let outer = self.outer.as_ref().map(|outer| (super::OUTER_INTERFACE, outer.address));
        [(super::INNER_INTERFACE, self.inner.address)].into_iter().chain(outer)
    }

    /// Whether a pod that was made for this network has the addresses of the other.
    pub fn is_at_home_in(&self, other: &Self) -> bool {
        self.sides().eq(other.sides())
    }

    /// The networks that the hop is directly part of, without the cluster's.
    pub fn own_networks(&self) -> impl Iterator<Item = Ipv4Net> {
        self.sides().map(|(_, address)| address.trunc())
    }
}

fn check(input: &ChainInput) -> Result<(), PlanError> {
    if input.hops.is_empty() {
        return Err(PlanError::NoHops);
    }
    let mut names = BTreeSet::new();
    if let Some(hop) = input.hops.iter().find(|hop| !names.insert(hop.name.as_str())) {
        return Err(PlanError::DuplicateHop { name: hop.name.clone() });
    }
    for (field, network, suggestion) in
        [("gateway.cidr", input.gateway, "10.200.7.0/24"), ("links.cidr", input.links, "198.18.255.0/24")]
    {
        let address = network.network();
        let usable = !address.is_loopback() && !address.is_multicast() && !address.is_link_local();
        if !usable || address.octets()[0] == 0 || address.octets()[0] >= 240 {
            return Err(PlanError::Unusable { field, network, suggestion });
        }
    }
    if input.gateway.prefix_len() > 27 {
        return Err(PlanError::GatewayTooSmall { gateway: input.gateway });
    }
    if input.gateway.contains(&input.links.network()) || input.links.contains(&input.gateway.network()) {
        return Err(PlanError::Overlap { gateway: input.gateway, links: input.links });
    }
    Ok(())
}

fn links(input: &ChainInput) -> Result<Vec<LinkNetwork>, PlanError> {
    let needed = input.hops.len() - 1;
    let room = LINK_PREFIX.checked_sub(input.links.prefix_len()).map_or(0, |bits| 1u64 << bits);
    if needed as u64 > room {
        return Err(PlanError::TooManyHops { links: input.links, room, hops: input.hops.len(), needed });
    }
    let base = u32::from(input.links.network());
    Ok((0..needed)
        .zip((base..).step_by(4))
        .map(|(index, base)| {
            let at = |offset| Ipv4Net::new_assert(Ipv4Addr::from(base + offset), LINK_PREFIX);
            LinkNetwork { index, subnet: at(0), inner_hop: at(1), outer_hop: at(2) }
        })
        .collect())
}

fn mtus(input: &ChainInput) -> Result<Vec<u16>, PlanError> {
    let mut outer = i32::from(input.mtu);
    input
        .hops
        .iter()
        .map(|hop| {
            outer = tunnel_mtu(outer, hop.implementation, hop.transport);
            u16::try_from(outer).ok().filter(|mtu| *mtu >= MINIMUM_MTU).ok_or_else(|| PlanError::MtuTooSmall {
                hop: hop.name.clone(),
                mtu: outer,
                minimum: MINIMUM_MTU,
                base: input.mtu,
            })
        })
        .collect()
}

fn with_prefix(address: Ipv4Addr, network: Ipv4Net) -> Ipv4Net {
    Ipv4Net::new_assert(address, network.prefix_len())
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
