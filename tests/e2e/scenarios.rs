//! The scenarios, one file each. They run side by side, each in a lane of the lab (`turn.rs`).

use hopkeeper::crd::HopIncident;
use hopkeeper::crd::incident::IncidentPhase;
use jiff::Timestamp;

use crate::app;
use crate::chain::{Chain, berlin, phase};
use crate::lab::Fault;
use crate::operator::{LogSource, Operator, Start};
use crate::turn::{Need, Turn, turn};
use crate::wait::LIMIT;

mod bench;
mod crash;
mod evidence;
mod external;
mod guide;
mod helm;
mod howto;
mod leaders;
mod limits;
mod links;
mod modes;
mod moves;
mod outage;
mod privacy;
mod reboot;
mod refusal;
mod rights;
mod rotation;
mod silence;
mod soak;
mod terminal;
mod tutorial;

/// A chain that is Up, with its application and operator.
pub struct World {
    pub operator: Operator,
    pub start: Start,
    pub chain: Chain,
    /// Last: everything else of the scenario is gone when another one takes the lane.
    _turn: Turn,
}

impl AsRef<Chain> for World {
    fn as_ref(&self) -> &Chain {
        &self.chain
    }
}

impl World {
    /// Brings the README's chain up in a namespace of its own, after `change` was made to it.
    pub async fn up(name: &str, change: impl FnOnce(&mut serde_json::Value)) -> Self {
        Self::with_log(turn(name, Need::Lane).await, "info,hopkeeper=debug", change).await
    }

    /// The same with what it needs.
    pub async fn up_where(name: &str, need: Need, change: impl FnOnce(&mut serde_json::Value)) -> Self {
        Self::with_log(turn(name, need).await, "info,hopkeeper=debug", change).await
    }

    /// The same in a turn that was taken before.
    pub async fn up_in(turn: Turn, change: impl FnOnce(&mut serde_json::Value)) -> Self {
        Self::with_log(turn, "info,hopkeeper=debug", change).await
    }

    /// The same with the operator's log at its most talkative, and its traces sent there.
    pub async fn talkative(name: &str, otlp_endpoint: String) -> Self {
        let turn = turn(name, Need::Lane).await;
        let all = |start: Start| Start { log: "trace".to_owned(), otlp_endpoint: Some(otlp_endpoint), ..start };
        Self::start(turn, all, |_| ()).await
    }

    async fn with_log(turn: Turn, log: &str, change: impl FnOnce(&mut serde_json::Value)) -> Self {
        Self::start(turn, |start| Start { log: log.to_owned(), ..start }, change).await
    }

    async fn start(
        turn: Turn,
        operator: impl FnOnce(Start) -> Start,
        change: impl FnOnce(&mut serde_json::Value),
    ) -> Self {
        turn.lane.mend();
        let began = Timestamp::now();
        let name = &turn.name;
        let chain = Chain::namespace(turn.lane, name).await;
        let emptied = Timestamp::now();
        let start = operator(Start::new(&chain.namespace));
        let operator = start.start().await;
        let mut manifest = berlin(turn.lane);
        change(&mut manifest);
        chain.apply(&manifest).await.expect("the chain should be accepted");
        chain.until_up(LIMIT).await;
        println!(
            "{name}: chain Up after {:.1} s (and {:.1} s until the lane was empty)",
            seconds(emptied, Timestamp::now()),
            seconds(began, emptied)
        );
        app::start(&chain).await;
        let page = app::until_page(&chain, began, LIMIT).await;
        println!("{name}: first page after {:.1} s", seconds(emptied, page));
        Self { operator, start, chain, _turn: turn }
    }

    /// Breaks a server of the lane, by its bare name, until the fault is dropped.
    pub fn fault(&self, arguments: &[&str]) -> Fault {
        Fault::new(self.chain.lane, arguments)
    }

    /// The same with one that reads another log source.
    pub async fn restart_operator_on(&mut self, source: LogSource) {
        self.start.source = source;
        self.restart_operator().await;
    }

    /// Kills the operator (-9) and starts another one.
    pub async fn restart_operator(&mut self) {
        self.operator.kill();
        self.operator = self.start.start().await;
    }
}

/// Ends the session of the hop's candidate and refuses it from now on; returns when.
pub async fn refuse(world: &impl AsRef<Chain>, hop: &str) -> (Fault, Timestamp) {
    refuse_once(world, hop, || {}).await
}

/// The same, after something else was done, since when nobody may answer what the candidate is.
pub async fn refuse_once(world: &impl AsRef<Chain>, hop: &str, done: impl FnOnce()) -> (Fault, Timestamp) {
    let chain = world.as_ref();
    let (server, candidate) = (chain.server(hop).await, chain.candidate_name(hop).await);
    done();
    let began = Timestamp::now();
    (Fault::new(chain.lane, &["revoke-password", &server, &candidate]), began)
}

/// Waits for the incident of a hop that was repaired by steps after `began`.
pub async fn until_repaired(world: &impl AsRef<Chain>, hop: &str, began: Timestamp) -> HopIncident {
    let repaired = |i: &HopIncident| {
        let steps = i.status.as_ref().map_or(0, |s| s.steps.len());
        phase(i) == IncidentPhase::Recovered && steps > 0 && i.spec.last.time.0 > began
    };
    world.as_ref().until_incident(hop, "is Recovered by a step", LIMIT, repaired).await
}

/// Prints what times, in seconds, were seen.
pub fn percentiles(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    println!(
        "{name}: p50 {:.3} s, p99 {:.3} s, max {:.3} s (n = {})",
        at(0.5),
        at(0.99),
        times[times.len() - 1],
        times.len()
    );
}

/// The number that a variable of the environment is set to.
pub fn number(variable: &str) -> Option<u64> {
    let number = |text: String| text.parse().unwrap_or_else(|_| panic!("{variable} should be a number: {text}"));
    std::env::var(variable).ok().map(number)
}

/// From one time to another, in seconds.
pub fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}
