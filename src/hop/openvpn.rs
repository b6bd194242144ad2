//! OpenVPN by its management socket: when it may connect, when it must read its files again, and what it was given.
//!
//! Seen with OpenVPN 2.6: the socket's connection survives a SIGHUP; after a SIGHUP it holds once more *after* having
//! read its files and pauses a second when released; and while it holds, and until it has its socket, it ignores SIGHUP,
//! so that it must be released and signalled before it has sent anything that matters. Only its answer says that it obeys:
//! a server that is near refuses within milliseconds, and then it holds once more with what it had.

mod line;
mod pacing;

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tracing::{info, warn};

use self::line::{Line, read};
use self::pacing::Pacing;

/// How long a released client gets to open its socket before it is signalled, and, doubled each time up to a limit, again.
const OPEN_SOCKET: Duration = Duration::from_millis(2);
const OPEN_SOCKET_AT_MOST: Duration = Duration::from_millis(256);
/// A signal that nothing follows on is sent again.
const SIGNAL_AGAIN: Duration = Duration::from_secs(3);
/// OpenVPN's lines are shorter; a client that a stranger has taken over must not fill our memory.
const MAXIMUM_LINE_BYTES: usize = 16 * 1024;

/// What the client did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A new process has read its files and holds.
    Started,
    /// It has read its files again and holds.
    Reloaded,
    /// It was found running, with this address if it is connected.
    Found(Option<Ipv4Addr>),
    /// It is connected and was given this address.
    Connected(Ipv4Addr),
    /// It lost its connection.
    Lost,
    /// The process has ended.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Neither a hold nor a state was seen on this connection yet.
    Unknown,
    /// Holds, until then if it is ours to pace.
    Held(Option<Instant>),
    Running,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reload {
    None,
    /// Released from a hold, in order to be signalled.
    Releasing,
    /// Signalled then, and not answered yet.
    Signalled(Instant),
    /// It obeys the signal of then: reads its files and holds.
    Reading(Instant),
}

pub(super) struct OpenVpn {
    socket: PathBuf,
    reader: Option<OwnedReadHalf>,
    /// What was read and is no whole line yet.
    unread: Vec<u8>,
    commands: Option<OwnedWriteHalf>,
    phase: Phase,
    reload: Reload,
    /// Before the next signal, where the last one was ignored.
    patience: Duration,
    /// The files changed once more after the signal.
    reload_again: bool,
    pacing: Pacing,
    rx_bytes: u64,
    tx_bytes: u64,
}

impl OpenVpn {
    pub(super) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.into(),
            reader: None,
            unread: Vec::new(),
            commands: None,
            phase: Phase::Unknown,
            reload: Reload::None,
            patience: OPEN_SOCKET,
            reload_again: false,
            pacing: Pacing::default(),
            rx_bytes: 0,
            tx_bytes: 0,
        }
    }

    pub(super) fn is_present(&self) -> bool {
        self.reader.is_some()
    }

    /// Bytes received and sent.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.rx_bytes, self.tx_bytes)
    }

    /// When the process opened its socket: it had read its files just before.
    pub(super) fn started_at(&self) -> Option<SystemTime> {
        self.socket.metadata().and_then(|metadata| metadata.modified()).ok()
    }

    /// The next line; waits for ever without a client. `None` when the client has gone. May be dropped at any time.
    pub(super) async fn line(&mut self) -> Option<String> {
        let Some(reader) = &mut self.reader else { return std::future::pending().await };
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            if self.unread.len() > MAXIMUM_LINE_BYTES
                || matches!(reader.read_buf(&mut self.unread).await, Ok(0) | Err(_))
            {
                return None;
            }
        }
    }

    /// Acts on a line.
    pub(super) async fn handle(&mut self, line: Option<String>) -> Option<Event> {
        let Some(line) = line else {
            *self = Self::new(&self.socket);
            return Some(Event::Gone);
        };
        match read(&line) {
            Line::Hold => self.held().await,
            Line::Released => self.released().await,
            Line::SignalIgnored => {
                self.ignored().await;
                None
            }
            Line::Current { connected } => {
                let found = self.phase == Phase::Unknown;
                self.phase = if found { Phase::Running } else { self.phase };
                found.then_some(Event::Found(connected))
            }
            Line::Connected(address) if self.reload == Reload::None => {
                self.phase = Phase::Running;
                self.pacing.succeeded();
                Some(Event::Connected(address))
            }
            Line::SignalTaken => {
                if let Reload::Signalled(at) = self.reload {
                    self.reload = Reload::Reading(at);
                }
                None
            }
            Line::Lost { refused } => {
                if self.reload == Reload::None {
                    self.pacing.failed(refused);
                }
                Some(Event::Lost)
            }
            Line::Bytes { rx, tx } => {
                (self.rx_bytes, self.tx_bytes) = (rx, tx);
                None
            }
            Line::AsksForPassword => {
                warn!("The client asks for a password and nobody is there: the candidate needs one in its fields.");
                None
            }
            Line::Connected(_) | Line::Other => None,
        }
    }

    /// Connects to a new client, and ends a hold whose time has come.
    pub(super) async fn tick(&mut self) {
        if self.reader.is_none() {
            self.connect().await;
        }
        match (self.phase, self.reload) {
            (Phase::Held(Some(at)), Reload::None) if Instant::now() >= at => self.release().await,
            (Phase::Running, Reload::Signalled(at) | Reload::Reading(at)) if at.elapsed() > SIGNAL_AGAIN => {
                self.signal().await;
            }
            _ => {}
        }
    }

    /// Lets a holding client connect.
    pub(super) async fn release(&mut self) {
        self.phase = Phase::Held(None);
        self.command("hold release").await;
    }

    /// Makes the client read its files again. A client that is not there reads them when it starts.
    pub(super) async fn reload(&mut self) {
        self.pacing = Pacing::default();
        match (self.phase, self.reload) {
            (Phase::Unknown, _) => {}
            (_, Reload::Signalled(_) | Reload::Reading(_)) => self.reload_again = true,
            (_, Reload::Releasing) => {}
            (Phase::Held(_), Reload::None) => self.release_to_signal().await,
            (Phase::Running, Reload::None) => self.signal().await,
        }
    }

    async fn connect(&mut self) {
        let Ok(stream) = UnixStream::connect(&self.socket).await else { return };
        let (read, write) = stream.into_split();
        self.reader = Some(read);
        self.commands = Some(write);
        for command in ["state on", "bytecount 1", "state"] {
            self.command(command).await;
        }
    }

    async fn held(&mut self) -> Option<Event> {
        match self.reload {
            Reload::Reading(_) if !self.reload_again => {
                (self.phase, self.reload) = (Phase::Held(None), Reload::None);
                Some(Event::Reloaded)
            }
            Reload::Reading(_) | Reload::Releasing => {
                self.reload_again = false;
                self.release_to_signal().await;
                None
            }
            // It was refused before it heard; the answer to the signal comes next.
            Reload::Signalled(_) => {
                self.phase = Phase::Held(None);
                None
            }
            Reload::None if self.phase == Phase::Unknown => {
                self.phase = Phase::Held(None);
                Some(Event::Started)
            }
            Reload::None => {
                let delay = self.pacing.delay();
                info!(seconds = delay.as_secs(), "The client connects again after a pause.");
                self.phase = Phase::Held(Some(Instant::now() + delay));
                None
            }
        }
    }

    async fn released(&mut self) -> Option<Event> {
        self.phase = Phase::Running;
        if self.reload == Reload::Releasing {
            self.patience = OPEN_SOCKET;
            self.signal_soon().await;
        }
        None
    }

    /// Lets a holding client go on, but only to signal it.
    async fn release_to_signal(&mut self) {
        self.reload = Reload::Releasing;
        self.release().await;
    }

    /// The last signal came too early, or too late.
    async fn ignored(&mut self) {
        match self.phase {
            Phase::Held(_) => self.release_to_signal().await,
            _ => self.signal_soon().await,
        }
    }

    async fn signal_soon(&mut self) {
        tokio::time::sleep(self.patience).await;
        self.patience = (self.patience * 2).min(OPEN_SOCKET_AT_MOST);
        self.signal().await;
    }

    async fn signal(&mut self) {
        self.reload = Reload::Signalled(Instant::now());
        self.command("signal SIGHUP").await;
    }

    async fn command(&mut self, command: &str) {
        let result = match &mut self.commands {
            Some(commands) => commands.write_all(format!("{command}\n").as_bytes()).await,
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        // A client that is gone shows at the next line.
        if let Err(error) = result {
            warn!(command, %error, "The client did not take a command.");
        }
    }
}

#[cfg(test)]
mod tests;
