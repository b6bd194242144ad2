//! What keeps the store small: windows that are over, pods that are silent, and the bound of bytes.

use super::{Store, by_use, pod_by_use};
use crate::domain::engine::pod::NotBefore;
use crate::domain::engine::slab::CHUNK;
use crate::domain::rule::Rule;
use crate::domain::window::span;

/// A pod that writes nothing for so long keeps no windows, and so holds no records.
const MAX_SILENCE: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

/// How much there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// What windows take.
    pub bytes: usize,
    /// Pods that are remembered; each takes about 120 bytes.
    pub pods: usize,
}

impl Default for Limits {
    /// About a million windows of one or two lines. Together below 128 MiB.
    fn default() -> Self {
        Self { bytes: 88 * 1024 * 1024, pods: 65_536 }
    }
}

impl Store {
    pub(in crate::domain::engine) fn with_limits(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The open windows, by pod and rule.
    #[cfg(test)]
    pub(in crate::domain::engine) fn open(&self) -> Vec<(String, u32)> {
        let mut open: Vec<_> =
            self.slots.iter().map(|(_, slot)| (self.pods[slot.pod].uid.text().into_owned(), slot.rule)).collect();
        open.sort();
        open
    }

    /// What windows take at present.
    pub(in crate::domain::engine) fn bytes(&self) -> usize {
        self.slots.bytes() + self.index.allocation_size() + self.heap_bytes
    }

    /// Gives up the oldest window rather than to grow above the bound.
    pub(super) fn make_room(&mut self) {
        let growth = CHUNK * size_of::<Option<super::Slot>>();
        if self.slots.free() == 0
            && self.bytes() + growth > self.limits.bytes
            && let Some(oldest) = self.by_use.oldest()
        {
            self.close(oldest);
            self.evicted += 1;
        }
    }

    /// Gives up the oldest windows, but not this one, until the bound is kept: some hold many lines.
    pub(super) fn relieve(&mut self, but: u32) {
        while self.bytes() > self.limits.bytes {
            if self.slots.free() > CHUNK.max(self.slots.places() / 16) {
                self.condense();
                continue;
            }
            match self.by_use.oldest() {
                Some(oldest) if oldest != but => {
                    self.close(oldest);
                    self.evicted += 1;
                }
                _ => return,
            }
        }
    }

    /// Forgets windows that their pod's later lines have outlived, and those of pods that are silent.
    pub(in crate::domain::engine) fn expire(&mut self, rules: &[Rule], now: i64) -> usize {
        let before = self.slots.len();
        let was_used = std::mem::take(&mut self.is_used);
        if was_used {
            self.idle.push_back((self.tick, now));
        }
        let mut silent_since = 0;
        while let Some((tick, _)) = self.idle.pop_front_if(|(_, at)| now.saturating_sub(*at) > span(MAX_SILENCE)) {
            silent_since = tick;
        }
        while let Some(pod) = self.speaking.oldest().filter(|pod| self.pods[*pod].used <= silent_since) {
            self.close_all(pod);
            self.speaking.remove(&mut self.pods, pod_by_use, pod);
            self.quiet.push(&mut self.pods, pod_by_use, pod);
            self.pods[pod].quiet = true;
        }
        let mut next = self.speaking.first().filter(|_| was_used);
        while let Some(pod) = next.filter(|pod| self.pods[*pod].used == self.tick) {
            next = self.pods[pod].by_use.older();
            if self.pods[pod].spoke {
                self.expire_pod(rules, pod);
            }
        }
        if self.slots.free() > self.slots.len() + 2 * CHUNK {
            self.condense();
        }
        before - self.slots.len()
    }

    fn expire_pod(&mut self, rules: &[Rule], number: u32) {
        let pod = &mut self.pods[number];
        pod.spoke = false;
        let newest = pod.newest;
        if !pod.ends.is_due(newest) {
            return;
        }
        let mut next = i64::MAX;
        for place in self.windows_of(number) {
            let slot = &self.slots[place];
            let rule = &rules[slot.rule as usize];
            let ends = match rule.absent {
                Some(_) => slot.window.wait_ends_at(),
                None => slot.window.ends_at(&rule.threshold),
            };
            if newest >= ends {
                self.close(place);
            } else {
                next = next.min(ends);
            }
        }
        self.pods[number].ends = NotBefore::new(next);
    }

    /// Moves the windows together, and gives back what is free.
    fn condense(&mut self) {
        let end = self.slots.condense();
        let places = u32::try_from(self.slots.places()).expect("should fit: the slab counts in u32");
        for from in end..places {
            let Some(to) = self.slots.relocate(from) else { continue };
            self.by_use.relocated(&mut self.slots, by_use, to);
            self.moved(from, to);
        }
        self.slots.truncate(end);
        self.shrink_index();
    }
}
