//! The open windows of all pods, bounded: the map behind the engine.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::event::{HopIdentity, LineRef, Shard};
use crate::domain::rule::{Rule, RuleId};
use crate::domain::ruleset::RuleSet;
use crate::domain::types::CandidateRef;
use crate::domain::window::Window;

/// At most this many windows are open; then the pod that was quiet longest is forgotten.
pub(super) const MAX_WINDOWS: usize = 100_000;

/// A pod that writes nothing for so long keeps no windows, and so holds no records.
const MAX_SILENCE: SignedDuration = SignedDuration::from_mins(10);

/// Without word from the health sidecar, a client is taken to run with its parameters so long after they were written.
const TAKES_EFFECT: SignedDuration = SignedDuration::from_secs(20);

/// A health sidecar speaks every 5 s; what it said last stands for so long.
const STANDS: SignedDuration = SignedDuration::from_secs(60);

/// One pod with one set of parameters.
#[derive(Debug)]
pub(super) struct Pod {
    candidate: CandidateRef,
    plan_id: String,
    applied_at: Timestamp,
    /// When the health sidecar last named what the client runs with, and whether it was these parameters.
    said: Option<(Timestamp, bool)>,
    /// The line that first named these parameters.
    confirmed: Option<LineRef>,
    /// Older lines are history: the tunnel worked after them.
    pub(super) recovered_at: Option<Timestamp>,
    windows: HashMap<RuleId, Window>,
    /// The last line of a fault inside the pod that explains its other symptoms.
    blamed_at: Option<Timestamp>,
    /// The newest line's time.
    newest: Timestamp,
    /// Grows with each use, over all pods.
    used: u64,
    /// `used` and the clock when the pod was first found unused.
    idle: Option<(u64, Timestamp)>,
}

impl Pod {
    pub(super) fn saw(&mut self, time: Timestamp) {
        self.newest = self.newest.max(time);
    }

    /// A health line names what the client runs with. What is older than the parameters says nothing about them.
    pub(super) fn says(&mut self, line: LineRef, applied: &str) {
        let (at, these) = (line.time, applied == self.plan_id);
        if at < self.applied_at || self.said.is_some_and(|(before, _)| at < before) {
            return;
        }
        self.said = Some((at, these));
        if these {
            self.confirmed.get_or_insert(line);
        }
    }

    /// Whether the client runs with these parameters, as far as is known: what it writes is about them.
    pub(super) fn runs_these(&self, at: Timestamp) -> bool {
        match self.said {
            Some((_, true)) => true,
            Some((said, false)) if at.duration_since(said) <= STANDS => false,
            _ => at >= self.takes_effect(),
        }
    }

    fn takes_effect(&self) -> Timestamp {
        self.applied_at.saturating_add(TAKES_EFFECT).unwrap_or(Timestamp::MAX)
    }

    /// The lines that a replay would need: those counted, and the one without which it would not count them.
    fn needed(&self) -> impl Iterator<Item = &LineRef> {
        let counted = || self.windows.values().flat_map(Window::needed);
        let takes_effect = self.takes_effect();
        let rests_on = self.confirmed.iter().filter(move |_| counted().any(|line| line.time < takes_effect));
        self.windows.values().flat_map(Window::needed).chain(rests_on)
    }

    /// A line of a fault inside the pod: counts when its rule fired, or while it goes on.
    pub(super) fn blame(&mut self, at: Timestamp, lasts: SignedDuration, fired: bool) {
        if fired || self.is_explained(at, lasts) {
            self.blamed_at = self.blamed_at.max(Some(at));
        }
    }

    pub(super) fn is_explained(&self, at: Timestamp, lasts: SignedDuration) -> bool {
        self.blamed_at.is_some_and(|blamed| at.duration_since(blamed) <= lasts)
    }

    pub(super) fn recover(&mut self, at: Timestamp) {
        self.blamed_at = self.blamed_at.filter(|blamed| *blamed > at);
        self.recovered_at = Some(self.recovered_at.map_or(at, |before| before.max(at)));
        self.windows.retain(|_, window| window.settle(at));
    }
}

#[derive(Debug, Default)]
pub(super) struct Pods {
    pods: HashMap<String, Pod>,
    uses: u64,
}

impl Pods {
    /// The pod's state; empty when its parameters were applied anew.
    pub(super) fn of(&mut self, hop: &HopIdentity) -> &mut Pod {
        self.uses += 1;
        let fresh = || Pod {
            candidate: hop.candidate.clone(),
            plan_id: hop.plan_id.clone(),
            applied_at: hop.applied_at,
            said: None,
            confirmed: None,
            recovered_at: None,
            windows: HashMap::new(),
            blamed_at: None,
            newest: Timestamp::MIN,
            used: 0,
            idle: None,
        };
        if !self.pods.contains_key(&hop.pod_uid) {
            self.pods.insert(hop.pod_uid.clone(), fresh());
        }
        let pod = self.pods.get_mut(&hop.pod_uid).expect("should be there: inserted above");
        if pod.candidate != hop.candidate || pod.plan_id != hop.plan_id || pod.applied_at != hop.applied_at {
            *pod = fresh();
        }
        pod.used = self.uses;
        pod
    }

    pub(super) fn window(&mut self, hop: &HopIdentity, rule: &Rule) -> &mut Window {
        self.of(hop).windows.entry(rule.id.clone()).or_default()
    }

    /// Keeps within the bound; gives how many windows were given up.
    pub(super) fn evict(&mut self) -> u64 {
        self.evict_above(MAX_WINDOWS)
    }

    pub(super) fn evict_above(&mut self, bound: usize) -> u64 {
        // The pods' number is checked first: it is the cheap one, and usually tells.
        if self.pods.len() <= bound && (self.uses & 0x3ff != 0 || self.open_windows() <= bound) {
            return 0;
        }
        let mut evicted = 0;
        let mut oldest: Vec<(u64, String)> = self.pods.iter().map(|(uid, pod)| (pod.used, uid.clone())).collect();
        oldest.sort_unstable();
        // A tenth at once, so that the sort is paid rarely.
        for (_, uid) in oldest.iter().take(oldest.len().div_ceil(10)) {
            evicted += self.pods.remove(uid).map_or(0, |pod| pod.windows.len() as u64);
        }
        evicted
    }

    pub(super) fn expire(&mut self, rules: &RuleSet, now: Timestamp) -> usize {
        let before = self.open_windows();
        for pod in self.pods.values_mut() {
            let idle_since = match pod.idle {
                Some((used, since)) if used == pod.used => since,
                _ => now,
            };
            pod.idle = Some((pod.used, idle_since));
            if now.duration_since(idle_since) > MAX_SILENCE {
                pod.windows.clear();
            }
            let newest = pod.newest;
            pod.windows.retain(|id, window| rules.get(id).is_some_and(|rule| !window.is_over(&rule.threshold, newest)));
        }
        before - self.open_windows()
    }

    pub(super) fn needed_from(&self, shard: &Shard) -> Option<u64> {
        let needed = self.pods.values().flat_map(Pod::needed);
        needed.filter(|line| line.position.shard == *shard).map(|line| line.position.sequence).min()
    }

    pub(super) fn drop_shard(&mut self, shard: &Shard) {
        let in_shard = |window: &Window| window.needed().any(|line| line.position.shard == *shard);
        for pod in self.pods.values_mut() {
            pod.windows.retain(|_, window| !in_shard(window));
            pod.confirmed.take_if(|line| line.position.shard == *shard);
        }
    }

    pub(super) fn keep_pods(&mut self, is_there: impl Fn(&str) -> bool) {
        self.pods.retain(|uid, _| is_there(uid));
    }

    pub(super) fn open_windows(&self) -> usize {
        self.pods.values().map(|pod| pod.windows.len()).sum()
    }
}
