//! From a pod and a rule to their window: by a look at each window of the pod while it has few, by an index from then on.
//!
//! Most pods have one window or two, and the index would be an eighth of what these take.

use super::{Store, of_pod};

/// So many windows of a pod are not worth an index.
const FEW: usize = 4;

/// Both numbers are ours, small and dense: nobody can choose them to collide.
fn hash(pod: u32, rule: u32) -> u64 {
    let mixed = (u64::from(pod) << 32 | u64::from(rule)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 32)
}

impl Store {
    pub(super) fn find(&mut self, pod: u32, rule: u32) -> Option<u32> {
        if !self.pods[pod].is_indexed {
            return self.pods[pod].windows.list().find(&mut self.slots, of_pod, |slot| slot.rule == rule);
        }
        let slots = &self.slots;
        let is_it = |place: &u32| (slots[*place].pod, slots[*place].rule) == (pod, rule);
        self.index.find(hash(pod, rule), is_it).copied()
    }

    /// A window was added to the pod's list.
    pub(super) fn added(&mut self, pod: u32, place: u32) {
        if self.pods[pod].is_indexed {
            self.enter(place);
            return;
        }
        let windows = self.windows_of(pod);
        if windows.len() > FEW {
            self.pods[pod].is_indexed = true;
            windows.into_iter().for_each(|place| self.enter(place));
        }
    }

    /// Puts a window into the index.
    pub(super) fn enter(&mut self, place: u32) {
        let slots = &self.slots;
        let hash_of = |place: &u32| hash(slots[*place].pod, slots[*place].rule);
        self.index.insert_unique(hash_of(&place), place, hash_of);
    }

    /// Takes a window out of the index, if it is there.
    pub(super) fn leave(&mut self, pod: u32, rule: u32, place: u32) {
        if let Ok(entry) = self.index.find_entry(hash(pod, rule), |other| *other == place) {
            entry.remove();
        }
    }

    /// A window was moved to another place.
    pub(super) fn moved(&mut self, from: u32, to: u32) {
        let (pod, rule) = (self.slots[to].pod, self.slots[to].rule);
        self.change_list(pod, |list, slots| list.relocated(slots, of_pod, to));
        if let Some(place) = self.index.find_mut(hash(pod, rule), |place| *place == from) {
            *place = to;
        }
    }

    /// Gives back what the index does not need.
    pub(super) fn shrink_index(&mut self) {
        let slots = &self.slots;
        self.index.shrink_to_fit(|place| hash(slots[*place].pod, slots[*place].rule));
    }
}
