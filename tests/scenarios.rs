//! The shipped rules on the logs of real failures: what each hop's own lines prove, and that healthy lines prove nothing.
//!
//! Whose fault it is across hops is attribution's affair; here every hop is looked at alone.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hopkeeper::domain::engine::{Detection, Engine};
use hopkeeper::domain::event::{HopIdentity, LogEvent, Position, Shard};
use hopkeeper::domain::ruleset::RuleSet;
use hopkeeper::domain::types::{CandidateRef, HopId, Implementation, Verdict};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use regex::Regex;

fn logs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/logs")
}

/// A directory of logs.
struct Scenario {
    name: String,
    /// None in a scenario without a fault.
    fault: Option<Timestamp>,
    /// When the application was back.
    back: Option<Timestamp>,
    hops: Vec<(String, Implementation, String)>,
}

fn scenarios() -> Vec<Scenario> {
    let mut directories: Vec<PathBuf> =
        std::fs::read_dir(logs()).expect("fixtures should be there").map(|e| e.expect("should list").path()).collect();
    directories.retain(|path| path.is_dir());
    directories.sort();
    directories.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Scenario {
    let name = path.file_name().expect("should have a name").to_string_lossy().into_owned();
    let timeline = std::fs::read_to_string(path.join("timeline.txt")).expect("should have a timeline");
    let time_of = |line: &str| utc(&line[..23]).expect("should begin with a time");
    let fault = timeline.lines().find(|line| line.contains(" FAULT ")).map(time_of);
    let repair = timeline.lines().find(|line| line.contains(" REPAIR ")).map(time_of);
    let back = timeline
        .lines()
        .filter(|line| repair.is_some_and(|repair| time_of(line) > repair))
        .find(|line| line.contains("app: 198."))
        .map(time_of);
    let mut hops: Vec<(String, Implementation, String)> = std::fs::read_dir(path)
        .expect("should list")
        .filter_map(|entry| {
            let path = entry.expect("should list").path();
            let file = path.file_name()?.to_string_lossy().into_owned();
            let (hop, rest) = file.strip_suffix(".log")?.split_once('.')?;
            let implementation = match rest {
                "openvpn" => Implementation::OpenVpn,
                _ if rest.starts_with("boringtun") => Implementation::BoringTun,
                _ => Implementation::WireGuardGo,
            };
            let text = String::from_utf8_lossy(&std::fs::read(&path).expect("should read")).into_owned();
            Some((hop.to_owned(), implementation, text))
        })
        .collect();
    hops.sort_by_key(|(hop, ..)| ["entry", "middle", "exit"].iter().position(|h| h == hop));
    Scenario { name, fault, back, hops }
}

fn utc(text: &str) -> Option<Timestamp> {
    let text = text.replace('/', "-").replacen(' ', "T", 1);
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|z| z.timestamp())
}

/// Feeds a hop's log line by line; a line without a time has the one before it.
fn detections(rules: &Arc<RuleSet>, hop: &str, implementation: Implementation, log: &str) -> Vec<Detection> {
    let time = Regex::new(r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+Z)?").expect("should be a pattern");
    let identity = HopIdentity {
        id: HopId { namespace: "lab".into(), chain: "chain".into(), hop: hop.into() },
        pod_uid: format!("uid-{hop}"),
        pod_name: hop.into(),
        implementation,
        candidate: CandidateRef { name: "a".into(), version: "1".into() },
        plan_id: "a@1#0".into(),
        applied_at: Timestamp::UNIX_EPOCH,
    };
    let mut engine = Engine::new(Arc::clone(rules));
    let mut now = Timestamp::UNIX_EPOCH;
    let mut found = Vec::new();
    for (number, line) in (0u64..).zip(log.lines()) {
        if let Some(at) = time.find(line).and_then(|m| utc(m.as_str())) {
            now = at;
        }
        let event = LogEvent {
            time: now,
            namespace: "lab".into(),
            pod: hop.into(),
            pod_uid: Some(identity.pod_uid.clone()),
            container: "vpn".into(),
            text: line.to_owned(),
            file_offset: Some(number),
            position: Position::new(Shard::new("file"), number),
        };
        found.extend(engine.observe(&event, &identity));
        engine.expire(now);
    }
    found
}

#[test]
fn each_hop_proves_what_its_own_lines_say() {
    let rules = Arc::new(RuleSet::shipped());
    let mut table = String::new();
    for scenario in scenarios() {
        for (hop, implementation, log) in &scenario.hops {
            let found = detections(&rules, hop, *implementation, log);
            let first = found.iter().find(|d| d.verdict != Verdict::Alert).or(found.first());
            let told = first.map_or_else(
                || "-".to_owned(),
                |d| {
                    let after = scenario.fault.map_or(0.0, |fault| d.last.time.duration_since(fault).as_secs_f64());
                    // A moment before the fault is no "-0 s": OpenVPN's own times have no fraction.
                    let after = after.round() + 0.0;
                    let distinct: std::collections::BTreeSet<&str> = found.iter().map(|d| d.rule.as_str()).collect();
                    let others: Vec<&str> = distinct.into_iter().filter(|rule| *rule != d.rule.as_str()).collect();
                    let others =
                        if others.is_empty() { String::new() } else { format!("  (later: {})", others.join(", ")) };
                    format!("{:>4.0} s  {}/{}  {}{others}", after, d.evidence, d.verdict, d.rule)
                },
            );
            writeln!(table, "{:<46} {:<7} {told}", scenario.name, hop).expect("should write");
        }
    }
    println!("{table}");
    insta::assert_snapshot!(table);
}

#[test]
fn healthy_lines_prove_nothing() {
    let rules = Arc::new(RuleSet::shipped());
    for scenario in scenarios() {
        for (hop, implementation, log) in &scenario.hops {
            for detection in detections(&rules, hop, *implementation, log) {
                let at = detection.last.time;
                // OpenVPN's own times have no fraction: they may read up to a second early.
                let early = scenario.fault.is_some_and(|fault| at < fault - jiff::SignedDuration::from_secs(1));
                let late = scenario.back.is_some_and(|back| at > back);
                let never_up = scenario.name.starts_with("killswitch-blocks-client");
                let healthy = early || late || (scenario.fault.is_none() && !never_up);
                assert!(!healthy, "{} {hop}: {} fired at {at}: {}", scenario.name, detection.rule, detection.trigger);
            }
        }
    }
}

#[test]
fn colours_and_joined_events_change_nothing() {
    let rules = Arc::new(RuleSet::shipped());
    let ansi = Regex::new("\x1b\\[[0-9;]*m").expect("should be a pattern");
    for scenario in scenarios() {
        for (hop, implementation, log) in &scenario.hops {
            let names = |log: &str| -> Vec<(String, Timestamp)> {
                let found = detections(&rules, hop, *implementation, log);
                found.iter().map(|d| (d.rule.to_string(), d.last.time)).collect()
            };
            assert_eq!(names(log), names(&ansi.replace_all(log, "")), "{} {hop}", scenario.name);
        }
    }
}
