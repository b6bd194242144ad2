//! Any bytes where bytes come from outside: never a panic. What the worst of them cost is `tests/hostile_input.rs`'s
//! affair; `fuzz/` looks further.

use proptest::prelude::*;

use super::envelope;
use super::event::{Position, Shard};
use super::line::{MAX_LINE_BYTES, logical_lines, program_text, unwrap_json};
use super::rule::file::{Strictness, parse};

fn decode(bytes: &[u8]) -> Option<super::event::LogEvent> {
    envelope::decode(bytes, Position::new(Shard::new("s"), 0), None).ok()
}

/// Pieces that the formats are made of, between pieces that are nothing.
fn pieces(known: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![3 => prop::sample::select(known).prop_map(str::to_owned), 1 => ".{0,12}"];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u00",
    "null",
    "1e999",
    "-0",
    "\"@timestamp\":",
    "\"message\":",
    "\"kubernetes\":{\"pod\":{\"uid\":\"u\"},\"container\":{\"name\":\"vpn\"}}",
    "\"log\":{\"file\":{\"path\":",
    "\"/var/log/pods/a_b_c/vpn/0.log\"",
    "\"2026-11-22T16:25:43Z stdout F x\"",
    "\"2026-11-22T16:25:43Z\"",
    "\"offset\":",
    "18446744073709551616",
];

const YAML: &[&str] = &[
    "version: 1\n",
    "client: openvpn\n",
    "rules:\n",
    "  - ",
    "id: a\n",
    "    title: A\n",
    "    pattern: ",
    "    unless: '(?i)x'\n",
    "    where: { a: '> 1' }\n",
    "    evidence: own\n",
    "    verdict: rotate\n",
    "    threshold: { count: 2, within: 60s }\n",
    "    absent: { for: 3m }\n",
    "&a ",
    "*a",
    "? ",
    "|\n",
    "'",
    "\"",
    "{",
    "}",
    "[",
    "(?:",
    "){9999}",
    "\\p{L}",
    "\t",
    "#",
];

const LINES: &[&str] = &[
    "\n",
    "\r",
    "\x1b[",
    "\x1b[33m",
    "\x1b",
    " at /x",
    "   in y",
    "2026-11-22 16:25:43 ",
    "Nov 22 16:25:43 host openvpn[1]: ",
    "{\"log\":\"",
    "\\n\"}",
    "{\"hopkeeper\":\"health\",\"state\":\"up\",\"applied\":\"",
    "AUTH: Received control message: AUTH_FAILED",
    "[INFO] ",
    "vpn-1  | ",
    "time=\"2026\" level=info msg=\"",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_an_event_or_none(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        decode(&bytes);
    }

    #[test]
    fn what_is_nearly_json_is_an_event_or_none(text in pieces(JSON)) {
        if let Some(event) = decode(text.as_bytes()) {
            prop_assert!(event.text.len() <= text.len() && !event.container.is_empty());
        }
    }

    #[test]
    fn any_text_is_a_rule_file_or_is_refused_at_a_place(text in prop_oneof![pieces(YAML), any::<String>()]) {
        if let Err(errors) = parse("f", &text, Strictness::User) {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(error.line >= 1 && error.column >= 1 && !error.marked().to_string().is_empty());
            }
        }
    }

    #[test]
    fn any_text_comes_to_lines_of_bounded_length(text in prop_oneof![pieces(LINES), any::<String>()]) {
        unwrap_json(&text);
        let lines = logical_lines(&text);
        prop_assert!(lines.iter().map(|line| line.len()).sum::<usize>() <= text.len() + lines.len());
        for line in &lines {
            prop_assert!(line.len() <= MAX_LINE_BYTES && line.contains(program_text(line)));
        }
    }
}
