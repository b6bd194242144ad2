//! NetworkPolicies for the pods' cluster network: the outer wall around the kill switch in each pod.

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{ValidChain, labels, metadata};
use crate::crd::names;
use crate::domain::plan::{EndpointAddress, Protocol};

/// The suffix of the applications' policy.
pub const APPLICATIONS_SUFFIX: &str = "applications";

/// A hop's policy: nothing comes in, and only the entry hop reaches servers.
#[must_use]
pub fn hop_policy(chain: &ValidChain<'_>, index: usize, servers: &[EndpointAddress]) -> NetworkPolicy {
    let hop = &chain.hops()[index].name;
    let egress = if index == 0 { servers.iter().map(to_server).collect() } else { Vec::new() };
    let pods = LabelSelector { match_labels: Some(labels(&chain.name(), Some(hop))), ..LabelSelector::default() };
    policy(chain, hop, Some(hop), pods, egress)
}

/// Shuts the cluster network of the chain's applications, so that the gateway is their only way out.
#[must_use]
pub fn applications_policy(chain: &ValidChain<'_>) -> NetworkPolicy {
    let label = [(names::GATEWAY.to_owned(), chain.name())].into();
    let pods = LabelSelector { match_labels: Some(label), ..LabelSelector::default() };
    policy(chain, APPLICATIONS_SUFFIX, None, pods, Vec::new())
}

fn policy(
    chain: &ValidChain<'_>,
    suffix: &str,
    hop: Option<&str>,
    pods: LabelSelector,
    egress: Vec<NetworkPolicyEgressRule>,
) -> NetworkPolicy {
    let spec = NetworkPolicySpec {
        pod_selector: Some(pods),
        policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
        // An absent list and an empty one mean the same, but only the absent one is not rewritten by the API server.
        egress: (!egress.is_empty()).then_some(egress),
        ingress: None,
    };
    NetworkPolicy { metadata: metadata(chain, suffix, hop), spec: Some(spec) }
}

fn to_server(server: &EndpointAddress) -> NetworkPolicyEgressRule {
    let protocol = match server.protocol {
        Protocol::Udp => "UDP",
        Protocol::Tcp => "TCP",
    };
    NetworkPolicyEgressRule {
        to: Some(vec![NetworkPolicyPeer {
            ip_block: Some(IPBlock { cidr: format!("{}/32", server.ip), except: None }),
            ..NetworkPolicyPeer::default()
        }]),
        ports: Some(vec![NetworkPolicyPort {
            port: Some(IntOrString::Int(server.port.into())),
            protocol: Some(protocol.into()),
            end_port: None,
        }]),
    }
}
