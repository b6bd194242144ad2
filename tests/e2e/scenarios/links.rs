//! Links that cross nodes, on the lab's one node: the cluster's own script lays the VXLAN, and a chain runs on it. Several nodes:
//! `tests/hop_net/links.rs`.

use std::process::Command;

use hopkeeper::crd::VpnChain;
use hopkeeper::crd::chain::VXLAN_DEVICE as DEVICE;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::{LIMIT, World, refuse, until_repaired};
use crate::app;
use crate::chain::{berlin, kubectl};
use crate::lab::{self, Capture, lab};
use crate::leaks::{Leaker, beside_the_tunnels};
use crate::turn::{Need, turn};
use crate::wait::until;

/// The DaemonSet of `k8s/60-links.sh` and its device, gone when dropped.
struct Vxlan;

impl Vxlan {
    fn lay() -> Self {
        let vxlan = Self;
        // Twice: what is done is left alone.
        for _ in 0..2 {
            let mut script = Command::new(lab::root().join("k8s/60-links.sh"));
            script.arg("lab.local/hopkeeper:1").env("KUBECONFIG", lab::dir().join("kubeconfig"));
            let output = script.env("PATH", lab::search_path(&[])).output();
            let output = output.expect("the script should start");
            assert!(output.status.success(), "60-links.sh: {}", String::from_utf8_lossy(&output.stderr));
        }
        vxlan
    }
}

impl Drop for Vxlan {
    fn drop(&mut self) {
        kubectl(&["delete", "namespace", "hopkeeper-vxlan", "--ignore-not-found", "--timeout=60s"]);
        let remove = format!("/usr/sbin/ip link delete {DEVICE}; nft delete table inet {DEVICE}; true");
        lab(&["node", "bash", "-c", &remove]);
    }
}

#[tokio::test]
async fn a_chain_on_a_vxlan_carries_pages_and_lets_nothing_out_beside_its_tunnels() {
    let turn = turn("links", Need::Lane).await;
    let vxlan = Vxlan::lay();
    until("the node has the VXLAN device", LIMIT, || async {
        let links = lab(&["node", "/usr/sbin/ip", "-o", "link"]);
        if links.contains(&format!(" {DEVICE}: ")) { Ok(()) } else { Err(links) }
    })
    .await;
    let world = World::up_in(turn, |chain| chain["spec"]["links"]["type"] = json!("vxlan")).await;
    let chain = &world.chain;

    let of_pods = format!(
        "for n in /run/netns/*; do nsenter --net=$n /usr/sbin/ip -d -o addr show | grep -q ' {}' || continue; \
         nsenter --net=$n /usr/sbin/ip -d -o link show; done",
        chain.lane.link_prefix()
    );
    let interfaces = lab(&["node", "bash", "-c", &of_pods]);
    // Two links with two ends each, and the exit hop's of the gateway.
    assert_eq!(interfaces.matches("macvlan mode bridge").count(), 5, "{interfaces}");

    let captures = ["entry", "middle", "exit"].map(|hop| async move {
        let pod = chain.pod(hop).await.name_any();
        Capture::start(&format!("links-{hop}"), &format!("pod:{}/{pod}", chain.namespace), &beside_the_tunnels())
    });
    let captures = futures::future::join_all(captures).await;
    let leaker = Leaker::start(chain.lane);
    let (fault, began) = refuse(&world, "entry").await;
    until_repaired(&world, "entry", began).await;
    drop(fault);
    drop(leaker);
    let leaked: Vec<_> = captures.into_iter().flat_map(Capture::stop).collect();
    assert_eq!(leaked.len(), 0, "in a rotation: {leaked:#?}");
    app::until_page(chain, Timestamp::now(), LIMIT).await;

    // Another chain cannot have the same addresses on the same device.
    let mut other = berlin(chain.lane);
    other["metadata"]["name"] = json!("bremen");
    other["spec"]["links"]["type"] = json!("vxlan");
    other["spec"]["gateway"]["cidr"] = json!("10.200.8.0/24");
    chain.apply(&other).await.expect("the API server does not know of the first one");
    until("the second chain is refused", LIMIT, || async {
        let bremen = chain.api::<VpnChain>().get("bremen").await.map_err(|e| e.to_string())?;
        let message = bremen.status.unwrap_or_default().message.unwrap_or_default();
        let clash = format!("overlaps that of chain {}/berlin", chain.namespace);
        if message.contains(&clash) { Ok(()) } else { Err(message) }
    })
    .await;
    drop(world);
    drop(vxlan);
}
