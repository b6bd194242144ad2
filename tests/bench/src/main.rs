//! How fast the rules engine is, beside its peers on the same rules and logs, on one core. Figures are printed, never
//! asserted; match sets are: a speed is printed only where every engine finds the same.
//!
//! usage: engine-bench WORK_DIR [LINES [SEED...]]; LINES 0: records and hostile lines only

mod clock;
mod corpus;
// The program's own sources; the benchmark calls only a part of them.
#[allow(dead_code, unused_imports)]
mod domain;
mod engines;
mod peers;
mod records;

use std::path::Path;

use corpus::{Corpus, Entropy, Wanted};
use engines::{Found, Job};

/// Rules, of them without a literal in percent, and how many lines a rule matches.
const CASES: [(usize, usize, f64); 8] = [
    (10, 0, 0.0001),
    (10, 0, 0.01),
    (100, 0, 0.0001),
    (100, 0, 0.01),
    (1000, 0, 0.0001),
    (1000, 0, 0.01),
    (1000, 10, 0.001),
    (1000, 0, 0.5),
];
const SEEDS: [u64; 2] = [1, 2];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let work = arguments.next().expect("usage: engine-bench WORK_DIR [LINES [SEED...]]");
    let lines = arguments.next().map_or(200_000, |lines| lines.parse().expect("LINES should be a number"));
    let seeds: Vec<u64> = arguments.map(|seed| seed.parse().expect("SEED should be a number")).collect();
    let seeds = if seeds.is_empty() { SEEDS.to_vec() } else { seeds };
    if lines > 0 {
        tables(&work, lines, &seeds);
        for &seed in &seeds {
            detectors(&work, lines, seed);
        }
    }
    for without_literal in [0, 10] {
        records::hostile(&Corpus::new(&Wanted { lines: 1000, without_literal, ..RECORDS }));
    }
    for entropy in Entropy::ALL {
        records::envelopes(&Corpus::new(&Wanted { entropy, ..RECORDS }), entropy);
    }
}

fn tables(work: &str, lines: usize, seeds: &[u64]) {
    println!(
        "Million lines a second, best of three rounds, processor time of one thread; same matches in all, or no figure."
    );
    println!("rg tells which lines match, not which rules: its lines are compared.\n");
    println!(
        "| seed | entropy | rules | without literal | hits | matches | hopkeeper | line by line | vectorscan | ratio | RegexSet | rg -f |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for &seed in seeds {
        for entropy in Entropy::ALL {
            for (rules, without_literal, hits) in CASES {
                let wanted = Wanted { seed, entropy, rules, without_literal, hits, lines };
                row(&wanted, &Job::new(Corpus::new(&wanted), Path::new(work)));
            }
        }
    }
    println!();
}

const RECORDS: Wanted =
    Wanted { seed: 3, entropy: Entropy::Middle, rules: 1000, without_literal: 0, hits: 0.001, lines: 50_000 };

fn row(wanted: &Wanted, job: &Job) {
    let ours = job.hopkeeper();
    let vectorscan = job.vectorscan();
    let ratio = vectorscan.as_ref().map_or("-".to_owned(), |peer| format!("{:.2}", ours.speed / peer.speed));
    println!(
        "| {} | {:?} | {} | {} % | {} % | {} | {:.2} | {} | {} | {ratio} | {} | {} |",
        wanted.seed,
        wanted.entropy,
        wanted.rules,
        wanted.without_literal,
        wanted.hits * 100.0,
        ours.matches.len(),
        ours.speed,
        beside(&ours, Some(job.hopkeeper_line_by_line()), false),
        beside(&ours, vectorscan, false),
        beside(&ours, job.regex_set(), false),
        beside(&ours, job.ripgrep(), true),
    );
}

/// Detectors that are slower by so much that they get fewer lines.
fn detectors(work: &str, lines: usize, seed: u64) {
    println!("| seed | rules | hopkeeper | rsigma-eval | SEC | fail2ban-regex |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for rules in [10, 100, 1000] {
        let wanted = Wanted { seed, entropy: Entropy::Middle, rules, without_literal: 0, hits: 0.01, lines };
        let corpus = Corpus::new(&wanted);
        let (patterns, log, work) = (corpus.patterns.clone(), corpus.log.clone(), Path::new(work));
        let ours = Job::new(corpus, work).hopkeeper();
        println!(
            "| {seed} | {rules} | {:.2} | {} | {} | {} |",
            ours.speed,
            beside(&ours, Some(peers::rsigma(&patterns, &log)), false),
            counts_beside(&ours, peers::sec(&patterns, &log, work), |m| m.1),
            counts_beside(&ours, peers::fail2ban(&patterns, &log, work), |_| 0),
        );
    }
    println!();
}

/// A peer's speed, if it finds as many of each kind in the lines that it was given; of fail2ban-regex, as many lines.
fn counts_beside(ours: &Found, peer: Option<Found>, kind: impl Fn(&(u32, u32)) -> u32) -> String {
    let Some(peer) = peer else { return "not installed".to_owned() };
    let mut same: Vec<(u32, u32)> = ours.matches.iter().copied().filter(|(line, _)| *line < peer.lines).collect();
    same.iter_mut().for_each(|found| found.1 = kind(found));
    same.dedup();
    let count = |matches: &[(u32, u32)]| {
        let mut counts = std::collections::BTreeMap::<u32, u32>::new();
        matches.iter().for_each(|found| *counts.entry(kind(found)).or_default() += 1);
        counts
    };
    if count(&same) == count(&peer.matches) {
        return format!("{:.5}", peer.speed);
    }
    format!("finds other matches: {} where there are {}", peer.matches.len(), same.len())
}

/// A peer's speed, if it finds the same in the lines that it was given.
fn beside(ours: &Found, peer: Option<Found>, lines_only: bool) -> String {
    let Some(peer) = peer else { return "not installed".to_owned() };
    let mut same: Vec<(u32, u32)> = ours.matches.iter().copied().filter(|(line, _)| *line < peer.lines).collect();
    if lines_only {
        same.iter_mut().for_each(|(_, rule)| *rule = 0);
        same.dedup();
    }
    if same == peer.matches {
        return format!("{:.3}", peer.speed);
    }
    let missing = same.iter().filter(|m| peer.matches.binary_search(m).is_err()).count();
    let more = peer.matches.iter().filter(|m| same.binary_search(m).is_err()).count();
    format!("finds other matches: {missing} fewer, {more} more")
}
