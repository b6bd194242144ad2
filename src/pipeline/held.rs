//! Records that wait until their pod is known: a pod's first lines may overtake the news of the pod itself.
//!
//! In order within a pod, and bounded: the pod that holds most gives way first. Leaves the directory to the worker.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::domain::event::{LogEvent, Shard};
use crate::source::ShardHandle;

/// A pod that is not known so long after its record came is no hop's.
pub(super) const PATIENCE: SignedDuration = SignedDuration::from_secs(60);
/// What all held records may take, by their own count.
pub(super) const MAX_BYTES: usize = 8 * 1024 * 1024;
/// What a record takes besides its text: so their number is bounded as well, to 8192.
pub(super) const OVERHEAD_BYTES: usize = 1024;

/// A decoded record on its way to the engine.
pub(super) struct Entry {
    pub(super) event: LogEvent,
    pub(super) received: Option<Timestamp>,
    pub(super) shard: Arc<dyn ShardHandle>,
}

impl Entry {
    fn bytes(&self) -> usize {
        OVERHEAD_BYTES + self.event.text.len()
    }
}

/// How a record names its pod: by UID, or by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum PodKey {
    Uid(String),
    Name(String, String),
}

impl PodKey {
    pub(super) fn of(event: &LogEvent) -> Self {
        match &event.pod_uid {
            Some(uid) => Self::Uid(uid.clone()),
            None => Self::Name(event.namespace.clone(), event.pod.clone()),
        }
    }
}

struct Queue {
    /// Each with the time when it is given up.
    entries: VecDeque<(Timestamp, Entry)>,
    bytes: usize,
    /// Grows from queue to queue.
    number: u64,
}

/// The last one gives way first: the largest, and of several the oldest.
type Rank = (usize, Reverse<u64>);

impl Queue {
    fn rank(&self) -> Rank {
        (self.bytes, Reverse(self.number))
    }
}

#[derive(Default)]
pub(super) struct Held {
    pods: HashMap<PodKey, Queue>,
    /// A flood of pods must not look through all of them for each record.
    ranks: BTreeMap<Rank, PodKey>,
    bytes: usize,
    queues: u64,
}

impl Held {
    pub(super) fn has(&self, pod: &PodKey) -> bool {
        !self.pods.is_empty() && self.pods.contains_key(pod)
    }

    pub(super) fn pods(&self) -> Vec<PodKey> {
        self.pods.keys().cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.pods.values().map(|queue| queue.entries.len()).sum()
    }

    /// Adds a record behind its pod's others; gives how many records were given up for it.
    pub(super) fn push(&mut self, pod: PodKey, until: Timestamp, entry: Entry) -> u64 {
        let bytes = entry.bytes();
        self.grow(pod, bytes, |entries| entries.push_back((until, entry)));
        let mut given_up = 0;
        while self.bytes > MAX_BYTES {
            let Some((_, largest)) = self.ranks.last_key_value() else { break };
            let largest = largest.clone();
            given_up += u64::from(self.pop(&largest).is_some());
        }
        given_up
    }

    fn grow(&mut self, pod: PodKey, bytes: usize, add: impl FnOnce(&mut VecDeque<(Timestamp, Entry)>)) {
        self.queues += 1;
        let number = self.queues;
        // Most pods that nobody knows send one record: room for more would be most of what is held.
        let first = || Queue { number, entries: VecDeque::with_capacity(1), bytes: 0 };
        let queue = self.pods.entry(pod.clone()).or_insert_with(first);
        self.ranks.remove(&queue.rank());
        add(&mut queue.entries);
        queue.bytes += bytes;
        self.bytes += bytes;
        self.ranks.insert(queue.rank(), pod);
    }

    /// Takes a pod's oldest record.
    pub(super) fn pop(&mut self, pod: &PodKey) -> Option<(Timestamp, Entry)> {
        let queue = self.pods.get_mut(pod)?;
        self.ranks.remove(&queue.rank());
        let taken = queue.entries.pop_front();
        let bytes = taken.as_ref().map_or(0, |(_, entry)| entry.bytes());
        queue.bytes -= bytes;
        self.bytes -= bytes;
        if queue.entries.is_empty() {
            self.pods.remove(pod);
        } else {
            self.ranks.insert(queue.rank(), pod.clone());
        }
        taken
    }

    /// Puts back what [`Self::pop`] took.
    pub(super) fn put_back(&mut self, pod: PodKey, (until, entry): (Timestamp, Entry)) {
        let bytes = entry.bytes();
        self.grow(pod, bytes, |entries| entries.push_front((until, entry)));
    }

    /// Gives up what waited too long; gives how many.
    pub(super) fn expire(&mut self, now: Timestamp) -> u64 {
        self.retain(|until, _| until > now)
    }

    /// Forgets a shard's records: another reader gets them.
    pub(super) fn drop_shard(&mut self, shard: &Shard) {
        self.retain(|_, entry| entry.event.position.shard != *shard);
    }

    fn retain(&mut self, keep: impl Fn(Timestamp, &Entry) -> bool) -> u64 {
        let before = self.len();
        for queue in self.pods.values_mut() {
            queue.entries.retain(|(until, entry)| keep(*until, entry));
            queue.bytes = queue.entries.iter().map(|(_, entry)| entry.bytes()).sum();
        }
        self.pods.retain(|_, queue| !queue.entries.is_empty());
        self.bytes = self.pods.values().map(|queue| queue.bytes).sum();
        self.ranks = self.pods.iter().map(|(pod, queue)| (queue.rank(), pod.clone())).collect();
        (before - self.len()) as u64
    }

    /// The first record of each shard that waits.
    pub(super) fn needed(&self) -> HashMap<&Shard, u64> {
        let mut needed = HashMap::new();
        for (_, entry) in self.pods.values().flat_map(|queue| &queue.entries) {
            let position = &entry.event.position;
            let first = needed.entry(&position.shard).or_insert(position.sequence);
            *first = position.sequence.min(*first);
        }
        needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::engine::tests::{at, event};
    use crate::source::SourceError;

    struct AnyShard;

    impl ShardHandle for AnyShard {
        fn is_lost(&self) -> bool {
            false
        }

        fn done_below(&self, _: u64) -> Result<(), SourceError> {
            Ok(())
        }
    }

    fn entry(sequence: i64, bytes: usize) -> Entry {
        Entry { event: event(sequence, &"x".repeat(bytes)), received: None, shard: Arc::new(AnyShard) }
    }

    fn key(uid: &str) -> PodKey {
        PodKey::Uid(uid.into())
    }

    #[test]
    fn of_many_pods_the_one_that_waited_longest_gives_way() {
        let mut held = Held::default();
        let given_up: u64 = (0..20_000).map(|n| held.push(key(&format!("uid-{n}")), at(60), entry(n, 0))).sum();
        assert_eq!((held.len(), given_up), (8_192, 20_000 - 8_192));
        assert!(!held.has(&key("uid-11807")) && held.has(&key("uid-11808")) && held.has(&key("uid-19999")));
        assert_eq!((held.ranks.len(), held.bytes), (8_192, MAX_BYTES));
    }

    #[test]
    fn a_flood_gives_way_before_the_others() {
        let mut held = Held::default();
        held.push(key("quiet"), at(60), entry(1, 10));
        let given_up: u64 = (2..10_002).map(|n| held.push(key("loud"), at(60), entry(n, 100))).sum();
        assert!(held.bytes <= MAX_BYTES && held.len() <= MAX_BYTES / OVERHEAD_BYTES);
        assert_eq!(given_up + held.len() as u64, 10_001);
        assert!(held.has(&key("quiet")));
        // The newest stay.
        assert_eq!(held.pods[&key("loud")].entries.back().map(|(_, e)| e.event.position.sequence), Some(10_001));
        let (_, first) = held.pop(&key("quiet")).expect("should be there");
        assert_eq!(first.event.position.sequence, 1);
        assert!(!held.has(&key("quiet")));
        assert_eq!(held.expire(at(60)) + given_up, 10_000);
        assert_eq!((held.len(), held.bytes), (0, 0));
    }
}
