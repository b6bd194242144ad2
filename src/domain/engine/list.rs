//! Doubly linked lists through the values of a slab: the order of use, in constant time and without memory of its own.

use super::slab::Slab;

/// No place.
const NONE: u32 = u32::MAX;

/// A value's neighbours in one list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    newer: u32,
    older: u32,
}

impl Links {
    pub(super) fn older(self) -> Option<u32> {
        (self.older != NONE).then_some(self.older)
    }
}

impl Default for Links {
    fn default() -> Self {
        Self { newer: NONE, older: NONE }
    }
}

/// Where a kind of value keeps its links for one of its lists.
pub(super) type In<T> = fn(&mut T) -> &mut Links;

#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    newest: u32,
    oldest: u32,
}

impl Default for List {
    fn default() -> Self {
        Self { newest: NONE, oldest: NONE }
    }
}

/// A list of which only the newest is kept: half the size, where nobody asks for the oldest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newest(u32);

impl Default for Newest {
    fn default() -> Self {
        Self(NONE)
    }
}

impl Newest {
    /// The list, to be changed and kept by [`List::newest`].
    pub(super) fn list(self) -> List {
        List { newest: self.0, oldest: NONE }
    }
}

impl List {
    pub(super) fn newest(&self) -> Newest {
        Newest(self.newest)
    }

    /// The newest place: what was used last.
    pub(super) fn first(&self) -> Option<u32> {
        (self.newest != NONE).then_some(self.newest)
    }

    pub(super) fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// The places from the newest to the oldest. The list must not change meanwhile.
    pub(super) fn places<T>(&self, slab: &mut Slab<T>, of: In<T>) -> Vec<u32> {
        let mut places = Vec::new();
        let mut next = self.newest;
        while next != NONE {
            places.push(next);
            next = of(&mut slab[next]).older;
        }
        places
    }

    /// The newest place whose value is the one that is looked for.
    pub(super) fn find<T>(&self, slab: &mut Slab<T>, of: In<T>, is_it: impl Fn(&T) -> bool) -> Option<u32> {
        let mut next = self.first();
        while let Some(place) = next.filter(|place| !is_it(&slab[*place])) {
            next = of(&mut slab[place]).older();
        }
        next
    }

    pub(super) fn push<T>(&mut self, slab: &mut Slab<T>, of: In<T>, place: u32) {
        *of(&mut slab[place]) = Links { newer: NONE, older: self.newest };
        self.set_newer(slab, of, self.newest, place);
        self.newest = place;
    }

    pub(super) fn remove<T>(&mut self, slab: &mut Slab<T>, of: In<T>, place: u32) {
        let Links { newer, older } = std::mem::take(of(&mut slab[place]));
        self.set_older(slab, of, newer, older);
        self.set_newer(slab, of, older, newer);
    }

    pub(super) fn move_to_newest<T>(&mut self, slab: &mut Slab<T>, of: In<T>, place: u32) {
        if self.newest != place {
            self.remove(slab, of, place);
            self.push(slab, of, place);
        }
    }

    /// A value of the list was moved within the slab, with its links.
    pub(super) fn relocated<T>(&mut self, slab: &mut Slab<T>, of: In<T>, to: u32) {
        let Links { newer, older } = *of(&mut slab[to]);
        self.set_older(slab, of, newer, to);
        self.set_newer(slab, of, older, to);
    }

    /// Sets what is older than `place`, or than nothing: the newest of all.
    fn set_older<T>(&mut self, slab: &mut Slab<T>, of: In<T>, place: u32, older: u32) {
        if place == NONE {
            self.newest = older;
        } else {
            of(&mut slab[place]).older = older;
        }
    }

    fn set_newer<T>(&mut self, slab: &mut Slab<T>, of: In<T>, place: u32, newer: u32) {
        if place == NONE {
            self.oldest = newer;
        } else {
            of(&mut slab[place]).newer = newer;
        }
    }
}
