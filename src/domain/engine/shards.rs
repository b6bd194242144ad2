//! Shards by number, and the oldest line of each that is still needed.

use std::collections::HashMap;

use crate::domain::event::{LineRef, Position, Shard};
use crate::domain::window::{Hit, timestamp};

#[derive(Debug, Default)]
pub(super) struct Shards {
    numbers: HashMap<Shard, u32>,
    names: Vec<Shard>,
    /// By number. Right unless `stale`.
    oldest: Vec<Option<u64>>,
    /// A line that was the oldest may be needed no more.
    stale: bool,
}

impl Shards {
    pub(super) fn number(&mut self, shard: &Shard) -> u32 {
        if let Some(number) = self.numbers.get(shard) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).expect("should fit: sources have few shards");
        self.names.push(shard.clone());
        self.oldest.push(None);
        self.numbers.insert(shard.clone(), number);
        number
    }

    pub(super) fn get(&self, shard: &Shard) -> Option<u32> {
        self.numbers.get(shard).copied()
    }

    pub(super) fn line(&self, hit: Hit) -> LineRef {
        let shard = self.names[hit.shard as usize].clone();
        LineRef { time: timestamp(hit.at), position: Position::new(shard, hit.sequence) }
    }

    pub(super) fn oldest(&self, number: u32) -> Option<u64> {
        self.oldest[number as usize]
    }

    /// A line is needed.
    pub(super) fn need(&mut self, line: Hit) {
        let oldest = &mut self.oldest[line.shard as usize];
        *oldest = Some(oldest.map_or(line.sequence, |oldest| oldest.min(line.sequence)));
    }

    /// A line may be needed no more.
    pub(super) fn release(&mut self, line: Hit) {
        self.stale |= self.oldest[line.shard as usize] == Some(line.sequence);
    }

    pub(super) fn is_stale(&self) -> bool {
        self.stale
    }

    /// Before every needed line is told again.
    pub(super) fn begin_anew(&mut self) {
        self.oldest.fill(None);
        self.stale = false;
    }
}
