//! Killed after each step of a recovery, and with everything around it failing: one recovery, one rotation, nothing lost.

use std::fs::File;
use std::time::Duration;

use hopkeeper::crd::incident::{IncidentPhase, StepAction};
use hopkeeper::crd::{HopIncident, VpnChain, names};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{LogParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{LIMIT, World, number, refuse, refuse_once, seconds, until_repaired};
use crate::app;
use crate::chain::{describe, phase};
use crate::lab::{bao_seal, bao_unseal, lab};
use crate::lab_lock;
use crate::operator::LogSource;
use crate::stream::{Shipped, ship};
use crate::turn::Need;
use crate::wait::until;

/// One repair of the entry since `began`: one incident acted, by one rotation. When that was written.
pub(super) async fn repaired_once(world: &World, began: Timestamp, revision_before: &str) -> Timestamp {
    let incident = until_repaired(world, "entry", began).await;
    let steps = incident.status.unwrap_or_default().steps;
    assert_eq!(steps.len(), 1, "one step");
    assert_eq!(steps[0].action, StepAction::RotateInPlace);
    let written = steps[0].applied_at.as_ref().expect("what worked was written").0;
    app::until_page(&world.chain, Timestamp::now(), LIMIT).await;
    world.chain.until_up(LIMIT).await;
    let acted: Vec<_> = world
        .chain
        .incidents()
        .await
        .into_iter()
        .filter(|i| i.spec.last.time.0 > began && i.status.as_ref().is_some_and(|s| !s.steps.is_empty()))
        .collect();
    assert_eq!(acted.len(), 1, "{}", describe(&acted));
    let revision = |text: &str| text.rsplit('#').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or_default();
    let now = world.chain.candidate("entry").await;
    assert_eq!(revision(&now), revision(revision_before) + 1, "one rotation: {revision_before} became {now}");
    written
}

/// Says how long a repair took from when what was away came `back`: the operator's part, until other parameters were `written`;
/// until a page came through the chain again; and until Kubernetes knew. Below zero is before: where the lines' source is away for
/// long, the operator reads them of the API server meanwhile.
async fn tell(world: &World, what: &str, back: Timestamp, written: Timestamp) {
    let known = Timestamp::now();
    let page = app::until_page(&world.chain, written, LIMIT).await;
    let [written, page, known] = [written, page, known].map(|time| seconds(back, time));
    println!(
        "    {what}: after its return other parameters were written {written:.1} s, a page came {page:.1} s, the chain was seen Up {known:.1} s"
    );
}

#[tokio::test]
async fn an_operator_that_is_killed_after_any_step_leaves_one_rotation() {
    let mut world = World::up("crash", |_| ()).await;
    for point in ["pipeline::created", "recover::recorded", "recover::written", "recover::nudged", "recover::verifying"]
    {
        // The one that stops at the point; it must lead, so the other one is killed first.
        world.start.failpoints = format!("{point}=pause");
        world.restart_operator().await;
        world.start.failpoints = String::new();
        let before = world.chain.candidate("entry").await;
        let (_fault, began) = refuse(&world, "entry").await;
        until(&format!("the operator stops at {point}"), LIMIT, || async {
            let incidents = world.chain.incidents().await;
            let Some(incident) = incidents.iter().find(|i| i.spec.hop == "entry" && i.spec.last.time.0 > began) else {
                return Err(describe(&incidents));
            };
            let written = world.chain.candidate("entry").await != before;
            let pod = world.chain.pod("entry").await;
            let nudged = pod.annotations().contains_key(names::NUDGE) && written;
            let reached = match point {
                "pipeline::created" => true,
                "recover::recorded" => phase(incident) == IncidentPhase::Acting && !written,
                "recover::written" => written,
                "recover::nudged" => nudged,
                _ => phase(incident) == IncidentPhase::Verifying || phase(incident).is_closed(),
            };
            if reached { Ok(()) } else { Err(format!("{:?}, written {written}", phase(incident))) }
        })
        .await;
        println!("    stopped at {point}: kill -9");
        world.restart_operator().await;
        repaired_once(&world, began, &before).await;
    }
    told_once_to_the_next_operator(&mut world).await;
}

/// Killed once more just after it has written parameters. What was said of the ones before, a moment before the client took
/// these, is no failure of these; what is said of these starts a repair, although it is said once and before the next
/// operator has heard anything.
async fn told_once_to_the_next_operator(world: &mut World) {
    world.start.failpoints = "recover::written=pause".to_owned();
    // What these lines are is written to Kafka.
    world.restart_operator_on(LogSource::Kafka).await;
    world.start.failpoints = String::new();
    let before = world.chain.candidate("entry").await;
    let (fault, _) = refuse(world, "entry").await;
    let written = until("the operator stops at recover::written", LIMIT, || async {
        let now = world.chain.candidate("entry").await;
        if now == before { Err(now) } else { Ok(now) }
    })
    .await;
    world.operator.kill();
    drop(fault);
    let pod = world.chain.pod("entry").await;
    let nudge = Patch::Merge(json!({"metadata": {"annotations": {"e2e/nudge": written}}}));
    let pods = world.chain.api::<Pod>();
    pods.patch_metadata(&pod.name_any(), &PatchParams::default(), &nudge).await.expect("the pod should be there");
    let since = until("the client has taken them", LIMIT, || async {
        let params = LogParams { container: Some("health".to_owned()), tail_lines: Some(20), ..LogParams::default() };
        let log = pods.logs(&pod.name_any(), &params).await.map_err(|e| e.to_string())?;
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let word = lines.next_back().ok_or("no health line")?;
        let since = word["applied_since"].as_str().filter(|_| word["applied"] == written.as_str());
        since.and_then(|since| since.parse::<Timestamp>().ok()).ok_or_else(|| word.to_string())
    })
    .await;

    // What was said before a hop was Ready has healed.
    until("the hop is Ready again", LIMIT, || async {
        let conditions = world.chain.pod("entry").await.status.and_then(|status| status.conditions).unwrap_or_default();
        let ready = conditions.into_iter().find(|c| c.type_ == "Ready" && c.status == "True").ok_or("not Ready")?;
        let at = ready.last_transition_time.map(|time| time.0).ok_or("no time")?;
        if at.as_second() >= since.as_second() { Ok(()) } else { Err(format!("still so since {at}")) }
    })
    .await;
    let told = Timestamp::now();
    let (uid, name) = (pod.uid().unwrap_or_default(), pod.name_any());
    let expired = "WARNING: Your certificate has expired!";
    let line = |at: Timestamp| Shipped::line(&world.chain.namespace, &name, &uid, at, expired);
    ship(&[line(since - SignedDuration::from_millis(1)), line(told)]).await;
    world.operator = world.start.start().await;
    let is_of_it = |i: &HopIncident| i.spec.rule == "openvpn-own-certificate-expired";
    let repaired = |i: &HopIncident| is_of_it(i) && phase(i) == IncidentPhase::Recovered;
    let incident = world.chain.until_incident("entry", "is Recovered", LIMIT, repaired).await;
    let millisecond = |time: Timestamp| time.as_millisecond();
    assert_eq!(
        millisecond(incident.spec.first.time.0),
        millisecond(told),
        "the line before was about other parameters"
    );
    assert_eq!(incident.status.unwrap_or_default().steps.len(), 1);
    assert_eq!(world.chain.incidents().await.iter().filter(|i| is_of_it(i)).count(), 1);
    let after = seconds(since, told);
    println!("    told once, {after:.1} s after the client took what a killed operator wrote: repaired");
}

/// A part of the lab that all share: its name there, and where it listens.
type Part = (&'static str, &'static str);
const KAFKA: Part = ("kafka", "127.0.0.1:9092");
const ELASTICSEARCH: Part = ("es", "127.0.0.1:9200");
const CLUSTER: Part = ("cluster", "10.200.0.2:6443");

/// Starts a part again; when it was back, which is when it took a connection: the lab waits until it is of use, and that takes a while.
async fn up_again((name, listens): Part) -> Timestamp {
    let up = tokio::task::spawn_blocking(move || lab(&["up", name]));
    let back = until(&format!("{name} listens again"), LIMIT, || async {
        TcpStream::connect(listens).await.map(|_| Timestamp::now()).map_err(|error| error.to_string())
    })
    .await;
    up.await.expect("should not panic");
    back
}

/// How long what all share is away: so long, or `HOPKEEPER_E2E_OUTAGE_SECONDS`.
fn away(seconds: u64) -> Duration {
    Duration::from_secs(number("HOPKEEPER_E2E_OUTAGE_SECONDS").unwrap_or(seconds))
}

/// The part of the lab that the lines of this run come from, and who else uses it is kept out; none where that is Kubernetes.
async fn log_source() -> Option<(Part, Option<File>)> {
    match LogSource::of_this_run() {
        LogSource::Kafka => Some((KAFKA, None)),
        LogSource::Elasticsearch => {
            let lock = || lab_lock::lock(lab_lock::ELASTICSEARCH, true);
            Some((ELASTICSEARCH, tokio::task::spawn_blocking(lock).await.expect("should not panic")))
        }
        LogSource::PodLogs => None,
    }
}

#[tokio::test]
async fn outages_of_the_log_source_vault_and_kubernetes_lose_nothing() {
    let world = World::up_where("outages", Need::Lab, |chain| {
        // As it is by default.
        chain["spec"]["recovery"]["verifyWithin"] = json!("60s");
    })
    .await;

    if let Some((source, _lock)) = log_source().await {
        let before = world.chain.candidate("entry").await;
        let (name, _) = source;
        lab(&["down", name]);
        let (fault, began) = refuse(&world, "entry").await;
        let away = away(5);
        tokio::time::sleep(away).await; // With the line in the shipper's hands.
        let back = up_again(source).await;
        let written = repaired_once(&world, began, &before).await;
        tell(&world, &format!("{name} away for {} s", away.as_secs()), back, written).await;
        drop(fault);
    }

    let before = world.chain.candidate("entry").await;
    bao_seal();
    let (fault, began) = refuse(&world, "entry").await;
    world
        .chain
        .until_incident("entry", "was created", LIMIT, |i| {
            i.spec.last.time.0 > began && i.spec.candidate.to_string() == before.split('#').next().unwrap_or_default()
        })
        .await;
    until("the chain says that vault is sealed", LIMIT, || async {
        let message = world.chain.get().await.status.and_then(|s| s.message).unwrap_or_default();
        if message.contains("sealed") { Ok(()) } else { Err(message) }
    })
    .await;
    bao_unseal();
    let back = Timestamp::now();
    let written = repaired_once(&world, began, &before).await;
    tell(&world, "vault sealed", back, written).await;
    drop(fault);

    let before = world.chain.candidate("entry").await;
    // Refused while the API server is away: before, it might be repaired by then.
    let away_first = || {
        lab(&["halt", "kube-apiserver"]);
    };
    let (fault, began) = refuse_once(&world, "entry", away_first).await;
    let away = away(60);
    tokio::time::sleep(away).await;
    let back = up_again(CLUSTER).await;
    let written = repaired_once(&world, began, &before).await;
    tell(&world, &format!("API server away for {} s", away.as_secs()), back, written).await;
    drop(fault);

    // Of pod logs nothing is heard meanwhile.
    if LogSource::of_this_run() != LogSource::PodLogs {
        kubelet_away(&world).await;
    }
}

/// Other parameters are written while the kubelet is away: a step that the pod was not given is not given up for the next one.
async fn kubelet_away(world: &World) {
    let short = Patch::Merge(json!({"spec": {"recovery": {"verifyWithin": "10s"}}}));
    let chains = world.chain.api::<VpnChain>();
    chains.patch("berlin", &PatchParams::default(), &short).await.expect("the chain should be there");
    let before = world.chain.candidate("entry").await;
    let away_first = || {
        lab(&["halt", "kubelet"]);
    };
    let (fault, began) = refuse_once(world, "entry", away_first).await;
    let waits = |i: &HopIncident| {
        let reason = i.status.as_ref().and_then(|status| status.reason.as_deref());
        i.spec.last.time.0 > began && reason == Some("KubeletLate")
    };
    world.chain.until_incident("entry", "waits for the kubelet", LIMIT, waits).await;
    let back = Timestamp::now();
    lab(&["up", "cluster"]);
    let written = repaired_once(world, began, &before).await;
    tell(world, "kubelet away", back, written).await;
    drop(fault);
}
