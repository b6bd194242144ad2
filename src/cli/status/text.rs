//! Chains as tables for people.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::cli::output::{Table, age, or_dash};
use crate::overview::{ChainOverview, HopOverview, Overview, Story, printable};

/// How many closed incidents are shown below a chain.
const RECENT: usize = 5;

/// A line for each chain.
pub(super) fn chains(all: &Overview, now: Timestamp, with_namespace: bool, wide: bool) -> String {
    if all.chains.is_empty() {
        return String::new();
    }
    let mut header = vec!["NAME", "PHASE", "HOPS", "INCIDENTS", "LAST RECOVERY"];
    if wide {
        header.extend(["AGE", "PATH", "CANDIDATES", "LEFT"]);
    }
    header.push("MESSAGE");
    if with_namespace {
        header.insert(0, "NAMESPACE");
    }
    let mut table = Table::new(&header);
    for chain in &all.chains {
        let mut row = vec![chain.name.clone(), chain.phase_word(), hops_up(chain)];
        row.push(chain.open_incidents().count().to_string());
        row.push(age(now, chain.last_recovery));
        if wide {
            row.extend([age(now, chain.created), chain.path(), candidates(chain), left(chain)]);
        }
        row.push(chain.sentence());
        if with_namespace {
            row.insert(0, chain.namespace.clone());
        }
        table.row(row);
    }
    table.to_string()
}

/// One chain, hop by hop.
pub(super) fn chain(chain: &ChainOverview, now: Timestamp, wide: bool) -> String {
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| {
        let words = words.to_string();
        writeln!(text, "{}", printable(&words)).expect("should write to a string");
    };
    line(format_args!("{}/{}: {}, {} hops up", chain.namespace, chain.name, chain.phase_word(), hops_up(chain)));
    line(format_args!("  {}", chain.path()));
    line(format_args!("  {}", chain.sentence()));
    for problem in chain.other_problems() {
        line(format_args!("  {}: {}", problem.reason, problem.message));
    }
    text.push('\n');

    let mut header = vec!["HOP", "CLIENT", "STATE", "SINCE", "CANDIDATE", "LEFT"];
    if wide {
        header.push("POD");
    }
    header.push("HELD");
    let mut hops = Table::new(&header);
    for hop in &chain.hops {
        let mut row = vec![
            hop.name.clone(),
            format!("{:?}", hop.implementation),
            format!("{:?}", hop.state),
            age(now, hop.since),
            or_dash(hop.candidate.as_deref()),
            left_of(hop),
        ];
        if wide {
            row.push(or_dash(hop.pod.as_deref()));
        }
        row.push(held(hop));
        hops.row(row);
    }
    text.push_str(&hops.to_string());

    let closed = chain.incidents.iter().filter(|story| !story.is_open()).take(RECENT);
    let shown: Vec<&Story> = chain.open_incidents().chain(closed).collect();
    if !shown.is_empty() {
        let mut table = Table::new(&["INCIDENT", "HOP", "RULE", "PHASE", "REASON", "AGO"]);
        for story in shown {
            table.row(vec![
                story.id.clone(),
                story.hop.clone(),
                story.rule.id.clone(),
                format!("{:?}", story.phase),
                or_dash(story.reason.as_deref()),
                age(now, Some(story.last.time)),
            ]);
        }
        write!(text, "\n{table}").expect("should write to a string");
    }
    text
}

fn hops_up(chain: &ChainOverview) -> String {
    format!("{}/{}", chain.hops_up, chain.hops.len())
}

/// What the hops run with, entry first.
fn candidates(chain: &ChainOverview) -> String {
    chain.hops.iter().map(|hop| or_dash(hop.candidate.as_deref())).collect::<Vec<_>>().join(",")
}

/// What their pools have left, entry first.
fn left(chain: &ChainOverview) -> String {
    chain.hops.iter().map(left_of).collect::<Vec<_>>().join(",")
}

fn left_of(hop: &HopOverview) -> String {
    hop.candidates_left.map_or_else(|| "?".to_owned(), |left| left.to_string())
}

fn held(hop: &HopOverview) -> String {
    match &hop.held {
        None => String::new(),
        Some(held) if held.needs_person => format!("{}: a person must look: {}", held.reason, held.message),
        Some(held) => format!("{}: {}", held.reason, held.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overview::overview;
    use crate::overview::tests::{berlin, rotated, symptom};

    fn now() -> Timestamp {
        "2026-11-22T12:00:10Z".parse().unwrap()
    }

    #[test]
    fn the_list_of_chains() {
        let mut other = berlin();
        (other.metadata.name, other.status) = (Some("oslo".into()), None);
        let all = overview(&[berlin(), other], &[rotated(None), symptom()]);
        let plain = chains(&all, now(), false, false);
        let wide = chains(&all, now(), true, true);
        insta::assert_snapshot!(format!("{plain}\n{wide}"));
    }

    #[test]
    fn one_chain_hop_by_hop() {
        let all = overview(&[berlin()], &[rotated(Some("Up")), symptom()]);
        insta::assert_snapshot!(chain(&all.chains[0], now(), true));
    }

    #[test]
    fn the_documentation_shows_what_the_program_prints() {
        let all = overview(&[berlin()], &[rotated(None), symptom()]);
        let text = chain(&all.chains[0], now(), false);
        assert!(include_str!("../../../docs/terminal.md").contains(&text), "docs/terminal.md should show:\n{text}");
    }

    #[test]
    fn no_chains_are_no_table() {
        assert_eq!(chains(&overview(&[], &[]), now(), true, true), "");
    }

    #[test]
    fn a_changed_spec_is_told_and_a_line_never_reaches_the_table() {
        let mut changed = berlin();
        changed.metadata.generation = Some(9);
        let mut hostile = rotated(None);
        hostile.status.as_mut().unwrap().reason = Some("\u{1b}[2J".into());
        let all = overview(&[changed], &[hostile]);
        let text = chain(&all.chains[0], now(), false);
        assert!(text.contains("no operator has looked at yet") && !text.contains('\u{1b}'), "{text}");
    }
}
