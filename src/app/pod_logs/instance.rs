//! What a pod's status says of the containers that are followed.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::domain::rule::Client;
use crate::source::raw::Origin;

/// The present run of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Instance {
    /// Tells it from the run before; none before the first.
    pub(super) id: Option<String>,
    /// There was a run before.
    pub(super) is_restarted: bool,
    /// Its lines are not older.
    pub(super) started_at: Option<Timestamp>,
    /// Its pod was deleted.
    pub(super) is_gone: bool,
}

/// The containers of a pod whose lines count.
pub(super) fn containers(pod: &Pod) -> impl Iterator<Item = (Origin, Instance)> {
    let spec = pod.spec.iter().flat_map(|spec| &spec.containers);
    spec.filter(|container| Client::reads_container(&container.name)).map(|container| {
        let origin = Origin {
            namespace: pod.namespace().unwrap_or_default(),
            pod: pod.name_any(),
            uid: pod.uid(),
            container: container.name.clone(),
        };
        (origin, instance(pod, &container.name))
    })
}

fn instance(pod: &Pod, container: &str) -> Instance {
    let mut statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let Some(status) = statuses.find(|status| status.name == container) else { return Instance::default() };
    let started_at = status.state.as_ref().and_then(|state| {
        let running = state.running.as_ref().and_then(|running| running.started_at.clone());
        let ended = state.terminated.as_ref().and_then(|ended| ended.started_at.clone());
        running.or(ended).map(|time| time.0)
    });
    Instance {
        id: status.container_id.clone().filter(|id| !id.is_empty()),
        is_restarted: status.restart_count > 0,
        started_at,
        is_gone: false,
    }
}
