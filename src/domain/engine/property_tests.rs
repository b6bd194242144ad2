//! The engine against a model that keeps windows in a map and looks at all of them each time.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::tests::{at, event, hop};
use super::*;
use crate::domain::incident::incident_name;
use crate::domain::rule::file::Strictness;
use crate::domain::ruleset::pack;
use crate::domain::window::Window;

const SECOND: i64 = 1_000_000_000;

/// Lines say which rule they are for. `beat` expects its line or that of `works`.
pub(super) fn rules(twice_within: u64) -> Arc<RuleSet> {
    let file = format!(
        "version: 1\nclient: openvpn\nrules:
  - {{ id: once, title: t, pattern: ^once, evidence: own, verdict: rotate }}
  - {{ id: twice, title: t, pattern: ^twice, evidence: own, verdict: rotate, threshold: {{ count: 2, within: {twice_within}s }} }}
  - {{ id: often, title: t, pattern: ^often, evidence: path, verdict: restart, threshold: {{ count: 5, within: 60s }} }}
  - {{ id: works, title: t, pattern: ^works, evidence: path, verdict: recovered }}
  - {{ id: beat, title: t, pattern: ^(beat|works), evidence: own, verdict: restart, absent: {{ for: 30s }} }}
  - {{ id: thrice, title: t, pattern: ^thrice, evidence: path, verdict: rotate, threshold: {{ count: 3, within: 90s }} }}
  - {{ id: seldom, title: t, pattern: ^seldom, evidence: own, verdict: restart, threshold: {{ count: 2, within: 400s }} }}
"
    );
    Arc::new(pack::load([("test.yaml", file.as_str())], Strictness::User).expect("should load"))
}

#[derive(Clone, Debug)]
enum Op {
    /// A line of a pod, some seconds after the one before or before it; from a shard; at an offset in its file.
    Line {
        pod: usize,
        step: i64,
        word: &'static str,
        shard: usize,
        offset: u64,
    },
    Expire {
        after: i64,
    },
    DropShard(usize),
    PodGone(usize),
    Reload {
        twice_within: u64,
    },
}

fn ops(out_of_order: i64) -> impl Strategy<Value = Vec<Op>> {
    let words = ["once", "twice", "often", "often", "thrice", "seldom", "works", "beat", "other"];
    let words = prop::sample::select(words.to_vec());
    let step = prop_oneof![20 => -out_of_order..9i64, 1 => 280..320i64];
    let line = (0..3usize, step, words, 0..2usize, 0..60u64).prop_map(|(pod, step, word, shard, offset)| Op::Line {
        pod,
        step,
        word,
        shard,
        offset,
    });
    let other = prop_oneof![
        6 => prop_oneof![Just(1i64), Just(250), Just(601)].prop_map(|after| Op::Expire { after }),
        1 => (0..2usize).prop_map(Op::DropShard),
        1 => (0..3usize).prop_map(Op::PodGone),
        1 => prop::sample::select(vec![10, 20]).prop_map(|twice_within| Op::Reload { twice_within }),
    ];
    prop::collection::vec(prop_oneof![6 => line, 1 => other], 0..120)
}

fn shard(number: usize) -> Shard {
    Shard::new(format!("s{number}"))
}

fn of_pod(number: usize) -> HopIdentity {
    HopIdentity { pod_uid: format!("uid-{number}"), applied_at: at(-1_000_000), ..hop() }
}

fn line(second: i64, pod: usize, word: &str, shard: Shard, sequence: u64, offset: u64) -> LogEvent {
    LogEvent {
        time: at(second),
        pod_uid: Some(format!("uid-{pod}")),
        text: word.into(),
        file_offset: Some(offset),
        position: Position::new(shard, sequence),
        ..event(0, "")
    }
}

#[derive(Default)]
struct ModelPod {
    newest: Option<i64>,
    recovered: Option<i64>,
    used: bool,
    idle_since: Option<i64>,
    windows: BTreeMap<&'static str, Window>,
}

struct Model {
    rules: Arc<RuleSet>,
    pods: BTreeMap<usize, ModelPod>,
}

impl Model {
    fn rule(&self, id: &str) -> &Rule {
        self.rules.get(&RuleId::new(id)).expect("should be there")
    }

    /// Each rule that fires, with its first line.
    fn line(&mut self, pod: usize, word: &'static str, hit: Hit) -> Vec<(String, u64)> {
        let threshold = |id| self.rule(id).threshold;
        let thresholds = BTreeMap::from(["once", "twice", "often", "thrice", "seldom"].map(|id| (id, threshold(id))));
        let pod = self.pods.entry(pod).or_default();
        pod.newest = pod.newest.max(Some(hit.at));
        (pod.used, pod.idle_since) = (true, None);
        let mut fired = Vec::new();
        if ["beat", "works"].contains(&word) {
            pod.windows.entry("beat").or_default().expect(hit);
        }
        let is_history = pod.recovered.is_some_and(|at| hit.at < at);
        if let Some(threshold) = thresholds.get(word).filter(|_| !is_history) {
            let first = pod.windows.entry(word).or_default().count(threshold, hit);
            fired.extend(first.map(|first| (word.to_owned(), first.sequence)));
        } else if word == "works" && !is_history {
            pod.recovered = pod.recovered.max(Some(hit.at));
            pod.windows.retain(|id, window| *id == "beat" || window.settle(hit.at));
        }
        let missed = pod.windows.get_mut("beat").and_then(|window| window.miss(30 * SECOND, hit.at));
        fired.extend(missed.map(|last| ("beat".to_owned(), last.sequence)));
        fired
    }

    fn expire(&mut self, now: i64) {
        let rules = Arc::clone(&self.rules);
        for pod in self.pods.values_mut() {
            let since = *pod.idle_since.get_or_insert(now);
            if now - since > 600 * SECOND {
                pod.windows.clear();
            }
            let newest = pod.newest.unwrap_or(i64::MIN);
            pod.windows.retain(|id, window| {
                let rule = rules.get(&RuleId::new(*id)).expect("should be there");
                newest < if rule.absent.is_some() { window.wait_ends_at() } else { window.ends_at(&rule.threshold) }
            });
        }
    }

    fn windows(&self) -> impl Iterator<Item = &Window> {
        self.pods.values().flat_map(|pod| pod.windows.values())
    }

    fn needed_from(&self, shard: u32) -> Option<u64> {
        let needed = self.windows().flat_map(Window::needed).filter(|hit| hit.shard == shard);
        needed.map(|hit| hit.sequence).min()
    }
}

proptest! {
    #[test]
    fn the_engine_counts_expires_and_needs_what_the_model_does(ops in ops(4)) {
        let mut engine = Engine::new(rules(10));
        // Shards have numbers in the order in which they are seen.
        for number in 0..2 {
            engine.store.shards.number(&shard(number));
        }
        let mut model = Model { rules: rules(10), pods: BTreeMap::new() };
        let (mut second, mut clock) = (0, 0);
        for (sequence, op) in (0u64..).zip(&ops) {
            match *op {
                Op::Line { pod, step, word, shard: number, offset } => {
                    second += step;
                    let event = line(second, pod, word, shard(number), sequence, offset);
                    let found = engine.observe(&event, &of_pod(pod));
                    let found: Vec<_> = found.iter().map(|d| (d.rule.to_string(), d.first.position.sequence)).collect();
                    let fingerprint = fingerprint(&event, word, 0);
                    let shard = u32::try_from(number).expect("should fit");
                    let hit = Hit { at: nanos(event.time), sequence, shard, fingerprint };
                    prop_assert_eq!(found, model.line(pod, word, hit));
                }
                Op::Expire { after } => {
                    clock += after;
                    engine.expire(at(clock));
                    model.expire(nanos(at(clock)));
                }
                Op::DropShard(number) => {
                    engine.drop_shard(&shard(number));
                    for pod in model.pods.values_mut() {
                        pod.windows.retain(|_, w| !w.is_of_shard(u32::try_from(number).expect("should fit")));
                    }
                }
                Op::PodGone(number) => {
                    engine.keep_pods(|uid| uid != format!("uid-{number}"));
                    model.pods.remove(&number);
                }
                Op::Reload { twice_within } => {
                    let new = rules(twice_within);
                    if new.rules()[1].threshold != model.rules.rules()[1].threshold {
                        model.pods.values_mut().for_each(|pod| drop(pod.windows.remove("twice")));
                    }
                    engine.reload(Arc::clone(&new));
                    model.rules = new;
                }
            }
            prop_assert_eq!(engine.open_windows(), model.windows().count());
            for number in 0..2 {
                let needed = engine.needed_from(&shard(number));
                prop_assert_eq!(needed, model.needed_from(u32::try_from(number).expect("should fit")));
            }
        }
    }

    /// A window of another rule or pod may hold the place longer than a rest lasts. Then lines are read again that the
    /// rest had swallowed: the next reader lets the rule rest as well.
    #[test]
    fn a_replay_from_the_oldest_needed_line_creates_the_same_incidents_whatever_else_holds_the_place(
        steps in prop::collection::vec((0..3usize, 1..9i64, any_word()), 1..120),
        long in 0..120usize,
        crash in 0..120usize,
    ) {
        let steps = steps.into_iter().enumerate().map(|(n, (pod, step, word))| (pod, if n == long { 300 } else { step }, word));
        let (whole, created) = crashed(&lines(steps), crash, Memory::Findings);
        let names = |found: &[Detection]| found.iter().map(incident_name).collect::<BTreeSet<_>>();
        prop_assert_eq!(names(&created), names(&whole));
    }

    /// Where the next reader cannot learn of that, such lines are an outage with another name; but none goes without one.
    #[test]
    fn no_outage_goes_without_an_incident_even_if_no_rest_is_remembered(
        steps in prop::collection::vec(
            (0..3usize, steps_in_order(), prop::sample::select(vec!["once", "twice", "twice", "often", "often", "beat", "other"])),
            1..120,
        ),
        crash in 0..120usize,
    ) {
        let (whole, created) = crashed(&lines(steps.into_iter()), crash, Memory::Nothing);
        for lost in &whole {
            let covers = |other: &Detection| {
                let before = lost.window_start.as_second() - other.window_start.as_second();
                other.rule == lost.rule && other.hop.pod_uid == lost.hop.pod_uid && (0..=360).contains(&before)
            };
            prop_assert!(created.iter().any(covers), "{} of {}", lost.rule, lost.window_start);
        }
    }
}

fn any_word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["once", "twice", "twice", "often", "often", "thrice", "seldom", "works", "beat", "other"])
}

fn steps_in_order() -> impl Strategy<Value = i64> {
    prop_oneof![20 => 0..9i64, 1 => 280..320i64]
}

fn lines(steps: impl Iterator<Item = (usize, i64, &'static str)>) -> Vec<(usize, LogEvent)> {
    let mut second = 0;
    let mut line = |(sequence, (pod, step, word))| {
        second += step;
        (pod, line(second, pod, word, shard(0), sequence, sequence))
    };
    (0u64..).zip(steps).map(&mut line).collect()
}

/// What the next reader learns of the one that died.
#[derive(Clone, Copy, PartialEq)]
enum Memory {
    Nothing,
    Findings,
}

/// What one reader finds, and what is found when it dies after some lines and the next one starts where it had to.
fn crashed(lines: &[(usize, LogEvent)], crash: usize, memory: Memory) -> (Vec<Detection>, Vec<Detection>) {
    let run = |engine: &mut Engine, lines: &[(usize, LogEvent)]| -> Vec<Detection> {
        let mut observe = |(pod, event): &(usize, LogEvent)| {
            let found = engine.observe(event, &of_pod(*pod));
            engine.expire(at(0));
            found
        };
        lines.iter().flat_map(&mut observe).collect()
    };
    let whole = run(&mut Engine::new(rules(10)), lines);
    let crash = crash.min(lines.len());
    let mut engine = Engine::new(rules(10));
    let mut created = run(&mut engine, &lines[..crash]);
    let needed = engine.needed_from(&shard(0)).map(|sequence| usize::try_from(sequence).expect("should fit"));
    let resume = needed.unwrap_or(crash);
    assert!(resume <= crash);
    let mut engine = Engine::new(rules(10));
    if memory == Memory::Findings {
        created.iter().for_each(|found| engine.remember(&finding(found, &lines[..crash]), &found.hop));
    }
    created.extend(run(&mut engine, &lines[resume..]));
    (whole, created)
}

/// An incident as the cluster keeps it: it is closed when the tunnel works again.
fn finding(found: &Detection, lines: &[(usize, LogEvent)]) -> Finding {
    let is_end = |event: &LogEvent| event.text == "works" && event.pod_uid.as_ref() == Some(&found.hop.pod_uid);
    let mut ends = lines.iter().filter(|(_, event)| is_end(event) && event.time >= found.last.time);
    Finding {
        pod_uid: found.hop.pod_uid.clone(),
        candidate: found.hop.candidate.clone(),
        rule: found.rule.clone(),
        first: found.first.time,
        last: found.last.time,
        ended: ends.next().map(|(_, event)| event.time),
    }
}
