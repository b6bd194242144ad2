//! A replay for people: a table of decisions, and in a sentence whose fault it was.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::{Action, Decided, Replayed};

/// The table and its summary.
#[must_use]
pub fn text(replayed: &Replayed) -> String {
    let mut out = String::new();
    if let Some((first, last)) = replayed.span {
        let (lines, long) = (replayed.lines, seconds(last.duration_since(first)));
        let _ = writeln!(out, "{lines} lines from {first} to {last} ({long})\n");
        out.push_str(&table(&replayed.decisions, first));
        if !replayed.decisions.is_empty() {
            out.push('\n');
        }
    }
    out.push_str(&summary(&replayed.decisions));
    out.push('\n');
    out
}

/// One row for each decision, times counted from `first`.
#[must_use]
pub fn table(decisions: &[Decided], first: Timestamp) -> String {
    let header = ["after", "hop", "action", "cause", "verdict", "evidence", "rule", "title"].map(str::to_owned);
    let rows = decisions.iter().map(|d| row(d, first));
    aligned(std::iter::once(header).chain(if decisions.is_empty() { None } else { Some(rows) }.into_iter().flatten()))
}

fn row(decided: &Decided, first: Timestamp) -> [String; 8] {
    [
        seconds(decided.time.duration_since(first)),
        decided.hop.clone(),
        decided.action.to_string(),
        decided.cause.clone().unwrap_or_else(|| "-".into()),
        decided.verdict.to_string(),
        decided.evidence.to_string(),
        decided.rule.clone(),
        decided.title.clone(),
    ]
}

/// Columns as wide as their widest cell; no blanks at the end.
pub(super) fn aligned<const N: usize>(rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = rows.collect();
    if rows.len() < 2 {
        return String::new();
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// Whose fault it was, what is done about it, and whose complaints were symptoms.
#[must_use]
pub fn summary(decisions: &[Decided]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for decided in decisions.iter().filter(|d| d.action < Action::Hold) {
        parts.push(format!("hop at fault: {} ({}, {})", decided.hop, decided.action, decided.rule));
    }
    let mut symptoms: Vec<&str> = Vec::new();
    for decided in decisions.iter().filter(|d| d.action == Action::Hold && d.cause.is_some()) {
        if !symptoms.contains(&decided.hop.as_str()) {
            symptoms.push(&decided.hop);
        }
    }
    if !symptoms.is_empty() {
        parts.push(format!("symptoms: {}", symptoms.join(", ")));
    }
    for decided in decisions.iter().filter(|d| d.action == Action::Hold && d.cause.is_none()) {
        parts.push(format!("undecided: {} ({})", decided.hop, decided.rule));
    }
    for decided in decisions.iter().filter(|d| d.action == Action::None) {
        parts.push(format!("healed by itself: {} ({})", decided.hop, decided.rule));
    }
    if parts.is_empty() { "no decision: the lines prove no fault".to_owned() } else { parts.join("; ") }
}

fn seconds(time: SignedDuration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
