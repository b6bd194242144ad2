//! The hops' pods: their images, and the tunnel's device.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::controller::build::{Images, PodSettings, TunDevice};

/// The hops' pods.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Pods of the hops")]
pub struct PodArgs {
    /// hopkeeper with ip and nft, for the hops' net containers.
    #[arg(
        long = "image-hopkeeper",
        env = "HOPKEEPER_IMAGE",
        default_value = "hopkeeper/hopkeeper:latest",
        value_name = "IMAGE",
        value_parser = NonEmptyStringValueParser::new()
    )]
    hopkeeper: String,
    /// The OpenVPN client.
    #[arg(
        long = "image-openvpn",
        env = "HOPKEEPER_IMAGE_OPENVPN",
        default_value = "hopkeeper/openvpn:latest",
        value_name = "IMAGE",
        value_parser = NonEmptyStringValueParser::new()
    )]
    openvpn: String,
    /// boringtun.
    #[arg(
        long = "image-boringtun",
        env = "HOPKEEPER_IMAGE_BORINGTUN",
        default_value = "hopkeeper/boringtun:latest",
        value_name = "IMAGE",
        value_parser = NonEmptyStringValueParser::new()
    )]
    boringtun: String,
    /// wireguard-go.
    #[arg(
        long = "image-wireguard-go",
        env = "HOPKEEPER_IMAGE_WIREGUARD_GO",
        default_value = "hopkeeper/wireguard-go:latest",
        value_name = "IMAGE",
        value_parser = NonEmptyStringValueParser::new()
    )]
    wireguard_go: String,
    /// busybox, for the hops' health containers.
    #[arg(
        long = "image-health",
        env = "HOPKEEPER_IMAGE_HEALTH",
        default_value = "hopkeeper/health:latest",
        value_name = "IMAGE",
        value_parser = NonEmptyStringValueParser::new()
    )]
    health: String,
    /// The resource by which a device plugin gives hops /dev/net/tun, for example hopkeeper.io/tun; without it their pods mount the
    /// node's by a hostPath.
    #[arg(long, env = "HOPKEEPER_TUN_RESOURCE", value_name = "NAME", value_parser = resource)]
    tun_resource: Option<String>,
}

impl From<PodArgs> for PodSettings {
    fn from(args: PodArgs) -> Self {
        let PodArgs { hopkeeper, openvpn, boringtun, wireguard_go, health, tun_resource } = args;
        let images = Images { hopkeeper, openvpn, boringtun, wireguard_go, health };
        Self { images, tun: tun_resource.map_or(TunDevice::HostPath, TunDevice::Resource) }
    }
}

/// The name of an extended resource: a domain that is not Kubernetes' own, and a name.
fn resource(text: &str) -> Result<String, String> {
    let is_part = |part: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        (1..=63).contains(&part.len()) && part.chars().all(fits)
    };
    match text.split_once('/') {
        Some((domain, name)) if is_part(domain) && is_part(name) && !domain.ends_with("kubernetes.io") => {
            Ok(text.to_owned())
        }
        _ => Err("must be a device plugin's resource, DOMAIN/NAME, for example hopkeeper.io/tun".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_has_a_domain_that_is_not_kubernetes_own() {
        for good in ["hopkeeper.io/tun", "squat.ai/tun", "devices.kubevirt.io/tun"] {
            assert_eq!(resource(good).as_deref(), Ok(good));
        }
        for wrong in ["tun", "", "/tun", "hopkeeper.io/", "kubernetes.io/tun", "a/b/c", "hopkeeper.io/t un"] {
            assert!(resource(wrong).unwrap_err().contains("for example hopkeeper.io/tun"), "{wrong}");
        }
    }
}
