//! NetworkAttachmentDefinitions: one per link between two hops, and two views of the gateway network.
//!
//! A bridge has no address on the node: it only joins the pods. `tuning` switches forwarding on inside the pod, where
//! /proc/sys is read-only for containers.

use kube::core::{ApiResource, DynamicObject};
use serde_json::{Value, json};

use super::{ValidChain, bridge_name, metadata};
use crate::crd::chain::MAX_HOPS;

/// The kind, which Multus defines.
#[must_use]
pub fn api_resource() -> ApiResource {
    ApiResource {
        group: "k8s.cni.cncf.io".into(),
        version: "v1".into(),
        api_version: "k8s.cni.cncf.io/v1".into(),
        kind: "NetworkAttachmentDefinition".into(),
        plural: "network-attachment-definitions".into(),
    }
}

/// The suffix of the definition that applications name.
pub const GATEWAY_SUFFIX: &str = "gateway";
/// The suffix of the exit hop's definition: the same bridge, with a static address.
pub const EXIT_SUFFIX: &str = "exit-gateway";

/// The suffix of the definition of link `k`, between hop `k` and hop `k + 1`.
#[must_use]
pub fn link_suffix(link: usize) -> String {
    format!("link-{link}")
}

/// Every definition of the chain.
#[must_use]
pub fn network_attachments(chain: &ValidChain<'_>) -> Vec<DynamicObject> {
    let gateway = gateway_bridge(chain);
    let plan = &chain.plan;
    let applications = json!({
        "type": "host-local",
        "ranges": [[{
            "subnet": plan.gateway.to_string(),
            "rangeStart": plan.applications.0.to_string(),
            "rangeEnd": plan.applications.1.to_string(),
            "gateway": plan.gateway_address.to_string(),
        }]],
        // Two halves beat the default route by eth0 without having to replace it.
        "routes": [{"dst": "0.0.0.0/1"}, {"dst": "128.0.0.0/1"}],
    });
    let mut all: Vec<_> = plan
        .links
        .iter()
        .map(|link| definition(chain, &link_suffix(link.index), bridge(&link_bridge(chain, link.index))))
        .collect();
    all.push(definition(chain, EXIT_SUFFIX, bridge(&gateway)));
    let application_side = json!([{"type": "bridge", "bridge": gateway, "isGateway": false, "ipam": applications}]);
    all.push(definition(chain, GATEWAY_SUFFIX, application_side));
    all
}

/// The bridges that the chain may have on a node: of every link that it could have had before its spec changed.
#[must_use]
pub fn bridges(chain: &ValidChain<'_>) -> Vec<String> {
    let links = (0..MAX_HOPS - 1).map(|link| link_bridge(chain, link));
    links.chain([gateway_bridge(chain)]).collect()
}

fn link_bridge(chain: &ValidChain<'_>, link: usize) -> String {
    bridge_name(chain, &format!("l{link}"))
}

fn gateway_bridge(chain: &ValidChain<'_>) -> String {
    bridge_name(chain, "gw")
}

fn bridge(name: &str) -> Value {
    json!([
        {"type": "bridge", "bridge": name, "isGateway": false, "ipam": {"type": "static"}, "capabilities": {"ips": true, "mac": true}},
        {"type": "tuning", "sysctl": {"net.ipv4.ip_forward": "1"}},
    ])
}

fn definition(chain: &ValidChain<'_>, suffix: &str, plugins: Value) -> DynamicObject {
    let network = format!("{}-{}-{suffix}", chain.namespace, chain.name());
    let config = json!({"cniVersion": "0.4.0", "name": network, "plugins": plugins});
    let mut object = DynamicObject::new("", &api_resource()).data(json!({"spec": {"config": config.to_string()}}));
    object.metadata = metadata(chain, suffix, None);
    object
}
