//! From lines to verdicts: decides each line by the rule set and counts it in its pod's windows. Pure, in event time.
//!
//! Windows belong to (pod, parameters, rule): a hop that got other parameters starts afresh, and a line says nothing
//! about them before the client runs with them. What is done about a detection is the reconciler's affair.

mod list;
mod pod;
mod shards;
mod slab;
mod store;
mod uid;
mod word;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::event::{HopIdentity, LineRef, LogEvent, Position, Shard};
use super::incident::Finding;
use super::redact;
use super::rule::{Client, Rule, RuleId};
use super::ruleset::{Line, RuleSet};
use super::types::{Evidence, HopId, Verdict};
use super::window::{Hit, nanos, rests_until, span};
pub use store::Limits;
use store::Store;
use word::{SETTLING, Said, Word};

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
    /// Lines that no rule knows.
    pub unmatched: u64,
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
    /// Rules have numbers: their places in the set.
    numbers: HashMap<RuleId, u32>,
    /// Those about lines that should come.
    expecting: Vec<u32>,
    store: Store,
    tally: Tally,
    /// Of the last health line that tells one, by hop.
    handshakes: HashMap<HopId, Timestamp>,
}

/// What an event's lines have in common.
struct Seen<'a> {
    event: &'a LogEvent,
    hop: &'a HopIdentity,
    at: i64,
    pod: u32,
    /// Whether they are about the hop's parameters.
    runs_these: bool,
}

impl Engine {
    /// An engine without open windows.
    pub fn new(rules: Arc<RuleSet>) -> Self {
        Self::with_limits(rules, Limits::default())
    }

    /// The same, with other bounds of memory.
    pub fn with_limits(rules: Arc<RuleSet>, limits: Limits) -> Self {
        let (numbers, expecting) = number(&rules);
        let (store, tally, handshakes) = (Store::with_limits(limits), Tally::default(), HashMap::new());
        Self { rules, numbers, expecting, store, tally, handshakes }
    }

    /// Takes other rules from here on. Windows of rules that count as before are kept; gives how many others were
    /// dropped.
    pub fn reload(&mut self, rules: Arc<RuleSet>) -> usize {
        let (numbers, expecting) = number(&rules);
        let successor = |rule: &Rule| {
            let number = *numbers.get(&rule.id)?;
            rules.rules()[number as usize].counts_like(rule).then_some(number)
        };
        let successors: Vec<Option<u32>> = self.rules.rules().iter().map(successor).collect();
        let dropped = self.store.renumber(&successors);
        (self.rules, self.numbers, self.expecting) = (rules, numbers, expecting);
        dropped
    }

    /// Lets a rule rest as it did for the reader that found this: the lines which that rest swallowed may be read again
    /// for the sake of others, and are no outage of their own.
    pub fn remember(&mut self, found: &Finding, hop: &HopIdentity) {
        let Some(number) = self.numbers.get(&found.rule).copied() else { return };
        let rule = &self.rules.rules()[number as usize];
        // A rule about a line that should come needs that line again to fire.
        if found.candidate != hop.candidate || found.last < hop.applied_at || rule.absent.is_some() {
            return;
        }
        let ended = found.ended.map_or(i64::MAX, nanos);
        let until = rests_until(&rule.threshold, nanos(found.last)).min(ended);
        let pod = self.store.pod(hop);
        self.store.remember(pod, number, nanos(found.first), until);
    }

    /// Counts the event's lines; gives what they prove (verdicts `rotate`, `restart` and `alert`). Where it is not known
    /// which parameters they are about, that is guessed.
    pub fn observe(&mut self, event: &LogEvent, hop: &HopIdentity) -> Vec<Detection> {
        self.consider(event, hop, |word, at| Some(word.guess(at))).unwrap_or_default()
    }

    /// The same, but nothing is guessed: none while a client's line must wait for the hop's health sidecar to say what the
    /// client runs with.
    pub fn observe_if_certain(&mut self, event: &LogEvent, hop: &HopIdentity) -> Option<Vec<Detection>> {
        self.consider(event, hop, Word::is_about)
    }

    /// Takes note of what a health line says that the client runs with, and counts nothing: lines that wait for that word
    /// come before the line itself.
    pub fn hear(&mut self, event: &LogEvent, hop: &HopIdentity) {
        if let Some(client @ Client::Health) = Client::of(hop.implementation, &event.container) {
            let pod = self.store.pod(hop);
            self.note_word(&Line::of_record(client, &event.text), event, hop, pod);
        }
    }

    fn consider(
        &mut self,
        event: &LogEvent,
        hop: &HopIdentity,
        is_about: impl Fn(&Word, i64) -> Option<bool>,
    ) -> Option<Vec<Detection>> {
        let mut detections = Vec::new();
        let Some(client) = Client::of(hop.implementation, &event.container) else { return Some(detections) };
        let rules = Arc::clone(&self.rules);
        let (pod, at) = (self.store.pod(hop), nanos(event.time));
        let is_about = if client == Client::Health { None } else { Some(is_about(&self.store.get(pod).word, at)?) };
        if is_about == Some(false) {
            // Most of a backlog: not worth a look at what it says.
            self.tally.stale += 1;
            return Some(detections);
        }
        let lines = Line::of_record(client, &event.text);
        let runs_these = is_about.unwrap_or_else(|| self.note_word(&lines, event, hop, pod));
        if client == Client::Health && at < nanos(hop.applied_at).saturating_add(SETTLING) {
            self.tally.stale += 1;
            return Some(detections);
        }
        self.note_handshake(&lines, event, hop);
        self.store.saw(pod, at);
        let seen = Seen { event, hop, at, pod, runs_these };
        for (number, line) in lines.iter().enumerate() {
            let is_expected = self.expect(&rules, &seen, line, number);
            let Some(rule) = rules.decide(line) else {
                self.tally.unmatched += u64::from(!is_expected);
                continue;
            };
            self.tally.matched += 1;
            // A fault inside the pod is one whatever the client runs with.
            if rule.evidence == Evidence::Path && !runs_these {
                self.tally.stale += 1;
                continue;
            }
            detections.extend(self.count(&seen, rule, line, number));
        }
        if let Some(line) = lines.last()
            && runs_these
        {
            self.miss(&rules, &seen, line, &mut detections);
        }
        self.tally.evicted += self.store.take_evicted();
        Some(detections)
    }

    /// Takes note of what a health line says that the client runs with; whether it may be about the hop's parameters.
    fn note_word(&mut self, lines: &[Line<'_>], event: &LogEvent, hop: &HopIdentity, pod: u32) -> bool {
        let Some(said) = said(lines, &hop.plan_id) else { return true };
        self.store.get(pod).word.hear(nanos(event.time), said);
        said != Said::Others
    }

    fn hit(&mut self, event: &LogEvent, fingerprint: u32) -> Hit {
        let Position { shard, sequence } = &event.position;
        Hit { at: nanos(event.time), sequence: *sequence, shard: self.store.shards.number(shard), fingerprint }
    }

    fn count(&mut self, seen: &Seen<'_>, rule: &Rule, line: &Line<'_>, number: usize) -> Option<Detection> {
        let pod = self.store.get(seen.pod);
        if pod.is_history(seen.at) {
            self.tally.stale += 1;
            return None;
        }
        match rule.verdict {
            Verdict::Ignore => return None,
            Verdict::Recovered => {
                self.store.recover(seen.pod, self.rules.rules(), seen.at);
                return None;
            }
            Verdict::Rotate | Verdict::Restart | Verdict::Alert => {}
        }
        if rule.evidence == Evidence::Path && pod.is_explained(seen.at) {
            self.tally.explained += 1;
            return None;
        }
        let hit = self.hit(seen.event, fingerprint(seen.event, line.logical(), number));
        let first = self.store.count(seen.pod, self.numbers[&rule.id], rule, hit);
        self.blame(seen, rule, first.is_some());
        Some(self.detection(seen, rule, first?, line))
    }

    /// Takes note of when the hop's WireGuard client last completed a handshake.
    fn note_handshake(&mut self, lines: &[Line<'_>], event: &LogEvent, hop: &HopIdentity) {
        let ages = lines.iter().rev().filter_map(|line| line.fields()?.get("handshake_age_seconds")?.as_i64());
        let Some(age) = ages.into_iter().find(|age| *age >= 0) else { return };
        let Ok(at) = event.time.checked_sub(SignedDuration::from_secs(age)) else { return };
        match self.handshakes.get_mut(&hop.id) {
            Some(known) => *known = at.max(*known),
            None => drop(self.handshakes.insert(hop.id.clone(), at)),
        }
    }

    /// Takes note of a line that rules expect, whatever else it is; whether one does.
    fn expect(&mut self, rules: &RuleSet, seen: &Seen<'_>, line: &Line<'_>, number: usize) -> bool {
        let mut is_expected = false;
        for index in 0..self.expecting.len() {
            let rule_number = self.expecting[index];
            let rule = &rules.rules()[rule_number as usize];
            let Some(absent) = rule.absent else { continue };
            let counts = rule.evidence == Evidence::Own || seen.runs_these;
            if counts && line.meets(rule) {
                self.tally.matched += 1;
                let hit = self.hit(seen.event, fingerprint(seen.event, line.logical(), number));
                self.store.expect(seen.pod, rule_number, span(absent), hit);
                is_expected = true;
            }
        }
        is_expected
    }

    /// A line of the pod proves that time has passed there: tells the rules whose line has not come within theirs.
    fn miss(&mut self, rules: &RuleSet, seen: &Seen<'_>, line: &Line<'_>, detections: &mut Vec<Detection>) {
        let (missed, explained) = self.store.missed(seen.pod, rules.rules(), seen.at);
        self.tally.explained += explained;
        for (number, last) in missed {
            let rule = &rules.rules()[number as usize];
            self.blame(seen, rule, true);
            detections.push(self.detection(seen, rule, last, line));
        }
    }

    fn blame(&mut self, seen: &Seen<'_>, rule: &Rule, fired: bool) {
        if (rule.evidence, rule.verdict) == (Evidence::Own, Verdict::Alert) {
            self.store.get(seen.pod).blame(seen.at, fired);
        }
    }

    fn detection(&self, seen: &Seen<'_>, rule: &Rule, first: Hit, line: &Line<'_>) -> Detection {
        let first = self.store.shards.line(first);
        Detection {
            hop: seen.hop.clone(),
            rule: rule.id.clone(),
            title: rule.title.clone(),
            verdict: rule.verdict,
            evidence: rule.evidence,
            window_start: first.time,
            first,
            last: LineRef { time: seen.event.time, position: seen.event.position.clone() },
            trigger: redact::excerpt(line.text(), MAX_TRIGGER_CHARS),
        }
    }

    /// Forgets windows that their pod's later lines have outlived, and those of pods that were silent for ten minutes
    /// before `now`; gives how many.
    pub fn expire(&mut self, now: Timestamp) -> usize {
        self.store.expire(self.rules.rules(), nanos(now))
    }

    /// The oldest record of a shard that an open window still needs: a reader that starts there comes to the same
    /// verdicts under the same names.
    pub fn needed_from(&mut self, shard: &Shard) -> Option<u64> {
        self.store.needed_from(shard)
    }

    /// Forgets the windows that were filled from a shard: another reader has it now.
    pub fn drop_shard(&mut self, shard: &Shard) {
        self.store.drop_shard(shard);
    }

    /// Forgets the pods that are gone: all but those that `is_there` knows by their UID.
    pub fn keep_pods(&mut self, is_there: impl Fn(&str) -> bool) {
        self.store.keep_pods(is_there);
    }

    /// How many windows are open.
    pub fn open_windows(&self) -> usize {
        self.store.open_windows()
    }

    /// What they take, in bytes; bounded.
    pub fn window_bytes(&self) -> usize {
        self.store.bytes()
    }

    /// When the hops last completed a handshake, of those whose health lines told it since the last call.
    pub fn take_handshakes(&mut self) -> HashMap<HopId, Timestamp> {
        std::mem::take(&mut self.handshakes)
    }

    /// What was counted since the last call.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }
}

/// Each rule's number, and which of them expect a line.
fn number(rules: &RuleSet) -> (HashMap<RuleId, u32>, Vec<u32>) {
    let numbered = || rules.rules().iter().zip(0u32..);
    let numbers = numbered().map(|(rule, number)| (rule.id.clone(), number)).collect();
    (numbers, numbered().filter(|(rule, _)| rule.absent.is_some()).map(|(_, number)| number).collect())
}

/// What the last health line that speaks of it says that the client runs with, where it should run with `plan_id`.
fn said(lines: &[Line<'_>], plan_id: &str) -> Option<Said> {
    let (fields, applied) = lines.iter().rev().filter_map(Line::fields).find_map(|fields| {
        let applied = fields.get("applied")?.as_str()?;
        Some((fields, applied))
    })?;
    let since = || fields.get("applied_since")?.as_str()?.parse::<Timestamp>().ok().map(nanos);
    Some(if applied.is_empty() {
        Said::Nothing
    } else if applied == plan_id {
        Said::These(since())
    } else {
        Said::Others
    })
}

/// The same for a record that a shipper sends twice, different for a line that a client writes twice.
fn fingerprint(event: &LogEvent, line: &str, number: usize) -> u32 {
    let mut hasher = DefaultHasher::new();
    (event.file_offset, &event.container, line, number).hash(&mut hasher);
    // Half of it will do: only lines of one window and one nanosecond are told apart by it.
    (hasher.finish() >> 32) as u32
}

#[cfg(test)]
mod absent_tests;
#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod reload_tests;
#[cfg(test)]
pub(crate) mod tests;
