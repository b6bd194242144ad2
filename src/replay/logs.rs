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
    for source in &sources {
        let bytes = std::fs::read(&source.path).map_err(failed(&source.path))?;
        let before = logs.records.len();
        let text = String::from_utf8_lossy(&bytes);
        lines(&text, source, &mut logs.records);
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
    lines(&text, &source, &mut logs.records);
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
/// that has one.
fn lines(text: &str, source: &Source, records: &mut Vec<Record>) {
    let year = text.lines().find_map(|line| time::of(line, 1970)).map_or(1970, year_of);
    let Some(mut now) = text.lines().find_map(|line| time::of(line, year)) else { return };
    let first = records.len();
    for line in text.lines() {
        now = time::of(line, year).map_or(now, |time| later(now, time));
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
            text: line.to_owned(),
        });
    }
}

/// A file's lines are in order even where a clock steps back a little; a large step is a clock that was set.
fn later(before: Timestamp, time: Timestamp) -> Timestamp {
    let back = before.duration_since(time);
    if back.is_positive() && back < jiff::SignedDuration::from_mins(10) { before } else { time }
}

fn year_of(time: Timestamp) -> i16 {
    time.to_zoned(jiff::tz::TimeZone::UTC).year()
}
