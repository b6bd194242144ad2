//! One message of syslog as RFC 5424 writes it, which is how Docker's `syslog` driver sends a container's line.
//!
//! Only what is needed is read: time, application name, text. Whose line it is, and whether it is believed, is the reader's
//! affair.

use jiff::Timestamp;
use thiserror::Error;

/// A message; it borrows from the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// When it was sent.
    pub time: Timestamp,
    /// The application's name: with Docker, what the option `tag` says.
    pub application: &'a str,
    /// The text.
    pub text: &'a str,
}

/// Why a datagram is no such message; never repeats what it holds.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SyslogError {
    /// Not text.
    #[error("it is not UTF-8")]
    NotText,
    /// Another form, such as that of RFC 3164.
    #[error("it is not of RFC 5424: set the driver's option syslog-format to rfc5424micro")]
    Form,
    /// Its time cannot be read.
    #[error("its time is not one of RFC 3339")]
    Time,
}

/// Reads a datagram.
///
/// # Errors
/// When it is no message of RFC 5424 with a time.
pub fn parse(datagram: &[u8]) -> Result<Message<'_>, SyslogError> {
    let text = std::str::from_utf8(datagram).map_err(|_| SyslogError::NotText)?;
    let (priority, rest) = text.strip_prefix('<').and_then(|rest| rest.split_once('>')).ok_or(SyslogError::Form)?;
    if priority.is_empty() || priority.len() > 3 || !priority.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SyslogError::Form);
    }
    let rest = rest.strip_prefix("1 ").ok_or(SyslogError::Form)?;
    let mut parts = rest.splitn(6, ' ');
    let mut part = || parts.next().filter(|part| !part.is_empty()).ok_or(SyslogError::Form);
    let (time, _host, application, _process, _message) = (part()?, part()?, part()?, part()?, part()?);
    let text = without_structured_data(part()?).ok_or(SyslogError::Form)?;
    let time = time.parse().map_err(|_| SyslogError::Time)?;
    Ok(Message { time, application, text: text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n', '\0']) })
}

/// What follows `-` or `[id name="value"…]…`, in whose values a quote and a bracket are escaped.
fn without_structured_data(rest: &str) -> Option<&str> {
    let mut after = rest.strip_prefix('-');
    if after.is_none() {
        let (mut end, mut quoted, mut escaped) = (None, false, false);
        for (place, character) in rest.char_indices() {
            match character {
                _ if place == 0 && character != '[' => return None,
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                ']' if !quoted && !rest[place + 1..].starts_with('[') => {
                    end = Some(place + 1);
                    break;
                }
                _ => {}
            }
        }
        after = end.map(|end| &rest[end..]);
    }
    let after = after?;
    if after.is_empty() { Some(after) } else { after.strip_prefix(' ') }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, &str, &str), SyslogError> {
        parse(text.as_bytes()).map(|message| (message.time.to_string(), message.application, message.text))
    }

    #[test]
    fn what_dockers_driver_sends_is_read() {
        let sent = "<30>1 2026-11-30T06:00:00.123456+02:00 host client2/vpn 4711 client2/vpn - WARN - HANDSHAKE(REKEY_TIMEOUT)\n";
        let expected = ("2026-11-30T04:00:00.123456Z".to_owned(), "client2/vpn", "WARN - HANDSHAKE(REKEY_TIMEOUT)");
        assert_eq!(read(sent), Ok(expected));
    }

    #[test]
    fn structured_data_is_passed_over_also_where_it_holds_brackets() {
        let sent = r#"<30>1 2026-11-30T04:00:00Z h a - - [x@1 k="]\"] "][y@1] [the] text"#;
        assert_eq!(read(sent).map(|(.., text)| text), Ok("[the] text"));
        let sent = "<30>1 2026-11-30T04:00:00Z h a - - -";
        assert_eq!(read(sent).map(|(.., text)| text), Ok(""));
        let sent = "<30>1 2026-11-30T04:00:00Z h a - - - \u{feff}x";
        assert_eq!(read(sent).map(|(.., text)| text), Ok("x"));
    }

    #[test]
    fn anything_else_is_refused_by_what_it_is() {
        for (sent, expected) in [
            ("<30>Nov 30 04:00:00 host client2[47]: text", SyslogError::Form),
            ("<30>1 2026-11-30T04:00:00Z h a", SyslogError::Form),
            ("<30>1 2026-11-30T04:00:00Z h a - - [x text", SyslogError::Form),
            ("<30>1 2026-11-30T04:00:00Z h a - - text", SyslogError::Form),
            ("<x>1 2026-11-30T04:00:00Z h a - - - text", SyslogError::Form),
            ("<30>1 - h a - - - text", SyslogError::Time),
            ("", SyslogError::Form),
        ] {
            assert_eq!(read(sent), Err(expected), "{sent}");
        }
        assert_eq!(parse(b"<30>1 \xff"), Err(SyslogError::NotText));
    }
}
