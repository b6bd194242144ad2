//! Patterns that require no literal: all of them in a few automata, instead of one search for each.
//!
//! The automata are built lazily and in bounded memory. Where one would need more, or meets what it cannot decide, its
//! patterns are tried one by one: slower, never wrong.

use std::panic::{RefUnwindSafe, UnwindSafe};

use regex::Regex;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::pool::Pool;
use regex_automata::{Anchored, Input, MatchKind, PatternSet};
use regex_syntax::hir::Look;

/// More patterns in one automaton would have too many states in common text.
const GROUP: usize = 64;
/// What an automaton's states may take, for each thread that matches.
const CACHE_BYTES: usize = 4 * 1024 * 1024;
/// After so many times of starting afresh, an automaton that gets little done in between is given up for that line.
const FRESH_STARTS: usize = 4;
const MIN_BYTES_PER_STATE: usize = 16;

type Caches = Pool<Cache, Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>>;

/// The automata.
#[derive(Debug, Default)]
pub(super) struct Combined {
    groups: Vec<Group>,
    /// Patterns that no automaton takes.
    alone: Vec<(u32, Regex)>,
}

#[derive(Debug)]
struct Group {
    dfa: DFA,
    caches: Caches,
    anchored: Anchored,
    members: Vec<(u32, Regex)>,
}

impl Combined {
    /// Compiles numbered patterns.
    pub(super) fn new(patterns: Vec<(u32, Regex)>) -> Self {
        let (anchored, floating): (Vec<_>, Vec<_>) =
            patterns.into_iter().partition(|(_, pattern)| is_anchored(pattern.as_str()));
        let mut combined = Self::default();
        for (members, mode) in [(anchored, Anchored::Yes), (floating, Anchored::No)] {
            for members in members.chunks(GROUP) {
                match Group::new(members.to_vec(), mode) {
                    Ok(group) => combined.groups.push(group),
                    Err(members) => combined.alone.extend(members),
                }
            }
        }
        combined
    }

    /// True when there is no pattern.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.alone.is_empty()
    }

    /// Calls `found` with the number of each pattern that matches, in no order.
    pub(super) fn matching(&self, text: &str, mut found: impl FnMut(u32)) {
        for group in &self.groups {
            group.matching(text, &mut found);
        }
        one_by_one(&self.alone, text, &mut found);
    }
}

impl Group {
    /// The members back when they make no automaton.
    fn new(members: Vec<(u32, Regex)>, anchored: Anchored) -> Result<Self, Vec<(u32, Regex)>> {
        let texts: Vec<&str> = members.iter().map(|(_, pattern)| pattern.as_str()).collect();
        let config = DFA::config()
            .match_kind(MatchKind::All)
            .unicode_word_boundary(true)
            .cache_capacity(CACHE_BYTES)
            .minimum_cache_clear_count(Some(FRESH_STARTS))
            .minimum_bytes_per_state(Some(MIN_BYTES_PER_STATE));
        let Ok(dfa) = DFA::builder().configure(config).build_many(&texts) else { return Err(members) };
        let for_cache = dfa.clone();
        let caches: Caches = Pool::new(Box::new(move || for_cache.create_cache()));
        Ok(Self { dfa, caches, anchored, members })
    }

    fn matching(&self, text: &str, found: &mut impl FnMut(u32)) {
        let input = Input::new(text).anchored(self.anchored);
        let mut cache = self.caches.get();
        // Nearly every line matches none, which this tells at the pace of the automaton's inner loop.
        match self.dfa.try_search_fwd(&mut cache, &input.clone().earliest(true)) {
            Ok(None) => return,
            Ok(Some(_)) => {}
            Err(_) => return one_by_one(&self.members, text, found),
        }
        let mut which = PatternSet::new(self.members.len());
        if self.dfa.try_which_overlapping_matches(&mut cache, &input, &mut which).is_err() {
            return one_by_one(&self.members, text, found);
        }
        which.iter().for_each(|pattern| found(self.members[pattern.as_usize()].0));
    }
}

fn one_by_one(members: &[(u32, Regex)], text: &str, found: &mut impl FnMut(u32)) {
    members.iter().filter(|(_, pattern)| pattern.is_match(text)).for_each(|(number, _)| found(*number));
}

fn is_anchored(pattern: &str) -> bool {
    regex_syntax::Parser::new().parse(pattern).is_ok_and(|hir| hir.properties().look_set_prefix().contains(Look::Start))
}
