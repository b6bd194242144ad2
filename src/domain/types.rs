//! The vocabulary that every part shares: client kinds, verdicts, evidence, and the names of hops and candidates.
//!
//! Leaves the meaning of a rule to `rule`, and the shape of Kubernetes objects to `crd`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which VPN protocol a hop speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ClientKind {
    /// OpenVPN.
    OpenVPN,
    /// WireGuard, by one of its implementations.
    WireGuard,
}

/// The program that runs in a hop's `vpn` container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Implementation {
    /// `openvpn`, without any capability.
    OpenVpn,
    /// `boringtun-cli`: WireGuard in user space, without any capability.
    BoringTun,
    /// `wireguard-go`: needs NET_ADMIN.
    WireGuardGo,
    /// The kernel's WireGuard: needs NET_ADMIN.
    Kernel,
}

impl Implementation {
    /// The protocol that this program speaks.
    pub fn client(self) -> ClientKind {
        match self {
            Self::OpenVpn => ClientKind::OpenVPN,
            Self::BoringTun | Self::WireGuardGo | Self::Kernel => ClientKind::WireGuard,
        }
    }
}

/// Which transports the candidates of an OpenVPN hop may use; it sizes the MTU of every inner hop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Transport {
    /// Candidates may use either; the MTU fits the larger overhead (TCP).
    #[default]
    Any,
    /// Only `proto udp` candidates.
    UDP,
    /// Only `proto tcp` candidates.
    TCP,
}

/// What a rule says should be done about what a line proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// New parameters are needed.
    Rotate,
    /// The same parameters may work after a restart.
    Restart,
    /// Neither helps; a person must look.
    Alert,
    /// Known and harmless.
    Ignore,
    /// The tunnel works: resets the hop's windows.
    Recovered,
}

/// Whose fault a line proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// The hop's own server answered, or the fault is inside the pod.
    Own,
    /// This hop or any outer one.
    Path,
}

macro_rules! display_as_serialized {
    ($($t:ty { $($variant:ident => $text:literal),+ $(,)? })+) => {$(
        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $text),+ })
            }
        }
    )+};
}
display_as_serialized! {
    Verdict { Rotate => "rotate", Restart => "restart", Alert => "alert", Ignore => "ignore", Recovered => "recovered" }
    Evidence { Own => "own", Path => "path" }
    ClientKind { OpenVPN => "OpenVPN", WireGuard => "WireGuard" }
}

/// One hop of one chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HopId {
    /// The chain's namespace.
    pub namespace: String,
    /// The `VpnChain`'s name.
    pub chain: String,
    /// The hop's name within the chain.
    pub hop: String,
}

impl fmt::Display for HopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.chain, self.hop)
    }
}

/// Which set of parameters: its key in the pool and that key's version.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct CandidateRef {
    /// The key in the pool (Vault: the last part of the path).
    pub name: String,
    /// KV v2 version number, or the Secret's resourceVersion.
    pub version: String,
}

impl fmt::Display for CandidateRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}
