//! `hopkeeper rules list`: all rules in a table, for people, programs and docs/rules.md.

use std::fmt::Write;
use std::time::Duration;

use clap::ValueEnum;
use miette::IntoDiagnostic;
use serde::Serialize;

use crate::cli::output::{json, yaml};
use crate::domain::rule::severity::Severity;
use crate::domain::rule::{Client, Rule};
use crate::domain::types::{Evidence, Verdict};
use crate::rule_files::Loaded;

/// How the list looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// The same as YAML.
    Yaml,
    /// For docs/rules.md.
    Markdown,
}

/// One rule, for programs.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    client: Client,
    verdict: Verdict,
    evidence: Evidence,
    severity: Severity,
    count: usize,
    within_seconds: u64,
    absent_seconds: Option<u64>,
    title: &'a str,
    tags: &'a [String],
    docs: Option<&'a str>,
    file: &'a str,
    line: usize,
    changed_by: Option<&'a str>,
    enabled: bool,
}

pub(super) fn list(loaded: &Loaded, format: Format) -> miette::Result<String> {
    let (rules, disabled) = (loaded.rules.rules().iter(), loaded.disabled.iter());
    let rows: Vec<Row<'_>> = rules.map(|rule| row(rule, true)).chain(disabled.map(|rule| row(rule, false))).collect();
    let mut output = String::new();
    match format {
        Format::Text => text(loaded, &mut output),
        Format::Json => return json(&rows),
        Format::Yaml => return yaml(&rows),
        Format::Markdown => markdown(loaded, &mut output),
    }
    .into_diagnostic()?;
    Ok(output)
}

fn row(rule: &Rule, enabled: bool) -> Row<'_> {
    Row {
        id: rule.id.as_str(),
        client: rule.client,
        verdict: rule.verdict,
        evidence: rule.evidence,
        severity: rule.severity,
        count: rule.threshold.count,
        within_seconds: rule.threshold.within.as_secs(),
        absent_seconds: rule.absent.map(|absent| absent.as_secs()),
        title: &rule.title,
        tags: &rule.tags,
        docs: rule.docs.as_deref(),
        file: &rule.origin.file,
        line: rule.origin.line,
        changed_by: rule.changed.as_ref().map(|origin| &*origin.file),
        enabled,
    }
}

/// `2 in 60 s`, `none in 3 min`; nothing for the first line.
pub(super) fn threshold(rule: &Rule) -> String {
    let time = |time: Duration| match time.as_secs() {
        seconds if seconds > 120 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    };
    match (rule.absent, rule.threshold.count) {
        (Some(absent), _) => format!("none in {}", time(absent)),
        (None, 1) => String::new(),
        (None, count) => format!("{count} in {}", time(rule.threshold.within)),
    }
}

fn text(loaded: &Loaded, output: &mut impl Write) -> std::fmt::Result {
    let rules = loaded.rules.rules();
    let width = rules.iter().chain(&loaded.disabled).map(|rule| rule.id.as_str().len()).max().unwrap_or(0);
    let line = |rule: &Rule| {
        let (client, verdict, evidence) =
            (rule.client.to_string(), rule.verdict.to_string(), rule.evidence.to_string());
        let tags: String = rule.tags.iter().map(|tag| format!(" #{tag}")).collect();
        format!(
            "{:width$}  {client:12}  {verdict:9}  {evidence:4}  {:13}  {:8}  {}{tags}",
            rule.id.as_str(),
            threshold(rule),
            rule.severity.to_string(),
            rule.title
        )
    };
    for rule in rules {
        let by = rule.changed.as_ref().map(|by| format!(" (changed in {}:{})", by.file, by.line)).unwrap_or_default();
        writeln!(output, "{}{by}", line(rule))?;
    }
    for rule in &loaded.disabled {
        writeln!(output, "{} (switched off)", line(rule))?;
    }
    Ok(())
}

fn markdown(loaded: &Loaded, output: &mut impl Write) -> std::fmt::Result {
    const CLIENTS: [(Client, &str); 6] = [
        (Client::Openvpn, "OpenVPN"),
        (Client::Boringtun, "boringtun"),
        (Client::WireguardGo, "wireguard-go"),
        (Client::Wireguard, "The kernel's WireGuard, wg and wg-quick"),
        (Client::Any, "Every client"),
        (Client::Health, "The health sidecar"),
    ];
    writeln!(
        output,
        "<!-- Generated: `hopkeeper rules list -o markdown > docs/rules.md`, or `make generate`. -->\n\
         # The rules\n\n\
         What each rule proves about a hop. How to write one, change one or switch one off: [writing-rules.md](writing-rules.md).\n\
         Within a client the first rule that matches decides a line. *Evidence* `own`: the hop's own server answered, or the\n\
         fault is inside the pod. `path`: this hop, or any outer one. *Lines*: how many it takes, by the lines' own times."
    )?;
    for (client, name) in CLIENTS {
        let mut rules = loaded.rules.rules().iter().filter(|rule| rule.client == client).peekable();
        if rules.peek().is_none() {
            continue;
        }
        writeln!(
            output,
            "\n## {name}\n\n| rule | what it finds | verdict | evidence | lines | severity | tags |\n| --- | --- | --- | --- | --- | --- | --- |"
        )?;
        for rule in rules {
            let title = rule.title.replace('|', "\\|");
            let title = rule.docs.as_ref().map_or(title.clone(), |docs| format!("[{title}]({docs})"));
            let lines = match threshold(rule) {
                none if none.is_empty() => "1".to_owned(),
                some => some,
            };
            let Rule { id, verdict, evidence, severity, tags, .. } = rule;
            writeln!(
                output,
                "| `{id}` | {title} | {verdict} | {evidence} | {lines} | {severity} | {} |",
                tags.join(", ")
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ruleset::pack::Base;

    fn listed(format: Format) -> String {
        list(&Loaded::without_files(Base::Shipped), format).expect("should be listed")
    }

    #[test]
    fn every_rule_is_in_every_form_of_the_list() {
        let (text, markdown) = (listed(Format::Text), listed(Format::Markdown));
        let json: Vec<serde_json::Value> = serde_json::from_str(&listed(Format::Json)).expect("should be JSON");
        let rules = Loaded::without_files(Base::Shipped).rules;
        assert_eq!(json.len(), rules.rules().len());
        for rule in rules.rules() {
            let id = rule.id.as_str();
            assert!(text.contains(id) && markdown.contains(&format!("| `{id}` |")), "{id}");
            assert!(json.iter().any(|row| row["id"] == id), "{id}");
        }
    }

    #[test]
    fn the_committed_list_of_rules_is_the_programs() {
        let committed = include_str!("../../../docs/rules.md");
        assert!(committed == listed(Format::Markdown), "docs/rules.md is not up to date: run make generate");
    }
}
