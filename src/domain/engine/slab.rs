//! Values under small numbers that stay: grows by chunks, so that growing never copies what is there.

use std::ops::{Index, IndexMut};

/// How many values a chunk holds.
pub(super) const CHUNK: usize = 256;

#[derive(Debug)]
pub(super) struct Slab<T> {
    chunks: Vec<Box<[Option<T>]>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(super) fn insert(&mut self, value: T) -> u32 {
        if self.free.is_empty() {
            let start = self.places();
            self.chunks.push((0..CHUNK).map(|_| None).collect());
            self.free.extend((number(start)..number(start + CHUNK)).rev());
        }
        let place = self.free.pop().expect("should be free: a chunk was added");
        *self.at(place) = Some(value);
        place
    }

    pub(super) fn remove(&mut self, place: u32) -> T {
        let value = self.at(place).take().expect("should be there");
        self.free.push(place);
        value
    }

    fn at(&mut self, place: u32) -> &mut Option<T> {
        let place = place as usize;
        &mut self.chunks[place / CHUNK][place % CHUNK]
    }

    pub(super) fn len(&self) -> usize {
        self.places() - self.free.len()
    }

    /// Taken or free.
    pub(super) fn places(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    pub(super) fn free(&self) -> usize {
        self.free.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.places() * size_of::<Option<T>>() + self.free.capacity() * size_of::<u32>()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let places = self.chunks.iter().flatten().zip(0..);
        places.filter_map(|(value, place)| Some((place, value.as_ref()?)))
    }

    /// Begins to give chunks back: only places below the result are handed out from now on. What is above must be moved
    /// by [`Self::relocate`] before [`Self::truncate`].
    pub(super) fn condense(&mut self) -> u32 {
        let end = number(self.len().div_ceil(CHUNK) * CHUNK);
        self.free.retain(|place| *place < end);
        self.free.shrink_to_fit();
        end
    }

    /// Moves a value to a free place; none when nothing is there.
    pub(super) fn relocate(&mut self, from: u32) -> Option<u32> {
        let value = self.at(from).take()?;
        let to = self.free.pop().expect("should be free: there are as many places as values");
        *self.at(to) = Some(value);
        Some(to)
    }

    /// Gives back the chunks from `end` on, which are empty.
    pub(super) fn truncate(&mut self, end: u32) {
        self.chunks.truncate(end as usize / CHUNK);
        self.chunks.shrink_to_fit();
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, place: u32) -> &T {
        let place = place as usize;
        self.chunks[place / CHUNK][place % CHUNK].as_ref().expect("should be there")
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, place: u32) -> &mut T {
        self.at(place).as_mut().expect("should be there")
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("should fit: memory is bounded far below 2^32 values")
}
