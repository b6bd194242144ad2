//! Many short lists, side by side: one that is met costs one place in memory, not one for each list.

use super::numbers::small;

/// Lists, numbered in their order.
#[derive(Debug)]
pub(super) struct Lists<T> {
    items: Box<[T]>,
    /// Where each begins; one more for the end.
    starts: Box<[u32]>,
}

impl<T> Lists<T> {
    #[inline(always)]
    pub(super) fn of(&self, list: usize) -> &[T] {
        &self.items[self.starts[list] as usize..self.starts[list + 1] as usize]
    }
}

impl<T, L: IntoIterator<Item = T>> FromIterator<L> for Lists<T> {
    fn from_iter<I: IntoIterator<Item = L>>(lists: I) -> Self {
        let (mut items, mut starts) = (Vec::new(), vec![0]);
        for list in lists {
            items.extend(list);
            starts.push(small(items.len()));
        }
        Self { items: items.into(), starts: starts.into() }
    }
}
