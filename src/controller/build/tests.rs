//! Golden manifests of the README's chain: what a change does to the cluster is read in the snapshots' difference.

use std::collections::{BTreeMap, BTreeSet};

use insta::assert_yaml_snapshot;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::*;
use crate::controller::build::secret::{Stamp, hop_secret};
use crate::controller::validate::{ValidChain, validate};
use crate::crd::VpnChain;
use crate::domain::candidate::Resolved;
use crate::domain::plan::{EndpointAddress, HopPlan, Protocol};
use crate::domain::types::CandidateRef;

fn images() -> Images {
    let image = |name: &str| format!("example/{name}:1");
    Images {
        hopkeeper: image("hopkeeper"),
        openvpn: image("openvpn"),
        boringtun: image("boringtun"),
        wireguard_go: image("wireguard-go"),
        health: image("health"),
    }
}

fn pods() -> PodSettings {
    PodSettings { images: images(), tun: TunDevice::HostPath }
}

fn berlin() -> VpnChain {
    let manifest: Value = serde_saphyr::from_str(include_str!("../../../examples/berlin.yaml")).unwrap();
    let mut chain = crate::manifest::check(&manifest).unwrap();
    chain.metadata.namespace = Some("demo".into());
    chain.metadata.uid = Some("11111111-2222-3333-4444-555555555555".into());
    chain
}

fn with_berlin(look: impl FnOnce(&ValidChain<'_>)) {
    let chain = berlin();
    look(&validate(&chain).unwrap());
}

/// The same with other links, by a manifest that the API server would take.
fn with_links(placement: &str, links: Value, look: impl FnOnce(&ValidChain<'_>)) {
    let mut manifest = serde_json::to_value(berlin()).unwrap();
    manifest["spec"]["placement"] = placement.into();
    manifest["spec"]["links"] = links;
    let chain = crate::manifest::check(&manifest).unwrap_or_else(|problems| panic!("{problems:?}"));
    look(&validate(&chain).unwrap());
}

fn server() -> EndpointAddress {
    EndpointAddress { ip: [198, 51, 100, 11].into(), port: 1194, protocol: Protocol::Udp }
}

#[test]
fn the_entry_hops_deployment() {
    with_berlin(|chain| {
        assert_yaml_snapshot!(deployment::hop_deployment(chain, &chain.plan.hops[0], 0, &pods()));
    });
}

#[test]
fn a_wireguard_hop_has_no_right_at_all_in_its_client() {
    with_berlin(|chain| {
        let pod =
            deployment::hop_deployment(chain, &chain.plan.hops[1], 0, &pods()).spec.unwrap().template.spec.unwrap();
        let vpn = pod.containers.iter().find(|c| c.name == "vpn").unwrap();
        assert_yaml_snapshot!(vpn);
    });
}

#[test]
fn only_net_has_a_capability_in_every_hop_of_the_chain() {
    with_berlin(|chain| {
        for network in &chain.plan.hops {
            let pod = deployment::hop_deployment(chain, network, 0, &pods()).spec.unwrap().template.spec.unwrap();
            for container in pod.containers.iter().chain(pod.init_containers.iter().flatten()) {
                let rights = container.security_context.as_ref().unwrap();
                let capabilities = rights.capabilities.as_ref().unwrap();
                assert_eq!(capabilities.drop.as_deref(), Some(&["ALL".to_owned()][..]), "{}", container.name);
                let expected = container.name.starts_with("net").then(|| vec!["NET_ADMIN".to_owned()]);
                assert_eq!(capabilities.add, expected, "{}", container.name);
                assert_eq!(rights.run_as_non_root, Some(expected.is_none()), "{}", container.name);
                assert_eq!(rights.read_only_root_filesystem, Some(true), "{}", container.name);
            }
        }
    });
}

#[test]
fn where_a_device_plugin_gives_the_tunnels_device_no_path_of_the_node_is_mounted() {
    let pods = PodSettings { images: images(), tun: TunDevice::Resource("hopkeeper.io/tun".into()) };
    with_berlin(|chain| {
        for network in &chain.plan.hops {
            let pod = deployment::hop_deployment(chain, network, 0, &pods).spec.unwrap().template.spec.unwrap();
            assert!(pod.volumes.iter().flatten().all(|volume| volume.host_path.is_none()));
            let containers = pod.init_containers.iter().flatten().chain(&pod.containers);
            let asks: BTreeMap<_, _> = containers
                .map(|container| {
                    assert!(container.volume_mounts.iter().flatten().all(|mount| mount.name != "tun"));
                    let limits = container.resources.as_ref().unwrap().limits.as_ref().unwrap();
                    assert!(limits.contains_key("memory"));
                    (container.name.as_str(), limits.get("hopkeeper.io/tun").map(|count| count.0.as_str()))
                })
                .collect();
            let expected = [("health", None), ("net", Some("1")), ("net-init", Some("1")), ("vpn", Some("1"))];
            assert_eq!(asks, expected.into());
        }
    });
}

#[test]
fn the_health_container_never_sees_the_parameters() {
    with_berlin(|chain| {
        let pod =
            deployment::hop_deployment(chain, &chain.plan.hops[0], 0, &pods()).spec.unwrap().template.spec.unwrap();
        let health = pod.containers.iter().find(|c| c.name == "health").unwrap();
        let mounted: Vec<&str> = health.volume_mounts.iter().flatten().map(|m| m.name.as_str()).collect();
        assert_eq!(mounted, ["shared", "plan", "scripts"]);
    });
}

#[test]
fn the_links_and_the_gateway_network() {
    with_berlin(|chain| {
        let all: BTreeMap<String, Value> = network_attachment::network_attachments(chain)
            .into_iter()
            .map(|n| (n.name_any(), serde_json::from_str(n.data["spec"]["config"].as_str().unwrap()).unwrap()))
            .collect();
        assert_yaml_snapshot!(all);
    });
}

#[test]
fn no_network_of_one_chain_is_another_chains() {
    let names = |name: &str| -> BTreeSet<String> {
        let mut chain = berlin();
        chain.metadata.name = Some(name.into());
        network_attachment::network_attachments(&validate(&chain).unwrap()).iter().map(ResourceExt::name_any).collect()
    };
    for other in ["exit", "gateway", "link", "link-0", "port", "exit-gateway", "gateway-exit"] {
        let (one, other) = (names("berlin"), names(&format!("berlin-{other}")));
        assert!(one.is_disjoint(&other), "{one:?} {other:?}");
    }
}

/// What crosses a bridge from port to port is shown to the node's iptables.
#[test]
fn nothing_is_sent_by_a_port_of_a_bridge() {
    with_berlin(|chain| {
        let kind = |name: &str| {
            let all = network_attachment::network_attachments(chain);
            let network = all.iter().find(|network| network.name_any() == name).unwrap();
            let config: Value = serde_json::from_str(network.data["spec"]["config"].as_str().unwrap()).unwrap();
            config["plugins"][0]["type"].as_str().unwrap().to_owned()
        };
        assert_eq!(kind("berlin-gateway"), "macvlan", "the applications'");
        for hop in &chain.plan.hops {
            let template = deployment::hop_deployment(chain, hop, 0, &pods()).spec.unwrap().template;
            let asked = &template.metadata.unwrap().annotations.unwrap()[names::NETWORKS];
            let asked: Vec<Value> = serde_json::from_str(asked).unwrap();
            let mut made = false;
            for network in &asked {
                let interface = network["interface"].as_str().unwrap();
                let is_port = kind(network["name"].as_str().unwrap()) == "bridge";
                assert!(!is_port || interface.ends_with("port"), "{network}");
                assert!(is_port || made, "its bridge comes first: {asked:?}");
                made = is_port;
            }
        }
    });
}

/// A pod forwards what its node does when it begins, and its kill switch comes with its first container.
#[test]
fn nobody_can_send_to_a_hop_before_its_kill_switch() {
    with_berlin(|chain| {
        for definition in network_attachment::network_attachments(chain) {
            let config: Value = serde_json::from_str(definition.data["spec"]["config"].as_str().unwrap()).unwrap();
            let is_hops = definition.name_any() != "berlin-gateway";
            let interface = &config["plugins"][0];
            assert_eq!(interface["ipam"].is_null() && interface["capabilities"].is_null(), is_hops, "{config}");
            let sysctls = &config["plugins"][1]["sysctl"];
            assert_eq!(sysctls["net.ipv4.ip_forward"] == "0", is_hops, "{config}");
            let routes_stay = "net.ipv4.conf.IFNAME.ignore_routes_with_linkdown";
            assert_eq!(sysctls[routes_stay] == "0", !is_hops, "{config}");
        }
        for hop in &chain.plan.hops {
            let template = deployment::hop_deployment(chain, hop, 0, &pods()).spec.unwrap().template;
            let asked = &template.metadata.unwrap().annotations.unwrap()[names::NETWORKS];
            assert!(!asked.contains("\"ips\"") && !asked.contains("\"mac\""), "{asked}");
        }
    });
}

#[test]
fn links_that_cross_nodes() {
    let of = |links: Value| {
        let mut seen = None;
        with_links("Spread", links, |chain| {
            let networks = network_attachment::network_attachments(chain);
            let config = |n: &DynamicObject| serde_json::from_str(n.data["spec"]["config"].as_str().unwrap()).unwrap();
            let all: BTreeMap<String, Value> = networks.iter().map(|n| (n.name_any(), config(n))).collect();
            let gateway = all["berlin-gateway"]["plugins"][0]["type"].clone();
            assert_eq!(gateway, "macvlan", "{all:?}");
            let port = &all["berlin-gateway-exit-port"]["plugins"][0];
            assert_eq!(port["bridge"], all["berlin-gateway"]["plugins"][0]["master"], "on the exit hop's node");
            let template = deployment::hop_deployment(chain, &chain.plan.hops[2], 0, &pods()).spec.unwrap().template;
            let metadata = template.metadata.unwrap();
            let networks: Value =
                serde_json::from_str(&metadata.annotations.as_ref().unwrap()[names::NETWORKS]).unwrap();
            let kind = metadata.annotations.unwrap().get(names::LINKS).cloned();
            seen = Some((all["berlin-link-1"].clone(), networks, kind, template.spec.unwrap().affinity));
        });
        seen.unwrap()
    };
    assert_yaml_snapshot!("macvlan", of(json!({"type": "macvlan", "master": "eth1"})));
    let vxlan = of(json!({"type": "vxlan"}));
    assert_eq!(vxlan.0["plugins"][0], json!({"type": "macvlan", "master": "hkvxlan0", "mode": "bridge"}));
    assert_eq!(vxlan.2.as_deref(), Some("macvlan hkvxlan0"));
}

#[test]
fn only_hops_that_are_spread_carry_the_label_that_keeps_the_others_from_following_them() {
    let label = |placement: &str| {
        let mut seen = None;
        with_links(placement, json!({"type": "vxlan"}), |chain| {
            let template = deployment::hop_deployment(chain, &chain.plan.hops[0], 0, &pods()).spec.unwrap().template;
            seen = template.metadata.unwrap().labels.unwrap().remove(names::PLACEMENT);
        });
        seen
    };
    assert_eq!((label("SameNode"), label("Spread").as_deref()), (None, Some("Spread")));
}

#[test]
fn bridges_let_through_what_a_larger_cluster_network_carries() {
    let mut chain = berlin();
    let mtu = |chain: &VpnChain| {
        let all = network_attachment::network_attachments(&validate(chain).unwrap());
        ["berlin-link-0", "berlin-link-0-port", "berlin-gateway"].map(|name| {
            let network = all.iter().find(|network| network.name_any() == name).unwrap();
            let config: Value = serde_json::from_str(network.data["spec"]["config"].as_str().unwrap()).unwrap();
            config["plugins"][0]["mtu"].clone()
        })
    };
    assert_eq!(mtu(&chain), [Value::Null, Value::Null, Value::Null], "the kernel's own 1500");
    chain.spec.mtu = 8950;
    assert_eq!(mtu(&chain), [json!(8950), json!(8950), Value::Null]);
}

#[test]
fn bridges_of_different_chains_differ_and_fit_the_kernel() {
    with_berlin(|chain| {
        let name = bridge_name(chain, "l13");
        assert!(name.len() <= 15, "{name}");
        let mut other = berlin();
        other.metadata.namespace = Some("other".into());
        assert_ne!(name, bridge_name(&validate(&other).unwrap(), "l13"));
    });
}

#[test]
fn a_sweep_also_takes_the_bridges_of_links_that_a_shortened_chain_no_longer_has() {
    let bridges = |chain: &VpnChain| network_attachment::bridges(&validate(chain).unwrap());
    let mut shortened = berlin();
    shortened.spec.hops.pop();
    assert_eq!(bridges(&shortened), bridges(&berlin()));
    let pod = sweep::sweep_pod(&validate(&shortened).unwrap(), 0, "node", &images()).spec.unwrap();
    assert!(pod.containers[0].args.as_ref().unwrap().ends_with(&bridges(&berlin())));
}

#[test]
fn only_the_entry_hop_may_reach_anything_on_the_cluster_network() {
    with_berlin(|chain| {
        assert_yaml_snapshot!(network_policy::hop_policy(chain, 0, &[server()]));
        let inner = network_policy::hop_policy(chain, 1, &[server()]).spec.unwrap();
        assert_eq!((inner.egress, inner.ingress), (None, None));
        assert_eq!(inner.policy_types.unwrap(), ["Ingress", "Egress"]);
    });
}

#[test]
fn a_hops_secret_says_which_candidate_it_is() {
    with_berlin(|chain| {
        let files = BTreeMap::from([("client.conf".to_owned(), "remote 198.51.100.11".into())]);
        let resolved = Resolved { endpoints: vec![server()], tunnel_addresses: vec![], files };
        let candidate = CandidateRef { name: "a".into(), version: "3".into() };
        let plan = HopPlan::new(chain.plan.hops[0].clone(), &resolved, candidate, 2).unwrap();
        let stamp = Stamp { applied_at: Timestamp::UNIX_EPOCH, recreate: 1 };
        let secret = hop_secret(chain, &plan, &resolved.files, stamp);
        let texts = secret.data.iter().flatten().map(|(k, v)| (k.clone(), String::from_utf8_lossy(&v.0).into_owned()));
        assert_yaml_snapshot!((&secret.metadata, texts.collect::<BTreeMap<_, _>>()));
    });
}
