//! `net run`: follows the mounted parameters and the client, and says what it sees.
//!
//! One loop on one thread. New parameters go through in this order, which leaves no moment open: the kill switch lets
//! the new server in beside the old one, the client changes over, the old server is closed.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::health::{Health, Observation, Report, State};
use super::mount::{Mount, Parameters};
use super::network::Network;
use super::openvpn::{Event, OpenVpn};
use super::state_file::{self, Applied};
use super::wireguard::WireGuard;
use super::{HopError, Paths, probe, system};
use crate::domain::plan::{HopPlan, MANAGEMENT_SOCKET};
use crate::domain::types::Implementation;
use crate::telemetry::error_chain;

const TICK: Duration = Duration::from_millis(100);
const REPORT_EVERY: Duration = Duration::from_secs(1);
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// A client reads its files just before it opens its socket; changed within this time, it may have read the old ones.
const READ_BEFORE_START: Duration = Duration::from_millis(100);

enum Client {
    OpenVpn(OpenVpn),
    WireGuard(Box<WireGuard>),
}

struct Runner {
    paths: Paths,
    /// Whether new parameters are loaded into the running client; else they wait for the next pod.
    in_place: bool,
    mount: Mount,
    parameters: Parameters,
    applied: Applied,
    network: Network,
    client: Client,
    /// OpenVPN only: whether it is connected, with address and route set.
    connected: bool,
    /// Whether a client held the tunnel's device when last looked.
    carrier: bool,
    health: Health,
    started: Instant,
    probed_at: Option<Duration>,
    reported_at: Option<Duration>,
    state: Option<State>,
}

/// Keeps a hop's network until it is told to end.
///
/// # Errors
/// When the network cannot be changed any more; the kill switch stays as it is.
pub async fn run(paths: &Paths, in_place: bool) -> Result<(), HopError> {
    let handler = |kind| signal(kind).map_err(|source| HopError::Setup { what: "watch for signals", source });
    let (mut terminate, mut interrupt) = (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);
    tokio::select! {
        result = Runner::start(paths, in_place) => result,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

impl Runner {
    async fn start(paths: &Paths, in_place: bool) -> Result<(), HopError> {
        let mut mount = Mount::new(&paths.plan);
        let parameters = mount.read()?;
        let implementation = parameters.plan.network.implementation;
        let client = match implementation {
            Implementation::OpenVpn => Client::OpenVpn(OpenVpn::new(&paths.shared.join(MANAGEMENT_SOCKET))),
            _ => Client::WireGuard(Box::new(WireGuard::new(implementation, &paths.uapi))),
        };
        let mut runner = Self {
            applied: state_file::applied(&paths.shared),
            paths: paths.clone(),
            in_place,
            mount,
            parameters,
            network: Network::default(),
            client,
            connected: false,
            carrier: system::carrier(),
            health: Health::default(),
            started: Instant::now(),
            probed_at: None,
            // A former `net` of this pod may have left a state that still holds: no "down" before the client is looked for.
            reported_at: Some(Duration::ZERO),
            state: None,
        };
        runner.network.open(&runner.parameters.plan).await?;
        if let Client::WireGuard(client) = &mut runner.client {
            client.reload(&runner.parameters);
        }
        info!(hop = runner.plan().network.name, plan = runner.plan().id(), "The hop's network is kept.");
        runner.follow().await
    }

    async fn follow(&mut self) -> Result<(), HopError> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let line = match &mut self.client {
                Client::OpenVpn(client) => tokio::select! {
                    line = client.line() => Some(line),
                    _ = ticks.tick() => None,
                },
                Client::WireGuard(_) => {
                    ticks.tick().await;
                    None
                }
            };
            match (line, &mut self.client) {
                (Some(line), Client::OpenVpn(client)) => {
                    if let Some(event) = client.handle(line).await {
                        self.openvpn(event).await?;
                        self.report();
                    }
                }
                _ => self.tick().await?,
            }
        }
    }

    fn plan(&self) -> &HopPlan {
        &self.parameters.plan
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    async fn tick(&mut self) -> Result<(), HopError> {
        if self.in_place && self.mount.is_changed() {
            self.changed().await?;
        }
        let carrier = system::carrier();
        let client_changed = std::mem::replace(&mut self.carrier, carrier) != carrier;
        match &mut self.client {
            Client::OpenVpn(client) => client.tick().await,
            Client::WireGuard(client) => {
                let before = Timestamp::now();
                if client.tick(client_changed).await {
                    if let Some(address) = self.plan().tunnel_addresses.first().map(ipnet::Ipv4Net::addr) {
                        self.network.set_address(&self.parameters.plan, address).await?;
                    }
                    self.finish(before).await?;
                    self.report();
                    // boringtun begins a handshake only when there is something to send.
                    self.probed_at = None;
                }
            }
        }
        let now = self.now();
        let due = |last: Option<Duration>, every| last.is_none_or(|last| now.saturating_sub(last) >= every);
        let can_probe = match &self.client {
            Client::OpenVpn(_) => self.connected,
            Client::WireGuard(client) => client.is_present(),
        };
        if can_probe && due(self.probed_at, PROBE_EVERY) {
            self.probed_at = Some(now);
            if probe::send().is_ok() {
                self.health.probe_sent(now);
            }
        }
        if client_changed || due(self.reported_at, REPORT_EVERY) {
            self.network.repair(&self.parameters.plan).await?;
            self.report();
        }
        Ok(())
    }

    /// Something else is mounted: makes the client change over.
    async fn changed(&mut self) -> Result<(), HopError> {
        if !self.take_parameters().await? {
            return Ok(());
        }
        self.connected = false;
        match &mut self.client {
            Client::OpenVpn(client) => client.reload().await,
            Client::WireGuard(client) => client.reload(&self.parameters),
        }
        self.report();
        Ok(())
    }

    /// Reads what is mounted and opens the kill switch for it; whether it is something else.
    async fn take_parameters(&mut self) -> Result<bool, HopError> {
        let parameters = match self.mount.read() {
            Ok(parameters) if !parameters.is_same(&self.parameters) => parameters,
            Ok(_) => return Ok(false),
            Err(error) => {
                error!(error = error_chain(&error), "The mounted parameters cannot be read; the client keeps its own.");
                return Ok(false);
            }
        };
        if !self.plan().network.is_at_home_in(&parameters.plan.network) {
            warn!("The hop gets other addresses: this pod keeps its own; the next one has them.");
            return Ok(false);
        }
        info!(from = self.applied.id, to = parameters.plan.id(), "The hop has new parameters.");
        self.parameters = parameters;
        self.network.open(&self.parameters.plan).await?;
        Ok(true)
    }

    async fn openvpn(&mut self, event: Event) -> Result<(), HopError> {
        // A new process has read what is mounted, even where a running one is left alone.
        if event == Event::Started && self.mount.is_changed() {
            self.take_parameters().await?;
        }
        let Client::OpenVpn(client) = &mut self.client else { return Ok(()) };
        match event {
            Event::Started => {
                let changed_at = self.parameters.changed_at;
                if client.started_at().is_some_and(|started| changed_at + READ_BEFORE_START > started) {
                    client.reload().await;
                } else {
                    self.take_over().await?;
                }
            }
            Event::Reloaded => self.take_over().await?,
            Event::Found(address) if self.applied.id == self.parameters.plan.id() => {
                info!(applied = self.applied.id, "The client runs already.");
                if let Some(address) = address {
                    self.connected(address).await?;
                }
            }
            Event::Found(_) => client.reload().await,
            Event::Connected(address) => self.connected(address).await?,
            Event::Lost | Event::Gone => self.connected = false,
        }
        Ok(())
    }

    /// The client has read what is mounted and holds: closes the former servers and lets it connect.
    async fn take_over(&mut self) -> Result<(), HopError> {
        // What it writes of them comes after the hold.
        self.finish(Timestamp::now()).await?;
        if let Client::OpenVpn(client) = &mut self.client {
            client.release().await;
        }
        Ok(())
    }

    /// The client has had what is mounted since `taken_at`.
    async fn finish(&mut self, taken_at: Timestamp) -> Result<(), HopError> {
        self.network.close_others(&self.parameters.plan).await?;
        let id = self.plan().id();
        self.applied.take(id, taken_at);
        self.health.applied(self.now());
        info!(applied = self.applied.id, "The client runs with the mounted parameters.");
        Ok(())
    }

    async fn connected(&mut self, address: Ipv4Addr) -> Result<(), HopError> {
        if let Some(network) = self.plan().network.own_networks().find(|network| network.contains(&address)) {
            error!(%address, %network, "The server gave an address of the hop's own network: set links.cidr or gateway.cidr to another range.");
            return Ok(());
        }
        if address.is_unspecified() || address.is_loopback() || address.is_multicast() || address.is_broadcast() {
            error!(%address, "The server gave an address that no hop can have.");
            return Ok(());
        }
        self.network.set_address(&self.parameters.plan, address).await?;
        self.connected = true;
        Ok(())
    }

    fn observe(&mut self) -> (Observation, Report) {
        let mut seen = Observation {
            tunnel_packets: system::tunnel_packets_sent(),
            probe_answers: system::times_exceeded(),
            handshake_age_seconds: -1,
            ..Observation::default()
        };
        match &self.client {
            Client::OpenVpn(client) => {
                (seen.present, seen.connected) = (client.is_present(), self.connected);
                (seen.rx_bytes, seen.tx_bytes) = client.bytes();
            }
            Client::WireGuard(client) => {
                seen.handshake_age_seconds = client.handshake_age_seconds();
                (seen.present, seen.connected) = (client.is_present(), seen.handshake_age_seconds >= 0);
                (seen.rx_bytes, seen.tx_bytes) = client.bytes();
            }
        }
        let now = self.now();
        (seen, self.health.observe(seen, now))
    }

    fn report(&mut self) {
        let (seen, report) = self.observe();
        if self.state.replace(report.state) != Some(report.state) {
            info!(
                state = state_file::state(report.state),
                applied = self.applied.id,
                "The tunnel's state has changed."
            );
        }
        self.reported_at = Some(self.now());
        if let Err(error) = state_file::write(&self.paths.shared, &self.applied, self.carrier, &seen, &report) {
            warn!(%error, "The state file cannot be written.");
        }
    }
}
