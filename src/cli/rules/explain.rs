//! `hopkeeper rules explain`: which rule decides a line, which part of it matched, what it proves, and what would be done.

use std::io::{BufRead, Write};

use serde::Serialize;

use super::{Format, list, read_piece};
use crate::domain::rule::severity::Severity;
use crate::domain::rule::{Client, Rule};
use crate::domain::ruleset::{Line, RuleSet, pack};
use crate::domain::types::{Evidence, Verdict};
use why::Why;

mod why;

/// How much JSON says. Text says all of it but near misses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// The keys that programs are promised, and no others.
    Contract,
    /// All.
    Why,
}

/// One line's explanation: a contract with other programs.
#[derive(Serialize)]
struct Explanation<'a> {
    line: &'a str,
    rule: Option<&'a str>,
    verdict: Option<Verdict>,
    evidence: Option<Evidence>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    more: Option<More<'a>>,
}

#[derive(Serialize)]
struct More<'a> {
    title: Option<&'a str>,
    severity: Option<Severity>,
    count: Option<usize>,
    within_seconds: Option<u64>,
    /// What the rules see of the line.
    text: &'a str,
    /// The parts that matched.
    matched: Vec<&'a str>,
    decision: Option<&'static str>,
    others: Vec<Other<'a>>,
}

#[derive(Serialize)]
struct Other<'a> {
    rule: &'a str,
    why: &'a str,
}

pub(super) fn explain(
    rules: &RuleSet,
    client: Client,
    format: Format,
    detail: Detail,
    mut input: impl BufRead,
    mut output: impl Write,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        if !read_piece(&mut input, &mut bytes)? {
            return output.flush();
        }
        let text = String::from_utf8_lossy(&bytes);
        let line = text.trim_end_matches(['\n', '\r']);
        let mut decided = rules.decide_record(client, line);
        let index = decided.iter().position(|(_, rule)| rule.is_some()).unwrap_or(0);
        let (seen, rule) = if decided.is_empty() { (Line::new(client, ""), None) } else { decided.swap_remove(index) };
        match (format, detail) {
            (Format::Json, Detail::Contract) => write_json(line, rule, None, &mut output)?,
            (Format::Json, Detail::Why) => {
                let why = Why::of(rules, &seen, rule, true);
                write_json(line, rule, Some(&why), &mut output)?;
            }
            (Format::Text, detail) => {
                let why = Why::of(rules, &seen, rule, detail == Detail::Why);
                write_text(line, seen.logical(), rule, &why, &mut output)?;
            }
        }
    }
}

fn write_json(line: &str, rule: Option<&Rule>, why: Option<&Why<'_>>, output: &mut impl Write) -> std::io::Result<()> {
    let more = why.map(|why| More {
        title: rule.map(|rule| rule.title.as_str()),
        severity: rule.map(|rule| rule.severity),
        count: rule.map(|rule| rule.threshold.count),
        within_seconds: rule.map(|rule| rule.threshold.within.as_secs()),
        text: why.text,
        matched: why.matched(),
        decision: rule.map(decision),
        others: why.others.iter().map(|(rule, why)| Other { rule: rule.id.as_str(), why }).collect(),
    });
    let explanation = Explanation {
        line,
        rule: rule.map(|rule| rule.id.as_str()),
        verdict: rule.map(|rule| rule.verdict),
        evidence: rule.map(|rule| rule.evidence),
        more,
    };
    serde_json::to_writer(&mut *output, &explanation)?;
    writeln!(output)
}

fn write_text(
    line: &str,
    logical: &str,
    rule: Option<&Rule>,
    why: &Why<'_>,
    output: &mut impl Write,
) -> std::io::Result<()> {
    writeln!(output, "{line}")?;
    if let Some(rule) = rule {
        if line != logical {
            writeln!(output, "is read as\n{logical}")?;
        }
        writeln!(output, "{}", why.carets())?;
        let Rule { id, title, verdict, evidence, origin, .. } = rule;
        let severity =
            if rule.severity == Severity::of(*verdict) { String::new() } else { format!(", {}", rule.severity) };
        writeln!(output, "    {verdict} {evidence}{severity}: {title} [{id}]")?;
        let changed =
            rule.changed.as_ref().map(|by| format!(", changed at {}:{}", by.file, by.line)).unwrap_or_default();
        let shipped = pack::is_shipped(rule);
        let place =
            if shipped { "shipped with the program".to_owned() } else { format!("{}:{}", origin.file, origin.line) };
        writeln!(output, "    rule: {place}{changed}")?;
        let times = match list::threshold(rule) {
            none if none.is_empty() => "one line is enough".to_owned(),
            times => format!("counts as proof when there are {times}"),
        };
        if !matches!(verdict, Verdict::Ignore | Verdict::Recovered) {
            writeln!(output, "    threshold: {times}")?;
        }
        writeln!(output, "    then: {}", decision(rule))?;
    }
    for (other, why) in &why.others {
        writeln!(output, "    not {} ({} {}): {why}", other.id, other.verdict, other.evidence)?;
    }
    Ok(())
}

/// What a chain with the usual policy would do about it.
fn decision(rule: &Rule) -> &'static str {
    match (rule.verdict, rule.evidence) {
        (Verdict::Rotate, Evidence::Own) => {
            "at once, whatever the other hops do: the next candidate in place; where that does not help, a new pod, then the candidate after it"
        }
        (Verdict::Rotate, Evidence::Path) => {
            "asks whether every outer hop is up; held as the symptom of one that is not. If all are and this hop is down: the next candidate in place; where that does not help, a new pod, then the candidate after it"
        }
        (Verdict::Restart, Evidence::Own) => {
            "at once, whatever the other hops do: the client is restarted in place; where that does not help, a new pod. It never costs a candidate"
        }
        (Verdict::Restart, Evidence::Path) => {
            "asks whether every outer hop is up; held as the symptom of one that is not. If all are and this hop is down: the client is restarted in place; where that does not help, a new pod, then the next candidate"
        }
        (Verdict::Alert, _) => "a person is called: the incident is escalated, nothing is repaired",
        (Verdict::Ignore, _) => "nothing: known and harmless, and no later rule sees the line",
        (Verdict::Recovered, _) => "the tunnel works: what was counted for this hop before is forgotten",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(rules: &RuleSet, client: Client, format: Format, detail: Detail, input: &str) -> String {
        let mut output = Vec::new();
        explain(rules, client, format, detail, input.as_bytes(), &mut output).expect("should write");
        String::from_utf8(output).expect("should be text")
    }

    #[test]
    fn each_input_line_is_one_json_object() {
        let input = "2026-11-22 16:25:44 AUTH: Received control message: AUTH_FAILED\n\nhello \"x\"\r\n{\"log\":\"VERIFY KU ERROR\\n\"}";
        let output = explained(&RuleSet::shipped(), Client::Openvpn, Format::Json, Detail::Contract, input);
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

    fn own_rules(rules: &str) -> RuleSet {
        let source = format!("version: 1\nclient: openvpn\nrules:\n{rules}");
        crate::domain::ruleset::pack::layered(crate::domain::ruleset::pack::Base::Nothing, &[("my.yaml", &source)])
            .expect("should load")
            .rules
    }

    fn told(rules: &RuleSet, client: Client, input: &str) -> String {
        explained(rules, client, Format::Text, Detail::Contract, input)
    }

    #[test]
    fn people_read_what_the_line_means_and_where_it_says_so() {
        let rules = own_rules(
            "  - { id: refused, title: Refused, pattern: '^AUTH: .*FAILED', evidence: own, verdict: rotate, threshold: { count: 2, within: 60s } }\n",
        );
        assert_eq!(
            told(&rules, Client::Openvpn, "2026-11-22 16:25:44 AUTH: AUTH_FAILED,x\nother\n"),
            "2026-11-22 16:25:44 AUTH: AUTH_FAILED,x
                    ^^^^^^^^^^^^^^^^^
    rotate own: Refused [refused]
    rule: my.yaml:4
    threshold: counts as proof when there are 2 in 60 s
    then: at once, whatever the other hops do: the next candidate in place; where that does not help, a new pod, then the candidate after it
other
"
        );
    }

    #[test]
    fn a_line_that_is_unwrapped_first_is_shown_as_the_rules_see_it() {
        let rules = own_rules(
            "  - { id: a, title: A, pattern: 'FAILED$', evidence: path, verdict: ignore, severity: critical }\n",
        );
        let output = told(&rules, Client::Openvpn, "{\"log\":\"\\u001b[31mAUTH FAILED\\n\"}");
        assert_eq!(
            output,
            "{\"log\":\"\\u001b[31mAUTH FAILED\\n\"}
is read as
AUTH FAILED
     ^^^^^^
    ignore path, critical: A [a]
    rule: my.yaml:4
    then: nothing: known and harmless, and no later rule sees the line
"
        );
    }

    #[test]
    fn other_rules_say_why_they_do_not_decide_the_line() {
        let rules = own_rules(
            "  - { id: quiet, title: Q, pattern: '^lost', unless: 'by us', evidence: own, verdict: alert }
  - { id: slow, title: S, pattern: '^lost (?P<seconds>\\d+)', where: { seconds: '>= 15' }, evidence: own, verdict: alert }
  - { id: this, title: T, pattern: '^lost', evidence: own, verdict: ignore }
  - { id: later, title: L, pattern: '^lost', evidence: own, verdict: rotate }
  - { id: other, title: O, client: boringtun, pattern: '^gone', evidence: own, verdict: rotate }
",
        );
        let output = told(&rules, Client::Openvpn, "lost 3 by us\n");
        let others: Vec<&str> = output.lines().filter(|line| line.starts_with("    not ")).collect();
        assert_eq!(
            others,
            [
                "    not quiet (alert own): \"unless\" matches \"by us\"",
                "    not slow (alert own): seconds >= 15 does not hold, it is \"3\"",
                "    not later (rotate own): it matches too, but comes after the rule that decides",
            ]
        );
        assert_eq!(
            told(&rules, Client::Openvpn, "gone\n"),
            "gone\n    not other (rotate own): it matches, but reads lines of boringtun only\n"
        );
    }

    #[test]
    fn a_health_lines_fields_are_marked() {
        let rules = RuleSet::shipped();
        let line = r#"{"hopkeeper":"health","state":"stalled","carrier":1,"rx_age_seconds":15}"#;
        let output = told(&rules, Client::Health, line);
        let carets = output.lines().nth(1).expect("should be marked");
        assert_eq!(carets, "                      ^^^^^^^^^^^^^^^^^             ^^^^^^^^^^^^^^^^^^^");
        let output = told(&rules, Client::Health, &line.replace("15", "14"));
        assert!(
            output.contains("not health-stalled (rotate path): rx_age_seconds >= 15 does not hold, it is 14"),
            "{output}"
        );
    }

    #[test]
    fn json_says_more_only_when_asked() {
        let input = "AUTH: Received control message: AUTH_FAILED";
        let output = explained(&RuleSet::shipped(), Client::Openvpn, Format::Json, Detail::Why, input);
        let json: serde_json::Value = serde_json::from_str(&output).expect("should be JSON");
        assert_eq!((&json["rule"], &json["count"]), (&"openvpn-auth-failed".into(), &2.into()));
        assert_eq!(json["matched"], serde_json::json!([input]));
        let near = explained(&RuleSet::shipped(), Client::Openvpn, Format::Json, Detail::Why, &format!("x {input}"));
        let json: serde_json::Value = serde_json::from_str(&near).expect("should be JSON");
        assert!(json["others"].to_string().contains("its words are there"), "{near}");
    }
}
