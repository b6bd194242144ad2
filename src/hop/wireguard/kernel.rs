//! The kernel's WireGuard, by `wg`: there is no client, so `net` gives it its parameters.

use secrecy::{ExposeSecret, SecretString};

use super::Peer;
use crate::domain::plan::{KERNEL_MARK, TUNNEL_INTERFACE};
use crate::hop::{HopError, command};

fn wg(arguments: &str) -> Vec<String> {
    std::iter::once("wg").chain(arguments.split(' ')).map(Into::into).collect()
}

/// The configuration goes by stdin: a command line is visible to others.
pub(super) async fn set(config: &SecretString) -> Result<(), HopError> {
    let read = wg(&format!("setconf {TUNNEL_INTERFACE} /dev/stdin"));
    // An unchanged peer would keep the time of its last handshake.
    command::run_with_input(&read, Some("[Interface]\n")).await?;
    command::run_with_input(&read, Some(config.expose_secret())).await?;
    command::run(&wg(&format!("set {TUNNEL_INTERFACE} fwmark {KERNEL_MARK:#x}"))).await.map(drop)
}

pub(super) async fn peer() -> Option<Peer> {
    let transfer = command::run(&wg(&format!("show {TUNNEL_INTERFACE} transfer"))).await.ok()?;
    let handshakes = command::run(&wg(&format!("show {TUNNEL_INTERFACE} latest-handshakes"))).await.ok()?;
    let Some(mut counts) = transfer.lines().next().map(|line| line.split_whitespace().skip(1)) else {
        return Some(Peer::default());
    };
    let mut number = || counts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    Some(Peer {
        is_ours: true,
        rx_bytes: number(),
        tx_bytes: number(),
        last_handshake: handshakes.split_whitespace().nth(1).and_then(|text| text.parse().ok()),
    })
}
