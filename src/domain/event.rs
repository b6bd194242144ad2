//! One log line as the engine sees it: when, from which container of which pod, and where in its source it stands.
//!
//! Leaves the shape of what a shipper sends to `envelope`, and the meaning of the text to `ruleset`.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::types::{CandidateRef, HopId, Implementation};

/// An ordered part of a source, such as one Kafka partition: `kafka:vpn-logs/3`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard(Arc<str>);

impl Shard {
    /// Names a shard.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a record stands in its source; shown as `kafka:topic/partition/offset`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The ordered part of the source.
    pub shard: Shard,
    /// Grows within the shard; for Kafka, the offset.
    pub sequence: u64,
}

impl Position {
    /// A place in a shard.
    pub fn new(shard: Shard, sequence: u64) -> Self {
        Self { shard, sequence }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.shard, self.sequence)
    }
}

/// One line, by its time and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRef {
    /// When the client wrote it.
    pub time: Timestamp,
    /// Where it was read.
    pub position: Position,
}

/// A hop's pod and what it runs, as the operator itself watches it. Evidence is only ever about this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopIdentity {
    /// Which hop of which chain.
    pub id: HopId,
    /// The pod's UID.
    pub pod_uid: String,
    /// The pod's name; its namespace is the chain's.
    pub pod_name: String,
    /// The program in its `vpn` container.
    pub implementation: Implementation,
    /// The parameters that it should run with.
    pub candidate: CandidateRef,
    /// How health lines name these parameters once the client runs with them (`domain::plan::plan_id`).
    pub plan_id: String,
    /// Since when it should run with them; older lines say nothing about them.
    pub applied_at: Timestamp,
}

/// A decoded record: one or more physical lines that one container wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// When the client wrote it.
    pub time: Timestamp,
    /// The pod's namespace; empty where the shipper did not say.
    pub namespace: String,
    /// The pod's name; empty where the shipper did not say.
    pub pod: String,
    /// The pod's UID, where the shipper knows it.
    pub pod_uid: Option<String>,
    /// The container's name.
    pub container: String,
    /// The text, as the shipper sent it.
    pub text: String,
    /// The line's byte offset in its log file: tells a repeated line from a line shipped twice.
    pub file_offset: Option<u64>,
    /// Where the record was read.
    pub position: Position,
}

impl LogEvent {
    /// Moves a time after `latest` there; whether it was. A line from the future would make every later one history.
    pub fn clamp(&mut self, latest: Timestamp) -> bool {
        let ahead = self.time > latest;
        self.time = self.time.min(latest);
        ahead
    }
}
