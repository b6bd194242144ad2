//! All pods and their open windows, within a bound of bytes: what was used longest ago is given up first.
//!
//! Everything is numbers in slabs and lists through them, so that a flood costs constant time a line. What a line means
//! is the engine's affair.

mod bounds;
mod lookup;

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::list::{Links, List};
use super::pod::{NotBefore, Pod};
use super::shards::Shards;
use super::slab::Slab;
use super::uid::Uid;
use crate::domain::event::{HopIdentity, Shard};
use crate::domain::rule::Rule;
use crate::domain::types::Evidence;
use crate::domain::window::{Hit, Window, nanos, span};
pub use bounds::Limits;

/// One open window with its place in the lists.
#[derive(Debug)]
struct Slot {
    window: Window,
    pod: u32,
    rule: u32,
    by_use: Links,
    of_pod: Links,
}

// Two lines included. What it comes to with the index and the pod: tests/window_memory.rs measures it.
const _: () = assert!(size_of::<Option<Slot>>() == 64);

fn by_use(slot: &mut Slot) -> &mut Links {
    &mut slot.by_use
}

fn of_pod(slot: &mut Slot) -> &mut Links {
    &mut slot.of_pod
}

fn pod_by_use(pod: &mut Pod) -> &mut Links {
    &mut pod.by_use
}

#[derive(Debug, Default)]
pub(super) struct Store {
    limits: Limits,
    slots: Slab<Slot>,
    by_use: List,
    /// From pod and rule to the slot, for pods with more than a few windows.
    index: HashTable<u32>,
    /// What windows of many lines take besides.
    heap_bytes: usize,
    pods: Slab<Pod>,
    /// From a UID to the pod.
    by_uid: HashTable<u32>,
    /// Pods by use: those that spoke within ten minutes, and the others.
    speaking: List,
    quiet: List,
    /// Grows with each expiry of windows after which pods are used.
    tick: u32,
    /// Pods were used in this tick: they may have written something since windows were last expired.
    is_used: bool,
    /// When ticks ended, from the oldest that matters.
    idle: VecDeque<(u32, i64)>,
    pub(super) shards: Shards,
    hasher: RandomState,
    evicted: u64,
}

impl Store {
    /// The pod's number; its state is empty when its parameters were applied anew.
    pub(super) fn pod(&mut self, hop: &HopIdentity) -> u32 {
        if !std::mem::replace(&mut self.is_used, true) {
            self.tick += 1;
        }
        let applied_at = nanos(hop.applied_at);
        // Half of it will do: only parameters of one pod and one time are told apart by it.
        let parameters = (self.hasher.hash_one((&hop.candidate, &hop.plan_id)) >> 32) as u32;
        let uid = Uid::new(&hop.pod_uid);
        let pods = &self.pods;
        let known = self.by_uid.find(self.hasher.hash_one(&uid), |number| pods[*number].uid == uid).copied();
        let number = known.unwrap_or_else(|| self.add_pod(Pod::new(uid, parameters, applied_at)));
        if !self.pods[number].has(parameters, applied_at) {
            self.close_all(number);
            self.pods[number].renew(parameters, applied_at);
        }
        let quiet = std::mem::take(&mut self.pods[number].quiet);
        if quiet {
            self.quiet.remove(&mut self.pods, pod_by_use, number);
            self.speaking.push(&mut self.pods, pod_by_use, number);
        }
        self.speaking.move_to_newest(&mut self.pods, pod_by_use, number);
        self.pods[number].used = self.tick;
        number
    }

    fn add_pod(&mut self, pod: Pod) -> u32 {
        if self.pods.len() >= self.limits.pods
            && let Some(oldest) = self.quiet.oldest().or(self.speaking.oldest())
        {
            self.evicted += self.windows_of(oldest).len() as u64;
            self.remove_pod(oldest);
        }
        let number = self.pods.insert(pod);
        self.speaking.push(&mut self.pods, pod_by_use, number);
        let (pods, hasher) = (&self.pods, &self.hasher);
        let hash_of = |number: &u32| hasher.hash_one(&pods[*number].uid);
        self.by_uid.insert_unique(hash_of(&number), number, hash_of);
        number
    }

    fn remove_pod(&mut self, number: u32) {
        self.close_all(number);
        let list = if self.pods[number].quiet { &mut self.quiet } else { &mut self.speaking };
        list.remove(&mut self.pods, pod_by_use, number);
        let pod = self.pods.remove(number);
        if let Ok(entry) = self.by_uid.find_entry(self.hasher.hash_one(&pod.uid), |other| *other == number) {
            entry.remove();
        }
    }

    pub(super) fn get(&mut self, pod: u32) -> &mut Pod {
        &mut self.pods[pod]
    }

    /// The pod wrote a line that counts as a sign of its life.
    pub(super) fn saw(&mut self, number: u32, at: i64) {
        let pod = &mut self.pods[number];
        pod.newest = pod.newest.max(at);
        pod.spoke = true;
    }

    /// Counts a line; gives the window's first line when the rule fires.
    pub(super) fn count(&mut self, pod: u32, number: u32, rule: &Rule, hit: Hit) -> Option<Hit> {
        let place = self.window(pod, number);
        let first = self.change(place, |window| window.count(&rule.threshold, hit));
        let ends = NotBefore::new(self.slots[place].window.ends_at(&rule.threshold));
        self.pods[pod].ends = self.pods[pod].ends.min(ends);
        self.relieve(place);
        first
    }

    /// A rule fired for another reader.
    pub(super) fn remember(&mut self, pod: u32, number: u32, first: i64, until: i64) {
        let place = self.window(pod, number);
        self.change(place, |window| window.remember(first, until));
        self.pods[pod].ends = self.pods[pod].ends.min(NotBefore::new(until));
        self.relieve(place);
    }

    /// A line has come that a rule expects.
    pub(super) fn expect(&mut self, pod: u32, number: u32, absent: i64, hit: Hit) {
        let place = self.window(pod, number);
        self.change(place, |window| window.expect(hit));
        let misses = NotBefore::new(self.slots[place].window.missed_from(absent));
        self.pods[pod].misses = self.pods[pod].misses.min(misses);
        self.relieve(place);
    }

    /// The rules whose line has not come for too long, with the last that did. Besides, how many are not told since a
    /// fault inside the pod explains them.
    pub(super) fn missed(&mut self, number: u32, rules: &[Rule], at: i64) -> (Vec<(u32, Hit)>, u64) {
        let (mut missed, mut explained) = (Vec::new(), 0);
        if !self.pods[number].misses.is_due(at) {
            return (missed, explained);
        }
        let is_explained = self.pods[number].is_explained(at);
        let mut next = i64::MAX;
        for place in self.windows_of(number) {
            let rule_number = self.slots[place].rule;
            let rule = &rules[rule_number as usize];
            let Some(absent) = rule.absent.map(span) else { continue };
            let from = self.slots[place].window.missed_from(absent);
            if at < from || (is_explained && rule.evidence == Evidence::Path) {
                explained += u64::from(at >= from);
                next = next.min(from);
            } else if let Some(last) = self.change(place, |window| window.miss(absent, at)) {
                let ends = NotBefore::new(self.slots[place].window.wait_ends_at());
                self.pods[number].ends = self.pods[number].ends.min(ends);
                missed.push((rule_number, last));
            }
        }
        self.pods[number].misses = NotBefore::new(next);
        (missed, explained)
    }

    /// The tunnel worked: lines before are history. An expected line is not: nobody saw it again.
    pub(super) fn recover(&mut self, number: u32, rules: &[Rule], at: i64) {
        self.pods[number].recovered(at);
        for place in self.windows_of(number) {
            if rules[self.slots[place].rule as usize].absent.is_none()
                && !self.change(place, |window| window.settle(at))
            {
                self.close(place);
            }
        }
    }

    pub(super) fn open_windows(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    /// The oldest counted line of a shard that a replay would need.
    pub(super) fn needed_from(&mut self, shard: &Shard) -> Option<u64> {
        let number = self.shards.get(shard)?;
        if self.shards.is_stale() {
            // One pass over the slab for all shards, at most once between two changes of an oldest line.
            self.shards.begin_anew();
            for (_, slot) in self.slots.iter() {
                slot.window.needed().for_each(|hit| self.shards.need(hit));
            }
        }
        self.shards.oldest(number)
    }

    pub(super) fn drop_shard(&mut self, shard: &Shard) {
        let Some(number) = self.shards.get(shard) else { return };
        let of_shard = self.slots.iter().filter(|(_, slot)| slot.window.is_of_shard(number));
        let places: Vec<u32> = of_shard.map(|(place, _)| place).collect();
        places.into_iter().for_each(|place| self.close(place));
    }

    pub(super) fn keep_pods(&mut self, is_there: impl Fn(&str) -> bool) {
        let gone = self.pods.iter().filter(|(_, pod)| !is_there(&pod.uid.text())).map(|(number, _)| number);
        let gone: Vec<u32> = gone.collect();
        gone.into_iter().for_each(|number| self.remove_pod(number));
    }

    /// Other rules: gives for each present rule's number the new one, or none where its windows are to be dropped.
    pub(super) fn renumber(&mut self, new: &[Option<u32>]) -> usize {
        let before = self.slots.len();
        let places: Vec<u32> = self.slots.iter().map(|(place, _)| place).collect();
        for place in &places {
            if new[self.slots[*place].rule as usize].is_none() {
                self.close(*place);
            }
        }
        self.index.clear();
        let kept: Vec<(u32, u32)> = self.slots.iter().map(|(place, slot)| (place, slot.rule)).collect();
        for (place, rule) in kept {
            self.slots[place].rule = new[rule as usize].expect("should be kept: the others were closed");
        }
        let indexed = self.slots.iter().filter(|(_, slot)| self.pods[slot.pod].is_indexed).map(|(place, _)| place);
        let indexed: Vec<u32> = indexed.collect();
        indexed.into_iter().for_each(|place| self.enter(place));
        before - self.slots.len()
    }

    fn windows_of(&mut self, pod: u32) -> Vec<u32> {
        self.pods[pod].windows.list().places(&mut self.slots, of_pod)
    }

    fn change_list(&mut self, pod: u32, change: impl FnOnce(&mut List, &mut Slab<Slot>)) {
        let mut list = self.pods[pod].windows.list();
        change(&mut list, &mut self.slots);
        self.pods[pod].windows = list.newest();
    }

    /// The window of a pod and rule, as the one used last.
    fn window(&mut self, pod: u32, rule: u32) -> u32 {
        if let Some(place) = self.find(pod, rule) {
            self.by_use.move_to_newest(&mut self.slots, by_use, place);
            return place;
        }
        self.make_room();
        let slot = Slot { window: Window::default(), pod, rule, by_use: Links::default(), of_pod: Links::default() };
        let place = self.slots.insert(slot);
        self.by_use.push(&mut self.slots, by_use, place);
        self.change_list(pod, |list, slots| list.push(slots, of_pod, place));
        self.added(pod, place);
        place
    }

    /// Changes a window, and with it what is needed and how much memory is taken.
    fn change<T>(&mut self, place: u32, change: impl FnOnce(&mut Window) -> T) -> T {
        self.releases(place);
        let window = &mut self.slots[place].window;
        self.heap_bytes -= window.heap_bytes();
        let result = change(window);
        self.heap_bytes += window.heap_bytes();
        self.needs(place);
        result
    }

    fn needs(&mut self, place: u32) {
        self.slots[place].window.needed().for_each(|hit| self.shards.need(hit));
    }

    fn releases(&mut self, place: u32) {
        self.slots[place].window.needed().for_each(|hit| self.shards.release(hit));
    }

    fn close(&mut self, place: u32) {
        self.releases(place);
        let slot = &self.slots[place];
        let (pod, rule) = (slot.pod, slot.rule);
        self.heap_bytes -= slot.window.heap_bytes();
        self.leave(pod, rule, place);
        self.by_use.remove(&mut self.slots, by_use, place);
        self.change_list(pod, |list, slots| list.remove(slots, of_pod, place));
        self.slots.remove(place);
        // When the last one goes the pod's next few need no index again.
        self.pods[pod].is_indexed &= self.pods[pod].windows.list().first().is_some();
    }

    fn close_all(&mut self, pod: u32) {
        self.windows_of(pod).into_iter().for_each(|place| self.close(place));
        (self.pods[pod].ends, self.pods[pod].misses) = (NotBefore::NEVER, NotBefore::NEVER);
    }
}
