//! What OpenVPN writes to its management socket, as far as a hop needs it.

use std::net::Ipv4Addr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// It waits to be released.
    Hold,
    /// The release was understood.
    Released,
    /// It obeys the signal.
    SignalTaken,
    /// It holds or has no socket yet, and ignores signals meanwhile.
    SignalIgnored,
    /// The answer to `state`: the address if it is connected.
    Current { connected: Option<Ipv4Addr> },
    /// It is connected now.
    Connected(Ipv4Addr),
    /// It starts over; `refused` when the server rejected the user name or password.
    Lost { refused: bool },
    /// Bytes received and sent.
    Bytes { rx: u64, tx: u64 },
    /// It wants a password that it was not given.
    AsksForPassword,
    /// Anything else.
    Other,
}

pub(super) fn read(line: &str) -> Line {
    let line = line.trim_end();
    if line.starts_with(">HOLD:") {
        Line::Hold
    } else if line.starts_with("SUCCESS: hold release") {
        Line::Released
    } else if line.starts_with("SUCCESS: signal") {
        Line::SignalTaken
    } else if line.starts_with("ERROR: signal") {
        Line::SignalIgnored
    } else if line.starts_with(">PASSWORD:Need") {
        Line::AsksForPassword
    } else if let Some(counts) = line.strip_prefix(">BYTECOUNT:") {
        bytes(counts).unwrap_or(Line::Other)
    } else if let Some(state) = line.strip_prefix(">STATE:") {
        change(state)
    } else if line.starts_with(|c: char| c.is_ascii_digit()) && line.matches(',').count() >= 5 {
        Line::Current { connected: connected(line) }
    } else {
        Line::Other
    }
}

fn bytes(counts: &str) -> Option<Line> {
    let (rx, tx) = counts.split_once(',')?;
    Some(Line::Bytes { rx: rx.parse().ok()?, tx: tx.parse().ok()? })
}

/// `time,state,detail,tunnel address,server,…`
fn change(state: &str) -> Line {
    let mut fields = state.split(',');
    match (fields.nth(1), fields.next()) {
        (Some("RECONNECTING"), Some(reason)) => Line::Lost { refused: reason.starts_with("auth-failure") },
        (Some("EXITING"), _) => Line::Lost { refused: false },
        (Some("CONNECTED"), _) => connected(state).map_or(Line::Other, Line::Connected),
        _ => Line::Other,
    }
}

fn connected(state: &str) -> Option<Ipv4Addr> {
    let mut fields = state.split(',');
    (fields.nth(1) == Some("CONNECTED")).then(|| fields.nth(1)?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_real_session_are_understood() {
        let address = Ipv4Addr::new(10, 8, 0, 2);
        for (text, line) in [
            (">HOLD:Waiting for hold release:0", Line::Hold),
            ("SUCCESS: hold release succeeded", Line::Released),
            ("SUCCESS: signal SIGHUP thrown", Line::SignalTaken),
            ("ERROR: signal 'SIGHUP' is currently ignored", Line::SignalIgnored),
            (">BYTECOUNT:1869,1028", Line::Bytes { rx: 1869, tx: 1028 }),
            (">STATE:1795380134,CONNECTED,SUCCESS,10.8.0.2,198.51.100.1,1194,,", Line::Connected(address)),
            (">STATE:1795380134,AUTH,,,,,,", Line::Other),
            (">STATE:1795380144,RECONNECTING,auth-failure,,,,,", Line::Lost { refused: true }),
            (">STATE:1795380138,RECONNECTING,SIGHUP,,,,,", Line::Lost { refused: false }),
            ("1795380132,CONNECTING,,,,,,", Line::Current { connected: None }),
            ("1795380134,CONNECTED,SUCCESS,10.8.0.2,198.51.100.1,1194,,", Line::Current { connected: Some(address) }),
            (">PASSWORD:Verification Failed: 'Auth'", Line::Other),
            (">PASSWORD:Need 'Auth' username/password", Line::AsksForPassword),
            (">UPDOWN:ENV,END", Line::Other),
            ("END", Line::Other),
        ] {
            assert_eq!(read(text), line, "{text}");
        }
    }
}
