//! Golden renderings of a hop's plan, one for each kind of hop and place in the chain.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use super::*;
use crate::domain::candidate::Resolved;
use crate::domain::plan::{
    ChainInput, ChainPlan, HopInput, address_commands, client_process, close_endpoint_commands, firewall, init_commands,
};
use crate::domain::types::Transport;

fn networks() -> Vec<HopNetwork> {
    let hop = |name: &str, implementation| HopInput { name: name.into(), implementation, transport: Transport::UDP };
    let hops = vec![
        hop("entry", Implementation::OpenVpn),
        hop("middle", Implementation::BoringTun),
        hop("third", Implementation::Kernel),
        hop("exit", Implementation::WireGuardGo),
    ];
    let net = |text: &str| text.parse().expect("should be a network");
    let input = ChainInput { hops, gateway: net("10.200.7.0/24"), links: net("198.18.255.0/24"), mtu: 1450 };
    ChainPlan::new(&input).expect("should plan").hops
}

fn resolved(addresses: &[&str], endpoints: &[(&str, u16, Protocol)]) -> Resolved {
    Resolved {
        endpoints: endpoints
            .iter()
            .map(|&(ip, port, protocol)| EndpointAddress {
                ip: ip.parse().expect("should be an address"),
                port,
                protocol,
            })
            .collect(),
        tunnel_addresses: addresses.iter().map(|text| text.parse::<Ipv4Net>().expect("should be a network")).collect(),
        files: BTreeMap::new(),
    }
}

fn candidate() -> CandidateRef {
    CandidateRef { name: "berlin 1".into(), version: "3".into() }
}

fn plan(index: usize) -> HopPlan {
    let servers = [
        ("203.0.113.1", 1194, Protocol::Udp),
        ("203.0.113.1", 443, Protocol::Tcp),
        ("203.0.113.2", 1194, Protocol::Udp),
    ];
    let resolved = resolved(&["10.66.1.2/32"], if index == 0 { &servers } else { &servers[..1] });
    HopPlan::new(networks().swap_remove(index), &resolved, candidate(), 7).expect("should plan")
}

#[test]
fn each_kind_of_hop_is_rendered() {
    for index in 0..4 {
        let plan = plan(index);
        let old = EndpointAddress { ip: [203, 0, 113, 9].into(), port: 51820, protocol: Protocol::Udp };
        let lines = |commands: Vec<Vec<String>>| commands.iter().map(|c| c.join(" ")).collect::<Vec<_>>().join("\n");
        let rendered = format!(
            "{}\n== firewall, with a former server\n{}== init\n{}\n== address\n{}\n== close\n{}\n== client\n{:#?}\n",
            plan.to_json(),
            firewall(&plan, &[old]),
            lines(init_commands(&plan)),
            lines(address_commands(&plan, [10, 66, 1, 2].into())),
            lines(close_endpoint_commands(&plan, &[old])),
            client_process(plan.network.implementation),
        );
        insta::assert_snapshot!(plan.network.name.clone(), rendered);
    }
}

#[test]
fn the_file_is_read_back_and_its_id_needs_no_quoting() {
    let plan = plan(0);
    assert_eq!(plan.id(), "berlin%201@3#7");
    assert_eq!(serde_json::from_str::<HopPlan>(&plan.to_json()).expect("should be read back"), plan);
}

#[test]
fn addresses_that_clash_with_the_hops_own_networks_are_refused() {
    let errors: Vec<String> = [
        resolved(&["198.18.255.6/32"], &[("203.0.113.1", 1, Protocol::Udp)]),
        resolved(&["10.66.1.2/32"], &[("198.18.255.1", 1, Protocol::Udp)]),
        resolved(&[], &[("203.0.113.1", 1, Protocol::Udp)]),
        resolved(&["10.66.1.2/32"], &[]),
    ]
    .iter()
    .map(|resolved| {
        HopPlan::new(networks().swap_remove(1), resolved, candidate(), 0).expect_err("should be refused").to_string()
    })
    .collect();
    insta::assert_snapshot!(errors.join("\n"));
}
