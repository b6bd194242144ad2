//! What people trust this with: no packet beside the tunnels, no secret in any output, nothing left behind.

use std::time::Duration;

use hopkeeper::crd::HopIncident;
use hopkeeper::internal_event::catalog;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{DeleteParams, LogParams};
use serde_json::Value;

use super::{LIMIT, World, refuse, until_repaired};
use crate::app;
use crate::chain::{berlin, kubectl};
use crate::collector::{Collector, Place};
use crate::lab::{Capture, LANES, Lane, lab};
use crate::leaks::{Leaker, outside};
use crate::trap::Trap;
use crate::turn::{Need, turn};
use crate::wait::until;
use crate::walls::{Neighbour, everything, inside};

const HOPS: [&str; 3] = ["entry", "middle", "exit"];

#[tokio::test]
async fn no_packet_leaves_beside_the_tunnels() {
    let turn = turn("leaks", Need::ThisLane(LANES[0])).await;
    let capture = outside("leak-start");
    let leaker = Leaker::start(turn.lane);
    let mut world = World::up_in(turn, |_| ()).await;
    let leaked = capture.stop();
    assert_eq!(leaked.len(), 0, "while the chain started: {leaked:#?}");

    let capture = outside("leak-steady");
    let (fault, began) = refuse(&world, "entry").await;
    until_repaired(&world, "entry", began).await;
    drop(fault);
    let leaked = capture.stop();
    assert_eq!(leaked.len(), 0, "in a rotation: {leaked:#?}");

    services_are_no_way_out(&world).await;

    // The hops inside of one that is made anew go on sending by it. Then all of them at once.
    for hops in [&HOPS[..1], &HOPS[1..2], &HOPS[2..], &HOPS] {
        let capture = outside("leak-restart");
        made_anew(&world, hops).await;
        let leaked = capture.stop();
        assert_eq!(leaked.len(), 0, "while {hops:?} were made anew: {leaked:#?}");
    }
    drop(leaker);

    // The same attempts where somebody removed the kill switch: the test can fail. Again and again, since a pod that is made
    // anew has one of its own.
    let capture = outside("leak-without");
    let leaker = Leaker::start(world.chain.lane);
    until("without the kill switch the attempts are seen", LIMIT, || async {
        remove_kill_switch(&world.chain.pod("middle").await);
        if capture.so_far().is_empty() { Err("no packet".to_owned()) } else { Ok(()) }
    })
    .await;
    drop(leaker);
    let leaked = capture.stop();
    println!("    packets beside the tunnels: 0 with the kill switch, {} without it", leaked.len());
    policies_are_a_second_wall(&mut world).await;
}

/// What an application, or a hop by its inner side, sends to the address of a Service goes into the tunnel as all does.
async fn services_are_no_way_out(world: &World) {
    let trap = Trap::set(&world.chain).await;
    let app = world.chain.api::<Pod>().get("app").await.expect("the application should be there");
    let capture = outside("leak-service");
    for _ in 0..5 {
        inside(&app, &trap.attempts());
    }
    let leaked = capture.stop();
    assert_eq!(leaked.len(), 0, "to a Service: {leaked:#?}");
}

/// Deletes the hops' pods and waits for their successors.
async fn made_anew(world: &World, hops: &[&str]) {
    for hop in hops {
        let pod = world.chain.pod(hop).await;
        world.chain.api::<Pod>().delete(&pod.name_any(), &DeleteParams::default()).await.expect("it should go");
    }
    until("the chain is down without them", LIMIT, || async {
        let status = world.chain.get().await.status.unwrap_or_default();
        if status.hops_up.as_deref() == Some("3/3") { Err("still the old ones".to_owned()) } else { Ok(()) }
    })
    .await;
    world.chain.until_up(LIMIT).await;
}

/// Removes the kill switch of a pod from outside, where it is there.
fn remove_kill_switch(pod: &Pod) {
    inside(pod, "nft delete table inet vpn 2>/dev/null");
}

/// Where no pod has a kill switch, which the application's never had: nothing of the cluster or beyond it is reached, and nothing comes
/// in. That the entry hop reaches its server is what all the rest of this lives on.
async fn policies_are_a_second_wall(world: &mut World) {
    let neighbour = Neighbour::start(&world.chain).await;
    let mut pods = vec![("app", world.chain.api::<Pod>().get("app").await.expect("the application should be there"))];
    for hop in HOPS {
        pods.push((hop, world.chain.pod(hop).await));
    }
    for (name, pod) in &pods {
        remove_kill_switch(pod);
        let reached = neighbour.reached_by(pod);
        assert!(reached.is_empty(), "{name} reaches {reached:?}");
        assert!(!neighbour.reaches(pod), "{name} is reached");
    }
    // It is the policies that hold: nobody is there to put them back.
    world.operator.kill();
    kubectl(&["-n", &world.chain.namespace, "delete", "networkpolicies", "--all"]);
    for (name, pod) in &pods {
        until(&format!("without a policy {name} reaches everything, and is reached"), LIMIT, || async {
            let (reached, is_reached) = (neighbour.reached_by(pod), neighbour.reaches(pod));
            if reached == everything() && is_reached { Ok(()) } else { Err(format!("{reached:?}, {is_reached}")) }
        })
        .await;
    }
    println!(
        "    beside the chain, without kill switches: nothing is reached with the policies, all of {:?} without",
        everything()
    );
}

#[tokio::test]
async fn each_segment_carries_only_its_outer_tunnel_and_the_web_server_sees_the_exit() {
    let world = World::up("segments", |_| ()).await;
    let server = |last, port| format!("{}.{port}", world.chain.lane.address(last));
    let pod = async |hop| format!("pod:{}/{}", world.chain.namespace, world.chain.pod(hop).await.name_any());
    let segments = [
        ("exit to middle", pod("middle").await + "/in0", server(13, 1194)),
        ("middle to entry", pod("entry").await + "/in0", server(12, 51820)),
        ("entry to the internet", pod("entry").await, server(11, 1194)),
    ];
    for (name, place, server) in segments {
        // Neighbours on a link look each other up by ARP; nothing else may be there.
        let capture = Capture::start("segment", &place, "ip");
        app::until_page(&world.chain, Timestamp::now(), LIMIT).await;
        tokio::time::sleep(Duration::from_secs(2)).await; // Pages go by while the capture runs.
        let packets = capture.stop();
        assert!(!packets.is_empty(), "{name}: there should be traffic");
        let foreign: Vec<_> = packets.iter().filter(|p| !p.contains(&server)).collect();
        assert!(foreign.is_empty(), "{name}: {foreign:#?}");
        println!("    {name}: {} packets, all of {server}", packets.len());
    }
}

/// The bridge on the node that a NetworkAttachmentDefinition stands for.
fn bridge(namespace: &str, definition: &str) -> String {
    let path = "jsonpath={.spec.config}";
    let config = kubectl(&["-n", namespace, "get", "network-attachment-definition", definition, "-o", path]);
    let config: serde_json::Value = serde_json::from_str(&config).expect("it should be JSON");
    config["plugins"][0]["bridge"].as_str().expect("it should name a bridge").to_owned()
}

/// Every secret value of the lane's candidates.
fn canaries(lane: Lane) -> Vec<String> {
    let mut found = Vec::new();
    for hop in HOPS {
        for entry in std::fs::read_dir(lane.pool(hop)).expect("the pools should be there") {
            let path = entry.expect("it should be readable").path();
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if let Ok(fields) = serde_json::from_str::<serde_json::Value>(&text) {
                found.extend(fields["password"].as_str().map(str::to_owned));
            }
            let mut inside = false;
            for line in text.lines() {
                let private = line.contains("PRIVATE KEY") || line.contains("OpenVPN Static key");
                inside = if private { line.contains("BEGIN") } else { inside };
                if inside && !line.starts_with('-') && line.len() >= 16 {
                    found.push(line.to_owned());
                }
                if let Some((key, value)) =
                    line.split_once(" = ").filter(|(k, _)| k.ends_with("Key") && !k.contains("Public"))
                {
                    assert!(!key.is_empty());
                    found.push(value.to_owned());
                }
            }
        }
    }
    found.sort();
    found.dedup();
    assert!(found.len() >= 12, "there should be secrets to look for: {}", found.len());
    found
}

#[tokio::test]
async fn no_secret_reaches_any_output_at_trace() {
    let Some(place) = Place::new() else { return };
    let collector = Collector::start(&place);
    let mut world = World::talkative("canary", place.url()).await;
    let (fault, began) = refuse(&world, "entry").await;
    let incident = until_repaired(&world, "entry", began).await;
    drop(fault);
    let mut outputs = vec![
        ("operator log".to_owned(), std::fs::read_to_string(&world.operator.log).expect("the log should be there")),
        ("metrics".to_owned(), world.operator.get("/metrics").await.expect("they should be served").1),
    ];
    let own = format!("/chains/{}/berlin", world.chain.namespace);
    for path in ["/", &own, "/api/v1/chains"] {
        let (code, text) = world.operator.status_page(path, "").await.expect("it should be served");
        // The page of all chains shows the newest incidents alone, which on a slow machine are others.
        assert!(code == 200 && (path == "/" || text.contains("AUTH_FAILED")), "{path}: {code}: {text}");
        outputs.push((format!("status page {path}"), text));
    }
    for kind in ["events", "vpnchains", "hopincidents", "pods", "deployments", "configmaps", "networkpolicies"] {
        outputs.push((kind.to_owned(), kubectl(&["-n", &world.chain.namespace, "get", kind, "-o", "json"])));
    }
    for hop in HOPS {
        let pod = world.chain.pod(hop).await.name_any();
        for container in ["net-init", "net", "health", "vpn"] {
            let params = LogParams { container: Some(container.to_owned()), ..LogParams::default() };
            let text = world.chain.api::<Pod>().logs(&pod, &params).await.unwrap_or_default();
            outputs.push((format!("{hop}/{container}"), text));
        }
    }
    world.operator.terminate().await;
    let traces = collector.stop();
    is_one_trace(&traces, &incident);
    outputs.push(("traces".to_owned(), serde_json::to_string(&traces).expect("it should be JSON")));
    let canaries = canaries(world.chain.lane);
    for (name, text) in &outputs {
        for canary in &canaries {
            assert!(!text.contains(canary.as_str()), "a secret is in {name}");
        }
    }
    assert!(outputs[0].1.contains("TRACE"), "the operator should have logged in detail");
    let bytes: usize = outputs.iter().map(|(_, text)| text.len()).sum();
    println!("    {} secrets looked for in {} outputs, {} kB: none found", canaries.len(), outputs.len(), bytes / 1024);
}

/// The incident was told once, from its line to the tunnel that carries traffic again.
fn is_one_trace(traces: &[Value], incident: &HopIncident) {
    let id = incident.uid().unwrap_or_default().replace('-', "");
    let spans = traces.iter().filter_map(|resource| resource["scopeSpans"][0]["spans"].as_array());
    let of_incident: Vec<_> = spans.filter(|spans| spans[0]["traceId"] == id.as_str()).collect();
    let [spans] = of_incident[..] else { panic!("one trace {id}: {traces:?}") };
    let names: Vec<_> = spans.iter().filter_map(|span| span["name"].as_str()).collect();
    let wanted = ["ship line", "judge", "rotate in place", "write parameters", "verify tunnel"];
    assert!(names[0].starts_with("incident ") && wanted.iter().all(|name| names.contains(name)), "{names:?}");
    println!("    trace {id}:");
    let time = |of: &Value| of.as_str().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    for span in spans {
        let (start, end) = (time(&span["startTimeUnixNano"]), time(&span["endTimeUnixNano"]));
        let seconds = |nanoseconds: u64| Duration::from_nanos(nanoseconds).as_secs_f64();
        let after = seconds(start - time(&spans[0]["startTimeUnixNano"]));
        println!("      +{after:.3} s {}: {:.3} s", span["name"].as_str().unwrap_or_default(), seconds(end - start));
    }
}

#[tokio::test]
async fn a_deleted_chain_leaves_nothing_behind() {
    let world = World::up("deleted", |_| ()).await;
    let namespace = &world.chain.namespace;
    kubectl(&["-n", namespace, "delete", "pod", "app", "--wait=true"]);
    let definitions = ["berlin-link-0-port", "berlin-link-1-port", "berlin-gateway-exit-port"];
    let bridges: Vec<_> = definitions.iter().map(|d| bridge(namespace, d)).collect();
    let on_node = |name: &String| lab(&["node", "sh", "-c", "/usr/sbin/ip -o link"]).contains(name.as_str());
    assert!(bridges.iter().all(on_node), "the bridges should be there before: {bridges:?}");
    let exposed = || async { world.operator.get("/metrics").await.expect("they should be served").1 };
    until("the chain's series are there", LIMIT, || async {
        let text = exposed().await;
        let is_there = |metric: &&str| text.contains(&format!("\n{metric}{{chain=\"berlin\""));
        let wanted = ["hopkeeper_chain_state", "hopkeeper_hop_last_handshake_timestamp_seconds"];
        if wanted.iter().all(is_there) { Ok(()) } else { Err(text) }
    })
    .await;
    for name in exposed().await.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(catalog::all().any(|metric| metric.name == name), "{name} is not documented");
    }
    shortened(&world).await;
    let began = Timestamp::now();
    kubectl(&["-n", namespace, "delete", "vpnchain", "berlin", "--wait=true", "--timeout=60s"]);
    let kinds = "deployments,replicasets,pods,secrets,configmaps,networkpolicies,network-attachment-definitions,hopincidents,vpnchains";
    until("every object of the chain is gone", LIMIT, || async {
        let left = kubectl(&["-n", namespace, "get", kinds, "-l", "hopkeeper.io/chain=berlin", "-o", "name"]);
        if left.contains("No resources") || left.trim().is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    println!("    gone after {:.1} s", super::seconds(began, Timestamp::now()));
    let of_chain = r#"chain="berlin""#;
    until("every series of the chain is gone", LIMIT, || async {
        let text = exposed().await;
        let left: Vec<_> = text.lines().filter(|line| line.contains(of_chain)).map(str::to_owned).collect();
        if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
    })
    .await;
    let left: Vec<_> = bridges.into_iter().filter(on_node).collect();
    assert!(left.is_empty(), "bridges of the chain stay on the node: {left:?}");
}

/// Takes the hop in the middle out: its objects go, and the link beyond the new end.
async fn shortened(world: &World) {
    let mut chain = berlin(world.chain.lane);
    chain["spec"]["hops"].as_array_mut().expect("it should have hops").remove(1);
    world.chain.apply(&chain).await.expect("the shorter chain should be accepted");
    let kinds = "deployments,secrets,networkpolicies,network-attachment-definitions";
    until("what the shorter chain does not need is gone", LIMIT, || async {
        let left = kubectl(&["-n", &world.chain.namespace, "get", kinds, "-o", "name"]);
        let surplus: Vec<_> =
            left.lines().filter(|l| l.contains("berlin-middle") || l.contains("berlin-link-1")).collect();
        if surplus.is_empty() { Ok(()) } else { Err(surplus.join(", ")) }
    })
    .await;
}
