//! What would have been decided about a chain, from its logs: the production rules, windows, attribution and decision,
//! in event time, without a clock and without acting.
//!
//! Reads nothing itself: `logs`, `stream` and `kafka` make records of files and topics. What a cluster's readiness would
//! have said is rebuilt from the lines (`signs`, `readiness`, `gone`).

pub mod compare;
pub mod expected;
mod gone;
mod judge;
pub mod kafka;
pub mod live;
pub mod logs;
mod readiness;
pub mod report;
mod signs;
pub mod stream;
mod time;

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::ruleset::RuleSet;
use crate::domain::types::{Evidence, Implementation, Verdict};
use crate::domain::view::Policy;

/// The chain whose logs are replayed.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What may be done, and how often.
    pub policy: Policy,
    /// Repairs are switched off.
    pub paused: bool,
    /// The hops, entry first.
    pub hops: Vec<Hop>,
}

/// A hop of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Its name.
    pub name: String,
    /// The program in its `vpn` container.
    pub implementation: Implementation,
    /// Whether its log is there, be it empty. Of a hop without log nothing is known.
    pub has_log: bool,
}

/// One physical line, or several that a shipper joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it was written.
    pub time: Timestamp,
    /// Whose it is: an index into the chain's hops.
    pub hop: usize,
    /// True for the health sidecar's lines, false for the client's.
    pub is_health: bool,
    /// The program that wrote it, which may be another than the manifest's.
    pub implementation: Implementation,
    /// The pod, where the source knows it.
    pub pod_uid: Option<String>,
    /// Tells a repeated line from a line shipped twice: the line's place in its log, where the source knows it.
    pub file_offset: Option<u64>,
    /// The text.
    pub text: String,
}

/// What would be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Other parameters.
    Rotate,
    /// The same parameters again.
    Restart,
    /// A person is called.
    Alert,
    /// Nothing, while an outer hop is at fault or it is not known whose fault it is.
    Hold,
    /// Nothing: the hop healed by itself before anything was due.
    None,
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Rotate => "rotate",
            Self::Restart => "restart",
            Self::Alert => "alert",
            Self::Hold => "hold",
            Self::None => "none",
        })
    }
}

/// One decision: the JSON object that `hopkeeper replay -o json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// When it is made, in the log's own time.
    pub time: Timestamp,
    /// About which hop.
    pub hop: String,
    /// What the rule says should be done.
    pub verdict: Verdict,
    /// Which rule fired; `client-gone`, `not-connected` and `not-heard` are inferred from several lines (docs/replay.md).
    pub rule: String,
    /// Whose fault the lines prove.
    pub evidence: Evidence,
    /// For a held symptom: the outer hop at fault.
    pub cause: Option<String>,
    /// What would be done.
    pub action: Action,
    /// What the rule means, for people.
    #[serde(skip)]
    pub title: String,
    /// Where the incident began: the first line counted.
    #[serde(skip)]
    pub since: Timestamp,
}

/// What a replay comes to.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// The decisions in order of time.
    pub decisions: Vec<Decided>,
    /// The first and the last line's time, where there is a line.
    pub span: Option<(Timestamp, Timestamp)>,
    /// How many lines were read.
    pub lines: usize,
}

/// What is taken for a time: 1700 to 2200. Windows count no further, and a wait that begins at the end of all times has no end.
const TIMES: (Timestamp, Timestamp) = (Timestamp::constant(-8_520_336_000, 0), Timestamp::constant(7_258_118_400, 0));

fn sane(time: Timestamp) -> Timestamp {
    time.clamp(TIMES.0, TIMES.1)
}

/// Replays records of a chain.
///
/// `progress` is told after each record how many are done.
#[must_use]
pub fn replay(chain: &Chain, rules: &Arc<RuleSet>, records: &[Record], mut progress: impl FnMut(usize)) -> Replayed {
    let records: Cow<'_, [Record]> = if records.iter().all(|record| record.time == sane(record.time)) {
        records.into()
    } else {
        records.iter().map(|record| Record { time: sane(record.time), ..record.clone() }).collect()
    };
    // Files of several hops are merged; lines of one hop keep their order where their times are equal.
    let mut order: Vec<usize> = (0..records.len()).collect();
    order.sort_by_key(|index| records[*index].time);
    let signs: Vec<signs::Sign> = order.iter().map(|index| signs::read(rules, &records[*index])).collect();
    let readiness = readiness::Readiness::new(chain, order.iter().map(|index| &records[*index]), &signs);
    let mut judge = judge::Judge::new(chain, rules, readiness);
    for (done, (index, sign)) in order.iter().zip(&signs).enumerate() {
        judge.take(*index as u64, &records[*index], sign);
        progress(done + 1);
    }
    let decisions = judge.finish();
    let span = order.first().zip(order.last()).map(|(first, last)| (records[*first].time, records[*last].time));
    Replayed { decisions, span, lines: records.len() }
}
