//! Labels, annotations and field managers: the strings by which parts of Hopkeeper find each other's objects.

/// On every object of a chain: the chain's name.
pub const CHAIN: &str = "hopkeeper.io/chain";
/// On every object of a hop: the hop's name.
pub const HOP: &str = "hopkeeper.io/hop";
/// On a hop's pods: which program runs in `vpn`.
pub const IMPLEMENTATION: &str = "hopkeeper.io/implementation";
/// On a hop's Secret: the candidate in use.
pub const CANDIDATE: &str = "hopkeeper.io/candidate";
/// On a hop's Secret: that candidate's version.
pub const VERSION: &str = "hopkeeper.io/version";
/// On an application's pod: the chain whose gateway it uses. The chain's NetworkPolicy then shuts its cluster network.
pub const GATEWAY: &str = "hopkeeper.io/gateway";
/// On a hop's Secret: when the candidate in use was written (RFC 3339). Older lines are stale.
pub const APPLIED_AT: &str = "hopkeeper.io/applied-at";
/// On a hop's Secret: bumped to have the client reload the same candidate.
pub const REVISION: &str = "hopkeeper.io/revision";
/// On a hop's Secret and pod template: bumped to have the pod made anew.
pub const RECREATE: &str = "hopkeeper.io/recreate";
/// On a hop's pod: touched after the Secret changed, so that the kubelet refreshes the mounted file at once.
pub const NUDGE: &str = "hopkeeper.io/parameters";
/// On a chain, followed by a hop's name: a person's order to leave the candidate that the value names (`name@version`).
pub const ROTATE: &str = "rotate.hopkeeper.io/";
/// The field manager of every server-side apply.
pub const FIELD_MANAGER: &str = "hopkeeper";
/// The finalizer on a chain.
pub const FINALIZER: &str = "hopkeeper.io/teardown";
/// On a pod template: the tunnel's MTU in bytes.
pub const MTU: &str = "hopkeeper.io/mtu";
/// On the template of a pod whose links are no bridges: what they are. Another kind of link needs a new pod.
pub const LINKS: &str = "hopkeeper.io/links";
/// On a pod whose hop has a node of its own: `Spread`.
pub const PLACEMENT: &str = "hopkeeper.io/placement";
/// Multus reads which networks a pod joins from here.
pub const NETWORKS: &str = "k8s.v1.cni.cncf.io/networks";
