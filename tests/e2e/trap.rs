//! A Service that leads out of the cluster to the web server: what the node's iptables see of a packet to its address leaves by the
//! node, whoever sent it.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::chain::Chain;
use crate::lab::lab;
use crate::leaks::outside;
use crate::wait::{LIMIT, until};

/// Where the node itself is.
const NODE: &str = "10.200.0.2";
/// An address that is nobody's but the Service's.
const EXTERNAL: &str = "203.0.113.77";

/// The addresses and ports at which the Service is: its own, one from outside the cluster that it claims, and the node's.
pub struct Trap(Vec<(String, u64)>);

impl Trap {
    /// Sets it up, and waits until packets are led astray by it.
    pub async fn set(chain: &Chain) -> Self {
        let port = |protocol: &str| json!({"name": protocol.to_lowercase(), "protocol": protocol, "port": 53});
        let ports = [port("UDP"), port("TCP")];
        let service: Service = from(json!({
            "metadata": {"name": "trap"},
            "spec": {"type": "NodePort", "externalIPs": [EXTERNAL], "ports": ports},
        }));
        let endpoints: EndpointSlice = from(json!({
            "metadata": {"name": "trap", "labels": {"kubernetes.io/service-name": "trap"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["198.51.100.80"]}],
            "ports": ports,
        }));
        let made = chain.api::<Service>().create(&PostParams::default(), &service).await;
        let spec = made.expect("the Service should be made").spec.unwrap_or_default();
        chain.api().create(&PostParams::default(), &endpoints).await.expect("its endpoints should be made");
        let own = spec.cluster_ip.expect("it should have an address");
        let mut ways = vec![(own, 53), (EXTERNAL.to_owned(), 53)];
        let of_node = spec.ports.iter().flatten().filter_map(|port| port.node_port);
        ways.extend(of_node.map(|port| (NODE.to_owned(), u64::try_from(port).expect("it should be a port"))));
        let trap = Self(ways);
        let capture = outside("trap");
        until("the Service leads out of the cluster", LIMIT, || async {
            lab(&["node", "bash", "-c", &trap.attempts()]);
            if capture.so_far().is_empty() { Err("no packet".to_owned()) } else { Ok(()) }
        })
        .await;
        capture.stop();
        trap
    }

    /// Bash that sends to all of them.
    pub fn attempts(&self) -> String {
        let to = |(address, port): &(String, u64)| {
            format!(
                "echo leak >/dev/udp/{address}/{port}; timeout 0.2 bash -c \"echo >/dev/tcp/{address}/{port}\" 2>/dev/null\n"
            )
        };
        self.0.iter().map(to).collect::<String>() + "true\n"
    }
}

fn from<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("it should be one")
}
