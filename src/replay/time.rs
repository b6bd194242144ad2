//! When a line was written, by what stands before the program's own text: the program's, the runtime's or a
//! supervisor's timestamp.
//!
//! Only the prefix is read: a server chooses part of the text that follows it.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use regex::{Captures, Regex};

use crate::domain::line;

/// The time in a physical line's prefix; a time without a zone is taken as UTC.
///
/// `year` stands in where the prefix has none (syslog).
pub(super) fn of(line: &str, year: i16) -> Option<Timestamp> {
    // Without colours, which stand between the parts of boringtun's prefix.
    let logical = line::logical_lines(line);
    let plain: &str = logical.first()?;
    let prefix = &plain[..line::program_span(plain).start];
    iso(prefix).or_else(|| ctime(prefix)).or_else(|| syslog(prefix, year)).or_else(|| record(line))
}

fn iso(prefix: &str) -> Option<Timestamp> {
    static ISO: LazyLock<Regex> = LazyLock::new(|| {
        let date = r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?";
        Regex::new(&format!(r"{date}(Z|[+-]\d\d:?\d\d)?(?: +us=(\d{{1,6}})\b)?")).expect("should be a pattern")
    });
    let found = ISO.captures(prefix)?;
    let nanos = match (found.get(7), found.get(9)) {
        (Some(fraction), _) => format!("{:0<9}", fraction.as_str()).parse().ok()?,
        (None, Some(micros)) => micros.as_str().parse::<i32>().ok()? * 1_000,
        (None, None) => 0,
    };
    let at = civil(number(&found, 1)?, number(&found, 2)?, &found, [3, 4, 5, 6], nanos)?;
    zoned(at, found.get(8).map_or("Z", |zone| zone.as_str()))
}

fn ctime(prefix: &str) -> Option<Timestamp> {
    static CTIME: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d) (\d{4})(?: us=(\d{1,6})\b)?")
            .expect("should be a pattern")
    });
    let found = CTIME.captures(prefix)?;
    let nanos = found.get(7).map_or(Some(0), |micros| Some(micros.as_str().parse::<i32>().ok()? * 1_000))?;
    zoned(civil(number(&found, 6)?, month(&found[1])?, &found, [2, 3, 4, 5], nanos)?, "Z")
}

fn syslog(prefix: &str, year: i16) -> Option<Timestamp> {
    static SYSLOG: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)").expect("should be a pattern"));
    let found = SYSLOG.captures(prefix)?;
    zoned(civil(year, month(&found[1])?, &found, [2, 3, 4, 5], 0)?, "Z")
}

/// `{"log":"…","time":"…"}`, and journald's `{"MESSAGE":"…","__REALTIME_TIMESTAMP":"<microseconds>"}`.
fn record(line: &str) -> Option<Timestamp> {
    if !line.trim_start().starts_with('{') {
        return None;
    }
    let record: serde_json::Value = serde_json::from_str(line).ok()?;
    let time = ["time", "@timestamp", "timestamp", "ts"].iter().find_map(|key| record.get(key)?.as_str());
    match time {
        Some(time) => time.parse().ok(),
        None => Timestamp::from_microsecond(record.get("__REALTIME_TIMESTAMP")?.as_str()?.parse().ok()?).ok(),
    }
}

fn number<T: std::str::FromStr>(found: &Captures<'_>, group: usize) -> Option<T> {
    found[group].parse().ok()
}

fn civil(year: i16, month: i8, found: &Captures<'_>, rest: [usize; 4], nanos: i32) -> Option<DateTime> {
    let [day, hour, minute, second] = rest;
    // A leap second is the one before it.
    let second = number::<i8>(found, second)?.min(59);
    DateTime::new(year, month, number(found, day)?, number(found, hour)?, number(found, minute)?, second, nanos).ok()
}

fn zoned(at: DateTime, zone: &str) -> Option<Timestamp> {
    let offset = match zone {
        "Z" => Offset::UTC,
        zone => {
            let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
            let (hours, minutes) = (digits.get(..2)?.parse::<i32>().ok()?, digits.get(2..)?.parse::<i32>().ok()?);
            let seconds = hours * 3_600 + minutes * 60;
            Offset::from_seconds(if zone.starts_with('-') { -seconds } else { seconds }).ok()?
        }
    };
    at.to_zoned(TimeZone::fixed(offset)).ok().map(|zoned| zoned.timestamp())
}

fn month(name: &str) -> Option<i8> {
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    names.iter().position(|known| *known == name).and_then(|index| i8::try_from(index + 1).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_programs_own_time_is_read() {
        for (line, expected) in [
            ("2026-11-22 16:29:25 Initialization Sequence Completed", "2026-11-22T16:29:25Z"),
            ("2026-11-22 16:29:25 us=123456 Initialization Sequence Completed", "2026-11-22T16:29:25.123456Z"),
            ("Sun Nov  2 16:29:25 2026 us=12 Initialization Sequence Completed", "2026-11-02T16:29:25.000012Z"),
            ("  2026-11-22T16:29:50.315157Z DEBUG boringtun::noise: Sending keepalive", "2026-11-22T16:29:50.315157Z"),
            ("DEBUG: (tunb0e) 2026/11/22 16:46:58 Device started", "2026-11-22T16:46:58Z"),
            ("  \x1b[2m2026-11-22T16:29:25.065228Z\x1b[0m \x1b[32m INFO\x1b[0m x", "2026-11-22T16:29:25.065228Z"),
            ("2026-11-22T18:25:43.123456789+02:00 stderr F x", "2026-11-22T16:25:43.123456789Z"),
            ("Nov 22 16:25:43 node kernel: wireguard: wg0: x", "2026-11-22T16:25:43Z"),
            (r#"{"log":"x\n","stream":"stdout","time":"2026-11-22T16:25:43.5Z"}"#, "2026-11-22T16:25:43.5Z"),
            (r#"{"__REALTIME_TIMESTAMP":"1795364743500000","MESSAGE":"x"}"#, "2026-11-22T16:25:43.5Z"),
            (r#"2026-11-22T16:25:43Z {"hopkeeper":"health","state":"up"}"#, "2026-11-22T16:25:43Z"),
        ] {
            assert_eq!(of(line, 2026), Some(expected.parse().unwrap()), "{line}");
        }
    }

    #[test]
    fn what_a_server_chose_is_no_time() {
        for line in [
            "PUSH: Received control message: 'PUSH_REPLY,setenv 2026-11-22 16:29:25'",
            "VERIFY OK: depth=0, CN=2026-11-22 16:29:25",
            "Decapsulate error WrongIndex",
            "",
        ] {
            assert_eq!(of(line, 2026), None, "{line}");
        }
    }
}
