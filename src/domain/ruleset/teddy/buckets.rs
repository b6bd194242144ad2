//! Which runs share a bucket: those whose bucket is met at few places more than they are by themselves.

use crate::domain::ruleset::frequency::Frequency;
use crate::domain::ruleset::numbers::small;

/// As many as a byte has bits.
const BUCKETS: usize = 8;

/// Some bytes: all those with one of these lower and one of these upper halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::domain::ruleset) struct Bytes {
    low: u16,
    high: u16,
}

impl Bytes {
    pub(in crate::domain::ruleset) const ANY: Self = Self { low: u16::MAX, high: u16::MAX };

    /// These, and others where halves of two of them make another.
    pub(in crate::domain::ruleset) fn of(bytes: impl IntoIterator<Item = u8>) -> Self {
        let of_one = |byte: u8| Self { low: 1 << (byte & 15), high: 1 << (byte >> 4) };
        bytes.into_iter().map(of_one).fold(Self { low: 0, high: 0 }, Self::or)
    }

    /// Their lower halves.
    pub(super) fn low(self) -> impl Iterator<Item = u8> + Clone {
        halves(self.low)
    }

    /// Their upper halves.
    pub(super) fn high(self) -> impl Iterator<Item = u8> + Clone {
        halves(self.high)
    }

    fn or(self, other: Self) -> Self {
        Self { low: self.low | other.low, high: self.high | other.high }
    }

    /// How often a byte in a log is one of them.
    fn frequency(self) -> f32 {
        let of_high = |high: u8| self.low().map(move |low| Frequency::of_logs().of_byte(high << 4 | low)).sum::<f32>();
        self.high().map(of_high).sum()
    }
}

fn halves(set: u16) -> impl Iterator<Item = u8> + Clone {
    (0..16).filter(move |half| set >> half & 1 == 1)
}

/// Runs that are looked for as one.
#[derive(Clone, Debug)]
pub(super) struct Bucket<const LENGTH: usize> {
    /// The runs' numbers.
    pub(super) members: Vec<u32>,
    /// What any of them may be.
    pub(super) run: [Bytes; LENGTH],
}

impl<const LENGTH: usize> Bucket<LENGTH> {
    fn or(&self, other: &Self) -> Self {
        Self {
            members: [&self.members[..], &other.members].concat(),
            run: std::array::from_fn(|at| self.run[at].or(other.run[at])),
        }
    }

    /// How often it is met, if bytes came alone.
    fn cost(&self) -> f32 {
        self.run.iter().map(|bytes| bytes.frequency()).product()
    }
}

/// Runs in few buckets: two by two those that cost least together.
pub(super) fn of<const LENGTH: usize>(runs: &[[Bytes; LENGTH]]) -> Vec<Bucket<LENGTH>> {
    let mut buckets: Vec<Bucket<LENGTH>> =
        runs.iter().enumerate().map(|(number, run)| Bucket { members: vec![small(number)], run: *run }).collect();
    while buckets.len() > BUCKETS {
        let pairs = (0..buckets.len()).flat_map(|last| (0..last).map(move |first| (first, last)));
        let more = |(first, last): (usize, usize)| {
            let (first, last) = (&buckets[first], &buckets[last]);
            first.or(last).cost() - first.cost() - last.cost()
        };
        let costs = pairs.map(|pair| (more(pair), pair));
        let Some((_, (first, last))) = costs.min_by(|a, b| a.0.total_cmp(&b.0)) else { break };
        let merged = buckets.swap_remove(last);
        buckets[first] = buckets[first].or(&merged);
    }
    buckets
}
