//! Clients that died without a word: found by their next start, or by the silence of one that tells of its routine.
//!
//! A killed client logs nothing, nor do the hops outside of it; only inner hops complain. A cluster knows within seconds,
//! by readiness, which the log lacks. It does show the client's next start though, without a goodbye before it. Where
//! inner hops complained in that silence and were well after the start, the client was gone meanwhile. This is the one
//! place where a replay looks ahead, to rebuild what readiness would have said at the time.
//!
//! Where the log ends before that start, only a WireGuard client at debug level can be missed: while inner hops try to
//! connect through it, it sends, and tells of keepalives and handshakes several times a minute. OpenVPN and a client at
//! its default level say nothing when all is well, so that their silence is no sign.

use jiff::{SignedDuration, Timestamp};

use super::Record;
use super::signs::Sign;
use crate::domain::types::Evidence;

/// Lines so shortly before the start belong to the new process.
const SAME_START: SignedDuration = SignedDuration::from_secs(3);
/// Inner hops recover so soon after the client is back (OpenVPN's own retry takes up to 61 s).
const FOLLOW: SignedDuration = SignedDuration::from_secs(90);
/// An inner hop that has complained no more from `QUIET.0` to `QUIET.1` after the start is well, success marker or not.
const QUIET: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(30), SignedDuration::from_secs(120));
/// Hops that start together were started by somebody: that says nothing about any one of them.
const TOGETHER: SignedDuration = SignedDuration::from_secs(15);

/// A client that tells of its routine is never silent for so long: WireGuard sends something each 25 s (its persistent
/// keepalive), or makes a handshake 15 s after it sent and heard nothing.
const SILENT: SignedDuration = SignedDuration::from_secs(60);

/// A time during which a hop had no client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    /// The first complaint of an inner hop.
    pub(super) from: Timestamp,
    /// The client's next start, or next line.
    pub(super) to: Timestamp,
}

/// A start of a client that no goodbye and no failure of its own preceded: the last line before it, and the start.
struct Silent {
    hop: usize,
    after: Timestamp,
    start: Timestamp,
}

/// The times without client, by hop.
pub(super) fn find(hops: usize, records: &[(&Record, &Sign)]) -> Vec<Vec<Gone>> {
    let mut gone = vec![Vec::new(); hops];
    let mut starts: Vec<(usize, Timestamp)> = Vec::new();
    let mut silent: Vec<Silent> = Vec::new();
    for hop in 0..hops {
        for (after, start) in starts_of(hop, records) {
            starts.push((hop, start));
            silent.extend(after.map(|after| Silent { hop, after, start }));
        }
    }
    for silence in &silent {
        if let Some(found) = judge(silence, &starts, records) {
            gone[silence.hop].push(found);
        }
    }
    for (hop, gone) in gone.iter_mut().enumerate() {
        if gone.is_empty() {
            gone.extend(silences(hop, records));
        }
    }
    gone
}

/// The times in which a client that tells of its routine told nothing, although inner hops tried to connect through it.
fn silences(hop: usize, records: &[(&Record, &Sign)]) -> Vec<Gone> {
    let own: Vec<&(&Record, &Sign)> = records.iter().filter(|(r, _)| r.hop == hop && !r.is_health).collect();
    // A client without a tunnel has its own troubles, and tells of them.
    if own.last().is_some_and(|(_, sign)| sign.ended) {
        return Vec::new();
    }
    let Some((end, _)) = records.last() else { return Vec::new() };
    let mut tells = false;
    let next = own.iter().skip(1).map(|(record, _)| record.time).chain([Timestamp::MAX]);
    let mut found = Vec::new();
    for ((record, sign), next) in own.iter().zip(next) {
        // Another process may have another level.
        tells = (tells && !sign.started) || sign.routine;
        let missed = record.time + SILENT;
        if !tells || missed > next.min(end.time) {
            continue;
        }
        let suffers = |(r, sign): &&(&Record, &Sign)| {
            let in_silence = r.time >= missed && r.time < next;
            let is_path = sign.trouble.as_ref().is_some_and(|trouble| trouble.evidence == Evidence::Path);
            in_silence && r.hop > hop && !r.is_health && is_path
        };
        if let Some((complaint, _)) = records.iter().find(suffers) {
            found.push(Gone { from: complaint.time, to: next });
        }
    }
    found
}

/// Every start of a hop but the first; with the last line before it where the process before it ended without a word.
fn starts_of(hop: usize, records: &[(&Record, &Sign)]) -> Vec<(Option<Timestamp>, Timestamp)> {
    // What was known after each of the hop's lines: (time, whether it was well and alive).
    let mut history: Vec<(Timestamp, bool)> = Vec::new();
    let mut found = Vec::new();
    let mut well = true;
    for (record, sign) in records.iter().filter(|(record, _)| record.hop == hop && !record.is_health) {
        if sign.started {
            let before = history.iter().rev().find(|(time, _)| record.time.duration_since(*time) > SAME_START);
            if let Some((time, was_well)) = before {
                found.push((was_well.then_some(*time), record.time));
            }
        }
        if sign.up || sign.started {
            well = true;
        }
        if sign.trouble.is_some() || sign.ended || (sign.broken_off && !sign.started) {
            well = sign.up;
        }
        history.push((record.time, well));
    }
    found
}

fn judge(silence: &Silent, starts: &[(usize, Timestamp)], records: &[(&Record, &Sign)]) -> Option<Gone> {
    let complains = |sign: &Sign| sign.trouble.as_ref().is_some_and(|trouble| trouble.evidence == Evidence::Path);
    let inner = || records.iter().filter(|(record, _)| record.hop > silence.hop && !record.is_health);
    let in_silence = |time: Timestamp| time > silence.after && time < silence.start;
    let mut complaints = inner().filter(|(record, sign)| in_silence(record.time) && complains(sign));
    let first = complaints.clone().next()?.0;
    let complaining: std::collections::BTreeSet<usize> = complaints.by_ref().map(|(record, _)| record.hop).collect();
    let near = |time: &Timestamp| time.duration_since(silence.start).abs() <= TOGETHER;
    if starts.iter().any(|(hop, time)| complaining.contains(hop) && near(time)) {
        return None;
    }
    // A hop that complained and was well before the start did not wait for it.
    let last = complaints_end(silence, records, &complains)?;
    let recovered_before = inner().any(|(record, sign)| sign.up && record.time > last && record.time < silence.start);
    let follows = complaining.iter().any(|hop| {
        let after = |record: &Record| record.time.duration_since(silence.start);
        let own = || inner().filter(|(record, _)| record.hop == *hop && record.time >= silence.start);
        let up = own().any(|(record, sign)| sign.up && after(record) <= FOLLOW);
        let still = own().any(|(record, sign)| complains(sign) && after(record) > QUIET.0 && after(record) <= QUIET.1);
        up || !still
    });
    (follows && !recovered_before).then_some(Gone { from: first.time, to: silence.start })
}

fn complaints_end(
    silence: &Silent,
    records: &[(&Record, &Sign)],
    complains: &impl Fn(&Sign) -> bool,
) -> Option<Timestamp> {
    let inner = records.iter().filter(|(record, _)| record.hop > silence.hop && record.time < silence.start);
    inner.rev().find(|(_, sign)| complains(sign)).map(|(record, _)| record.time)
}
