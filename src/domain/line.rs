//! From what a shipper delivers to what a program printed: colours, supervisors' prefixes and line breaks removed.
//!
//! Only prefixes of a fixed shape are removed, never "anything up to a bracket": a VPN server chooses part of what its
//! client logs, and must not be able to move its own text to the start of the line, where rules are anchored.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use smallvec::SmallVec;

/// Longer lines are cut here: no program's message is longer, and cost stays bounded.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// All prefixes of a line together: a line of nothing but timestamps is not read as one prefix.
const MAX_PREFIX_BYTES: usize = 1024;

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

/// The text inside a JSON log record (docker's `{"log": …}`, or `message`, `msg`); other text as it is.
pub fn unwrap_json(text: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct JsonLog {
        #[serde(alias = "message", alias = "msg")]
        log: String,
    }
    if !text.trim_start().starts_with('{') {
        return Cow::Borrowed(text);
    }
    serde_json::from_str(text).map_or(Cow::Borrowed(text), |record: JsonLog| Cow::Owned(record.log))
}

/// The text that the program itself printed: a logical line without the timestamps, levels and names that the program's
/// logger, the container runtime, syslog or a supervisor put before it.
pub fn program_text(line: &str) -> &str {
    &line[program_span(line)]
}

/// Where that text stands: before it are its prefixes, after it blanks.
pub fn program_span(line: &str) -> Range<usize> {
    /// Each alternative is one prefix, of fixed shape; they come in any order and number.
    static PREFIXES: LazyLock<Regex> = LazyLock::new(|| {
        let prefix = [
            // RFC 3339 and its relatives: containerd, docker, OpenVPN 2.5+, boringtun, wireguard-go, s6.
            r"\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?:?",
            // ctime: OpenVPN 2.4 and before; Pritunl puts its server's name before it.
            r"(?:\[[a-z]+-[a-z]+-\d+\] )?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{1,2} \d\d:\d\d:\d\d \d{4}",
            // syslog and journald, with host and program.
            concat!(
                r"(?:<\d{1,3}>)?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{1,2} \d\d:\d\d:\d\d",
                r"(?:(?:[ \t]+[\w.-]+){1,4}(?:\([\w.-]+\))? ?\[ ?\d+\]:",
                r"|(?: [\w.-]+)? (?:(?:nm-)?openvpn|ovpn-[\w.-]+|kernel|boringtun|wireguard-go|wg-quick):)?"
            ),
            // RFC 5424 (OPNsense).
            r"(?:<\d{1,3}>)?1 \d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)? [\w.-]+ [\w.-]+ (?:\d+|-) [\w-]+ (?:-|\[meta[^\]]*\])",
            // OpenWrt's log: facility and level, the instance in brackets; pfSense's and OPNsense's tables.
            r"(?:daemon|user|local\d|auth)\.\w+",
            r"openvpn\([\w.-]+\)\[\d+\]:",
            r"openvpn[ \t]+\d+",
            r"(?:Notice|Error|Warning|Informational)[ \t]+openvpn_\w+",
            // OpenVPN Connect, OpenVPN for Android, Kodi, DD-WRT, `--machine-readable-output`.
            concat!(
                r"⏎?(?:\[(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{1,2}, \d{4}, \d\d:\d\d:\d\d\]",
                r"|\d{1,2}/\d{1,2}/\d{4}, \d{1,2}:\d\d:\d\d [AP]M)"
            ),
            r"\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?: --)?",
            r"T:\d+ +[A-Z]+:?(?: <\w+>:)?",
            r"\d{8} \d\d:\d\d:\d\d [A-Z]",
            r"\d{10}\.\d{6} [0-9a-f]{1,8}",
            // openvpn3-linux, programs around OpenVPN, quotes in a thread.
            r"\{tag:\d+\}",
            r"Openvpn log >>",
            r"OpenVPN >",
            r">",
            // logfmt, up to its `msg="`.
            r#"time="?[\dT:.+Z-]+"?"#,
            r"level=\w+",
            // WireGuard's own apps.
            r"\[TUN\](?: \[[\w.-]{1,32}\])?",
            r"(?:nm-|ovpn-[\w.@-]*)?(?:openvpn|boringtun|wireguard-go|wireguard)(?:@[\w.@-]+)?\[\d+\]:",
            r"ovpn-[\w.@-]+\[\d+\]:",
            r"kernel:",
            r"\[ *\d+\.\d{6}\]",
            r"us=\d+",
            // containerd's stream and tag, compose's service name.
            r"(?:stdout|stderr)(?: [FP])?",
            r"\|",
            r"[\w.-]{1,63} +\|",
            // levels, with the name of the supervised program.
            r"\[?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|trace|debug|info|notice|warn|warning|error)\]?(?:\s+\[?(?:openvpn|wireguard)\]?:?)?",
            r"\[(?:openvpn|wireguard|vpn)\]:?",
            // wireguard-go's logger: `DEBUG: (wg0) `.
            r"(?:DEBUG|ERROR|INFO): \([\w.@-]{1,15}\)",
        ]
        .join("|");
        Regex::new(&format!(r#"^\s*(?:(?:{prefix})(?:\s+|$))*(?:msg="|P:|>LOG:\d+,[A-Z]*,)?"#))
            .expect("should be a valid pattern")
    });
    // Prefixes are short: a huge line is not scanned beyond its start.
    let start = PREFIXES.find(start(line)).map_or(0, |m| m.end());
    start..start + line[start..].trim_end().len()
}

/// The part of a line in which prefixes stand, up to a space: what is cut off must not look like the end of a prefix.
fn start(line: &str) -> &str {
    if line.len() <= MAX_PREFIX_BYTES {
        return line;
    }
    line[..line.floor_char_boundary(MAX_PREFIX_BYTES)].trim_end_matches(|c: char| !c.is_whitespace())
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
    fn prefixes_of_loggers_runtimes_and_supervisors_are_removed() {
        let text = "AUTH: Received control message: AUTH_FAILED";
        for prefix in [
            "",
            "2026-11-22 16:25:43 ",
            "2026-11-22 16:25:43 us=123456 ",
            "Sun Nov 22 16:25:43 2026 ",
            "Sun Nov  2 16:25:43 2026 us=12 ",
            "2026-11-22T16:25:43.123456789Z stdout F 2026-11-22 16:25:43 ",
            "2026-11-22T16:25:43.123456789+00:00 stderr F ",
            "Nov 22 16:25:43 gateway openvpn[4321]: ",
            "<29>Nov  2 16:25:43 gateway ovpn-client[4321]: ",
            "Nov 22 16:25:43 openvpn[12]: ",
            "vpn-1  | 2026-11-22 16:25:43 ",
            "2026-11-22T16:25:43Z INFO [openvpn] ",
            "2026/11/22 16:25:43 INFO openvpn: ",
            "[2026-11-22 16:25:43] ",
            "openvpn[77]: ",
            "Nov 22 16:25:43 ",
            "Nov 22 16:25:43 gateway openvpn: ",
            "time=2026-11-22T16:25:43.210+02:00 level=DEBUG msg=\"",
            "transmission-openvpn_1  | Sun Nov 22 16:25:43 2026 ",
            "Thu Oct  8 19:48:19 2020 daemon.err openvpn(wan3)[12415]: ",
            "[ancient-meadow-7892] Wed Jun 15 11:47:19 2016 ",
            "23:22 ",
            "17:14:28.969 -- ",
            "P:",
            "20200101 12:00:00 N ",
            "1429867200.123456 d0 ",
            ">LOG:1429867200,N,",
            "Oct 12 10:00:00\topenvpn\t12345\t",
            "2023-05-01T10:00:00\tError\topenvpn_client1\t ",
            "<29>1 2023-05-01T10:00:00+02:00 OPNsense.localdomain openvpn_client1 12345 - [meta sequenceId=\"1\"] ",
            "⏎[Jan 3, 2023, 12:09:42] ",
            "9/18/2020, 2:46:42 PM ",
            "Sun Jun 25 14:37:03 2023  {tag:8958017124777476360} ",
            "> Wed Apr 22 10:00:00 2020 ",
            "2018-01-20 23:24:48 stdout  Sat Jan 20 23:24:48 2018 ",
            "2020-09-26 00:01:17 | stdout | Sat Sep 26 00:01:17 2020 ",
            "10:50:29.947 T:1543881632  NOTICE: Wed Sep 27 10:50:26 2017 ",
            "2020-03-18T22:13:00.183Z\tINFO\topenvpn: Wed Mar 18 22:13:00 2020 ",
            "Aug 25 10:00:32 BOX notic tunnel1 [ 1547]: ",
        ] {
            assert_eq!(texts(&format!("{prefix}{text}")), [text], "after {prefix:?}");
        }
        assert_eq!(texts("DEBUG: (wg0) 2026/11/22 16:49:15 UAPI listener started"), ["UAPI listener started"]);
        assert_eq!(texts("2021-02-10 16:08:58.676514: [TUN] [client] peer(a…b) - x"), ["peer(a…b) - x"]);
        assert_eq!(texts("[ 1234.567890] wireguard: wg0: x"), ["wireguard: wg0: x"]);
        assert_eq!(texts("Nov 22 16:25:43 node kernel: [ 12.345678] wireguard: wg0: x"), ["wireguard: wg0: x"]);
    }

    #[test]
    fn a_json_record_is_unwrapped() {
        assert_eq!(unwrap_json(r#"{"log":"AUTH: x\n","stream":"stdout","time":"2026-11-22T16:25:43Z"}"#), "AUTH: x\n");
        assert_eq!(unwrap_json(r#"{"level":"info","msg":"AUTH: x"}"#), "AUTH: x");
        assert_eq!(unwrap_json("{ no json"), "{ no json");
        assert_eq!(unwrap_json(r#"{"log":1}"#), r#"{"log":1}"#);
    }

    #[test]
    fn a_server_cannot_move_its_text_to_the_start_of_the_line() {
        for line in [
            "[x] AUTH: Received control message: AUTH_FAILED] Peer Connection Initiated with [AF_INET]1.2.3.4:1",
            "PUSH: Received control message: 'PUSH_REPLY,foo AUTH: Received control message: AUTH_FAILED'",
            "VERIFY OK: depth=0, CN=| AUTH: Received control message: AUTH_FAILED",
            "[a-b-1] AUTH: Received control message: AUTH_FAILED] Peer Connection Initiated with [AF_INET]1.2.3.4:1",
            "MANAGEMENT: >LOG:1,N,AUTH: Received control message: AUTH_FAILED",
            "WARNING: Your certificate has expired!",
            "TLS Error: TLS handshake failed",
            "ERROR: Cannot open TUN/TAP dev /dev/net/tun: No such file or directory (errno=2)",
        ] {
            assert_eq!(program_text(line), line);
        }
    }

    #[test]
    fn prefixes_end_with_the_start_of_a_long_line_and_with_a_whole_one() {
        let time = "2026-11-22 16:25:43 ";
        let times = time.repeat(2 * MAX_PREFIX_BYTES / time.len());
        let text = program_text(&times);
        assert!(text.starts_with(time) && text.len() > times.len() - MAX_PREFIX_BYTES - time.len());
        let number = format!("time={}AUTH: x", "1".repeat(MAX_PREFIX_BYTES - 5));
        assert_eq!(program_text(&number), number);
        let long = format!("{time}AUTH: {}", "x".repeat(2 * MAX_PREFIX_BYTES));
        assert_eq!(program_text(&long), &long[time.len()..]);
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let long = "é".repeat(MAX_LINE_BYTES);
        assert_eq!(logical_lines(&long)[0].len(), MAX_LINE_BYTES);
        let odd = format!("x{long}");
        assert_eq!(logical_lines(&odd)[0].len(), MAX_LINE_BYTES - 1);
    }
}
