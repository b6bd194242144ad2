//! `VpnChain`: an ordered list of hops, and how to keep them working.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::plan::mtu::DEFAULT_BASE_MTU;
use crate::domain::types::{ClientKind, Implementation, Transport};
pub use network::{Gateway, LinkType, Links, Placement, VXLAN_DEVICE};

mod network;

/// The most hops of a chain.
pub const MAX_HOPS: usize = 15;

/// A chain of VPN hops. `kubectl explain vpnchain.spec` shows every field.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "hopkeeper.io",
    version = "v1alpha1",
    kind = "VpnChain",
    namespaced,
    status = "VpnChainStatus",
    derive = "PartialEq",
    shortname = "chain",
    category = "hopkeeper",
    doc = "An ordered chain of VPN hops: entry (outermost tunnel) first, exit last.",
    validation = Rule::new("size(self.metadata.name) <= 32 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("a chain's name has at most 32 characters: lower-case letters, digits and '-', starting with a letter, since it becomes part of its pods' names"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Hops", type_ = "string", json_path = ".status.hopsUp", description = "hops that carry traffic, of all"),
    printcolumn(name = "Incidents", type_ = "integer", json_path = ".status.openIncidents", description = "open incidents"),
    printcolumn(name = "Last recovery", type_ = "date", json_path = ".status.lastRecovery"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("size(self.hops) >= 1")
        .message("a chain needs at least one hop: list the entry hop first, the exit hop last").field_path(".hops"),
    validation = Rule::new("self.hops.all(h, self.hops.exists_one(o, o.name == h.name))")
        .message("every hop needs a name of its own within the chain: two hops share one").field_path(".hops"),
    validation = Rule::new("!isCIDR(self.gateway.cidr) || !isCIDR(self.links.cidr) || !cidr(self.gateway.cidr).containsCIDR(cidr(self.links.cidr)) && !cidr(self.links.cidr).containsCIDR(cidr(self.gateway.cidr))")
        .message("gateway.cidr and links.cidr overlap: choose another range for one of them").field_path(".gateway.cidr"),
    validation = Rule::new("self.placement != 'Spread' || self.links.type != 'bridge'")
        .message("placement Spread puts the hops on different nodes, and a link of type bridge stays on one: set links.type to macvlan or vxlan, or placement to SameNode").field_path(".placement"),
)]
pub struct VpnChainSpec {
    /// The hops in the order in which traffic meets the VPN servers: entry (outermost tunnel) first, exit last.
    #[serde(default)]
    #[schemars(length(max = MAX_HOPS))]
    pub hops: Vec<HopSpec>,
    /// The network that applications attach to.
    pub gateway: Gateway,
    /// The links between neighbouring hops.
    #[serde(default)]
    pub links: Links,
    /// On which nodes the hops run. `Spread` needs a type of links that crosses nodes, and as many nodes as there are hops.
    #[serde(default)]
    pub placement: Placement,
    /// MTU of the cluster network, that is of a pod's `eth0`, in bytes: 1500 plain, 1480 IP-in-IP, 1450 VXLAN.
    /// Every tunnel's MTU follows from it. The entry hop refuses to start where `eth0` is smaller.
    #[serde(default = "default_mtu")]
    #[schemars(range(min = 1000, max = 9000))]
    pub mtu: u16,
    /// What to do about a hop that does not connect.
    #[serde(default)]
    pub recovery: Recovery,
    /// Stops all repairs: incidents are still recorded.
    #[serde(default)]
    pub paused: bool,
}

fn default_mtu() -> u16 {
    DEFAULT_BASE_MTU
}

/// One VPN client and its own network namespace (a pod).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.client == 'WireGuard' || !has(self.wireGuard)")
        .message("wireGuard is set on a hop whose client is OpenVPN: remove it, or set client: WireGuard"),
    validation = Rule::new("self.client == 'OpenVPN' || !has(self.openVPN)")
        .message("openVPN is set on a hop whose client is WireGuard: remove it, or set client: OpenVPN"),
)]
pub struct HopSpec {
    /// The hop's name within the chain.
    #[schemars(length(max = 63))]
    #[x_kube(
        validation = Rule::new("size(self) <= 16 && self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
            .message("a hop's name has at most 16 characters: lower-case letters, digits and '-', starting with a letter"),
        validation = Rule::new("self != 'applications' && !self.endsWith('-applications')")
            .message("a hop cannot be called applications, nor anything that ends in -applications: its NetworkPolicy would have the name of the one for a chain's applications; call it otherwise"),
    )]
    pub name: String,
    /// The VPN protocol.
    pub client: ClientKind,
    /// OpenVPN only.
    #[serde(default, rename = "openVPN", skip_serializing_if = "Option::is_none")]
    pub open_vpn: Option<OpenVpnOptions>,
    /// WireGuard only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_guard: Option<WireGuardOptions>,
    /// Where this hop's candidates come from.
    pub parameters: Parameters,
}

impl HopSpec {
    /// The program that runs in the hop's `vpn` container.
    #[must_use]
    pub fn implementation(&self) -> Implementation {
        match (self.client, self.wire_guard.as_ref().map(|w| w.implementation)) {
            (ClientKind::OpenVPN, _) => Implementation::OpenVpn,
            (ClientKind::WireGuard, None | Some(WireGuardImplementation::BoringTun)) => Implementation::BoringTun,
            (ClientKind::WireGuard, Some(WireGuardImplementation::WireGuardGo)) => Implementation::WireGuardGo,
            (ClientKind::WireGuard, Some(WireGuardImplementation::Kernel)) => Implementation::Kernel,
        }
    }

    /// The transports that the hop's candidates may use (WireGuard: always UDP).
    #[must_use]
    pub fn transport(&self) -> Transport {
        match self.client {
            ClientKind::OpenVPN => self.open_vpn.as_ref().map(|o| o.transport).unwrap_or_default(),
            ClientKind::WireGuard => Transport::UDP,
        }
    }
}

/// OpenVPN options.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OpenVpnOptions {
    /// Which transports the candidates may use; `Any` sizes the MTU for TCP, the larger overhead.
    #[serde(default)]
    pub transport: Transport,
}

/// WireGuard options.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WireGuardOptions {
    /// Which program speaks WireGuard. BoringTun needs no capability at all; the others need NET_ADMIN.
    #[serde(default)]
    pub implementation: WireGuardImplementation,
}

/// The WireGuard programs.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WireGuardImplementation {
    /// boringtun, in user space and without any capability.
    #[default]
    BoringTun,
    /// wireguard-go, with NET_ADMIN.
    WireGuardGo,
    /// The kernel's, with NET_ADMIN.
    Kernel,
}

/// A pool of candidates: exactly one of its fields is set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.vault) != has(self.secretRef)")
    .message("a hop takes its parameters from exactly one place: set either vault or secretRef"))]
pub struct Parameters {
    /// Vault KV version 2: every key under the path is one candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultPath>,
    /// A Secret in the chain's namespace: every key is one candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretName>,
}

/// A path in a KV version 2 mount.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct VaultPath {
    /// The mount, for example `secret`.
    #[schemars(length(min = 1, max = 128))]
    pub mount: String,
    /// The path under which every key is one candidate, for example `vpn/entry`.
    #[schemars(length(min = 1, max = 512))]
    pub path: String,
}

/// A Secret by name.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretName {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What to do about a hop that does not connect, and how often at most.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// The steps to try, in order. Without `InPlace`, a change of parameters always makes the pod anew.
    #[serde(default = "default_ladder")]
    #[schemars(length(min = 1, max = 3))]
    #[x_kube(validation = Rule::new("self.all(s, self.exists_one(o, o == s))").message("a rung of recovery.ladder is listed twice"))]
    pub ladder: Vec<Rung>,
    /// How long a step has to bring the tunnel up before the next one is tried, for example `60s`.
    #[serde(default = "default_verify")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(ms|s|m|h))+$') && duration(self) >= duration('5s') && duration(self) <= duration('1h')")
        .message("recovery.verifyWithin must be a duration between 5s and 1h, for example 60s"))]
    pub verify_within: String,
    /// The shortest time between two incidents' repairs of the same hop, for example `30s`.
    #[serde(default = "default_cooldown")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(ms|s|m|h))+$') && duration(self) <= duration('24h')")
        .message("recovery.cooldown must be a duration of at most 24h, for example 30s"))]
    pub cooldown: String,
    /// The most repairs of one hop.
    #[serde(default)]
    pub budget: Budget,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            ladder: default_ladder(),
            verify_within: default_verify(),
            cooldown: default_cooldown(),
            budget: Budget::default(),
        }
    }
}

fn default_ladder() -> Vec<Rung> {
    vec![Rung::InPlace, Rung::Recreate, Rung::NextCandidate]
}
fn default_verify() -> String {
    "60s".to_owned()
}
fn default_cooldown() -> String {
    "30s".to_owned()
}

/// A rung of the recovery ladder.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// Reload or rotate inside the running pod.
    InPlace,
    /// Make the pod anew.
    Recreate,
    /// Take the next candidate and begin again.
    NextCandidate,
}

/// The most actions on one hop within a time.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// How many actions.
    #[serde(default = "default_actions")]
    #[schemars(range(min = 1, max = 1000))]
    pub actions: u32,
    /// Within how long, for example `1h`.
    #[serde(default = "default_per")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(ms|s|m|h))+$') && duration(self) >= duration('10s') && duration(self) <= duration('168h')")
        .message("recovery.budget.per must be a duration between 10s and 168h, for example 1h"))]
    pub per: String,
}

impl Default for Budget {
    fn default() -> Self {
        Self { actions: default_actions(), per: default_per() }
    }
}

fn default_actions() -> u32 {
    6
}
fn default_per() -> String {
    "1h".to_owned()
}

/// What the operator last saw of a chain.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct VpnChainStatus {
    /// The generation of the spec that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The chain as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<ChainPhase>,
    /// Hops that carry traffic, of all: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hops_up: Option<String>,
    /// One entry a hop, entry first.
    #[serde(default)]
    pub hops: Vec<HopStatus>,
    /// Open incidents.
    #[serde(default)]
    pub open_incidents: i64,
    /// When an incident of this chain last ended in a working hop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_recovery: Option<Time>,
    /// The chain's state in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `Ready`, `ParametersAvailable`, `Reconciled`, `RulesLoaded`, `LogsHeard`; `RotationObeyed` about the last rotation that a person ordered.
    #[serde(default)]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// Nodes that hold links of the chain; its deletion removes them there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Candidates that were skipped because they cannot be used, and why: pool key → reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped_candidates: BTreeMap<String, String>,
}

/// Conditions are a map by type, so that two writers of different types do not undo each other.
pub(super) fn conditions(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let items = generator.subschema_for::<Condition>();
    schemars::json_schema!({
        "type": "array", "items": items,
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
    })
}

/// The chain as a whole.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainPhase {
    /// The spec cannot be carried out; a condition says why.
    Invalid,
    /// Some hop has never been up.
    Connecting,
    /// Every hop carries traffic.
    Up,
    /// Some hop does not, and nothing is being done yet.
    Degraded,
    /// A hop is being repaired.
    Recovering,
    /// Something needs a person.
    Held,
    /// Repairs are switched off by `spec.paused`.
    Paused,
}

impl ChainPhase {
    /// Every phase.
    pub const ALL: [Self; 7] =
        [Self::Invalid, Self::Connecting, Self::Up, Self::Degraded, Self::Recovering, Self::Held, Self::Paused];
}

/// One hop, as the operator last saw it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HopStatus {
    /// The hop's name.
    pub name: String,
    /// Its state.
    pub state: HopState,
    /// The candidate in use: `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<String>,
    /// Its pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Whether the pod is Ready: its own probe sees the tunnel carry traffic, whatever its log says.
    #[serde(default)]
    pub ready: bool,
    /// When the pod's readiness last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// For a held hop: the outer hop at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Candidates of its pool that a rotation could take: not in use, not failed lately, not known to be unusable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates_left: Option<u32>,
}

impl HopStatus {
    /// Whether it carries traffic: of a hop that is not heard, Kubernetes still knows.
    #[must_use]
    pub fn carries_traffic(&self) -> bool {
        self.state == HopState::Up || self.state == HopState::Unknown && self.ready
    }
}

/// A hop's state.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum HopState {
    /// Not up yet.
    Connecting,
    /// Its tunnel carries traffic.
    Up,
    /// Not Ready, cause not known yet.
    Suspect,
    /// Being repaired.
    Recovering,
    /// Waits for an outer hop, or for a person.
    Held,
    /// It has no pod and no parameters, or its pod runs but no log line of it comes: what its client meets is not known.
    Unknown,
}

impl HopState {
    /// Every state.
    pub const ALL: [Self; 6] = [Self::Connecting, Self::Up, Self::Suspect, Self::Recovering, Self::Held, Self::Unknown];
}
