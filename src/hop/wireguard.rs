//! WireGuard by its control socket, or by `wg` where the kernel does it: parameters in, counters out.
//!
//! A client that has just started knows nothing: its socket is new, or it has no peer. Both are looked for, and the
//! parameters are given again.

mod kernel;
mod uapi;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use secrecy::SecretString;
use tracing::{error, info, warn};

use super::mount::Parameters;
use crate::domain::candidate::{WireGuardConfig, read_config};
use crate::domain::plan::TUNNEL_INTERFACE;
use crate::domain::types::Implementation;

const ASK_EVERY: Duration = Duration::from_secs(1);

/// What a client tells about its peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Peer {
    /// Whether it is the one that it was given.
    is_ours: bool,
    rx_bytes: u64,
    tx_bytes: u64,
    /// Its last handshake, as the client writes it.
    last_handshake: Option<u64>,
}

enum Backend {
    Socket(PathBuf),
    Kernel,
}

pub(super) struct WireGuard {
    backend: Backend,
    /// boringtun tells the seconds since the last handshake, all others its time.
    handshake_is_an_age: bool,
    config: Option<(WireGuardConfig, SecretString)>,
    /// Which socket the parameters were given to.
    configured: Option<(u64, i64, i64)>,
    asked_at: Option<Instant>,
    present: bool,
    peer: Peer,
    complained: bool,
}

impl WireGuard {
    pub(super) fn new(implementation: Implementation, directory: &Path) -> Self {
        let backend = match implementation {
            Implementation::Kernel => Backend::Kernel,
            _ => Backend::Socket(directory.join(format!("{TUNNEL_INTERFACE}.sock"))),
        };
        Self {
            backend,
            handshake_is_an_age: implementation == Implementation::BoringTun,
            config: None,
            configured: None,
            asked_at: None,
            present: false,
            peer: Peer::default(),
            complained: false,
        }
    }

    pub(super) fn is_present(&self) -> bool {
        self.present
    }

    /// Bytes received and sent.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.peer.rx_bytes, self.peer.tx_bytes)
    }

    /// Seconds since the last handshake; -1 when there was none with these parameters.
    pub(super) fn handshake_age_seconds(&self) -> i64 {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let age = match self.peer.last_handshake {
            Some(age) if self.handshake_is_an_age => Some(age),
            Some(0) | None => None,
            Some(time) => Some(now().saturating_sub(time)),
        };
        age.and_then(|age| i64::try_from(age).ok()).unwrap_or(-1)
    }

    /// Takes parameters, to be given to the client at the next [`tick`](Self::tick).
    pub(super) fn reload(&mut self, parameters: &Parameters) {
        (self.configured, self.complained) = (None, false);
        match read_config(&parameters.plan.candidate.name, &parameters.config) {
            Ok(config) => self.config = Some((config, parameters.config.clone())),
            // The client keeps what it has; the state shows that it is not what is mounted.
            Err(error) => error!(%error, "The mounted parameters cannot be used."),
        }
    }

    /// Gives the parameters to a client that lacks them and asks for its counters, at once if it `has_changed`; whether
    /// it was given them.
    pub(super) async fn tick(&mut self, has_changed: bool) -> bool {
        let Some(id) = self.identity() else {
            (self.present, self.configured, self.peer) = (false, None, Peer::default());
            return false;
        };
        if self.configured != Some(id) {
            return self.configure(id).await;
        }
        if has_changed || self.asked_at.is_none_or(|at| at.elapsed() >= ASK_EVERY) {
            self.ask().await;
        }
        false
    }

    /// Which client is there: the kernel's always the same, a program by its socket.
    fn identity(&self) -> Option<(u64, i64, i64)> {
        match &self.backend {
            Backend::Kernel => Some((0, 0, 0)),
            Backend::Socket(path) => {
                path.metadata().ok().map(|socket| (socket.ino(), socket.ctime(), socket.ctime_nsec()))
            }
        }
    }

    async fn configure(&mut self, id: (u64, i64, i64)) -> bool {
        let Some((config, text)) = &self.config else { return false };
        let result = match &self.backend {
            Backend::Kernel => kernel::set(text).await.map_err(|error| error.to_string()),
            Backend::Socket(path) => uapi::set(path, config).await.map_err(|error| error.to_string()),
        };
        match result {
            Ok(()) => {
                info!(endpoint = %config.endpoint, "The client has its parameters.");
                (self.present, self.configured, self.complained) = (true, Some(id), false);
                (self.peer, self.asked_at) = (Peer::default(), None);
                true
            }
            Err(error) => {
                // A socket without a client stays behind when the client is killed.
                if !self.complained {
                    warn!(error, "The client does not take its parameters yet.");
                }
                (self.present, self.complained) = (false, true);
                false
            }
        }
    }

    async fn ask(&mut self) {
        let Some((config, _)) = &self.config else { return };
        let key = config.public_key_hex();
        let peer = match &self.backend {
            Backend::Kernel => kernel::peer().await,
            Backend::Socket(path) => uapi::peer(path, &key).await,
        };
        self.asked_at = Some(Instant::now());
        match peer {
            Some(peer) if peer.is_ours => (self.present, self.peer) = (true, peer),
            Some(_) => self.configured = None,
            None => (self.present, self.configured, self.peer) = (false, None, Peer::default()),
        }
    }
}
