//! What runs inside a hop's namespace, beside the VPN client: set-up of the network, and the sidecar that keeps it.
//!
//! `init` builds the namespace once; `run` follows the client and the mounted parameters for ever. Both do what
//! [`crate::domain::plan`] renders and decide nothing about chains. The client itself, which parses what a stranger
//! sends, has no capability; this has NET_ADMIN and nothing else.

mod command;
mod health;
mod init;
mod interface;
mod mount;
mod network;
mod openvpn;
mod probe;
mod run;
mod state_file;
mod sweep;
mod system;
mod vxlan;
mod wireguard;

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::domain::plan;
pub use init::init;
pub use run::run;
pub use sweep::sweep;
pub use vxlan::keep_vxlan;

/// Where a hop's parts find each other; the default is the layout of a hop's pod.
#[derive(Clone, Debug)]
pub struct Paths {
    /// `hop.json`; `client.conf` and `auth` lie beside it.
    pub plan: PathBuf,
    /// The directory that the hop's containers share.
    pub shared: PathBuf,
    /// The directory of WireGuard's control sockets.
    pub uapi: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            plan: Path::new(plan::SECRET_DIR).join(plan::PLAN_FILE),
            shared: plan::SHARED_DIR.into(),
            uapi: plan::UAPI_DIR.into(),
        }
    }
}

/// What stops a hop's `net`.
#[derive(Debug, Error)]
pub enum HopError {
    /// A mounted file cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// `hop.json` is not a plan.
    #[error("failed to understand {path}: is it of this version of hopkeeper?")]
    Plan {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// A program cannot be started.
    #[error("failed to run {program}: is it part of the image?")]
    Spawn {
        /// The program.
        program: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A program failed.
    #[error("failed to run \"{command}\": {output}")]
    Command {
        /// The command line.
        command: String,
        /// What it wrote to stderr.
        output: String,
    },
    /// The entry hop's packets would not fit.
    #[error(
        "eth0 has an MTU of {actual} bytes and the chain counts on {expected}: set the chain's mtu to {actual} or less"
    )]
    BaseMtu {
        /// The interface's MTU in bytes.
        actual: u16,
        /// The plan's in bytes.
        expected: u16,
    },
    /// A link's packets would not fit.
    #[error(
        "{name} has an MTU of {actual} bytes and its link carries packets of up to {expected}: raise the MTU of links.master on the nodes, or lower the chain's mtu"
    )]
    LinkMtu {
        /// The link's interface.
        name: &'static str,
        /// The interface's MTU in bytes.
        actual: u16,
        /// What the plan needs in bytes.
        expected: u16,
    },
    /// An interface is missing.
    #[error("the pod has no interface {name}: is its NetworkAttachmentDefinition attached, and Multus running?")]
    Interface {
        /// The interface.
        name: &'static str,
    },
    /// A list of nodes holds something else.
    #[error("{path} has the line {line:?}, which is no IPv4 address: it lists the nodes' addresses, one a line")]
    NodeAddress {
        /// The file.
        path: PathBuf,
        /// The line.
        line: String,
    },
    /// There is a device of that name with other settings.
    #[error(
        "the node has a device {device} already, but {difference}: when no link is on it any more, remove it (ip link delete {device})"
    )]
    OtherDevice {
        /// The device.
        device: String,
        /// How it differs.
        difference: String,
    },
    /// The pod forwards by interfaces that it should not.
    #[error(
        "IPv4 forwarding is on for every interface of this pod: the NetworkAttachmentDefinitions of its links must set net.ipv4.ip_forward=0 by the tuning plugin; when they do, delete this pod"
    )]
    AllForward,
    /// The kernel does not take a setting.
    #[error("the setting {setting} of the interface {name} cannot be switched on")]
    Setting {
        /// The interface.
        name: &'static str,
        /// The setting.
        setting: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The kernel lacks WireGuard.
    #[error("the node's kernel has no WireGuard: use wireGuard.implementation BoringTun, or load the module wireguard")]
    KernelWireGuard,
    /// The process cannot be hardened, or a signal handler cannot be set.
    #[error("failed to {what}")]
    Setup {
        /// What was tried.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
}

/// The scripts of the `health` container.
pub mod scripts {
    /// Prints the hop's state, again and again.
    pub const HEALTH: &str = include_str!("hop/health.sh");
    /// Exits with 0 while the hop is ready.
    pub const READY: &str = include_str!("hop/ready.sh");
}
