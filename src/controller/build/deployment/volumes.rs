//! A hop's volumes: the same path in every container that has them.

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, HostPathVolumeSource, SecretVolumeSource, Volume, VolumeMount,
};

use super::super::{ValidChain, config_map, object_name, secret};
use crate::domain::plan::{HEALTH_DIR, SECRET_DIR, SHARED_DIR, UAPI_DIR};
use crate::domain::types::Implementation;

/// Every volume of a hop's pod.
pub(super) fn of_hop(chain: &ValidChain<'_>, hop: &str) -> Vec<Volume> {
    let memory = || Some(EmptyDirVolumeSource { medium: Some("Memory".into()), size_limit: None });
    let named = |name: &str| Volume { name: name.into(), ..Volume::default() };
    vec![
        Volume {
            secret: Some(SecretVolumeSource {
                secret_name: Some(object_name(&chain.name(), &secret::suffix(hop))),
                ..SecretVolumeSource::default()
            }),
            ..named("parameters")
        },
        Volume {
            config_map: Some(ConfigMapVolumeSource {
                name: object_name(&chain.name(), config_map::SUFFIX),
                ..ConfigMapVolumeSource::default()
            }),
            ..named("scripts")
        },
        Volume { empty_dir: memory(), ..named("shared") },
        Volume { empty_dir: memory(), ..named("uapi") },
        Volume { empty_dir: memory(), ..named("tmp") },
        Volume {
            host_path: Some(HostPathVolumeSource { path: "/dev/net/tun".into(), type_: Some("CharDevice".into()) }),
            ..named("tun")
        },
    ]
}

/// The mounts of one container.
pub(super) fn mounts(implementation: Implementation, container: &str) -> Vec<VolumeMount> {
    let mount = |name: &str, path: &str, read_only: bool| VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    let mut all = vec![
        mount("shared", SHARED_DIR, false),
        mount("uapi", UAPI_DIR, false),
        // OpenVPN keeps its working files in /tmp.
        mount("tmp", "/tmp", false),
    ];
    match container {
        "health" => {
            all.push(mount("scripts", HEALTH_DIR, true));
            all.push(mount("parameters", SECRET_DIR, true));
        }
        // WireGuard programs get their keys through the control socket, from `net`.
        "vpn" if implementation != Implementation::OpenVpn => all.push(mount("tun", "/dev/net/tun", false)),
        _ => {
            all.push(mount("parameters", SECRET_DIR, true));
            all.push(mount("tun", "/dev/net/tun", false));
        }
    }
    all
}
