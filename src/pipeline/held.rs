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

/// A record that waits.
pub(super) struct Waiting {
    pub(super) entry: Entry,
    /// When it is given up.
    until: Timestamp,
    /// Grows from record to record: who waits for longer has the lower one.
    number: u64,
}

struct Queue {
    entries: VecDeque<Waiting>,
    bytes: usize,
}

/// The last one gives way first: the largest, and of several the one that has waited for longest.
type Rank = (usize, Reverse<u64>);

impl Queue {
    fn rank(&self) -> Rank {
        (self.bytes, Reverse(self.entries.front().map_or(u64::MAX, |first| first.number)))
    }
}

#[derive(Default)]
pub(super) struct Held {
    pods: HashMap<PodKey, Queue>,
    /// A flood of pods must not look through all of them for each record.
    ranks: BTreeMap<Rank, PodKey>,
    bytes: usize,
    pushed: u64,
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
        self.pushed += 1;
        let waiting = Waiting { entry, until, number: self.pushed };
        self.grow(pod, waiting, VecDeque::push_back);
        let mut given_up = 0;
        while self.bytes > MAX_BYTES {
            let Some((_, largest)) = self.ranks.last_key_value() else { break };
            let largest = largest.clone();
            given_up += u64::from(self.pop(&largest).is_some());
        }
        given_up
    }

    fn grow(&mut self, pod: PodKey, waiting: Waiting, add: fn(&mut VecDeque<Waiting>, Waiting)) {
        // Most pods that nobody knows send one record: room for more would be most of what is held.
        let first = || Queue { entries: VecDeque::with_capacity(1), bytes: 0 };
        let queue = self.pods.entry(pod.clone()).or_insert_with(first);
        self.ranks.remove(&queue.rank());
        let bytes = waiting.entry.bytes();
        add(&mut queue.entries, waiting);
        queue.bytes += bytes;
        self.bytes += bytes;
        self.ranks.insert(queue.rank(), pod);
    }

    /// A pod's oldest record.
    pub(super) fn first(&self, pod: &PodKey) -> Option<&Entry> {
        Some(&self.pods.get(pod)?.entries.front()?.entry)
    }

    /// Takes a pod's oldest record.
    pub(super) fn pop(&mut self, pod: &PodKey) -> Option<Waiting> {
        let queue = self.pods.get_mut(pod)?;
        self.ranks.remove(&queue.rank());
        let taken = queue.entries.pop_front();
        let bytes = taken.as_ref().map_or(0, |waiting| waiting.entry.bytes());
        queue.bytes -= bytes;
        self.bytes -= bytes;
        if queue.entries.is_empty() {
            self.pods.remove(pod);
        } else {
            self.ranks.insert(queue.rank(), pod.clone());
        }
        taken
    }

    /// Puts back what [`Self::pop`] took, where it was.
    pub(super) fn put_back(&mut self, pod: PodKey, waiting: Waiting) {
        self.grow(pod, waiting, VecDeque::push_front);
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
            queue.entries.retain(|waiting| keep(waiting.until, &waiting.entry));
            queue.bytes = queue.entries.iter().map(|waiting| waiting.entry.bytes()).sum();
        }
        self.pods.retain(|_, queue| !queue.entries.is_empty());
        self.bytes = self.pods.values().map(|queue| queue.bytes).sum();
        self.ranks = self.pods.iter().map(|(pod, queue)| (queue.rank(), pod.clone())).collect();
        (before - self.len()) as u64
    }

    /// The first record of each shard that waits.
    pub(super) fn needed(&self) -> HashMap<&Shard, u64> {
        let mut needed = HashMap::new();
        for waiting in self.pods.values().flat_map(|queue| &queue.entries) {
            let position = &waiting.entry.event.position;
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
    fn who_was_looked_at_again_has_not_waited_less() {
        let mut held = Held::default();
        (0..8_192).for_each(|n| {
            held.push(key(&format!("uid-{n}")), at(60), entry(n, 0));
        });
        for pod in held.pods() {
            let taken = held.pop(&pod).expect("should be there");
            held.put_back(pod, taken);
        }
        (8_192..8_202).for_each(|n| {
            held.push(key(&format!("uid-{n}")), at(60), entry(n, 0));
        });
        assert_eq!(held.needed().into_values().collect::<Vec<_>>(), [10]);
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
        assert_eq!(held.pods[&key("loud")].entries.back().map(|w| w.entry.event.position.sequence), Some(10_001));
        let first = held.pop(&key("quiet")).expect("should be there");
        assert_eq!(first.entry.event.position.sequence, 1);
        assert!(!held.has(&key("quiet")));
        assert_eq!(held.expire(at(60)) + given_up, 10_000);
        assert_eq!((held.len(), held.bytes), (0, 0));
    }
}
