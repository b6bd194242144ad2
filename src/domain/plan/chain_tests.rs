//! Tests of [`super`].

use super::*;

fn net(text: &str) -> Ipv4Net {
    text.parse().expect("should be a network")
}

fn input(hops: &[(&str, Implementation, Transport)]) -> ChainInput {
    ChainInput {
        hops: hops
            .iter()
            .map(|&(name, implementation, transport)| HopInput { name: name.into(), implementation, transport })
            .collect(),
        gateway: net("10.200.7.0/24"),
        links: net("198.18.255.0/24"),
        mtu: 1450,
    }
}

fn readme() -> ChainInput {
    input(&[
        ("entry", Implementation::OpenVpn, Transport::UDP),
        ("middle", Implementation::BoringTun, Transport::Any),
        ("exit", Implementation::OpenVpn, Transport::Any),
    ])
}

#[test]
fn the_chain_of_the_readme_is_planned() {
    insta::assert_debug_snapshot!(ChainPlan::new(&readme()).expect("should plan"));
}

#[test]
fn a_single_hop_is_entry_and_exit() {
    let plan = ChainPlan::new(&input(&[("only", Implementation::BoringTun, Transport::Any)])).expect("should plan");
    assert!(plan.links.is_empty());
    assert!(plan.hops[0].inner.is_gateway && plan.hops[0].outer.is_none());
}

#[test]
fn each_error_is_a_sentence_with_its_remedy() {
    let hop = |n: usize| (0..n).map(|i| (format!("hop{i}"), Implementation::OpenVpn)).collect::<Vec<_>>();
    let many = |n| {
        let hops = hop(n);
        input(&hops.iter().map(|(name, i)| (name.as_str(), *i, Transport::UDP)).collect::<Vec<_>>())
    };
    let errors: Vec<String> = [
        input(&[]),
        input(&[("a", Implementation::OpenVpn, Transport::UDP), ("a", Implementation::BoringTun, Transport::Any)]),
        ChainInput { gateway: net("198.18.0.0/16"), ..readme() },
        ChainInput { gateway: net("10.0.0.0/28"), ..readme() },
        ChainInput { gateway: net("127.0.0.0/8"), ..readme() },
        ChainInput { links: net("224.0.0.0/24"), ..readme() },
        ChainInput { links: net("198.18.255.0/30"), ..readme() },
        ChainInput { links: net("198.18.255.0/31"), ..readme() },
        many(20),
        ChainInput { mtu: 60, ..readme() },
    ]
    .iter()
    .map(|input| ChainPlan::new(input).expect_err("should be refused").to_string())
    .collect();
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn links_at_the_end_of_the_address_space_do_not_overflow() {
    let input = ChainInput { links: net("239.255.255.0/24"), ..readme() };
    assert!(matches!(ChainPlan::new(&input), Err(PlanError::Unusable { .. })));
}
