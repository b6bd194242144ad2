use serde_json::{Value, json};

use super::check;

fn chain() -> Value {
    let vault = |path: &str| json!({"vault": {"mount": "secret", "path": path}});
    json!({
        "apiVersion": "hopkeeper.io/v1alpha1", "kind": "VpnChain", "metadata": {"name": "berlin"},
        "spec": {
            "hops": [
                {"name": "entry", "client": "OpenVPN", "parameters": vault("vpn/entry")},
                {"name": "middle", "client": "WireGuard", "parameters": vault("vpn/middle")},
                {"name": "exit", "client": "OpenVPN", "parameters": {"secretRef": {"name": "exit-pool"}}},
            ],
            "gateway": {"cidr": "10.200.7.0/24"},
        },
    })
}

/// What `check` says of the good chain after `pointer` was set to `value`.
fn refusal(pointer: &str, value: Value) -> String {
    let mut chain = chain();
    match chain.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            chain.pointer_mut(parent).unwrap()[key] = value;
        }
    }
    let problems = check(&chain).expect_err("should be refused");
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_chain_of_the_readme_is_accepted_and_completed_with_defaults() {
    let chain = check(&chain()).unwrap();
    assert_eq!(chain.spec.mtu, 1450);
    assert_eq!(chain.spec.links.cidr, "198.18.255.0/24");
    assert_eq!(chain.spec.recovery.ladder.len(), 3);
}

#[test]
fn every_refusal_is_a_sentence_that_names_the_place() {
    let hop = |name: &str| json!({"name": name, "client": "OpenVPN", "parameters": {"secretRef": {"name": "p"}}});
    let cases = [
        ("/spec/hops", json!([]), "a chain needs at least one hop"),
        ("/spec/hops", json!([hop("a"), hop("a")]), "two hops share one"),
        ("/spec/gateway/cidr", json!("198.18.255.0/24"), "overlap"),
        ("/spec/gateway/cidr", json!("10.200.7.1/24"), "without host bits"),
        ("/spec/gateway/cidr", json!("fd00::/64"), "must be an IPv4 network"),
        ("/spec/gateway/cidr", json!("nonsense"), "must be an IPv4 network"),
        ("/spec/hopz", json!([]), "unknown field \"spec.hopz\" (did you mean \"hops\"?)"),
        ("/spec/hops/0/client", json!("Tinc"), "spec.hops[0].client: Unsupported value: \"Tinc\""),
        ("/spec/hops/0/name", json!("Entry"), "lower-case letters"),
        ("/spec/hops/0/name", json!("applications"), "a hop cannot be called applications"),
        ("/spec/hops/0/name", json!("b-applications"), "a hop cannot be called applications"),
        ("/spec/hops/0/wireGuard", json!({"implementation": "Kernel"}), "set client: WireGuard"),
        ("/spec/hops/1/parameters", json!({}), "exactly one place"),
        ("/spec/mtu", json!(500), "spec.mtu: Invalid value: 500"),
        ("/spec/mtu", json!("big"), "must be of type integer"),
        ("/spec/recovery", json!({"verifyWithin": "1s"}), "between 5s and 1h"),
        ("/spec/recovery", json!({"cooldown": "soon"}), "recovery.cooldown must be a duration"),
        ("/spec/recovery", json!({"budget": {"per": "0s"}}), "recovery.budget.per must be a duration between"),
        ("/spec/recovery", json!({"ladder": ["InPlace", "InPlace"]}), "listed twice"),
        ("/spec/placement", json!("Spread"), "a link of type bridge stays on one: set links.type to macvlan or vxlan"),
        ("/spec/placement", json!("Anywhere"), "spec.placement: Unsupported value"),
        ("/spec/links", json!({"type": "vlan"}), "spec.links.type: Unsupported value"),
        ("/spec/links", json!({"type": "macvlan"}), "need links.master: the nodes' interface"),
        ("/spec/links", json!({"type": "ipvlan", "master": "eth1"}), "links of type ipvlan cannot carry a chain"),
        ("/spec/links", json!({"master": "eth1"}), "links.master is set, but links.type is bridge"),
        ("/spec/links", json!({"type": "vxlan", "master": "eth 1"}), "links.master must be an interface's name"),
        ("/metadata/name", json!("a-name-that-is-much-too-long-for-its-pods"), "at most 32 characters"),
        ("/kind", json!("VpnChian"), "kind: must be VpnChain"),
    ];
    for (pointer, value, expected) in cases {
        let said = refusal(pointer, value);
        assert!(said.contains(expected), "{pointer}: {said}");
    }
}
