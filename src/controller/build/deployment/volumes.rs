//! A hop's volumes: the same path in every container that has them. The tunnel's device: `tun`.

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, SecretVolumeSource, Volume, VolumeMount,
};

use super::super::{ValidChain, config_map, object_name, secret};
use crate::domain::plan::{HEALTH_DIR, PLAN_FILE, SECRET_DIR, SHARED_DIR, UAPI_DIR};
use crate::domain::types::Implementation;

/// Every volume of a hop's pod but the tunnel's device.
pub(super) fn of_hop(chain: &ValidChain<'_>, hop: &str) -> Vec<Volume> {
    let memory = || Some(EmptyDirVolumeSource { medium: Some("Memory".into()), size_limit: None });
    let named = |name: &str| Volume { name: name.into(), ..Volume::default() };
    let secret = |items: Option<Vec<KeyToPath>>| {
        Some(SecretVolumeSource {
            secret_name: Some(object_name(&chain.name(), &secret::suffix(hop))),
            items,
            ..SecretVolumeSource::default()
        })
    };
    let plan_only = KeyToPath { key: PLAN_FILE.into(), path: PLAN_FILE.into(), mode: None };
    vec![
        Volume { secret: secret(None), ..named("parameters") },
        // What `health` may see of the Secret: the plan, which holds no secret.
        Volume { secret: secret(Some(vec![plan_only])), ..named("plan") },
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
    let shared = mount("shared", SHARED_DIR, false);
    let uapi = mount("uapi", UAPI_DIR, false);
    let parameters = mount("parameters", SECRET_DIR, true);
    match (container, implementation) {
        ("health", _) => vec![shared, mount("plan", SECRET_DIR, true), mount("scripts", HEALTH_DIR, true)],
        // OpenVPN keeps its working files in /tmp.
        ("vpn", Implementation::OpenVpn) => vec![shared, parameters, mount("tmp", "/tmp", false)],
        // WireGuard programs get their keys through the control socket, from `net`.
        ("vpn", _) => vec![uapi],
        _ => vec![shared, uapi, parameters],
    }
}
