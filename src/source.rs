//! Where log records come from. One task a source; it never retries by itself, its supervisor (`pipeline`) does.
//!
//! A source yields records in order within each shard, and each record carries the handle by which its reader says how
//! far it is done. What a record means is not its affair: at most it reads what is only lent to it.

pub mod compressed;
pub mod cursor;
pub mod elasticsearch;
pub mod kafka;
pub mod lines;
pub mod overlap;
pub mod progress;
pub mod raw;
pub mod syslog;

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::domain::envelope;
use crate::domain::event::{LogEvent, Position};

/// Longer records are left out: no shipper's event of one log line comes near it, and what waits in memory is bounded.
pub const MAX_RECORD_BYTES: usize = 256 * 1024;

/// Appends what of `available` belongs to a line that was begun, cut where it is too long: one byte more than
/// [`MAX_RECORD_BYTES`] tells that it is. Says how many bytes were used, and whether the line ends there.
pub(crate) fn append_line(line: &mut Vec<u8>, available: &[u8]) -> (usize, bool) {
    let end = memchr::memchr(b'\n', available);
    let part = &available[..end.unwrap_or(available.len())];
    let room = (MAX_RECORD_BYTES + 1).saturating_sub(line.len());
    line.extend_from_slice(&part[..part.len().min(room)]);
    (part.len() + usize::from(end.is_some()), end.is_some())
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The shipper's bytes.
    Bytes(Vec<u8>),
    /// What stood in them, by a source to which they were only lent.
    Event(Box<LogEvent>),
    /// Longer than [`MAX_RECORD_BYTES`]; only its place is kept.
    TooLarge,
}

impl Payload {
    /// Takes a copy of what is not too large.
    pub fn copied(bytes: &[u8]) -> Self {
        if bytes.len() <= MAX_RECORD_BYTES { Self::Bytes(bytes.to_vec()) } else { Self::TooLarge }
    }

    /// Reads what is not too large where it lies, which costs less than a copy; takes one of what is no event, so that
    /// who reads that finds out why.
    pub fn read(bytes: &[u8], position: &Position, received: Option<Timestamp>) -> Self {
        if bytes.len() > MAX_RECORD_BYTES {
            return Self::TooLarge;
        }
        let event = envelope::decode(bytes, position.clone(), received);
        event.map_or_else(|_| Self::copied(bytes), |event| Self::Event(Box::new(event)))
    }
}

/// One record as the source delivers it.
pub struct Record {
    /// The shipper's bytes, within bounds.
    pub payload: Payload,
    /// When the source got it, if it knows.
    pub received: Option<Timestamp>,
    /// Where it stands.
    pub position: Position,
    /// The reader's hold on its shard; the same `Arc` for all records of one assignment.
    pub shard: Arc<dyn ShardHandle>,
}

/// A reader's hold on one shard, from assignment to revocation.
pub trait ShardHandle: Send + Sync {
    /// True when the shard was taken away: another reader gets its records from the last place stored.
    fn is_lost(&self) -> bool;

    /// Stores that every record below `sequence` is done. Lost shards are left alone.
    ///
    /// # Errors
    /// When the place could not be stored; storing a later place makes up for it.
    fn done_below(&self, sequence: u64) -> Result<(), SourceError>;
}

/// A source of records.
pub trait Source: Send + 'static {
    /// Reads until stopped, waiting while `records` is full.
    ///
    /// # Errors
    /// On the first failure; the supervisor connects anew.
    fn run(
        self,
        records: mpsc::Sender<Record>,
        stop: CancellationToken,
    ) -> impl Future<Output = Result<(), SourceError>> + Send;
}

/// Why a source stopped.
#[derive(Debug, Error)]
pub enum SourceError {
    /// Its settings were refused.
    #[error("failed to configure the log source")]
    Configure(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Reading failed.
    #[error("failed to read from the log source")]
    Read(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Storing how far it was read failed.
    #[error("failed to store the place reached in the log source")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl SourceError {
    /// A stable word for metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Configure(_) => "configure",
            Self::Read(_) => "read",
            Self::Store(_) => "store",
        }
    }
}
