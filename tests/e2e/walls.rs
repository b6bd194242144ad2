//! What NetworkPolicies let through: connections from within a pod's network namespace, as root, by its cluster interface whatever
//! its routes say.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use serde_json::json;

use crate::app::PAGE;
use crate::chain::{Chain, kubectl};
use crate::lab::lab;
use crate::wait::{LIMIT, until};

/// The API server, by its Service.
pub const API: &str = "the API server";
/// A server beyond the cluster.
pub const INTERNET: &str = "the Internet";
/// A pod that no policy is about.
pub const NEIGHBOUR: &str = "another pod";

/// A pod beside the chain, with a port that answers; gone when dropped.
pub struct Neighbour {
    namespace: String,
    pod: Pod,
}

impl Neighbour {
    /// Starts it.
    pub async fn start(chain: &Chain) -> Self {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "neighbour"},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "web", "image": "lab.local/app:1", "command": ["httpd", "-f", "-p", "8080"]}],
            },
        }))
        .expect("it should be a pod");
        let pods = chain.api::<Pod>();
        pods.create(&PostParams::default(), &pod).await.expect("the neighbour should be made");
        let pod = until("the neighbour has an address", LIMIT, || async {
            let pod = pods.get("neighbour").await.map_err(|e| e.to_string())?;
            if address(&pod).is_some() { Ok(pod) } else { Err(format!("{:?}", pod.status)) }
        })
        .await;
        let neighbour = Self { namespace: chain.namespace.clone(), pod };
        until("the neighbour reaches everything", LIMIT, || async {
            let reached = neighbour.reached_by(&neighbour.pod);
            if reached == everything() { Ok(()) } else { Err(format!("{reached:?}")) }
        })
        .await;
        neighbour
    }

    /// Which of the three answers the pod, be it by a refusal.
    pub fn reached_by(&self, pod: &Pod) -> BTreeSet<&'static str> {
        let neighbour = format!("http://{}:8080/", address(&self.pod).unwrap_or_default());
        let (names, urls) = ([API, INTERNET, NEIGHBOUR], ["https://10.96.0.1/", PAGE, &neighbour]);
        answers(pod, &urls).into_iter().map(|answered| names[answered]).collect()
    }

    /// Whether the pod answers the neighbour, on a port that nobody listens on.
    pub fn reaches(&self, pod: &Pod) -> bool {
        !answers(&self.pod, &[&format!("http://{}:81/", address(pod).unwrap_or_default())]).is_empty()
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        kubectl(&["-n", &self.namespace, "delete", "pod", "neighbour", "--ignore-not-found", "--timeout=60s"]);
    }
}

/// All that a pod without a policy reaches.
pub fn everything() -> BTreeSet<&'static str> {
    [API, INTERNET, NEIGHBOUR].into()
}

/// From which of these anything comes back to the pod, within a second: a policy lets nothing through, not even a refusal.
fn answers(pod: &Pod, urls: &[&str]) -> BTreeSet<usize> {
    let ask = |(n, url): (usize, &&str)| {
        let curl = "curl -sk -o /dev/null --interface eth0 --connect-timeout 1 --max-time 3";
        format!("({curl} {url}; echo \"curl {n} $?\") & ")
    };
    let said = inside(pod, &(urls.iter().enumerate().map(ask).collect::<String>() + "wait"));
    let codes = said.lines().filter_map(|line| line.strip_prefix("curl ")?.split_once(' '));
    let codes: BTreeMap<usize, &str> = codes.filter_map(|(n, code)| Some((n.parse().ok()?, code))).collect();
    assert_eq!(codes.len(), urls.len(), "the network namespace of {:?} should be there: {said:?}", address(pod));
    // 28: it timed out. 7, for one, is a refusal.
    codes.into_iter().filter(|(_, code)| *code != "28").map(|(n, _)| n).collect()
}

/// Runs a command of the node in the pod's network namespace, as root; what it printed, which is nothing where the pod is gone.
pub fn inside(pod: &Pod, command: &str) -> String {
    let Some(address) = address(pod) else { return String::new() };
    let script = format!(
        "for n in /run/netns/*; do nsenter --net=$n /usr/sbin/ip -4 -o addr show dev eth0 2>/dev/null | grep -qwF {address} && \
         nsenter --net=$n bash -c '{command}'; done; true"
    );
    lab(&["node", "bash", "-c", &script])
}

fn address(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.pod_ip.as_deref()
}
