//! Detectors that people run today, on the same rules and lines: SEC, fail2ban-regex, rsigma-eval.
//!
//! They are slower by orders of magnitude, so they get fewer lines.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use rsigma_eval::Engine;
use rsigma_eval::event::JsonEvent;
use serde_json::Value;

use crate::clock;
use crate::engines::Found;

/// As many of the log's lines as are tried with so many rules.
fn lines_for(rules: usize, log: &str) -> Vec<&str> {
    log.lines().take((2_000_000 / rules).clamp(1000, 20_000)).collect()
}

fn found(seconds: f64, lines: usize, mut matches: Vec<(u32, u32)>) -> Found {
    matches.sort_unstable();
    let lines = u32::try_from(lines).expect("should fit");
    Found { speed: f64::from(lines) / seconds / 1e6, matches, lines }
}

/// In process: a rule with one `|re` on one field, the bloom filter on; events are parsed before the clock runs.
pub fn rsigma(patterns: &[String], log: &str) -> Found {
    let mut engine = Engine::new();
    engine.set_bloom_prefilter(true);
    for (number, pattern) in patterns.iter().enumerate() {
        let pattern = pattern.replace('\'', "''");
        let rule = format!(
            "title: '{number}'\nlogsource: {{category: log}}\ndetection:\n  s:\n    message|re: '{pattern}'\n  condition: s\n"
        );
        let collection = rsigma_parser::parse_sigma_yaml(&rule).expect("should be a rule");
        engine.add_collection(&collection).expect("should compile");
    }
    let lines = lines_for(patterns.len(), log);
    let events: Vec<Value> = lines.iter().map(|line| serde_json::json!({ "message": line })).collect();
    let mut matches = Vec::new();
    let seconds = clock::best(|| {
        matches.clear();
        for (line, event) in (0u32..).zip(&events) {
            let results = engine.evaluate(&JsonEvent::borrow(event));
            matches.extend(results.iter().map(|r| (line, r.header.rule_title.parse::<u32>().expect("a number"))));
        }
    });
    found(seconds, lines.len(), matches)
}

/// One rule a pattern, all tried on each line. It prints which rule matched, not which line, so the counts of each rule are
/// what is compared: each is given the number of its matches as lines.
pub fn sec(patterns: &[String], log: &str, work: &Path) -> Option<Found> {
    let mut rules = String::new();
    for (number, pattern) in patterns.iter().enumerate() {
        write!(
            rules,
            "type=Single\ncontinue=TakeNext\nptype=RegExp\npattern={pattern}\ndesc=r\naction=write - {number}\n\n"
        )
        .expect("should write");
    }
    let lines = lines_for(patterns.len(), log);
    let (config, input) = (work.join("sec.conf"), work.join("sec.log"));
    std::fs::write(&config, rules).expect("should write");
    let run = |text: &str| {
        std::fs::write(&input, text).expect("should write");
        timed(&format!(
            "sec --conf={} --input={} --notail --log=/dev/null --nointevents --noquoting",
            config.display(),
            input.display()
        ))
    };
    let (start, _) = run("")?;
    let (whole, output) = run(&(lines.join("\n") + "\n"))?;
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    for rule in String::from_utf8_lossy(&output).lines().filter_map(|line| line.parse().ok()) {
        *counts.entry(rule).or_default() += 1;
    }
    let matches = counts.into_iter().flat_map(|(rule, count)| (0..count).map(move |n| (n, rule))).collect();
    Some(found((whole - start).max(0.001), lines.len(), matches))
}

/// One filter with all patterns, no date; it takes the first pattern that matches, so how many lines match is compared.
pub fn fail2ban(patterns: &[String], log: &str, work: &Path) -> Option<Found> {
    let all: Vec<String> = patterns.iter().map(|pattern| format!("{}(?P<fid>)", pattern.replace('%', "%%"))).collect();
    let filter = work.join("fail2ban.conf");
    std::fs::write(&filter, format!("[Definition]\nfailregex = {}\n", all.join("\n            ")))
        .expect("should write");
    let lines = lines_for(patterns.len(), log);
    let input = work.join("fail2ban.log");
    let run = |text: &str| {
        std::fs::write(&input, text).expect("should write");
        timed(&format!("fail2ban-regex -d '{{NONE}}' --no-check-all {} {}", input.display(), filter.display()))
    };
    let (start, _) = run("")?;
    let (whole, output) = run(&(lines.join("\n") + "\n"))?;
    let text = String::from_utf8_lossy(&output).into_owned();
    let summary = text.lines().find(|line| line.starts_with("Lines:"))?;
    let matched = summary.split(", ").find_map(|part| part.strip_suffix(" matched"))?.parse::<u32>().ok()?;
    Some(found((whole - start).max(0.001), lines.len(), (0..matched).map(|n| (n, 0)).collect()))
}

/// Seconds of processor time of a program, and what it prints; none when it is not there.
fn timed(command: &str) -> Option<(f64, Vec<u8>)> {
    let program = command.split(' ').next()?;
    let script = format!("command -v {program} >/dev/null || exit 9; TIMEFORMAT='%U %S'; time {command} 2>/dev/null");
    let output = Command::new("bash").args(["-c", &script]).output().expect("bash should run");
    let times = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let seconds: Option<f64> = times.split(' ').map(|t| t.parse::<f64>().ok()).sum();
    Some((seconds?, output.stdout))
}
