//! A directory of logs: one file for each hop, `<hop>.<client>[-verbosity].log`, and `<hop>.health.log` where there is one.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use thiserror::Error;

use super::{Chain, Record, signs, time};
use crate::domain::types::Implementation;

/// Why a directory can't be replayed.
#[derive(Debug, Error)]
pub enum LogsError {
    /// It, or a file in it, can't be read.
    #[error("failed to read {path}; is it a directory of logs that this user may read?")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No file of it belongs to a hop.
    #[error(
        "{path} has no log of the chain's hops ({hops}); name each <hop>.<client>.log, for example {first}.openvpn.log (clients: openvpn, boringtun, wireguard-go, wireguard, health)"
    )]
    NoLogs {
        /// The directory.
        path: PathBuf,
        /// The hops' names.
        hops: String,
        /// The first hop's name.
        first: String,
    },
    /// Lines are there, but none of them has a time.
    #[error(
        "no line in {0} has a time: let the client or the container runtime print timestamps (kubectl logs --timestamps)"
    )]
    NoTime(PathBuf),
}

/// The lines of a directory.
#[derive(Debug, Default)]
pub struct Logs {
    /// All lines, hop by hop.
    pub records: Vec<Record>,
    /// What is odd about the directory, for people.
    pub warnings: Vec<String>,
}

struct Source {
    path: PathBuf,
    hop: usize,
    implementation: Implementation,
    is_health: bool,
}

/// Reads the logs of the chain's hops and notes in `chain` of which hops there is one; other files are passed over.
///
/// # Errors
/// When a file can't be read, or none belongs to a hop.
pub fn read(chain: &mut Chain, directory: &Path) -> Result<Logs, LogsError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| LogsError::Read { path, source }
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed(directory))? {
        paths.push(entry.map_err(failed(directory))?.path());
    }
    paths.sort();
    let mut logs = Logs::default();
    let sources: Vec<Source> = paths.iter().filter_map(|path| source(chain, path, &mut logs.warnings)).collect();
    if sources.is_empty() {
        let names: Vec<&str> = chain.hops.iter().map(|hop| hop.name.as_str()).collect();
        let first = names.first().copied().unwrap_or("entry").to_owned();
        return Err(LogsError::NoLogs { path: directory.to_owned(), hops: names.join(", "), first });
    }
    let mut texts = Vec::new();
    for source in &sources {
        let bytes = std::fs::read(&source.path).map_err(failed(&source.path))?;
        texts.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    // One hop's log may be syslog's, without a year, and another's say which year it is.
    let year = texts.iter().find_map(|text| dated(text));
    for (source, text) in sources.iter().zip(&texts) {
        let before = logs.records.len();
        lines(text, source, year, &mut logs.records);
        if logs.records.len() == before && !text.trim().is_empty() {
            logs.warnings.push(format!("{}: no line has a time: passed over", source.path.display()));
        }
        let hop = &mut chain.hops[source.hop];
        hop.has_log |= !source.is_health;
        if !source.is_health && source.implementation != hop.implementation {
            let (name, file) = (&hop.name, source.path.display());
            logs.warnings.push(format!("{file}: the manifest gives hop {name:?} another client; the file's is used"));
            hop.implementation = source.implementation;
        }
    }
    if logs.records.is_empty() && !logs.warnings.is_empty() {
        return Err(LogsError::NoTime(directory.to_owned()));
    }
    for (index, hop) in chain.hops.iter().enumerate() {
        if !sources.iter().any(|source| source.hop == index) {
            let name = &hop.name;
            logs.warnings.push(format!(
                "{}: no log of hop {name:?}; what only its silence could tell is held",
                directory.display()
            ));
        }
    }
    Ok(logs)
}

/// Reads one file as the log of a chain's only hop.
///
/// # Errors
/// When it can't be read.
pub fn read_file(chain: &Chain, path: &Path, is_health: bool) -> Result<Logs, LogsError> {
    let failed = |source| LogsError::Read { path: path.to_owned(), source };
    let implementation = chain.hops[0].implementation;
    let source = Source { path: path.to_owned(), hop: 0, implementation, is_health };
    let mut logs = Logs::default();
    let text = std::fs::read(path).map_err(failed)?;
    let text = String::from_utf8_lossy(&text);
    lines(&text, &source, None, &mut logs.records);
    if logs.records.is_empty() && !text.trim().is_empty() {
        return Err(LogsError::NoTime(path.to_owned()));
    }
    Ok(logs)
}

/// Whose log a file is, by its name.
fn source(chain: &Chain, path: &Path, warnings: &mut Vec<String>) -> Option<Source> {
    if !path.is_file() {
        return None;
    }
    let name = path.file_name()?.to_str()?;
    // A hop's name has no dot.
    let (hop, client) = name.strip_suffix(".log")?.split_once('.')?;
    let hop = chain.hops.iter().position(|known| known.name == hop)?;
    let implementations = [
        ("wireguard-go", Implementation::WireGuardGo),
        ("wireguard", Implementation::Kernel),
        ("boringtun", Implementation::BoringTun),
        ("openvpn", Implementation::OpenVpn),
        ("health", chain.hops[hop].implementation),
    ];
    let is = |word: &str| client.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']));
    let found = implementations.into_iter().find(|(word, _)| is(word));
    if found.is_none() {
        warnings.push(format!(
            "{}: {client:?} is no client that is known (openvpn, boringtun, wireguard-go, wireguard, health): passed over",
            path.display()
        ));
    }
    let (word, implementation) = found?;
    Some(Source { path: path.to_owned(), hop, implementation, is_health: word == "health" })
}

/// One record for each event; a line without a time has that of the line before, and the first ones that of the first
/// that has one. `year`: a time of about then, where the text itself says no year.
fn lines(text: &str, source: &Source, year: Option<Timestamp>, records: &mut Vec<Record>) {
    let about = dated(text).or(year).unwrap_or(MIDDLE_OF_1970);
    let Some(mut now) = text.lines().find_map(|line| near(line, about)) else { return };
    let first = records.len();
    for line in text.lines() {
        now = near(line, now).map_or(now, |time| later(now, time));
        if records.len() > first
            && signs::is_continuation(line)
            && let Some(last) = records.last_mut()
        {
            last.text.push('\n');
            last.text.push_str(line);
            continue;
        }
        records.push(Record {
            time: now,
            hop: source.hop,
            is_health: source.is_health,
            implementation: source.implementation,
            pod_uid: None,
            // What stands in a file twice was written twice.
            file_offset: Some(records.len() as u64),
            text: line.to_owned(),
        });
    }
}

/// A file's lines are in order even where a clock steps back a little; a large step is a clock that was set.
fn later(before: Timestamp, time: Timestamp) -> Timestamp {
    let back = before.duration_since(time);
    if back.is_positive() && back < jiff::SignedDuration::from_mins(10) { before } else { time }
}

/// Where nothing says a year, any will do; each of its days is nearer to its middle than another year's.
const MIDDLE_OF_1970: Timestamp = Timestamp::constant(15_768_000, 0);

/// The first time that says its year.
fn dated(text: &str) -> Option<Timestamp> {
    text.lines().find_map(|line| {
        let time = time::of(line, 1970)?;
        (time::of(line, 1971)? == time).then_some(time)
    })
}

/// A line's time; where it says no year, in the year that brings it nearest to `other`: after the last of December comes the
/// first of January.
fn near(line: &str, other: Timestamp) -> Option<Timestamp> {
    let half_a_year = jiff::SignedDuration::from_hours(24 * 182);
    let distance = |time: Timestamp| time.duration_since(other).abs();
    let year = year_of(other);
    let time = time::of(line, year);
    if time.is_some_and(|time| distance(time) < half_a_year) {
        return time;
    }
    let times = [year - 1, year, year + 1].into_iter().filter_map(|year| time::of(line, year));
    times.min_by_key(|time| distance(*time))
}

fn year_of(time: Timestamp) -> i16 {
    time.to_zoned(jiff::tz::TimeZone::UTC).year()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(text: &str, year: Option<&str>) -> Vec<String> {
        let source = Source { path: PathBuf::new(), hop: 0, implementation: Implementation::Kernel, is_health: false };
        let mut records = Vec::new();
        lines(text, &source, year.map(|year| year.parse().unwrap()), &mut records);
        records.iter().map(|record| record.time.to_string()).collect()
    }

    #[test]
    fn a_log_without_a_year_is_of_the_year_of_the_other_hops_logs() {
        let line = "Nov 29 09:00:03 gateway kernel: [  503.000000] wireguard: wg0: Peer 1 created";
        assert_eq!(times(line, Some("2026-11-29T09:00:00Z")), ["2026-11-29T09:00:03Z"]);
        assert_eq!(times(line, None), ["1970-11-29T09:00:03Z"]);
        let begins_before = "Dec 31 23:59:58 gateway kernel: [  503.000000] wireguard: wg0: Peer 1 created";
        assert_eq!(times(begins_before, Some("2027-01-01T00:00:02Z")), ["2026-12-31T23:59:58Z"]);
    }

    #[test]
    fn a_year_that_a_later_line_says_is_that_of_the_lines_before_it() {
        let text = "Nov 29 09:00:03 gateway openvpn[12]: a\n2026-11-29 09:00:04 b";
        assert_eq!(times(text, None), ["2026-11-29T09:00:03Z", "2026-11-29T09:00:04Z"]);
    }

    #[test]
    fn after_the_last_of_december_comes_the_first_of_january() {
        let text = "Dec 31 23:59:58 gateway openvpn[12]: a\nJan  1 00:00:02 gateway openvpn[12]: b";
        assert_eq!(times(text, Some("2026-12-31T20:00:00Z")), ["2026-12-31T23:59:58Z", "2027-01-01T00:00:02Z"]);
        assert_eq!(times(text, None), ["1970-12-31T23:59:58Z", "1971-01-01T00:00:02Z"]);
    }

    #[test]
    fn a_day_that_not_every_year_has_has_a_time() {
        let line = "Feb 29 09:00:03 gateway openvpn[12]: a";
        assert_eq!(times(line, Some("2028-03-01T00:00:00Z")), ["2028-02-29T09:00:03Z"]);
    }
}
