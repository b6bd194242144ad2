//! Which of a pattern's texts the prefilter looks for: those that are rarest in logs, and among the patterns themselves,
//! for what many rules name is what programs print.

use std::collections::HashMap;

use regex::Regex;

use super::{Matcher, NO_BRANCH, Owner};
use crate::domain::ruleset::combined::Combined;
use crate::domain::ruleset::frequency::Frequency;
use crate::domain::ruleset::literal::{self, Literals};
use crate::domain::ruleset::needles::Needles;
use crate::domain::ruleset::numbers::small;
use crate::domain::ruleset::prefilter::{self, Prefilter};
use crate::domain::ruleset::sequence::{self, Branch, Window};
use crate::domain::ruleset::shapes::{self, Shapes};

/// Texts that share so many bytes are taken for alike: enough for two words with what is between them, since words are what
/// many rules have in common. Shorter texts, that share so few.
const SHARED: usize = 8;
const SHARED_BY_SHORT: usize = 4;
/// So many more texts are asked for before a pattern is.
const MAX_BESIDES: usize = 2;

/// What a pattern's matches are found by.
enum Shape {
    /// A text in each branch.
    Branches(Vec<Branch>),
    /// Texts of which each match contains at least one; several such answers, each of them enough.
    Options(Vec<Literals>),
    /// A window in each branch.
    Windows(Vec<(Branch, Window)>),
    Nothing,
}

impl Shape {
    fn of(pattern: &Regex) -> Self {
        let branches = sequence::branches(pattern.as_str());
        let has_text = |branch: &Branch| branch.texts().any(|(_, text)| text.len() >= literal::MIN_BYTES);
        if let Some(branches) = branches.as_ref().filter(|b| b.iter().all(has_text)) {
            return Self::Branches(branches.clone());
        }
        let options = literal::options(pattern.as_str());
        if options.iter().any(|texts| texts.iter().all(|text| text.len() >= prefilter::MEDIUM)) {
            return Self::Options(options);
        }
        let window = |branch: Branch| shapes::rarest(branch.windows()).map(|window| (branch, window));
        let windows: Option<Vec<_>> = branches.and_then(|branches| branches.into_iter().map(window).collect());
        match windows {
            Some(windows) => Self::Windows(windows),
            None if options.is_empty() => Self::Nothing,
            None => Self::Options(options),
        }
    }

    fn for_each_text(&self, each: &mut impl FnMut(&str)) {
        match self {
            Self::Branches(branches) => branches.iter().flat_map(Branch::texts).for_each(|(_, text)| each(&text)),
            Self::Options(options) => options.iter().flatten().for_each(|text| each(text)),
            Self::Windows(_) | Self::Nothing => {}
        }
    }
}

pub(super) fn matcher(patterns: Vec<Option<Regex>>) -> Matcher {
    let shapes: Vec<Option<Shape>> = patterns.iter().map(|pattern| pattern.as_ref().map(Shape::of)).collect();
    let costs = Costs::among(&shapes);
    let mut literals = Numbered::default();
    let (mut branches, mut windows, mut window_owners) = (Vec::new(), Vec::new(), Vec::new());
    let (mut without, mut besides_ascii) = (Vec::new(), Vec::new());
    let mut besides = Vec::with_capacity(patterns.len());
    for ((number, pattern), shape) in (0u32..).zip(&patterns).zip(shapes) {
        let mut own = Vec::new();
        let Some(pattern) = pattern else {
            besides.push(own);
            continue;
        };
        match shape.unwrap_or(Shape::Nothing) {
            Shape::Branches(of_pattern) => {
                for mut branch in of_pattern {
                    branch.look_for(costs.rarest(&branch));
                    literals.add(branch.literal(), Owner { number, branch: small(branches.len()) });
                    branches.push(branch);
                }
            }
            Shape::Options(options) => {
                let mut ranked = costs.ranked(options).into_iter();
                for text in ranked.next().unwrap_or_default() {
                    literals.add(text, Owner { number, branch: NO_BRANCH });
                }
                own = ranked.take(MAX_BESIDES).map(Needles::new).collect();
            }
            Shape::Windows(of_pattern) => {
                for (mut branch, window) in of_pattern {
                    branch.look_for(window.element);
                    window_owners.push(Owner { number, branch: small(branches.len()) });
                    windows.push(window);
                    branches.push(branch);
                }
                besides_ascii.push((number, pattern.clone()));
            }
            Shape::Nothing => without.push((number, pattern.clone())),
        }
        besides.push(own);
    }
    Branch::number(&mut branches);
    let Numbered { texts, owners, .. } = literals;
    Matcher {
        patterns,
        prefilter: Prefilter::new(texts),
        owners: owners.into_iter().collect(),
        shapes: Shapes::new(&windows),
        window_owners: window_owners.into(),
        branches,
        besides,
        beyond_ascii: Combined::new(besides_ascii),
        combined: Combined::new(without),
    }
}

/// Texts, each once.
#[derive(Default)]
struct Numbered {
    numbers: HashMap<String, usize>,
    texts: Vec<String>,
    owners: Vec<Vec<Owner>>,
}

impl Numbered {
    fn add(&mut self, text: String, owner: Owner) {
        let at = *self.numbers.entry(text.clone()).or_insert_with(|| {
            self.texts.push(text);
            self.owners.push(Vec::new());
            self.owners.len() - 1
        });
        self.owners[at].push(owner);
    }
}

/// What looking for a text costs among others.
struct Costs {
    uses: HashMap<Box<[u8]>, f32>,
    texts: f32,
}

impl Costs {
    fn among(shapes: &[Option<Shape>]) -> Self {
        let mut uses: HashMap<Box<[u8]>, f32> = HashMap::new();
        let mut texts = 0.0;
        for shape in shapes.iter().flatten() {
            shape.for_each_text(&mut |text| {
                texts += 1.0;
                for shared in [SHARED_BY_SHORT, SHARED] {
                    text.as_bytes().windows(shared).for_each(|gram| *uses.entry(gram.into()).or_default() += 1.0);
                }
            });
        }
        Self { uses, texts }
    }

    fn of(&self, text: &str) -> f32 {
        let uses = |gram: &[u8]| self.uses.get(gram).copied().unwrap_or(1.0);
        let shared = if text.len() < SHARED { SHARED_BY_SHORT } else { SHARED };
        let shared = text.as_bytes().windows(shared).map(uses).fold(self.texts, f32::min);
        Frequency::of_logs().of_literal(text) + (shared - 1.0) / self.texts
    }

    /// Which of a branch's texts to look for.
    fn rarest(&self, branch: &Branch) -> usize {
        let long = branch.texts().filter(|(_, text)| text.len() >= literal::MIN_BYTES);
        let ranked = long.map(|(at, text)| (at, self.of(&text)));
        ranked.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(at, _)| at)
    }

    /// The answers, best first.
    fn ranked(&self, options: Vec<Literals>) -> Vec<Literals> {
        let mut ranked: Vec<(f32, Literals)> =
            options.into_iter().map(|texts| (texts.iter().map(|text| self.of(text)).sum(), texts)).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        ranked.into_iter().map(|(_, texts)| texts).collect()
    }
}
