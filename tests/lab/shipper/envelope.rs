//! The event as Filebeat 9 encodes it for Kafka: filestream input with the container parser, `add_kubernetes_metadata` with its
//! defaults. Field by field from Filebeat's sources and recorded events; what is left out is listed in the lab's README.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use serde_json::{Map, Value, json};

use crate::cri::Message;

/// The version that the events claim.
pub(crate) const VERSION: &str = "9.1.5";

/// The fields that are the same for every event of this process.
pub(crate) struct Agent {
    /// Changes with each start.
    pub(crate) ephemeral_id: String,
    /// Kept in the registry.
    pub(crate) id: String,
    /// The node's name.
    pub(crate) name: String,
}

/// The file an event was read from.
pub(crate) struct Source<'a> {
    pub(crate) path: &'a str,
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// Labels with dots replaced (`labels.dedot: true`), since Elasticsearch would make objects of them.
fn dedot(labels: Option<&BTreeMap<String, String>>) -> Map<String, Value> {
    labels.into_iter().flatten().map(|(k, v)| (k.replace('.', "_"), Value::from(v.as_str()))).collect()
}

/// The `kubernetes` and `container` fields of one container's events.
pub(crate) fn metadata(
    pod: &Pod,
    container: &str,
    container_id: &str,
    namespace: Option<&Namespace>,
    node: Option<&Node>,
) -> Map<String, Value> {
    let (meta, spec, status) = (&pod.metadata, pod.spec.as_ref(), pod.status.as_ref());
    let node_name = spec.and_then(|s| s.node_name.as_deref()).unwrap_or_default();
    let mut pod_fields = json!({"name": meta.name, "uid": meta.uid});
    if let Some(ip) = status.and_then(|s| s.pod_ip.as_deref()) {
        pod_fields["ip"] = ip.into();
    }
    let mut kubernetes = json!({
        "pod": pod_fields,
        "namespace": meta.namespace,
        "container": {"name": container},
        "node": {"name": node_name},
    });
    if let Some(node) = node {
        let hostname = node.status.iter().flat_map(|s| s.addresses.iter().flatten()).find(|a| a.type_ == "Hostname");
        kubernetes["node"]["uid"] = json!(node.metadata.uid);
        kubernetes["node"]["labels"] = dedot(node.metadata.labels.as_ref()).into();
        if let Some(hostname) = hostname {
            kubernetes["node"]["hostname"] = hostname.address.as_str().into();
        }
    }
    if let Some(namespace) = namespace {
        kubernetes["namespace_uid"] = json!(namespace.metadata.uid);
        kubernetes["namespace_labels"] = dedot(namespace.metadata.labels.as_ref()).into();
    }
    for owner in meta.owner_references.iter().flatten().filter(|o| o.controller == Some(true)) {
        if ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"].contains(&owner.kind.as_str()) {
            kubernetes[owner.kind.to_lowercase()] = json!({"name": owner.name});
        }
    }
    let labels = dedot(meta.labels.as_ref());
    if !labels.is_empty() {
        kubernetes["labels"] = labels.into();
    }
    let image = status
        .iter()
        .flat_map(|s| s.container_statuses.iter().flatten().chain(s.init_container_statuses.iter().flatten()))
        .find(|c| c.name == container)
        .map(|c| c.image.clone())
        .or_else(|| spec.and_then(|s| s.containers.iter().find(|c| c.name == container)?.image.clone()));
    let mut map = Map::new();
    map.insert("container".into(), json!({"id": container_id, "runtime": "containerd", "image": {"name": image}}));
    map.insert("kubernetes".into(), kubernetes);
    map
}

/// Milliseconds, as libbeat writes times.
fn time(t: Timestamp) -> String {
    format!("{t:.3}")
}

/// One event.
pub(crate) fn event(message: &Message, source: &Source<'_>, agent: &Agent, metadata: &Map<String, Value>) -> Value {
    let mut log = json!({
        "offset": message.start,
        "file": {"path": source.path, "device_id": source.device.to_string(), "inode": source.inode.to_string()},
    });
    if message.lines > 1 {
        log["flags"] = json!(["multiline"]);
    }
    let mut event = json!({
        "@timestamp": time(message.time),
        "@metadata": {"beat": "filebeat", "type": "_doc", "version": VERSION},
        "message": message.text,
        "stream": message.stream,
        "log": log,
        "input": {"type": "filestream"},
        "ecs": {"version": "8.0.0"},
        "host": {"name": agent.name},
        "agent": {"type": "filebeat", "version": VERSION, "name": agent.name, "id": agent.id, "ephemeral_id": agent.ephemeral_id},
    });
    for (key, value) in metadata {
        event[key] = value.clone();
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cri::parse;

    fn pod() -> Pod {
        serde_json::from_value(json!({
            "metadata": {
                "name": "berlin-entry-5d9-x", "namespace": "vpn", "uid": "11111111-2222",
                "labels": {"hopkeeper.io/chain": "berlin", "app.kubernetes.io/name": "hop", "plain": "x"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "berlin-entry-5d9", "uid": "u", "controller": true}],
            },
            "spec": {"nodeName": "lab", "containers": [{"name": "vpn", "image": "lab.local/openvpn:1"}]},
            "status": {"podIP": "10.244.0.7", "containerStatuses": [
                {"name": "vpn", "image": "lab.local/openvpn:1", "imageID": "", "ready": true, "restartCount": 0}]},
        }))
        .unwrap()
    }

    #[test]
    fn the_event_is_filebeats() {
        let namespace = serde_json::from_value(
            json!({"metadata": {"uid": "ns-uid", "labels": {"kubernetes.io/metadata.name": "vpn"}}}),
        )
        .unwrap();
        let node = serde_json::from_value(json!({"metadata": {"uid": "node-uid", "labels": {"kubernetes.io/os": "linux"}},
            "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": "lab-host"}]}}))
        .unwrap();
        let (message, _) =
            parse(b"2026-01-02T03:04:05.678901234Z stdout F AUTH: Received control message: AUTH_FAILED\n", 42)
                .unwrap();
        let source = Source { path: "/var/log/containers/berlin-entry-5d9-x_vpn_vpn-abc.log", device: 7, inode: 8 };
        let agent = Agent { ephemeral_id: "e".into(), id: "i".into(), name: "lab".into() };
        let event = event(&message, &source, &agent, &metadata(&pod(), "vpn", "abc", Some(&namespace), Some(&node)));
        assert_eq!(
            event,
            json!({
                "@timestamp": "2026-01-02T03:04:05.678Z",
                "@metadata": {"beat": "filebeat", "type": "_doc", "version": "9.1.5"},
                "message": "AUTH: Received control message: AUTH_FAILED",
                "stream": "stdout",
                "log": {"offset": 42, "file": {"path": "/var/log/containers/berlin-entry-5d9-x_vpn_vpn-abc.log", "device_id": "7", "inode": "8"}},
                "input": {"type": "filestream"},
                "ecs": {"version": "8.0.0"},
                "host": {"name": "lab"},
                "agent": {"type": "filebeat", "version": "9.1.5", "name": "lab", "id": "i", "ephemeral_id": "e"},
                "container": {"id": "abc", "runtime": "containerd", "image": {"name": "lab.local/openvpn:1"}},
                "kubernetes": {
                    "pod": {"name": "berlin-entry-5d9-x", "uid": "11111111-2222", "ip": "10.244.0.7"},
                    "namespace": "vpn", "namespace_uid": "ns-uid", "namespace_labels": {"kubernetes_io/metadata_name": "vpn"},
                    "node": {"name": "lab", "uid": "node-uid", "hostname": "lab-host", "labels": {"kubernetes_io/os": "linux"}},
                    "container": {"name": "vpn"},
                    "replicaset": {"name": "berlin-entry-5d9"},
                    "labels": {"hopkeeper_io/chain": "berlin", "app_kubernetes_io/name": "hop", "plain": "x"},
                },
            })
        );
    }

    #[test]
    fn joined_lines_are_flagged() {
        let (mut message, _) = parse(b"2026-01-02T03:04:05Z stdout F a\n", 0).unwrap();
        message.lines = 3;
        let agent = Agent { ephemeral_id: String::new(), id: String::new(), name: String::new() };
        let event = event(&message, &Source { path: "", device: 0, inode: 0 }, &agent, &Map::new());
        assert_eq!(event["log"]["flags"], json!(["multiline"]));
        assert_eq!(event["@timestamp"], "2026-01-02T03:04:05.000Z");
    }
}
