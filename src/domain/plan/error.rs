//! Why a network plan is impossible, in sentences that name the remedy.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use thiserror::Error;

/// A chain or hop whose network cannot be built.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// There is nothing to plan.
    #[error("a chain needs at least one hop: add one to spec.hops")]
    NoHops,
    /// Two hops share a name.
    #[error("two hops are named \"{name}\": give each hop its own name")]
    DuplicateHop {
        /// The name.
        name: String,
    },
    /// The gateway network and the links overlap.
    #[error(
        "gateway.cidr {gateway} overlaps links.cidr {links}: choose another gateway.cidr, or set links.cidr to a range that nothing else uses"
    )]
    Overlap {
        /// The gateway network.
        gateway: Ipv4Net,
        /// The links' network.
        links: Ipv4Net,
    },
    /// A network that no hop or application can use.
    #[error("{field} {network} cannot be used inside a pod: choose a private range such as {suggestion}")]
    Unusable {
        /// Which field of the chain.
        field: &'static str,
        /// The network.
        network: Ipv4Net,
        /// A range that would do.
        suggestion: &'static str,
    },
    /// The gateway network has no room for applications.
    #[error(
        "gateway.cidr {gateway} is too small: applications get addresses from .16 on, so it needs a prefix of /27 or shorter"
    )]
    GatewayTooSmall {
        /// The gateway network.
        gateway: Ipv4Net,
    },
    /// More links than `links.cidr` has /30 networks.
    #[error(
        "links.cidr {links} has room for {room} links and {hops} hops need {needed}: use a shorter prefix or fewer hops"
    )]
    TooManyHops {
        /// The links' network.
        links: Ipv4Net,
        /// How many /30 networks fit.
        room: u64,
        /// How many hops there are.
        hops: usize,
        /// How many links they need.
        needed: usize,
    },
    /// The tunnels' overhead leaves too little.
    #[error(
        "hop \"{hop}\" would have an MTU of {mtu} bytes and {minimum} is the least: use fewer hops, a larger mtu than {base} if the cluster network allows it, or transport UDP where candidates allow it"
    )]
    MtuTooSmall {
        /// The first hop whose MTU is too small.
        hop: String,
        /// Its MTU in bytes.
        mtu: i32,
        /// The least MTU in bytes.
        minimum: u16,
        /// The chain's `mtu` in bytes.
        base: u16,
    },
    /// A WireGuard hop's candidate gives no address.
    #[error("candidate \"{candidate}\" gives no tunnel address: add Address = … to its [Interface]")]
    NoTunnelAddress {
        /// The candidate.
        candidate: String,
    },
    /// The tunnel's address is one of the hop's own networks.
    #[error(
        "candidate \"{candidate}\" gives the tunnel address {address}, which lies in this hop's own network {network}: set links.cidr or gateway.cidr to a range that the VPN provider does not use"
    )]
    TunnelAddressClash {
        /// The candidate.
        candidate: String,
        /// The tunnel's address.
        address: Ipv4Addr,
        /// The hop's network that it lies in.
        network: Ipv4Net,
    },
    /// A VPN server whose address is one of the hop's own networks.
    #[error(
        "candidate \"{candidate}\" names the server {address}, which lies in this hop's own network {network}: set links.cidr or gateway.cidr to another range"
    )]
    EndpointClash {
        /// The candidate.
        candidate: String,
        /// The server's address.
        address: Ipv4Addr,
        /// The hop's network that it lies in.
        network: Ipv4Net,
    },
    /// A hop without a server.
    #[error("candidate \"{candidate}\" names no server: a hop needs at least one endpoint")]
    NoEndpoint {
        /// The candidate.
        candidate: String,
    },
}
