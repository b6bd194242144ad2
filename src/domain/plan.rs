//! The network plan of a chain and of each hop: addresses, MTU, firewall, the commands that build it.
//!
//! Pure: it renders scripts and command lines, and leaves running them to `hop`. How the numbers and the order of
//! commands came about is told in `docs/` and in the comments of each renderer.

mod chain;
mod client;
mod commands;
mod error;
mod firewall;
mod hop;
pub mod mtu;
mod vxlan;

pub use chain::{ChainInput, ChainPlan, HopInput, HopNetwork, InnerSide, LinkNetwork, OuterSide};
pub use client::{ClientProcess, client_process};
pub use commands::{
    TunnelDevice, address_commands, close_endpoint_commands, hardware_address_command, init_commands,
    open_endpoint_commands,
};
pub use error::PlanError;
pub use firewall::firewall;
pub use hop::{EndpointAddress, HopPlan, Protocol, plan_id};
pub use vxlan::{Vxlan, destinations as vxlan_destinations, nodes as vxlan_nodes};

/// The interface towards the inner side: the next hop, or the gateway network.
pub const INNER_INTERFACE: &str = "in0";
/// The interface towards the next outer hop; the entry hop has none.
pub const OUTER_INTERFACE: &str = "out0";
/// The cluster network's interface.
pub const CLUSTER_INTERFACE: &str = "eth0";
/// The tunnel's interface.
pub const TUNNEL_INTERFACE: &str = "tun0";

/// Where the hop's Secret is mounted.
pub const SECRET_DIR: &str = "/etc/hopkeeper/hop";
/// Where the health scripts are mounted.
pub const HEALTH_DIR: &str = "/etc/hopkeeper/health";
/// The directory that a hop's containers share.
pub const SHARED_DIR: &str = "/run/hopkeeper";
/// Where WireGuard programs put their control sockets.
pub const UAPI_DIR: &str = "/var/run/wireguard";
/// The plan, a file in [`SECRET_DIR`].
pub const PLAN_FILE: &str = "hop.json";
/// The client's configuration, a file in [`SECRET_DIR`].
pub const CONFIG_FILE: &str = "client.conf";
/// OpenVPN's management socket, in [`SHARED_DIR`].
pub const MANAGEMENT_SOCKET: &str = "mgmt";
/// The state that `net` writes and the health scripts read, in [`SHARED_DIR`].
pub const STATE_FILE: &str = "state";

/// The address that a proof-of-life packet is sent to: TEST-NET-1, and its TTL of 1 ends at the VPN server.
pub const PROBE_ADDRESS: std::net::Ipv4Addr = std::net::Ipv4Addr::new(192, 0, 2, 1);
/// The proof-of-life packet's UDP port.
pub const PROBE_PORT: u16 = 33434;

/// The mark on packets that the kernel's own WireGuard sends: they carry no user id.
pub const KERNEL_MARK: u32 = 0x686f_7065;
