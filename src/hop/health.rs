//! Whether the tunnel carries packets: pure, from counters and the time that has passed.

use std::time::Duration;

/// After new parameters the state stays `connecting` at least this long, so that the pod's condition visibly changes.
const SETTLING: Duration = Duration::from_secs(2);
/// Three probes without an answer, where the server is known to answer them.
const SILENCE_OF_A_PROBED_SERVER: Duration = Duration::from_secs(6);
/// Longer than WireGuard's passive keepalive and OpenVPN's usual ping, both 10 s.
const SILENCE_OF_ANY_SERVER: Duration = Duration::from_secs(13);
/// WireGuard's REJECT_AFTER_TIME: nothing passes without a newer handshake.
const OLDEST_HANDSHAKE_SECONDS: i64 = 180;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No client runs.
    Down,
    /// The client runs and has no connection.
    Connecting,
    /// Packets pass.
    Up,
    /// There is a connection and nothing comes back.
    Stalled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    Unknown,
    Answered,
    Unanswered,
}

/// What is seen at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Observation {
    /// Whether the client runs.
    pub(super) present: bool,
    /// Whether it says that it is connected, and address and route are set.
    pub(super) connected: bool,
    /// Bytes received from and sent to the server.
    pub(super) rx_bytes: u64,
    /// Bytes sent to the server.
    pub(super) tx_bytes: u64,
    /// Packets sent into the tunnel.
    pub(super) tunnel_packets: u64,
    /// ICMP "time exceeded" messages received.
    pub(super) probe_answers: u64,
    /// Seconds since WireGuard's last handshake; -1 never.
    pub(super) handshake_age_seconds: i64,
}

/// What follows from all that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) state: State,
    pub(super) rx_age: Duration,
    pub(super) probe: Probe,
}

#[derive(Debug, Default)]
pub(super) struct Health {
    applied_at: Duration,
    last: Observation,
    rx_grew_at: Duration,
    packets_at_rx: u64,
    probes: u64,
    probes_at_rx: u64,
    answered_at: Option<Duration>,
    first_probe_at: Option<Duration>,
}

impl Health {
    /// New parameters are in use.
    pub(super) fn applied(&mut self, now: Duration) {
        self.applied_at = now;
        self.reset(now);
    }

    pub(super) fn probe_sent(&mut self, now: Duration) {
        self.probes += 1;
        self.first_probe_at.get_or_insert(now);
    }

    pub(super) fn observe(&mut self, seen: Observation, now: Duration) -> Report {
        if seen.connected != self.last.connected || seen.present != self.last.present {
            self.reset(now);
        }
        if seen.rx_bytes != self.last.rx_bytes {
            self.rx_grew_at = now;
            self.packets_at_rx = seen.tunnel_packets;
            self.probes_at_rx = self.probes;
        }
        if seen.probe_answers != self.last.probe_answers && seen.connected {
            self.answered_at = Some(now);
        }
        self.last = seen;
        let rx_age = now.saturating_sub(self.rx_grew_at);
        Report { state: self.state(&seen, rx_age, now), rx_age, probe: self.probe(now) }
    }

    fn reset(&mut self, now: Duration) {
        self.rx_grew_at = now;
        self.packets_at_rx = self.last.tunnel_packets;
        self.probes_at_rx = self.probes;
        self.answered_at = None;
        self.first_probe_at = None;
    }

    fn state(&self, seen: &Observation, rx_age: Duration, now: Duration) -> State {
        if !seen.present {
            return State::Down;
        }
        if !seen.connected || now.saturating_sub(self.applied_at) < SETTLING {
            return State::Connecting;
        }
        // Our own probes are no reason to expect an answer from a server that never gave one.
        let probes = self.probes - self.probes_at_rx;
        let sent = seen.tunnel_packets.saturating_sub(self.packets_at_rx) > probes;
        let silent = if self.answered_at.is_some() {
            rx_age > SILENCE_OF_A_PROBED_SERVER
        } else {
            sent && rx_age > SILENCE_OF_ANY_SERVER
        };
        if silent || seen.handshake_age_seconds > OLDEST_HANDSHAKE_SECONDS { State::Stalled } else { State::Up }
    }

    fn probe(&self, now: Duration) -> Probe {
        let overdue = |at: Duration| now.saturating_sub(at) > SILENCE_OF_A_PROBED_SERVER;
        match (self.answered_at, self.first_probe_at) {
            (Some(at), _) if !overdue(at) => Probe::Answered,
            (Some(_), _) => Probe::Unanswered,
            (None, Some(at)) if overdue(at) => Probe::Unanswered,
            (None, _) => Probe::Unknown,
        }
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
