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
