//! The file that the health scripts read: `key=value` lines, replaced as a whole.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use super::health::{Observation, Probe, Report, State};
use crate::domain::plan::STATE_FILE;

/// What the client runs with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Applied {
    /// Its id; empty before the first.
    pub(super) id: String,
    /// Since when, by this machine's clock, which stamps the client's lines too.
    pub(super) since: Option<Timestamp>,
}

impl Applied {
    /// The client takes parameters now. Those that it had already, as one that was started again has, it has since before.
    pub(super) fn take(&mut self, id: String, now: Timestamp) {
        if self.id != id || self.since.is_none() {
            *self = Self { id, since: Some(now) };
        }
    }

    /// Cut to milliseconds, as shippers cut a line's time: one that was written after it is not told to be from before.
    fn since_text(&self) -> String {
        let since = self.since.and_then(|since| Timestamp::from_millisecond(since.as_millisecond()).ok());
        since.map(|since| since.to_string()).unwrap_or_default()
    }
}

/// Writes the state.
pub(super) fn write(
    directory: &Path,
    applied: &Applied,
    carrier: bool,
    seen: &Observation,
    report: &Report,
) -> io::Result<()> {
    let text = format!(
        "applied={applied}\napplied_since={since}\nstate={state}\ncarrier={carrier}\nrx_bytes={rx}\ntx_bytes={tx}\nrx_age_seconds={rx_age}\n\
         handshake_age_seconds={handshake}\nprobe={probe}\nunix_seconds={now}\n",
        applied = applied.id,
        since = applied.since_text(),
        state = state(report.state),
        carrier = u8::from(carrier),
        rx = seen.rx_bytes,
        tx = seen.tx_bytes,
        rx_age = report.rx_age.as_secs(),
        handshake = seen.handshake_age_seconds,
        probe = match report.probe {
            Probe::Unknown => "unknown",
            Probe::Answered => "answered",
            Probe::Unanswered => "unanswered",
        },
        now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
    );
    // The client may write into this directory: never follow what it may have put here.
    let new = directory.join(".state.new");
    let _ = fs::remove_file(&new);
    fs::File::create_new(&new)?.write_all(text.as_bytes())?;
    fs::rename(new, directory.join(STATE_FILE))
}

pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Down => "down",
        State::Connecting => "connecting",
        State::Up => "up",
        State::Stalled => "stalled",
    }
}

/// What a former `net` of this pod had applied.
pub(super) fn applied(directory: &Path) -> Applied {
    let text = fs::read_to_string(directory.join(STATE_FILE)).unwrap_or_default();
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let since = value("applied_since").and_then(|since| since.parse().ok());
    Applied { id: value("applied").unwrap_or_default().to_owned(), since }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("should be a time")
    }

    fn written(applied: &Applied) -> Applied {
        let directory = tempfile::tempdir().expect("should make a directory");
        let report = Report { state: State::Up, rx_age: Default::default(), probe: Probe::Unknown };
        write(directory.path(), applied, true, &Observation::default(), &report).expect("should write");
        super::applied(directory.path())
    }

    #[test]
    fn the_next_net_knows_what_the_client_runs_with_and_since_when() {
        let mut applied = Applied::default();
        assert_eq!(written(&applied), applied, "nothing yet");
        applied.take("a%20b@3#7".into(), at("2026-11-22T16:00:00.123999Z"));
        let since = Some(at("2026-11-22T16:00:00.123Z"));
        assert_eq!(written(&applied), Applied { since, ..applied });
        assert_eq!(super::applied(Path::new("/no/such/directory")), Applied::default());
    }

    #[test]
    fn a_client_that_takes_the_same_again_has_it_since_before() {
        let (first, later) = (at("2026-11-22T16:00:00Z"), at("2026-11-22T16:00:09Z"));
        let mut applied = Applied::default();
        applied.take("a@1#0".into(), first);
        applied.take("a@1#0".into(), later);
        assert_eq!(applied.since, Some(first));
        applied.take("a@1#1".into(), later);
        assert_eq!(applied, Applied { id: "a@1#1".into(), since: Some(later) });
    }
}
