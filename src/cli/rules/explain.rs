//! `hopkeeper rules explain`: which rule decides a line, and what it proves.

use std::io::{BufRead, Write};

use serde::Serialize;

use super::Format;
use crate::domain::rule::Client;
use crate::domain::ruleset::RuleSet;
use crate::domain::types::{Evidence, Verdict};

/// One line's explanation.
#[derive(Serialize)]
struct Explanation<'a> {
    line: &'a str,
    rule: Option<&'a str>,
    verdict: Option<Verdict>,
    evidence: Option<Evidence>,
}

pub(super) fn explain(
    rules: &RuleSet,
    client: Client,
    format: Format,
    mut input: impl BufRead,
    mut output: impl Write,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if input.read_until(b'\n', &mut bytes)? == 0 {
            return output.flush();
        }
        let text = String::from_utf8_lossy(&bytes);
        let line = text.trim_end_matches(['\n', '\r']);
        let rule = rules.decide_record(client, line).into_iter().find_map(|(_, rule)| rule);
        match format {
            Format::Json => {
                let explanation = Explanation {
                    line,
                    rule: rule.map(|rule| rule.id.as_str()),
                    verdict: rule.map(|rule| rule.verdict),
                    evidence: rule.map(|rule| rule.evidence),
                };
                serde_json::to_writer(&mut output, &explanation)?;
                writeln!(output)?;
            }
            Format::Text => match rule {
                Some(rule) => {
                    let times = match rule.threshold.count {
                        1 => String::new(),
                        count => format!(" ({count} times in {} s)", rule.threshold.within.as_secs()),
                    };
                    writeln!(
                        output,
                        "{line}\n    {} {}: {}{times} [{}]",
                        rule.verdict, rule.evidence, rule.title, rule.id
                    )?;
                }
                None => writeln!(output, "{line}")?,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(client: Client, format: Format, input: &str) -> String {
        let mut output = Vec::new();
        explain(&RuleSet::shipped(), client, format, input.as_bytes(), &mut output).expect("should write");
        String::from_utf8(output).expect("should be text")
    }

    #[test]
    fn each_input_line_is_one_json_object() {
        let input = "2026-11-22 16:25:44 AUTH: Received control message: AUTH_FAILED\n\nhello \"x\"\r\n{\"log\":\"VERIFY KU ERROR\\n\"}";
        let output = explained(Client::Openvpn, Format::Json, input);
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(
            lines,
            [
                r#"{"line":"2026-11-22 16:25:44 AUTH: Received control message: AUTH_FAILED","rule":"openvpn-auth-failed","verdict":"rotate","evidence":"own"}"#,
                r#"{"line":"","rule":null,"verdict":null,"evidence":null}"#,
                r#"{"line":"hello \"x\"","rule":null,"verdict":null,"evidence":null}"#,
                r#"{"line":"{\"log\":\"VERIFY KU ERROR\\n\"}","rule":"openvpn-server-certificate-refused","verdict":"rotate","evidence":"own"}"#,
            ]
        );
    }

    #[test]
    fn people_read_what_the_line_means() {
        let output = explained(Client::Openvpn, Format::Text, "AUTH: Received control message: AUTH_FAILED\nx\n");
        assert_eq!(
            output,
            "AUTH: Received control message: AUTH_FAILED\n    rotate own: The server rejected the user name or password (2 times in 60 s) [openvpn-auth-failed]\nx\n"
        );
    }
}
