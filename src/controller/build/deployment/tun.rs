//! The tunnel's device, `/dev/net/tun`: the node's own by a hostPath, or a resource that a device plugin gives out.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, HostPathVolumeSource, PodSpec, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::super::TunDevice;

const VOLUME: &str = "tun";
const PATH: &str = "/dev/net/tun";

/// Gives the device to those of the pod's containers that open it: all but `health`, of which nothing is asked.
pub(super) fn give(pod: &mut PodSpec, device: &TunDevice) {
    if *device == TunDevice::HostPath {
        let path = HostPathVolumeSource { path: PATH.into(), type_: Some("CharDevice".into()) };
        let volume = Volume { name: VOLUME.into(), host_path: Some(path), ..Volume::default() };
        pod.volumes.get_or_insert_default().push(volume);
    }
    let containers = pod.init_containers.iter_mut().flatten().chain(&mut pod.containers);
    for container in containers.filter(|container| container.name != "health") {
        match device {
            TunDevice::HostPath => {
                let mount = VolumeMount { name: VOLUME.into(), mount_path: PATH.into(), ..VolumeMount::default() };
                container.volume_mounts.get_or_insert_default().push(mount);
            }
            TunDevice::Resource(name) => ask_for(container, name),
        }
    }
}

fn ask_for(container: &mut Container, resource: &str) {
    let limits: &mut BTreeMap<_, _> = container.resources.get_or_insert_default().limits.get_or_insert_default();
    limits.insert(resource.to_owned(), Quantity("1".to_owned()));
}
