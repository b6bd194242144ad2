//! Chains in values: what the operator would say of them, and that its gateway and the chart's are one network.

use std::collections::BTreeMap;

use hopkeeper::controller::build::network_attachment::{GATEWAY_SUFFIX, network_attachments};
use hopkeeper::controller::build::network_policy::applications_policy;
use hopkeeper::controller::validate::validate;
use hopkeeper::manifest;
use serde_json::{Value, json};

use super::tool::{find, objects, rendered};

#[test]
fn every_chain_of_an_example_is_valid() {
    let mut seen = 0;
    for (example, rendered) in rendered().into_iter().flatten() {
        for chain in rendered.iter().filter(|object| object["kind"] == "VpnChain") {
            if let Err(problems) = manifest::check(chain) {
                panic!("{}: {problems:?}", example);
            }
            seen += 1;
        }
    }
    assert!(seen >= 4 || rendered().is_none(), "{seen} chains");
}

#[test]
fn the_gateway_in_another_namespace_is_the_operators_own() {
    for cidr in ["10.200.7.0/24", "10.200.0.0/16", "172.31.255.192/26", "192.168.130.0/23"] {
        let values = json!({"chains": {"berlin": {"namespace": "vpn", "applicationNamespaces": ["apps"], "spec": {
            "hops": [{"name": "entry", "client": "OpenVPN", "parameters": {"secretRef": {"name": "pool"}}}],
            "gateway": {"cidr": cidr}}}}});
        let Some(rendered) = objects(&["--set-json", &format!("chains={}", values["chains"])]) else { return };
        let mut manifest = find(&rendered, "VpnChain", "berlin").clone();
        manifest["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555".into();
        let chain = manifest::check(&manifest).unwrap_or_else(|p| panic!("{p:?}"));
        let valid = validate(&chain).unwrap_or_else(|e| panic!("{e}"));

        let config = |config: &Value| -> Value { serde_json::from_str(config.as_str().unwrap()).unwrap() };
        let made: BTreeMap<String, Value> = network_attachments(&valid)
            .iter()
            .map(|network| (network.metadata.name.clone().unwrap(), config(&network.data["spec"]["config"])))
            .collect();
        let rendered_gateway = find(&rendered, "NetworkAttachmentDefinition", "berlin-gateway");
        assert_eq!(rendered_gateway["metadata"]["namespace"], "apps");
        assert_eq!(config(&rendered_gateway["spec"]["config"]), made[&format!("berlin-{GATEWAY_SUFFIX}")], "{cidr}");

        let ours = find(&rendered, "NetworkPolicy", "berlin-applications");
        let operators = serde_json::to_value(applications_policy(&valid)).unwrap();
        assert_eq!(ours["spec"], operators["spec"]);
    }
}

#[test]
fn what_a_chain_does_not_say_of_links_and_placement_the_values_say() {
    let spec = |values: &str, own: Value| -> Option<Value> {
        let mut spec = json!({
            "hops": [{"name": "entry", "client": "OpenVPN", "parameters": {"secretRef": {"name": "pool"}}}],
            "gateway": {"cidr": "10.200.7.0/24"}, "mtu": 1400});
        spec.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        let chains = format!("chains={}", json!({"berlin": {"spec": spec}}));
        let rendered = objects(&["--set-json", &chains, "--set", values])?;
        let chain = find(&rendered, "VpnChain", "berlin");
        manifest::check(chain).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(chain["spec"]["mtu"], 1400);
        Some(json!([chain["spec"]["links"], chain["spec"]["placement"]]))
    };
    let macvlan = "links.type=macvlan,links.master=eth1,placement=Spread";
    let Some(taken) = spec(macvlan, json!({})) else { return };
    assert_eq!(taken, json!([{"type": "macvlan", "master": "eth1"}, "Spread"]));
    let cidr = json!({"links": {"cidr": "198.18.1.0/24"}, "placement": "SameNode"});
    let kept = json!([{"type": "macvlan", "master": "eth1", "cidr": "198.18.1.0/24"}, "SameNode"]);
    assert_eq!(spec(macvlan, cidr).unwrap(), kept);
    // An interface belongs to a type: a chain that has its own type does not get the others' interface.
    assert_eq!(spec(macvlan, json!({"links": {"type": "vxlan"}})).unwrap(), json!([{"type": "vxlan"}, "Spread"]));
    assert_eq!(spec("placement=SameNode", json!({})).unwrap(), json!([{"type": "bridge"}, "SameNode"]));
}
