//! The event as Filebeat encodes it with our configurations (`filebeat/*.yml`): filestream with the container parser,
//! `add_kubernetes_metadata` by the pod's UID, `dissect` of the file's path. Held against recorded events: `recorded`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Map, Value, json};

use crate::cri::Message;

/// The version that the events claim.
const VERSION: &str = "9.5.3";
/// `message_max_bytes`: a longer text is cut.
const MESSAGE_MAX: usize = 65536;
/// A pod without it is no hop.
pub(crate) const LABEL: &str = "hopkeeper.io/chain";

/// The fields that are the same for every event of this process.
pub(crate) struct Agent {
    /// Changes with each start.
    pub(crate) ephemeral_id: String,
    /// Kept in the registry.
    pub(crate) id: String,
    /// The node's name.
    pub(crate) name: String,
}

/// Whose log it is, as the path says: `/var/log/pods/<namespace>_<pod>_<uid>/<container>/<file>`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Whose {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) uid: String,
    pub(crate) container: String,
}

impl Whose {
    /// What the names of a log's directories say.
    pub(crate) fn of(directory: &str, container: &str) -> Option<Self> {
        let mut names = directory.splitn(3, '_').map(str::to_owned);
        let (namespace, pod, uid) = (names.next()?, names.next()?, names.next()?);
        Some(Self { namespace, pod, uid, container: container.to_owned() })
    }
}

/// The file an event was read from.
pub(crate) struct Source<'a> {
    pub(crate) path: &'a str,
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// Labels with dots replaced (`labels.dedot: true`), since Elasticsearch would make objects of them.
fn dedot(labels: &BTreeMap<String, String>) -> Map<String, Value> {
    labels.iter().map(|(k, v)| (k.replace('.', "_"), Value::from(v.as_str()))).collect()
}

/// The field `kubernetes`: what the API server says of the pod, and without it what the path says; none for a pod that is no hop.
pub(crate) fn metadata(whose: &Whose, pod: Option<&Pod>) -> Option<Value> {
    let mut kubernetes = json!({
        "pod": {"name": whose.pod, "uid": whose.uid},
        "namespace": whose.namespace,
        "container": {"name": whose.container},
    });
    let Some(pod) = pod else { return Some(kubernetes) };
    let labels = pod.metadata.labels.as_ref().filter(|labels| labels.contains_key(LABEL))?;
    kubernetes["labels"] = dedot(labels).into();
    if let Some(node) = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()) {
        kubernetes["node"] = json!({"name": node});
    }
    if let Some(ip) = pod.status.as_ref().and_then(|s| s.pod_ip.as_deref()) {
        kubernetes["pod"]["ip"] = ip.into();
    }
    for owner in pod.metadata.owner_references.iter().flatten().filter(|o| o.controller == Some(true)) {
        if ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"].contains(&owner.kind.as_str()) {
            kubernetes[owner.kind.to_lowercase()] = json!({"name": owner.name});
        }
    }
    Some(kubernetes)
}

/// One event.
pub(crate) fn event(message: &Message, source: &Source<'_>, agent: &Agent, kubernetes: &Value) -> Value {
    let text = &message.text[..message.text.floor_char_boundary(MESSAGE_MAX)];
    let mut log = json!({
        "offset": message.start,
        "file": {"path": source.path, "device_id": source.device.to_string(), "inode": source.inode.to_string()},
    });
    let flags = [(message.text.len() > MESSAGE_MAX, "truncated"), (message.lines > 1, "multiline")];
    let flags: Vec<_> = flags.into_iter().filter_map(|(is_set, flag)| is_set.then_some(flag)).collect();
    if !flags.is_empty() {
        log["flags"] = json!(flags);
    }
    json!({
        // Milliseconds, as libbeat writes times.
        "@timestamp": format!("{:.3}", message.time),
        "@metadata": {"beat": "filebeat", "type": "_doc", "version": VERSION},
        "message": text,
        "stream": message.stream,
        "log": log,
        "input": {"type": "filestream"},
        "ecs": {"version": "8.0.0"},
        "host": {"name": agent.name},
        "agent": {"type": "filebeat", "version": VERSION, "name": agent.name, "id": agent.id, "ephemeral_id": agent.ephemeral_id},
        "kubernetes": kubernetes,
    })
}
