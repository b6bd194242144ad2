//! The file that the health scripts read: `key=value` lines, replaced as a whole.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::health::{Observation, Probe, Report, State};
use crate::domain::plan::STATE_FILE;

/// Writes the state; `applied` is the id of what the client runs with.
pub(super) fn write(
    directory: &Path,
    applied: &str,
    carrier: bool,
    seen: &Observation,
    report: &Report,
) -> io::Result<()> {
    let text = format!(
        "applied={applied}\nstate={state}\ncarrier={carrier}\nrx_bytes={rx}\ntx_bytes={tx}\nrx_age_seconds={rx_age}\n\
         handshake_age_seconds={handshake}\nprobe={probe}\nunix_seconds={now}\n",
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
pub(super) fn applied(directory: &Path) -> Option<String> {
    let text = fs::read_to_string(directory.join(STATE_FILE)).ok()?;
    text.lines().find_map(|line| line.strip_prefix("applied=")).map(Into::into)
}
