//! From what a shipper delivers to what a program printed: colours and line breaks removed here, prefixes in `prefix`.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use smallvec::SmallVec;

mod prefix;

pub use prefix::{program_span, program_text};

/// Longer lines are cut here: no program's message is longer, and cost stays bounded.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// The logical lines of a record, mostly one.
pub type Lines<'a> = SmallVec<[Cow<'a, str>; 1]>;

/// The logical lines of one record.
///
/// Colours are removed, lines over [`MAX_LINE_BYTES`] cut, blank lines left out. An indented `at file:line` or
/// `in span` continuation (boringtun prints an event as three lines) is joined to the line before it, or left out
/// where it arrives alone.
pub fn logical_lines(text: &str) -> Lines<'_> {
    let mut lines = Lines::new();
    // Nearly every record is one line as it is: found out quickly, and given without an allocation.
    if memchr::memchr3(b'\n', b'\x1b', b'\r', text.as_bytes()).is_none() {
        let line = capped(text);
        if !line.trim().is_empty() && !is_continuation(line) {
            lines.push(Cow::Borrowed(line));
        }
        return lines;
    }
    for physical in text.split('\n') {
        let line = without_ansi(capped(physical.trim_end_matches('\r')));
        if line.trim().is_empty() {
            continue;
        }
        if !is_continuation(&line) {
            lines.push(line);
        } else if let Some(last) = lines.last_mut()
            && last.len() + line.len() < MAX_LINE_BYTES
        {
            let last = last.to_mut();
            last.push(' ');
            last.push_str(line.trim());
        }
    }
    lines
}

/// The text inside a JSON log record: docker's `log`, a logger's `message` or `msg`, journald's `MESSAGE`; other text as
/// it is.
pub fn unwrap_json(text: &str) -> Cow<'_, str> {
    /// ECS has an object by the name of `log` beside its `message`.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Field {
        Text(String),
        Other(IgnoredAny),
    }
    #[derive(Deserialize)]
    struct JsonLog {
        message: Option<Field>,
        msg: Option<Field>,
        #[serde(rename = "MESSAGE")]
        journald: Option<Field>,
        log: Option<Field>,
    }
    if !text.trim_start().starts_with('{') {
        return Cow::Borrowed(text);
    }
    let Ok(record) = serde_json::from_str::<JsonLog>(text) else { return Cow::Borrowed(text) };
    let fields = [record.message, record.msg, record.journald, record.log];
    let inner = fields.into_iter().flatten().find_map(|field| match field {
        Field::Text(text) => Some(text),
        Field::Other(_) => None,
    });
    inner.map_or(Cow::Borrowed(text), Cow::Owned)
}

fn capped(line: &str) -> &str {
    if line.len() <= MAX_LINE_BYTES {
        return line;
    }
    let mut end = MAX_LINE_BYTES;
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

fn is_continuation(line: &str) -> bool {
    let text = line.trim_start();
    text.len() < line.len() && (text.starts_with("at /") || text.starts_with("at src") || text.starts_with("in "))
}

/// Removes ECMA-48 control sequences (`ESC [ … letter`) and lone escapes.
fn without_ansi(line: &str) -> Cow<'_, str> {
    if !line.contains('\x1b') {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(escape) = rest.find('\x1b') {
        out.push_str(&rest[..escape]);
        rest = &rest[escape + 1..];
        if let Some(sequence) = rest.strip_prefix('[') {
            let end = sequence.find(|c: char| ('@'..='~').contains(&c)).map_or(sequence.len(), |i| i + 1);
            rest = &sequence[end..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(input: &str) -> Vec<String> {
        logical_lines(input).iter().map(|l| program_text(l).to_owned()).collect()
    }

    #[test]
    fn a_coloured_three_line_event_is_one_line_joined_or_line_by_line() {
        let first = "  \x1b[2m2026-11-22T16:29:55.995805Z\x1b[0m \x1b[33m WARN\x1b[0m \x1b[1;33mboringtun::noise::timers\x1b[0m\x1b[33m: \x1b[33mHANDSHAKE(REKEY_TIMEOUT)\x1b[0m";
        let second = "    \x1b[2;3mat\x1b[0m /build/boringtun-0.7.1/src/noise/timers.rs:234";
        let joined = texts(&format!("{first}\n{second}\n\n"));
        assert_eq!(
            joined,
            ["boringtun::noise::timers: HANDSHAKE(REKEY_TIMEOUT) at /build/boringtun-0.7.1/src/noise/timers.rs:234"]
        );
        assert_eq!(texts(first), ["boringtun::noise::timers: HANDSHAKE(REKEY_TIMEOUT)"]);
        assert!(texts(second).is_empty());
        assert!(texts("").is_empty());
    }

    #[test]
    fn a_json_record_is_unwrapped() {
        assert_eq!(unwrap_json(r#"{"log":"AUTH: x\n","stream":"stdout","time":"2026-11-22T16:25:43Z"}"#), "AUTH: x\n");
        assert_eq!(unwrap_json(r#"{"level":"info","msg":"AUTH: x"}"#), "AUTH: x");
        assert_eq!(unwrap_json(r#"{"MESSAGE":"AUTH: x","_PID":"12"}"#), "AUTH: x");
        assert_eq!(unwrap_json(r#"{"log":{"level":"info"},"message":"AUTH: x"}"#), "AUTH: x");
        assert_eq!(unwrap_json("{ no json"), "{ no json");
        assert_eq!(unwrap_json(r#"{"log":1}"#), r#"{"log":1}"#);
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let long = "é".repeat(MAX_LINE_BYTES);
        assert_eq!(logical_lines(&long)[0].len(), MAX_LINE_BYTES);
        let odd = format!("x{long}");
        assert_eq!(logical_lines(&odd)[0].len(), MAX_LINE_BYTES - 1);
    }
}
