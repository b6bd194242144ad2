//! One Deployment per hop: `net` sets the namespace up and keeps it, `health` watches, `vpn` has no right at all.
//!
//! The template does not depend on the candidate, so that a rotation in place does not make a new pod.

use std::collections::BTreeMap;
use std::iter;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, ExecAction, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
    ResourceRequirements, SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde_json::json;

use super::network_attachment::Network;
use super::{Images, PodSettings, ValidChain, labels, metadata, object_name};
use crate::controller::validate::Medium;
use crate::crd::names;
use crate::domain::plan::{
    ClientProcess, HEALTH_DIR, HopNetwork, INNER_INTERFACE, OUTER_INTERFACE, PLAN_FILE, SECRET_DIR, client_process,
};
use crate::domain::types::Implementation;

mod placement;
mod tun;
mod volumes;

/// The user of `vpn` and `health`: nobody.
const NOBODY: i64 = 65534;

/// The Deployment of one hop.
#[must_use]
pub fn hop_deployment(chain: &ValidChain<'_>, network: &HopNetwork, recreate: u64, pods: &PodSettings) -> Deployment {
    let hop = network.name.as_str();
    let selector = labels(&chain.name(), Some(hop));
    let mut pod_labels = selector.clone();
    pod_labels.insert(names::IMPLEMENTATION.into(), format!("{:?}", network.implementation));
    pod_labels.extend(placement::label(chain));
    let mut annotations = BTreeMap::from([
        (names::NETWORKS.into(), networks(chain, network)),
        (names::RECREATE.into(), recreate.to_string()),
        // boringtun reads the MTU only at its start: a change of the chain's MTUs needs a new pod.
        (names::MTU.into(), network.tun_mtu.to_string()),
        ("kubectl.kubernetes.io/default-container".into(), "vpn".into()),
    ]);
    annotations.extend(medium(chain).map(|medium| (names::LINKS.into(), medium)));
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(pod_labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(chain, network, pods)),
    };
    let spec = DeploymentSpec {
        replicas: Some(1),
        // Two pods of a hop would fight for its addresses and its session.
        strategy: Some(DeploymentStrategy { type_: Some("Recreate".into()), rolling_update: None }),
        selector: LabelSelector { match_labels: Some(selector), ..LabelSelector::default() },
        revision_history_limit: Some(1),
        template,
        ..DeploymentSpec::default()
    };
    Deployment { metadata: metadata(chain, hop, Some(hop)), spec: Some(spec), status: None }
}

/// Multus' annotation: which networks, under which interface names. An interface that had its addresses from the beginning would
/// take packets before there is a kill switch: `net init` gives them.
fn networks(chain: &ValidChain<'_>, network: &HopNetwork) -> String {
    let attach = |suffix: &str, interface: &str| {
        let name = object_name(&chain.name(), suffix);
        json!({"name": name, "namespace": chain.namespace, "interface": interface})
    };
    let inner = if network.inner.is_gateway { Network::Gateway } else { Network::Link(network.index) };
    let outer = network.outer.as_ref().map(|_| (Network::Link(network.index - 1), OUTER_INTERFACE));
    let mut wanted = Vec::new();
    for (network, interface) in iter::once((inner, INNER_INTERFACE)).chain(outer) {
        // The port comes first: it makes the bridge.
        wanted.extend(network.port_suffix(chain).map(|port| attach(&port, &format!("{interface}port"))));
        wanted.push(attach(&network.suffix(), interface));
    }
    json!(wanted).to_string()
}

fn pod(chain: &ValidChain<'_>, network: &HopNetwork, pods: &PodSettings) -> PodSpec {
    let images = &pods.images;
    let client = client_process(network.implementation);
    let mut containers = vec![net(images, network, "net", "run", &chain.policy), health(images)];
    containers.extend(client.map(|client| vpn(images, network, client)));
    let mut pod = PodSpec {
        init_containers: Some(vec![net(images, network, "net-init", "init", &chain.policy)]),
        containers,
        volumes: Some(volumes::of_hop(chain, &network.name)),
        affinity: Some(placement::affinity(chain)),
        security_context: Some(PodSecurityContext {
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        // Every container leaves at once on SIGTERM.
        termination_grace_period_seconds: Some(2),
        ..PodSpec::default()
    };
    tun::give(&mut pod, &pods.tun);
    pod
}

/// What the links are, where they are no bridges.
fn medium(chain: &ValidChain<'_>) -> Option<String> {
    match &chain.medium {
        Medium::Bridge => None,
        Medium::Macvlan { master } => Some(format!("macvlan {master}")),
    }
}

fn net(
    images: &Images,
    network: &HopNetwork,
    name: &str,
    verb: &str,
    policy: &crate::domain::view::Policy,
) -> Container {
    let mut args: Vec<String> = ["hop", "net", verb, "--plan"]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("{SECRET_DIR}/{PLAN_FILE}")])
        .collect();
    if verb == "run" && !policy.in_place {
        args.push("--no-reload".to_owned());
    }
    Container {
        name: name.into(),
        image: Some(images.hopkeeper.clone()),
        command: Some(vec!["hopkeeper".into()]),
        args: Some(args),
        security_context: Some(rights(0, true)),
        volume_mounts: Some(volumes::mounts(network.implementation, name)),
        resources: Some(resources("64Mi")),
        ..Container::default()
    }
}

/// The container that writes health lines, at least one every 5 s.
pub const HEALTH: &str = "health";

fn health(images: &Images) -> Container {
    let script = |name: &str| Some(vec!["sh".to_owned(), format!("{HEALTH_DIR}/{name}")]);
    Container {
        name: HEALTH.into(),
        image: Some(images.health.clone()),
        command: script("health.sh"),
        security_context: Some(rights(NOBODY, false)),
        volume_mounts: Some(volumes::mounts(Implementation::OpenVpn, HEALTH)),
        resources: Some(resources("32Mi")),
        readiness_probe: Some(Probe {
            exec: Some(ExecAction { command: script("ready.sh") }),
            period_seconds: Some(1),
            // One failure counts: after a change of parameters `net` holds readiness back for just 2 s.
            failure_threshold: Some(1),
            timeout_seconds: Some(2),
            ..Probe::default()
        }),
        ..Container::default()
    }
}

fn vpn(images: &Images, network: &HopNetwork, client: ClientProcess) -> Container {
    let image = match network.implementation {
        Implementation::OpenVpn => &images.openvpn,
        Implementation::BoringTun => &images.boringtun,
        Implementation::WireGuardGo | Implementation::Kernel => &images.wireguard_go,
    };
    let env = client.env.into_iter().map(|(name, value)| EnvVar { name, value: Some(value), value_from: None });
    Container {
        name: "vpn".into(),
        image: Some(image.clone()),
        command: Some(client.command),
        env: Some(env.collect()),
        security_context: Some(rights(client.uid.into(), client.net_admin)),
        volume_mounts: Some(volumes::mounts(network.implementation, "vpn")),
        resources: Some(resources("128Mi")),
        ..Container::default()
    }
}

/// What a container may do: nothing, or NET_ADMIN alone.
pub(super) fn rights(uid: i64, net_admin: bool) -> SecurityContext {
    SecurityContext {
        run_as_user: Some(uid),
        run_as_group: Some(uid),
        run_as_non_root: Some(uid != 0),
        read_only_root_filesystem: Some(true),
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".into()]),
            add: net_admin.then(|| vec!["NET_ADMIN".into()]),
        }),
        ..SecurityContext::default()
    }
}

fn resources(memory: &str) -> ResourceRequirements {
    let of = |pairs: &[(&str, &str)]| {
        Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), Quantity((*value).to_owned()))).collect())
    };
    ResourceRequirements {
        requests: of(&[("cpu", "10m"), ("memory", "16Mi")]),
        limits: of(&[("memory", memory)]),
        claims: None,
    }
}
