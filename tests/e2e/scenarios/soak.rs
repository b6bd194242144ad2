//! Elasticsearch is away for an hour while hops fail and are repaired: `make soak`. Every repair comes, memory stays within its
//! bound, what could not be written is counted, and when it is back the current state there is the chain's.

use std::time::{Duration, Instant};

use hopkeeper::crd::chain::ChainPhase;
use jiff::Timestamp;
use serde_json::Value;

use super::{LIMIT, World, number, percentiles, refuse, seconds, until_repaired};
use crate::documents;
use crate::door::{Door, Way};
use crate::elasticsearch::Server;
use crate::operator::{Documents, LogSource, Start};
use crate::turn::{Need, turn};
use crate::wait::until;

/// The end of the documents' names.
const DOCUMENTS: &str = "e2e_soak";
/// The least that may wait: an hour's documents are more.
const BUFFER_MIB: usize = 1;
/// What the operator's memory may grow by beside it: what an allocator keeps.
const SLACK_MIB: f64 = 16.0;
/// How long it stays away in one way.
const SPELL: Duration = Duration::from_mins(5);
/// A candidate that failed may be used again after the budget's time.
const BETWEEN: Duration = Duration::from_secs(16);

/// How long it is away: an hour, or `HOPKEEPER_E2E_SOAK_MINUTES`.
fn away() -> Duration {
    Duration::from_mins(number("HOPKEEPER_E2E_SOAK_MINUTES").unwrap_or(60))
}

/// What was seen in some time.
#[derive(Default)]
struct Seen {
    /// From the log line to the parameters written, of each repair.
    repairs: Vec<f64>,
    memory_mib: f64,
    waiting_bytes: f64,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "an hour: make soak"]
async fn an_hour_without_elasticsearch_delays_no_repair() {
    let turn = turn("soak", Need::Lane).await;
    let Some(elasticsearch) = Server::start(false) else { return };
    let address = elasticsearch.url.trim_start_matches("http://").parse().expect("the lab's, without TLS");
    documents::prepare(&elasticsearch, DOCUMENTS).await;
    let door = Door::before(address).await;
    let documents = Documents { url: door.url(), namespace: DOCUMENTS, buffer_mib: BUFFER_MIB };
    let world =
        World::start(turn, |start| Start { source: LogSource::Kafka, documents: Some(documents), ..start }, |_| ())
            .await;

    let before = repairs(&world, SPELL).await;
    tell("Elasticsearch there", &before);
    assert!(world.operator.metric("hopkeeper_documents_written_total", "").await > 0.0);

    let (began, away) = (Instant::now(), away());
    let mut worst = Seen::default();
    for way in [Way::Refuses, Way::Silent, Way::HangsUp].into_iter().cycle() {
        let left = away.saturating_sub(began.elapsed());
        if left.is_zero() {
            break;
        }
        door.becomes(way);
        let seen = repairs(&world, left.min(SPELL)).await;
        tell(&format!("away ({way:?})"), &seen);
        worst.repairs.extend(seen.repairs);
        worst.memory_mib = worst.memory_mib.max(seen.memory_mib);
        worst.waiting_bytes = worst.waiting_bytes.max(seen.waiting_bytes);
    }
    tell(&format!("away for {:.0} min", began.elapsed().as_secs_f64() / 60.0), &worst);
    assert!(worst.waiting_bytes > 0.0, "nothing waited: was it away?");
    assert!(worst.waiting_bytes <= (BUFFER_MIB * 1024 * 1024) as f64, "{} bytes wait", worst.waiting_bytes);
    let most = before.memory_mib + BUFFER_MIB as f64 + SLACK_MIB;
    assert!(worst.memory_mib <= most, "{:.1} MiB, where {most:.1} are to be enough", worst.memory_mib);

    door.becomes(Way::Open);
    let back = Timestamp::now();
    until("nothing waits any more", LIMIT, || async {
        let waiting = world.operator.metric("hopkeeper_documents_waiting", "").await;
        if waiting == 0.0 { Ok(()) } else { Err(format!("{waiting} documents")) }
    })
    .await;
    let overflow = world.operator.metric("hopkeeper_documents_dropped_total", "overflow").await;
    let written = world.operator.metric("hopkeeper_documents_written_total", "").await;
    println!(
        "    written within {:.1} s of its return; {written} documents in all, {overflow} were dropped",
        seconds(back, Timestamp::now())
    );
    let status = world.chain.get().await.status.unwrap_or_default();
    assert_eq!((status.phase, status.hops_up.as_deref()), (Some(ChainPhase::Up), Some("3/3")));
    let all_up = |states: &[Value], _| {
        let up = |kind: &str, field: &str| {
            states.iter().filter(|s| s["hopkeeper"]["kind"] == kind && s["hopkeeper"][kind][field] == "Up").count()
        };
        (up("chain", "phase"), up("hop", "state"), states.len()) == (1, 3, 4)
    };
    documents::until(&elasticsearch, DOCUMENTS, "the current state is the chain's", all_up).await;
}

/// Breaks and repairs the entry again and again for so long.
async fn repairs(world: &World, for_long: Duration) -> Seen {
    let began = Instant::now();
    let mut seen = Seen::default();
    while began.elapsed() < for_long {
        let (fault, began) = refuse(world, "entry").await;
        let incident = until_repaired(world, "entry", began).await;
        drop(fault);
        let steps = incident.status.unwrap_or_default().steps;
        let written = steps.last().and_then(|step| step.applied_at.as_ref()).expect("what worked was written").0;
        seen.repairs.push(seconds(incident.spec.last.time.0, written));
        world.chain.until_up(LIMIT).await;
        world.chain.until_all_closed(LIMIT).await;
        seen.memory_mib = seen.memory_mib.max(world.operator.memory_mib());
        let waiting = world.operator.metric("hopkeeper_documents_waiting_bytes", "").await;
        seen.waiting_bytes = seen.waiting_bytes.max(waiting);
        tokio::time::sleep(BETWEEN).await;
    }
    seen
}

fn tell(when: &str, seen: &Seen) {
    percentiles(&format!("    {when}: log line to parameters written"), seen.repairs.clone());
    let waiting = seen.waiting_bytes / 1024.0;
    println!("    {when}: at most {:.1} MiB in all, {waiting:.0} KiB of documents waiting", seen.memory_mib);
}
