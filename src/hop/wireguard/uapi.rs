//! WireGuard's control protocol: one request a connection, lines of `key=value`, an empty line at the end.
//!
//! <https://www.wireguard.com/xplatform/#configuration-protocol>

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use super::Peer;
use crate::domain::candidate::WireGuardConfig;

const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// One peer's worth is below 1 KiB.
const MAXIMUM_ANSWER_BYTES: u64 = 64 * 1024;

pub(super) async fn set(socket: &Path, config: &WireGuardConfig) -> io::Result<()> {
    let answer = request(socket, &config.set_request()).await?;
    match answer.lines().find_map(|line| line.strip_prefix("errno=")) {
        Some("0") => Ok(()),
        Some(code) => Err(io::Error::other(format!("the client refused its parameters with errno {code}"))),
        None => Err(io::Error::other("the client gave no answer")),
    }
}

/// What the client tells about its peer; `None` when it does not answer.
pub(super) async fn peer(socket: &Path, public_key_hex: &str) -> Option<Peer> {
    request(socket, "get=1\n\n").await.ok().map(|answer| read(&answer, public_key_hex))
}

async fn request(socket: &Path, text: &str) -> io::Result<Zeroizing<String>> {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await.map_err(explain)?;
        stream.write_all(text.as_bytes()).await?;
        let mut answer = Zeroizing::new(String::new());
        let mut chunk = Zeroizing::new([0; 4096]);
        // wireguard-go keeps the connection open for the next request.
        while !answer.ends_with("\n\n") && (answer.len() as u64) < MAXIMUM_ANSWER_BYTES {
            match stream.read(&mut chunk[..]).await? {
                0 => break,
                count => answer.push_str(&String::from_utf8_lossy(&chunk[..count])),
            }
        }
        Ok(answer)
    };
    tokio::time::timeout(ANSWER_WITHIN, exchange).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

fn explain(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::PermissionDenied {
        io::Error::other("its control socket is closed to others: the client must be started with umask 0")
    } else {
        error
    }
}

fn read(answer: &str, public_key_hex: &str) -> Peer {
    let mut peer = Peer::default();
    for (key, value) in answer.lines().filter_map(|line| line.split_once('=')) {
        match key {
            "public_key" => peer.is_ours = value.eq_ignore_ascii_case(public_key_hex),
            "rx_bytes" => peer.rx_bytes = value.parse().unwrap_or(0),
            "tx_bytes" => peer.tx_bytes = value.parse().unwrap_or(0),
            "last_handshake_time_sec" => peer.last_handshake = value.parse().ok(),
            _ => {}
        }
    }
    peer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boringtuns_answer_is_understood() {
        let answer = "own_public_key=aa\nlisten_port=1\npublic_key=bb\npersistent_keepalive_interval=25\n\
                      endpoint=192.0.2.1:51820\nallowed_ip=0.0.0.0/0\nlast_handshake_time_sec=3\n\
                      last_handshake_time_nsec=4\nrx_bytes=148\ntx_bytes=180\nerrno=0\n\n";
        let peer = Peer { is_ours: true, rx_bytes: 148, tx_bytes: 180, last_handshake: Some(3) };
        assert_eq!(read(answer, "bb"), peer);
        assert!(!read(answer, "cc").is_ours);
    }

    #[test]
    fn a_client_without_a_peer_is_not_ours() {
        assert_eq!(read("listen_port=1\nerrno=0\n\n", "bb"), Peer::default());
    }
}
