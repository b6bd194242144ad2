//! A pod that removes a deleted chain's bridges from one node, and ends.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, Toleration};

use super::deployment::rights;
use super::network_attachment::bridges;
use super::{Images, ValidChain, metadata};

/// The prefix of a sweep's suffix.
pub const SUFFIX: &str = "sweep";

/// The sweep of the `index`-th node that held links of the chain.
#[must_use]
pub fn sweep_pod(chain: &ValidChain<'_>, index: usize, node: &str, images: &Images) -> Pod {
    let mut args: Vec<String> = ["hop", "net", "sweep"].map(str::to_owned).to_vec();
    args.extend(bridges(chain));
    let container = Container {
        name: SUFFIX.into(),
        image: Some(images.hopkeeper.clone()),
        command: Some(vec!["hopkeeper".into()]),
        args: Some(args),
        security_context: Some(rights(0, true)),
        ..Container::default()
    };
    let spec = PodSpec {
        containers: vec![container],
        node_name: Some(node.to_owned()),
        host_network: Some(true),
        restart_policy: Some("Never".into()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(2),
        // A node that is cordoned or tainted holds bridges all the same.
        tolerations: Some(vec![Toleration { operator: Some("Exists".into()), ..Toleration::default() }]),
        ..PodSpec::default()
    };
    Pod { metadata: metadata(chain, &format!("{SUFFIX}-{index}"), None), spec: Some(spec), status: None }
}
