//! A node reboots: all pods of the chain lose their sandboxes at once, and are the same pods in new ones. The chain comes back by
//! itself, with the parameters that it had: a reboot proves nothing about a candidate.

use hopkeeper::crd::HopIncident;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::{LIMIT, World, seconds};
use crate::app;
use crate::chain::describe;
use crate::lab::lab;
use crate::leaks::{Senders, outside};
use crate::wait::until;

#[tokio::test]
async fn a_chain_comes_back_from_a_reboot_by_itself_with_the_parameters_that_it_had() {
    let mut world = World::up("reboot", |_| ()).await;
    let before = world.chain.state().await;
    for operator_too in [false, true] {
        let senders = Senders::of(&world.chain);
        let capture = outside("leak-reboot");
        let began = Timestamp::now();
        end_all_sandboxes(&world.chain.namespace);
        if operator_too {
            world.restart_operator().await;
        }
        until("the hops' containers run again", LIMIT, || async { all_run_since(&world, began).await }).await;
        let running = Timestamp::now();
        let page = app::until_page(&world.chain, running, LIMIT).await;
        world.chain.until_up(LIMIT).await;
        println!(
            "    operator {}: containers run after {:.1} s, a page after {:.1} s, Up after {:.1} s",
            if operator_too { "restarted" } else { "elsewhere" },
            seconds(began, running),
            seconds(began, page),
            seconds(began, Timestamp::now())
        );
        world.chain.until_all_closed(LIMIT).await;
        let (leaked, pods) = senders.of_theirs(capture.stop());
        assert_eq!(leaked.len(), 0, "while the node rebooted: {leaked:#?}");
        assert!(pods >= 8, "three hops and the application, each before and after: {pods}");
        let incidents = world.chain.incidents().await;
        println!("    incidents: {}", describe(&incidents));
        let acted = |i: &&HopIncident| i.status.as_ref().is_some_and(|s| !s.steps.is_empty());
        assert_eq!(incidents.iter().filter(acted).count(), 0, "a reboot is nobody's fault: {}", describe(&incidents));
        assert_eq!(world.chain.state().await, before, "the same pods, with the same candidates");
    }
}

/// Kills every process in the namespace's pods, those that hold the sandboxes included; side by side, before the kubelet can
/// begin to mend one.
fn end_all_sandboxes(namespace: &str) {
    let script = format!(
        "for id in $(ctr -n k8s.io containers ls -q 'labels.\"io.kubernetes.pod.namespace\"=={namespace}'); do \
         ctr -n k8s.io tasks kill -s SIGKILL $id 2>/dev/null & done; wait"
    );
    lab(&["node", "bash", "-c", &script]);
}

/// Whether each hop's containers, and the application's, began after a time.
async fn all_run_since(world: &World, time: Timestamp) -> Result<(), String> {
    for name in ["entry", "middle", "exit", "app"] {
        let pod = match name {
            "app" => world.chain.api::<Pod>().get(name).await.map_err(|e| e.to_string())?,
            hop => world.chain.pod(hop).await,
        };
        let statuses = pod.status.and_then(|s| s.container_statuses).unwrap_or_default();
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
