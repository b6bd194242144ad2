//! Who finds and reaches the operator's ports: Prometheus its metrics, and nothing else of it.

use serde_json::Value;

use super::tool::{find, objects};

/// Whether labels are among others.
fn selects(wanted: &Value, labels: &Value) -> bool {
    wanted.as_object().unwrap().iter().all(|(label, value)| labels[label] == *value)
}

#[test]
fn the_service_monitor_finds_the_metrics_and_no_other_port() {
    for values in ["stack.mode=none", "stack.mode=embedded", "stack.mode=embedded,stack.transport=elasticsearch"] {
        let values = format!("{values},statusPage.expose=true,metrics.serviceMonitor.enabled=true");
        let Some(rendered) = objects(&["--set", &values]) else { return };
        let spec = &find(&rendered, "ServiceMonitor", "hk-hopkeeper")["spec"];
        let found: Vec<&Value> = rendered
            .iter()
            .filter(|o| o["kind"] == "Service" && selects(&spec["selector"]["matchLabels"], &o["metadata"]["labels"]))
            .flat_map(|service| service["spec"]["ports"].as_array().unwrap())
            .filter(|port| port["name"] == spec["endpoints"][0]["port"])
            .map(|port| &port["port"])
            .collect();
        assert_eq!(found, [8088], "{values}");
        find(&rendered, "Service", "hk-hopkeeper-status");
    }
}

#[test]
fn helm_test_reaches_the_metrics_whoever_else_may() {
    for values in ["", "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring"] {
        let Some(rendered) = objects(&["--set", values]) else { return };
        let ingress = &find(&rendered, "NetworkPolicy", "hk-hopkeeper")["spec"]["ingress"][0];
        assert_eq!(ingress["ports"][0]["port"], 8088);
        let test = find(&rendered, "Pod", "hk-hopkeeper-test-operator");
        assert_eq!(test["metadata"]["namespace"], "hopkeeper");
        let lets_in = |peer: &Value| {
            // A peer without a selector of namespaces is of the policy's own.
            let pods = &peer["podSelector"]["matchLabels"];
            peer.get("namespaceSelector").is_none() && pods.is_object() && selects(pods, &test["metadata"]["labels"])
        };
        let from = ingress.get("from").map(|from| from.as_array().unwrap());
        assert!(from.is_none_or(|peers| peers.iter().any(lets_in)), "{values}: {ingress}");
        assert_eq!(from.is_none(), values.is_empty(), "{values}: {ingress}");
    }
}
