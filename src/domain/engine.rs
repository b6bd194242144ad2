//! From lines to verdicts: decides each line by the rule set and counts it in its pod's windows. Pure, in event time.
//!
//! Windows belong to (pod, parameters, rule): a hop that got other parameters starts afresh, and a line says nothing
//! about them before the client runs with them. What is done about a detection is the reconciler's affair.

mod pods;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::event::{HopIdentity, LineRef, LogEvent, Shard};
use super::redact;
use super::rule::{Client, Rule, RuleId};
use super::ruleset::{RuleSet, health_fields};
use super::types::{Evidence, Verdict};
use super::{line, window::Hit};
use pods::Pods;

/// Lines older than this after the parameters changed may still be about the old ones.
pub const SETTLING: SignedDuration = SignedDuration::from_secs(3);
/// A fault inside the pod that no other parameters mend (`own`, `alert`) explains its `path` symptoms for so long after
/// its last line: a pod whose kill switch drops every packet must not lose candidates over the silence.
const EXPLAINS: SignedDuration = SignedDuration::from_mins(2);
/// How much of the line that fired is kept.
const MAX_TRIGGER_CHARS: usize = 512;

/// A rule fired: what is proven about a hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detection {
    /// Which hop, pod and parameters.
    pub hop: HopIdentity,
    /// Which rule.
    pub rule: RuleId,
    /// What it means, for people.
    pub title: String,
    /// What should be done.
    pub verdict: Verdict,
    /// Whose fault it is.
    pub evidence: Evidence,
    /// The first line's time; with the rule and the hop, the detection's name.
    pub window_start: Timestamp,
    /// The first line counted.
    pub first: LineRef,
    /// The line that fired.
    pub last: LineRef,
    /// That line's text, secrets masked, at most 512 characters.
    pub trigger: String,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines that a rule decided.
    pub matched: u64,
    /// Lines about other parameters than the hop's, or older than its last sign of health.
    pub stale: u64,
    /// Lines not counted since a fault inside the pod explains them.
    pub explained: u64,
    /// Windows given up because there were too many.
    pub evicted: u64,
}

/// Counts lines in windows.
#[derive(Debug)]
pub struct Engine {
    rules: Arc<RuleSet>,
    pods: Pods,
    tally: Tally,
}

impl Engine {
    /// An engine without open windows.
    pub fn new(rules: Arc<RuleSet>) -> Self {
        Self { rules, pods: Pods::default(), tally: Tally::default() }
    }

    /// Counts the event's lines; gives what they prove (verdicts `rotate`, `restart` and `alert`).
    pub fn observe(&mut self, event: &LogEvent, hop: &HopIdentity) -> Vec<Detection> {
        let mut detections = Vec::new();
        let Some(client) = Client::of(hop.implementation, &event.container) else { return detections };
        let rules = Arc::clone(&self.rules);
        let runs_these = self.runs_these(client, event, hop);
        if is_stale(event, hop) || (client != Client::Health && !runs_these) {
            self.tally.stale += 1;
            return detections;
        }
        self.pods.of(hop).saw(event.time);
        for (number, (line, rule)) in rules.decide_record(client, &event.text).iter().enumerate() {
            let Some(rule) = rule else { continue };
            self.tally.matched += 1;
            // A fault inside the pod is one whatever the client runs with.
            if rule.evidence == Evidence::Path && !runs_these {
                self.tally.stale += 1;
                continue;
            }
            detections.extend(self.count(rule, event, hop, line, number));
        }
        detections
    }

    /// Whether a line is about the hop's parameters: health lines say which ones the client runs with.
    fn runs_these(&mut self, client: Client, event: &LogEvent, hop: &HopIdentity) -> bool {
        let pod = self.pods.of(hop);
        if client != Client::Health {
            return pod.runs_these(event.time);
        }
        let Some(applied) = applied(&event.text) else { return true };
        pod.says(LineRef { time: event.time, position: event.position.clone() }, &applied);
        applied == hop.plan_id
    }

    fn count(
        &mut self,
        rule: &Rule,
        event: &LogEvent,
        hop: &HopIdentity,
        line: &str,
        number: usize,
    ) -> Option<Detection> {
        let pod = self.pods.of(hop);
        if pod.recovered_at.is_some_and(|at| event.time < at) {
            self.tally.stale += 1;
            return None;
        }
        match rule.verdict {
            Verdict::Ignore => return None,
            Verdict::Recovered => {
                pod.recover(event.time);
                return None;
            }
            Verdict::Rotate | Verdict::Restart | Verdict::Alert => {}
        }
        if rule.evidence == Evidence::Path && pod.is_explained(event.time, EXPLAINS) {
            self.tally.explained += 1;
            return None;
        }
        let last = LineRef { time: event.time, position: event.position.clone() };
        let hit = Hit { line: last.clone(), fingerprint: fingerprint(event, line, number) };
        let first = self.pods.window(hop, rule).count(&rule.threshold, hit);
        if (rule.evidence, rule.verdict) == (Evidence::Own, Verdict::Alert) {
            self.pods.of(hop).blame(event.time, EXPLAINS, first.is_some());
        }
        self.tally.evicted += self.pods.evict();
        let first = first?;
        Some(Detection {
            hop: hop.clone(),
            rule: rule.id.clone(),
            title: rule.title.clone(),
            verdict: rule.verdict,
            evidence: rule.evidence,
            window_start: first.time,
            first,
            last,
            trigger: redact::excerpt(line::program_text(line), MAX_TRIGGER_CHARS),
        })
    }

    /// Forgets windows that their pod's later lines have outlived, and those of pods that were silent for ten minutes
    /// before `now`; gives how many.
    pub fn expire(&mut self, now: Timestamp) -> usize {
        self.pods.expire(&self.rules, now)
    }

    /// The oldest record of a shard that an open window still needs: a reader that starts there comes to the same
    /// verdicts under the same names.
    pub fn needed_from(&self, shard: &Shard) -> Option<u64> {
        self.pods.needed_from(shard)
    }

    /// Forgets the windows that were filled from a shard: another reader has it now.
    pub fn drop_shard(&mut self, shard: &Shard) {
        self.pods.drop_shard(shard);
    }

    /// Forgets the pods that are gone: all but those that `is_there` knows by their UID.
    pub fn keep_pods(&mut self, is_there: impl Fn(&str) -> bool) {
        self.pods.keep_pods(is_there);
    }

    /// How many windows are open.
    pub fn open_windows(&self) -> usize {
        self.pods.open_windows()
    }

    /// What was counted since the last call.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }
}

/// What the client runs with, by the last health line that says so.
fn applied(text: &str) -> Option<String> {
    let lines = line::logical_lines(text);
    let mut said = lines.iter().rev().filter_map(|line| health_fields(line));
    said.find_map(|fields| fields.get("applied")?.as_str().filter(|id| !id.is_empty()).map(str::to_owned))
}

/// True when the event is older than the parameters that the hop runs with.
pub fn is_stale(event: &LogEvent, hop: &HopIdentity) -> bool {
    hop.applied_at.saturating_add(SETTLING).is_ok_and(|settled| event.time < settled)
}

/// The same for a record that a shipper sends twice, different for a line that a client writes twice.
fn fingerprint(event: &LogEvent, line: &str, number: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    (event.file_offset, &event.container, line, number).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
pub(crate) mod tests;
