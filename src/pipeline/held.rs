//! Records that wait: until their pod is known, since a pod's first lines may overtake the news of the pod itself; and a
//! client's lines until the pod's health sidecar says which parameters they are about.
//!
//! In order within a stream of a pod, and bounded: the stream that holds most gives way first. Leaves the directory and
//! what a line is about to the worker.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::domain::event::{LogEvent, Shard};
use crate::source::ShardHandle;

/// A pod that is not known so long after its record came is no hop's; and a health sidecar that has not spoken so long
/// after the client did, as it does every 5 s, will not for a while.
pub(super) const PATIENCE: SignedDuration = SignedDuration::from_secs(60);
/// What all held records may take, by their own count.
pub(super) const MAX_BYTES: usize = 8 * 1024 * 1024;
/// What a record takes besides its text: so their number is bounded as well, to 8192.
pub(super) const OVERHEAD_BYTES: usize = 1024;

/// A decoded record on its way to the engine.
pub(super) struct Entry {
    pub(super) event: Box<LogEvent>,
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

/// Whose records of a pod. Those of the sidecar tell what others wait for, so they do not wait behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stream {
    Client,
    Health,
}

impl Stream {
    pub(super) fn of(event: &LogEvent) -> Self {
        if event.container == "health" { Self::Health } else { Self::Client }
    }
}

/// One of a pod's streams.
pub(super) type StreamKey = (PodKey, Stream);

/// A record that waits.
pub(super) struct Waiting {
    pub(super) entry: Entry,
    /// Its pod is known; it waits for the sidecar's word.
    pub(super) awaits_word: bool,
    /// When it is given up: dropped where its pod is not known, else judged by what is known.
    pub(super) until: Timestamp,
    /// Grows from record to record: who waits for longer has the lower one.
    pub(super) number: u64,
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
    streams: HashMap<StreamKey, Queue>,
    /// A flood of pods must not look through all of them for each record.
    ranks: BTreeMap<Rank, StreamKey>,
    bytes: usize,
    pushed: u64,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    pub(super) fn has(&self, pod: &PodKey) -> bool {
        [Stream::Client, Stream::Health].into_iter().any(|stream| self.holds(pod, stream))
    }

    /// Whether records of a stream wait.
    pub(super) fn holds(&self, pod: &PodKey, stream: Stream) -> bool {
        self.streams.contains_key(&(pod.clone(), stream))
    }

    pub(super) fn pods(&self) -> HashSet<PodKey> {
        self.streams.keys().map(|(pod, _)| pod.clone()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.streams.values().map(|queue| queue.entries.len()).sum()
    }

    /// Adds a record behind its stream's others; gives how many records were given up for it.
    pub(super) fn push(&mut self, pod: PodKey, entry: Entry, awaits_word: bool, until: Timestamp) -> u64 {
        self.pushed += 1;
        let stream = Stream::of(&entry.event);
        let waiting = Waiting { entry, awaits_word, until, number: self.pushed };
        self.grow((pod, stream), waiting, VecDeque::push_back);
        let mut given_up = 0;
        while self.bytes > MAX_BYTES {
            let Some((_, largest)) = self.ranks.last_key_value() else { break };
            let largest = largest.clone();
            given_up += u64::from(self.pop(&largest).is_some());
        }
        given_up
    }

    fn grow(&mut self, stream: StreamKey, waiting: Waiting, add: fn(&mut VecDeque<Waiting>, Waiting)) {
        // Most pods that nobody knows send one record: room for more would be most of what is held.
        let first = || Queue { entries: VecDeque::with_capacity(1), bytes: 0 };
        let queue = self.streams.entry(stream.clone()).or_insert_with(first);
        self.ranks.remove(&queue.rank());
        let bytes = waiting.entry.bytes();
        add(&mut queue.entries, waiting);
        queue.bytes += bytes;
        self.bytes += bytes;
        self.ranks.insert(queue.rank(), stream);
    }

    /// The oldest record of a pod's stream.
    pub(super) fn first(&self, stream: &StreamKey) -> Option<&Waiting> {
        self.streams.get(stream)?.entries.front()
    }

    /// The stream of a pod whose record has waited for longest; of the sidecar's alone where the client's lines wait for it.
    pub(super) fn next(&self, pod: &PodKey, awaits_word: bool) -> Option<StreamKey> {
        let streams = if awaits_word { &[Stream::Health][..] } else { &[Stream::Client, Stream::Health] };
        let keys = streams.iter().map(|stream| (pod.clone(), *stream));
        keys.filter_map(|key| Some((self.first(&key)?.number, key)))
            .min_by_key(|(number, _)| *number)
            .map(|(_, key)| key)
    }

    /// Takes the oldest record of a stream.
    pub(super) fn pop(&mut self, stream: &StreamKey) -> Option<Waiting> {
        let queue = self.streams.get_mut(stream)?;
        self.ranks.remove(&queue.rank());
        let taken = queue.entries.pop_front();
        let bytes = taken.as_ref().map_or(0, |waiting| waiting.entry.bytes());
        queue.bytes -= bytes;
        self.bytes -= bytes;
        if queue.entries.is_empty() {
            self.streams.remove(stream);
        } else {
            self.ranks.insert(queue.rank(), stream.clone());
        }
        taken
    }

    /// Puts back what [`Self::pop`] took, where it was.
    pub(super) fn put_back(&mut self, stream: StreamKey, waiting: Waiting) {
        self.grow(stream, waiting, VecDeque::push_front);
    }

    /// Gives up what has waited too long for a pod that is not known; gives how many.
    pub(super) fn expire(&mut self, now: Timestamp, is_known: impl Fn(&LogEvent) -> bool) -> u64 {
        self.retain(|until, entry| until > now || is_known(&entry.event))
    }

    /// Forgets a shard's records: another reader gets them.
    pub(super) fn drop_shard(&mut self, shard: &Shard) {
        self.retain(|_, entry| entry.event.position.shard != *shard);
    }

    fn retain(&mut self, keep: impl Fn(Timestamp, &Entry) -> bool) -> u64 {
        let before = self.len();
        for queue in self.streams.values_mut() {
            queue.entries.retain(|waiting| keep(waiting.until, &waiting.entry));
            queue.bytes = queue.entries.iter().map(|waiting| waiting.entry.bytes()).sum();
        }
        self.streams.retain(|_, queue| !queue.entries.is_empty());
        self.bytes = self.streams.values().map(|queue| queue.bytes).sum();
        self.ranks = self.streams.iter().map(|(stream, queue)| (queue.rank(), stream.clone())).collect();
        (before - self.len()) as u64
    }

    /// The first record of each shard that waits.
    pub(super) fn needed(&self) -> HashMap<&Shard, u64> {
        let mut needed = HashMap::new();
        for waiting in self.streams.values().flat_map(|queue| &queue.entries) {
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
        Entry { event: Box::new(event(sequence, &"x".repeat(bytes))), received: None, shard: Arc::new(AnyShard) }
    }

    fn pod(uid: &str) -> PodKey {
        PodKey::Uid(uid.into())
    }

    fn key(uid: &str) -> StreamKey {
        (pod(uid), Stream::Client)
    }

    fn push(held: &mut Held, uid: &str, entry: Entry) -> u64 {
        held.push(pod(uid), entry, false, at(60))
    }

    #[test]
    fn of_many_pods_the_one_that_waited_longest_gives_way() {
        let mut held = Held::default();
        let given_up: u64 = (0..20_000).map(|n| push(&mut held, &format!("uid-{n}"), entry(n, 0))).sum();
        assert_eq!((held.len(), given_up), (8_192, 20_000 - 8_192));
        assert!(!held.has(&pod("uid-11807")) && held.has(&pod("uid-11808")) && held.has(&pod("uid-19999")));
        assert_eq!((held.ranks.len(), held.bytes), (8_192, MAX_BYTES));
    }

    #[test]
    fn who_was_looked_at_again_has_not_waited_less() {
        let mut held = Held::default();
        (0..8_192).for_each(|n| {
            push(&mut held, &format!("uid-{n}"), entry(n, 0));
        });
        for pod in held.pods() {
            let taken = held.pop(&(pod.clone(), Stream::Client)).expect("should be there");
            held.put_back((pod, Stream::Client), taken);
        }
        (8_192..8_202).for_each(|n| {
            push(&mut held, &format!("uid-{n}"), entry(n, 0));
        });
        assert_eq!(held.needed().into_values().collect::<Vec<_>>(), [10]);
    }

    #[test]
    fn a_flood_gives_way_before_the_others() {
        let mut held = Held::default();
        push(&mut held, "quiet", entry(1, 10));
        let given_up: u64 = (2..10_002).map(|n| push(&mut held, "loud", entry(n, 100))).sum();
        assert!(held.bytes <= MAX_BYTES && held.len() <= MAX_BYTES / OVERHEAD_BYTES);
        assert_eq!(given_up + held.len() as u64, 10_001);
        assert!(held.has(&pod("quiet")));
        // The newest stay.
        assert_eq!(held.streams[&key("loud")].entries.back().map(|w| w.entry.event.position.sequence), Some(10_001));
        let first = held.pop(&key("quiet")).expect("should be there");
        assert_eq!(first.entry.event.position.sequence, 1);
        assert!(!held.has(&pod("quiet")));
        assert_eq!(held.expire(at(60), |_| true), 0, "what is known is judged");
        assert_eq!(held.expire(at(60), |_| false) + given_up, 10_000);
        assert_eq!((held.len(), held.bytes), (0, 0));
    }
}
