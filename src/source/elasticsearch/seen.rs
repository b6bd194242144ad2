//! Which documents of the lag window were delivered: in bounded memory, forgetting the oldest first.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

/// So many documents are remembered, some 30 bytes each.
pub(super) const CAPACITY: usize = 1_000_000;

/// Documents by their time and the hash of their id.
pub(super) struct Seen {
    documents: BTreeSet<(i64, u64)>,
    capacity: usize,
    /// What is older may have been forgotten.
    forgotten: i64,
    hasher: RandomState,
}

impl Seen {
    pub(super) fn new(capacity: usize) -> Self {
        Self { documents: BTreeSet::new(), capacity, forgotten: i64::MIN, hasher: RandomState::new() }
    }

    /// Remembers a document. The index counts as well: an id is unique in one only.
    pub(super) fn insert(&mut self, time: i64, index: &str, id: &str) {
        self.documents.insert((time, self.hasher.hash_one((index, id))));
        while self.documents.len() > self.capacity {
            if let Some((time, _)) = self.documents.pop_first() {
                // Of that nanosecond others may be left: the next one is the first that is whole.
                self.forgotten = time.saturating_add(1);
            }
        }
    }

    pub(super) fn contains(&self, time: i64, index: &str, id: &str) -> bool {
        self.documents.contains(&(time, self.hasher.hash_one((index, id))))
    }

    /// Forgets what is older.
    pub(super) fn forget_before(&mut self, time: i64) {
        self.documents = self.documents.split_off(&(time, 0));
    }

    /// From when on everything that was delivered is known: what is older must not be asked for again.
    pub(super) fn reliable_from(&self) -> i64 {
        self.forgotten
    }

    /// How many were delivered of a span of time.
    pub(super) fn count(&self, from: i64, to: i64) -> u64 {
        if from < to { self.documents.range((from, 0)..(to, 0)).count() as u64 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_known_by_its_index_and_id_until_it_is_forgotten() {
        let mut seen = Seen::new(3);
        seen.insert(5, "a", "1");
        assert!(seen.contains(5, "a", "1"));
        assert!(!seen.contains(5, "b", "1") && !seen.contains(5, "a", "2"));
        seen.insert(6, "a", "2");
        seen.insert(7, "a", "3");
        assert_eq!(seen.reliable_from(), i64::MIN);
        assert_eq!((seen.count(5, 7), seen.count(5, 8), seen.count(8, 5)), (2, 3, 0));
        seen.insert(8, "a", "4");
        assert_eq!(seen.reliable_from(), 6);
        assert!(!seen.contains(5, "a", "1") && seen.contains(6, "a", "2"));
        seen.forget_before(8);
        assert!(!seen.contains(7, "a", "3") && seen.contains(8, "a", "4"));
    }
}
