//! The scenarios, one file each. They share the lab's servers, so they run one after the other.

use std::time::Duration;

use hopkeeper::crd::HopIncident;
use hopkeeper::crd::incident::IncidentPhase;
use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard};

use crate::app;
use crate::chain::{Chain, berlin, phase};
use crate::lab::{Fault, lab};
use crate::operator::{Operator, Start};

mod bench;
mod crash;
mod evidence;
mod leaders;
mod limits;
mod outage;
mod privacy;
mod refusal;
mod rotation;

static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A chain that is Up, with its application and operator.
pub struct World {
    pub operator: Operator,
    pub start: Start,
    pub chain: Chain,
    _turn: MutexGuard<'static, ()>,
}

impl World {
    /// Brings the README's chain up in a namespace of its own, after `change` was made to it.
    pub async fn up(name: &str, change: impl FnOnce(&mut serde_json::Value)) -> Self {
        Self::with_log(name, "info,hopkeeper=debug", change).await
    }

    /// The same with the operator's log at its most talkative.
    pub async fn traced(name: &str) -> Self {
        Self::with_log(name, "trace", |_| ()).await
    }

    async fn with_log(name: &str, log: &str, change: impl FnOnce(&mut serde_json::Value)) -> Self {
        let turn = turn().await;
        lab(&["faults", "clear"]);
        let began = Timestamp::now();
        let chain = Chain::namespace(name).await;
        let start = Start { log: log.to_owned(), ..Start::new(&chain.namespace) };
        let operator = start.start().await;
        let mut manifest = berlin();
        change(&mut manifest);
        chain.apply(&manifest).await.expect("the chain should be accepted");
        chain.until_up(Duration::from_secs(90)).await;
        println!(
            "{name}: chain Up after {:.1} s",
            (Timestamp::now() - began).total(jiff::Unit::Second).unwrap_or_default()
        );
        app::start(&chain).await;
        let page = app::until_page(&chain, began, Duration::from_secs(30)).await;
        println!("{name}: first page after {:.1} s", seconds(began, page));
        Self { operator, start, chain, _turn: turn }
    }

    /// Kills the operator (-9) and starts another one.
    pub async fn restart_operator(&mut self) {
        self.operator.kill();
        self.operator = self.start.start().await;
    }
}

/// Waits until no other scenario runs.
pub async fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().await
}

/// Ends the session of the hop's candidate and refuses it from now on; returns when.
pub async fn refuse(world: &World, hop: &str) -> (Fault, Timestamp) {
    let (server, candidate) = (world.chain.server(hop).await, world.chain.candidate_name(hop).await);
    let began = Timestamp::now();
    (Fault::new(&["revoke-password", &server, &candidate]), began)
}

/// Waits for the incident of a hop that was repaired by steps after `began`.
pub async fn until_repaired(world: &World, hop: &str, began: Timestamp) -> HopIncident {
    let repaired = |i: &HopIncident| {
        let steps = i.status.as_ref().map_or(0, |s| s.steps.len());
        phase(i) == IncidentPhase::Recovered && steps > 0 && i.spec.last.time.0 > began
    };
    world.chain.until_incident(hop, "is Recovered by a step", LIMIT, repaired).await
}

/// How long anything in the lab may take before a test gives up on it.
pub const LIMIT: Duration = Duration::from_secs(150);

/// From one time to another, in seconds.
pub fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}
