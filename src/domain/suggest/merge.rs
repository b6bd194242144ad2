//! Finds words that change though they look like the program's own: names of hosts, users, interfaces.
//!
//! Where many templates differ in the same single word, and in nothing else, that word is no part of the message.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Cluster;
use super::template::{Class, Piece, Template};

/// Two or three words in one place are the program's choice ("open", "close"); so many are names.
const NAMES: usize = 4;

/// Merges clusters whose templates differ in one word.
pub(super) fn merge(clusters: Vec<Cluster>) -> Vec<Cluster> {
    let mut groups: HashMap<(usize, u64), Vec<usize>> = HashMap::new();
    for (index, cluster) in clusters.iter().enumerate() {
        for place in changeable(&cluster.template) {
            groups.entry((place, without(&cluster.template, place))).or_default().push(index);
        }
    }
    // Large groups first; a cluster joins only one. The order among equals is that of the input, so runs agree.
    let mut groups: Vec<((usize, u64), Vec<usize>)> = groups.into_iter().collect();
    groups.sort_by(|(place, members), (other_place, others)| {
        others.len().cmp(&members.len()).then_with(|| (members, place).cmp(&(others, other_place)))
    });
    let mut clusters: Vec<Option<Cluster>> = clusters.into_iter().map(Some).collect();
    let mut merged = Vec::with_capacity(clusters.len());
    for ((place, _), members) in groups {
        let free: Vec<usize> = members.into_iter().filter(|member| clusters[*member].is_some()).collect();
        let known = |index: &usize| {
            let template = clusters[*index].as_ref().map(|cluster| &cluster.template.0[place]);
            template == Some(&Piece::Change(Class::Word))
        };
        if free.len() < 2 || (free.len() < NAMES && !free.iter().any(known)) {
            continue;
        }
        let mut taken = free.into_iter().filter_map(|member| clusters[member].take());
        if let Some(mut first) = taken.next() {
            taken.for_each(|other| first.join(other));
            first.template.0[place] = Piece::Change(Class::Word);
            merged.push(first);
        }
    }
    merged.extend(clusters.into_iter().flatten());
    merged.sort_by_key(|cluster| cluster.first);
    merged
}

/// Places of single words, but not the first one: it names the message.
fn changeable(template: &Template) -> impl Iterator<Item = usize> {
    template
        .0
        .iter()
        .enumerate()
        .skip(1)
        .filter(|(_, piece)| match piece {
            Piece::Text(text) => text.chars().any(char::is_alphanumeric),
            Piece::Change(class) => *class == Class::Word,
        })
        .map(|(place, _)| place)
}

fn without(template: &Template, place: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    template.0[..place].hash(&mut hasher);
    template.0[place + 1..].hash(&mut hasher);
    hasher.finish()
}
