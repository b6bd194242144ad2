//! Finds short runs of bytes at every place of a text, sixty-four places at once: Hyperscan's "Teddy".
//!
//! Each byte of a run is told by a table for its lower and one for its upper half, in which a bit stands for one of eight
//! buckets; where all tables agree on a bit, a run of that bucket may stand. Eight buckets tell only few runs apart, but at
//! a pace that no look at single places reaches. Whether a run stands there is for others to tell.

mod buckets;

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, u8x16, u8x64};

pub(super) use buckets::Bytes;

use super::lists::Lists;

/// Places that are looked at together.
const BLOCK: usize = 64;
/// So many hits are kept before they are told; those of one block more have room.
const HITS: usize = 64;

/// Runs of so many bytes.
#[derive(Debug)]
pub(super) struct Teddy<const LENGTH: usize> {
    level: Level,
    tables: Box<[Table; LENGTH]>,
    /// The runs in each bucket.
    buckets: Lists<u32>,
}

/// For each half of a byte the buckets that it may be of.
#[derive(Clone, Copy, Debug, Default)]
struct Table {
    low: [u8; 16],
    high: [u8; 16],
}

/// Places where a run of some of the buckets may stand.
struct Hits {
    hits: [(u32, u8); HITS + BLOCK],
    length: usize,
}

/// The processor's vectors, if they can look bytes up in tables; without that they are of no use here.
pub(super) fn level() -> Option<Level> {
    let level = Level::new();
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    let has_tables = level.as_sse4_2().is_some();
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
    let has_tables = !level.is_fallback();
    has_tables.then_some(level)
}

impl<const LENGTH: usize> Teddy<LENGTH> {
    /// Compiles runs.
    pub(super) fn new(level: Level, runs: &[[Bytes; LENGTH]]) -> Self {
        let buckets = buckets::of(runs);
        let mut tables = Box::new([Table::default(); LENGTH]);
        for (number, bucket) in buckets.iter().enumerate() {
            for (table, bytes) in tables.iter_mut().zip(bucket.run) {
                bytes.low().for_each(|half| table.low[usize::from(half)] |= 1 << number);
                bytes.high().for_each(|half| table.high[usize::from(half)] |= 1 << number);
            }
        }
        Self { level, tables, buckets: buckets.into_iter().map(|bucket| bucket.members).collect() }
    }

    /// Calls `found` with the number of each run and where it may stand, in the order of the places. Behind the text there
    /// are ends of lines.
    #[inline(always)]
    pub(super) fn find(&self, text: &[u8], mut found: impl FnMut(usize, usize)) {
        let mut tell = |hits: &Hits, offset: usize| {
            for (place, buckets) in &hits.hits[..hits.length] {
                let mut buckets = *buckets;
                while buckets != 0 {
                    let runs = self.buckets.of(buckets.trailing_zeros() as usize);
                    runs.iter().for_each(|run| found(*run as usize, offset + *place as usize));
                    buckets &= buckets - 1;
                }
            }
        };
        let mut hits = Hits { hits: [(0, 0); HITS + BLOCK], length: 0 };
        let mut at = 0;
        while at + BLOCK + LENGTH <= text.len() {
            let length = self.scan(&text[at..], &mut hits);
            tell(&hits, at);
            at += length;
        }
        let mut rest = [b'\n'; 3 * BLOCK];
        let length = text.len() - at;
        rest[..length].copy_from_slice(&text[at..]);
        self.scan(&rest[..length.next_multiple_of(BLOCK) + LENGTH], &mut hits);
        tell(&hits, at);
    }

    /// Takes hits until there are enough; returns how much of the text is done with. A block with no run's length behind
    /// it is left.
    #[inline(never)]
    fn scan(&self, text: &[u8], hits: &mut Hits) -> usize {
        dispatch!(self.level, simd => scan(simd, &self.tables, text, hits))
    }
}

#[inline(always)]
fn scan<S: Simd, const LENGTH: usize>(simd: S, tables: &[Table; LENGTH], text: &[u8], hits: &mut Hits) -> usize {
    let (none, half) = (u8x64::splat(simd, 0), u8x64::splat(simd, 15));
    let (mut low, mut high) = ([none; LENGTH], [none; LENGTH]);
    for (at, table) in tables.iter().enumerate() {
        low[at] = u8x64::block_splat(u8x16::from_slice(simd, &table.low));
        high[at] = u8x64::block_splat(u8x16::from_slice(simd, &table.high));
    }
    hits.length = 0;
    let mut start = 0;
    while hits.length < HITS
        && let Some(block) = text.get(start..start + BLOCK + LENGTH)
    {
        let mut buckets = u8x64::splat(simd, u8::MAX);
        for at in 0..LENGTH {
            let bytes = u8x64::from_slice(simd, &block[at..at + BLOCK]);
            buckets &= low[at].swizzle_dyn_within_blocks(bytes & half);
            buckets &= high[at].swizzle_dyn_within_blocks(bytes >> 4);
        }
        let mut places = !buckets.simd_eq(none).to_bitmask();
        if places != 0 {
            let mut of_place = [0; BLOCK];
            buckets.store_slice(&mut of_place);
            while places != 0 {
                let place = places.trailing_zeros() as usize;
                hits.hits[hits.length] = ((start + place) as u32, of_place[place]);
                hits.length += 1;
                places &= places - 1;
            }
        }
        start += BLOCK;
    }
    start
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_run_is_found_at_every_place_on_whatever_processor(
            runs in prop::collection::vec("[a-d][a-dé][b-e]", 1..24),
            text in "[a-e\n]{0,300}",
        ) {
            let runs: Vec<[u8; 3]> = runs.iter().map(|run| *run.as_bytes().first_chunk().expect("should be three")).collect();
            let bytes: Vec<[Bytes; 3]> = runs.iter().map(|run| run.map(|byte| Bytes::of([byte]))).collect();
            for level in [Level::new(), Level::baseline()] {
                let mut found = Vec::new();
                Teddy::new(level, &bytes).find(text.as_bytes(), |run, at| found.push((at, run)));
                prop_assert!(found.is_sorted_by_key(|(at, _)| *at));
                for (at, here) in text.as_bytes().windows(3).enumerate() {
                    for (run, _) in runs.iter().enumerate().filter(|(_, run)| here == *run) {
                        prop_assert!(found.contains(&(at, run)), "{} at {}", run, at);
                    }
                }
            }
        }
    }

    #[test]
    fn a_run_in_a_bucket_of_its_own_is_found_only_where_it_stands() {
        let Some(level) = level() else { return };
        let runs = ["abcd", "bcda", "cdab", "dabc"];
        let bytes = runs.map(|run| std::array::from_fn(|at| Bytes::of([run.as_bytes()[at]])));
        let mut found = Vec::new();
        Teddy::<4>::new(level, &bytes).find(b"xxabcdaxcdab", |run, at| found.push((runs[run], at)));
        assert_eq!(found, [("abcd", 2), ("bcda", 3), ("cdab", 8)]);
    }
}
