//! Tests of [`super`].

use super::*;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn connected(rx_bytes: u64) -> Observation {
    Observation { present: true, connected: true, rx_bytes, handshake_age_seconds: -1, ..Observation::default() }
}

/// A connection since second 0, up since second 3.
fn health() -> Health {
    let mut health = Health::default();
    health.applied(at(0));
    health.observe(connected(1), at(0));
    assert_eq!(health.observe(connected(2), at(3)).state, State::Up);
    health
}

#[test]
fn new_parameters_show_as_connecting_for_two_seconds() {
    let mut health = health();
    health.applied(at(10));
    assert_eq!(health.observe(connected(3), at(11)).state, State::Connecting);
    assert_eq!(health.observe(connected(3), at(12)).state, State::Up);
}

#[test]
fn a_server_that_answers_probes_is_stalled_after_six_silent_seconds() {
    let mut health = health();
    health.probe_sent(at(3));
    let answered = Observation { probe_answers: 1, ..connected(3) };
    assert_eq!(health.observe(answered, at(4)).probe, Probe::Answered);
    assert_eq!(health.observe(answered, at(10)).state, State::Up);
    let report = health.observe(answered, at(11));
    assert_eq!((report.state, report.probe), (State::Stalled, Probe::Unanswered));
    assert_eq!(health.observe(Observation { rx_bytes: 4, ..answered }, at(12)).state, State::Up);
}

#[test]
fn a_server_that_ignores_probes_is_not_blamed_for_an_idle_tunnel() {
    let mut health = health();
    for second in [4, 6, 8, 10, 12, 14, 16, 18] {
        health.probe_sent(at(second));
    }
    let idle = Observation { tunnel_packets: 8, ..connected(2) };
    assert_eq!(health.observe(idle, at(30)), Report { state: State::Up, rx_age: at(27), probe: Probe::Unanswered });
}

#[test]
fn packets_sent_without_anything_coming_back_are_a_stall() {
    let mut health = health();
    let busy = Observation { tunnel_packets: 40, ..connected(2) };
    assert_eq!(health.observe(busy, at(16)).state, State::Up);
    assert_eq!(health.observe(busy, at(17)).state, State::Stalled);
}

#[test]
fn a_handshake_that_is_too_old_is_a_stall() {
    let old = Observation { handshake_age_seconds: 181, ..connected(3) };
    assert_eq!(health().observe(old, at(4)).state, State::Stalled);
}

#[test]
fn without_a_client_the_hop_is_down() {
    assert_eq!(health().observe(Observation::default(), at(4)).state, State::Down);
}
