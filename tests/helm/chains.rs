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
