//! The kernel's WireGuard, by `wg`: there is no client, so `net` gives it its parameters.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

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
    command::run_with_input(&read, Some(&marked(config))).await.map(drop)
}

/// With the mark, which comes before the peer: the first handshake is sent at once, and the kill switch lets out nothing without
/// it. A configuration that does not name the mark takes it away.
fn marked(config: &SecretString) -> Zeroizing<String> {
    Zeroizing::new(format!("[Interface]\nFwMark = {KERNEL_MARK:#x}\n{}", config.expose_secret()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_there_before_the_peer_to_which_a_handshake_is_sent_at_once() {
        let marked = marked(&SecretString::from("[Interface]\nPrivateKey = k\n\n[Peer]\nPublicKey = p\n"));
        let lines: Vec<&str> = marked.lines().filter(|line| !line.is_empty()).collect();
        let mark = lines.iter().position(|line| *line == "FwMark = 0x686f7065");
        assert!(mark.is_some() && mark < lines.iter().position(|line| *line == "[Peer]"), "{lines:?}");
    }
}
