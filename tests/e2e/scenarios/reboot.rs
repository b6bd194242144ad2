//! A node reboots: all pods of the chain lose their sandboxes at once, and are the same pods in new ones. The chain comes back by
//! itself, with the parameters that it had: a reboot proves nothing about a candidate.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;

use super::{LIMIT, World, seconds};
use crate::app;
use crate::lab::lab;
use crate::leaks::{Senders, outside};
use crate::wait::until;

const PODS: [&str; 4] = ["entry", "middle", "exit", "app"];

#[tokio::test]
async fn a_chain_comes_back_from_a_reboot_by_itself_with_the_parameters_that_it_had() {
    let mut world = World::up("reboot", |_| ()).await;
    let before = world.chain.state().await;
    // One alone: the hops inside of it go on sending by it. First, since the kubelet waits longer each time.
    for hop in &PODS[..3] {
        comes_back(&mut world, &[hop], false).await;
    }
    for operator_too in [false, true] {
        comes_back(&mut world, &PODS, operator_too).await;
    }
    assert_eq!(world.chain.state().await, before, "the same pods, with the same candidates");
}

/// Ends these pods' sandboxes, and looks on until all is as it was: without a repair, and without a packet beside the tunnels.
async fn comes_back(world: &mut World, pods: &[&str], operator_too: bool) {
    let senders = Senders::of(&world.chain);
    let capture = outside("leak-reboot");
    let began = Timestamp::now();
    end_sandboxes(world, pods).await;
    if operator_too {
        world.restart_operator().await;
    }
    until("their containers run again", LIMIT, || all_run_since(world, pods, began)).await;
    let running = Timestamp::now();
    let page = app::until_page(&world.chain, running, LIMIT).await;
    world.chain.until_up(LIMIT).await;
    println!(
        "    {}{}: containers run after {:.1} s, a page after {:.1} s, Up after {:.1} s",
        pods.join(", "),
        if operator_too { " and the operator" } else { "" },
        seconds(began, running),
        seconds(began, page),
        seconds(began, Timestamp::now())
    );
    world.chain.until_all_closed(LIMIT).await;
    let (leaked, addresses) = senders.of_theirs(capture.stop());
    assert_eq!(leaked.len(), 0, "while {pods:?} came back: {leaked:#?}");
    assert_eq!(addresses, PODS.len() + pods.len(), "a new sandbox has another address");
    world.chain.assert_nothing_repaired("a reboot is nobody's fault").await;
}

/// Kills every process of these pods, those that hold the sandboxes included; side by side, before the kubelet can begin to mend
/// one.
async fn end_sandboxes(world: &World, pods: &[&str]) {
    let mut filters = Vec::new();
    for name in pods {
        let name = pod(world, name).await.name_any();
        // Every lane has a pod of the application's name.
        let label = |key: &str, value: &str| format!("labels.\"io.kubernetes.pod.{key}\"=={value}");
        filters.push(format!("'{},{}'", label("namespace", &world.chain.namespace), label("name", &name)));
    }
    // containerd lists what fits any of them.
    let script = format!(
        "for id in $(ctr -n k8s.io containers ls -q {}); do ctr -n k8s.io tasks kill -s SIGKILL $id 2>/dev/null & done; wait",
        filters.join(" ")
    );
    lab(&["node", "bash", "-c", &script]);
}

async fn pod(world: &World, name: &str) -> Pod {
    match name {
        "app" => world.chain.api().get(name).await.expect("the application should be there"),
        hop => world.chain.pod(hop).await,
    }
}

/// Whether these pods' containers began after a time.
async fn all_run_since(world: &World, pods: &[&str], time: Timestamp) -> Result<(), String> {
    for name in pods {
        let statuses = pod(world, name).await.status.and_then(|s| s.container_statuses).unwrap_or_default();
        let runs = |s: &ContainerStatus| {
            s.state
                .as_ref()
                .and_then(|s| s.running.as_ref()?.started_at.as_ref())
                .is_some_and(|at| at.0.as_second() >= time.as_second())
        };
        if statuses.is_empty() || !statuses.iter().all(runs) {
            return Err(format!("{name}'s do not"));
        }
    }
    Ok(())
}
