//! The shipped rules on lines that other people logged: public issue threads, and runs of the real program.
//!
//! Threads were dealt in turn to `openvpn-dev.tsv`, on which rules were tried as they were written, and
//! `openvpn-heldout.tsv`, on which they were measured; `openvpn-fresh.tsv` was searched for when the rules were done.
//! A row is what is expected of the line (every verdict that is right, `none` among them), where it stood, and the line.
//! Thresholds count for nothing here: a line is judged by its rule's verdict. A wrong `rotate` or `restart` costs a
//! working tunnel or good credentials, so not one is allowed; a failure that no rule knows is a miss, and their share is
//! bounded.

#[path = "shared/labelled_lines.rs"]
mod labelled_lines;
#[path = "shared/rules_test.rs"]
mod rules_test;
#[path = "corpus/sessions.rs"]
mod sessions;
#[path = "corpus/threads.rs"]
mod threads;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use hopkeeper::domain::rule::Client;
use hopkeeper::domain::ruleset::RuleSet;
use hopkeeper::domain::types::Verdict;

/// Lines of one file and what came of them.
#[derive(Default)]
struct Tally {
    /// (what the line is, verdict) and how often.
    table: BTreeMap<(&'static str, String), usize>,
    missed: Vec<String>,
    wrong: Vec<String>,
}

impl Tally {
    fn of(rules: &RuleSet, file: &str) -> Self {
        let mut tally = Self::default();
        for row in read(file).lines().filter(|row| !row.starts_with('#')) {
            let mut columns = row.splitn(3, '\t');
            let (Some(expected), Some(source), Some(line)) = (columns.next(), columns.next(), columns.next()) else {
                panic!("{file}: a row has expected, source and line: {row:?}");
            };
            tally.count(rules, expected, source, line);
        }
        tally
    }

    fn count(&mut self, rules: &RuleSet, expected: &str, source: &str, line: &str) {
        let (verdict, rule) = verdict(rules, line);
        let right: Vec<&str> = expected.split(',').collect();
        let kind = match right.as_slice() {
            ["recovered"] => "recovered",
            right if right.contains(&"none") || right.contains(&"ignore") => "benign",
            _ => "failing",
        };
        *self.table.entry((kind, verdict.clone())).or_default() += 1;
        let told = || format!("{verdict} [{rule}] instead of {expected}: {line}\n    {source}");
        let acts = matches!(verdict.as_str(), "rotate" | "restart");
        if acts && !right.contains(&verdict.as_str()) {
            self.wrong.push(told());
        } else if kind == "failing" && matches!(verdict.as_str(), "none" | "ignore" | "recovered") {
            self.missed.push(told());
        }
    }

    fn failing(&self) -> usize {
        self.table.iter().filter(|((kind, _), _)| *kind == "failing").map(|(_, count)| count).sum()
    }

    fn recall(&self) -> f64 {
        let failing = f64::from(u32::try_from(self.failing()).expect("should be few"));
        let missed = f64::from(u32::try_from(self.missed.len()).expect("should be few"));
        1.0 - missed / failing
    }

    fn print(&self, file: &str) {
        let mut text = format!("{file}: recall {:.3} of {} failing lines\n", self.recall(), self.failing());
        for ((kind, verdict), count) in &self.table {
            writeln!(text, "  {kind:<10} {verdict:<10} {count:>5}").expect("should write");
        }
        for missed in &self.missed {
            writeln!(text, "  missed: {missed}").expect("should write");
        }
        println!("{text}");
    }
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The verdict on a record of one line, and the rule it comes from.
fn verdict(rules: &RuleSet, line: &str) -> (String, String) {
    let decided = rules.decide_record(Client::Openvpn, line);
    let rule = decided.first().and_then(|(_, rule)| *rule);
    rule.map_or_else(|| ("none".to_owned(), "-".to_owned()), |rule| (rule.verdict.to_string(), rule.id.to_string()))
}

#[test]
fn no_harmless_line_of_a_public_thread_costs_a_candidate_or_a_restart() {
    let rules = RuleSet::shipped();
    for file in ["openvpn-dev.tsv", "openvpn-heldout.tsv", "openvpn-fresh.tsv", "openvpn-runs.tsv"] {
        let wrong = Tally::of(&rules, file).wrong;
        assert!(wrong.is_empty(), "{file}:\n{}", wrong.join("\n"));
    }
}

#[test]
fn failures_of_public_threads_are_found() {
    let rules = RuleSet::shipped();
    for (file, floor) in [("openvpn-dev.tsv", 1.0), ("openvpn-heldout.tsv", 0.98), ("openvpn-fresh.tsv", 0.98)] {
        let tally = Tally::of(&rules, file);
        tally.print(file);
        assert!(tally.recall() >= floor, "{file}: recall {} is under {floor}", tally.recall());
    }
}

#[test]
fn every_failure_that_the_real_program_was_run_into_is_found() {
    let tally = Tally::of(&RuleSet::shipped(), "openvpn-runs.tsv");
    tally.print("openvpn-runs.tsv");
    assert!(tally.missed.is_empty(), "{}", tally.missed.join("\n"));
}

#[test]
fn a_healthy_tunnel_proves_nothing_at_any_verbosity() {
    let rules = RuleSet::shipped();
    for file in ["openvpn-healthy-verb4.log", "openvpn-healthy-verb11.log"] {
        let log = read(file);
        assert!(log.lines().count() > 100, "{file} should be long");
        for line in log.lines() {
            let (_, rule) = verdict(&rules, line);
            let found = rules.decide_record(Client::Openvpn, line).into_iter().find_map(|(_, rule)| rule);
            let acts = found.is_some_and(|rule| !matches!(rule.verdict, Verdict::Ignore | Verdict::Recovered));
            assert!(!acts, "{file}: {rule} fires on {line}");
        }
    }
}
