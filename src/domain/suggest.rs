//! From lines that no rule knows to drafts of rules: lines of one template are one kind, and each kind is one draft.
//!
//! Leaves judgement to people: every draft is an alert. What is written is tried by the production code before it is given
//! out, so a draft always loads and always fires on its own samples.

mod merge;
mod stub;
pub mod template;

use std::cmp::Reverse;
use std::collections::HashMap;

use super::redact::redact;
use super::rule::Client;
use super::ruleset::{Line, RuleSet};
use template::Template;

/// A sample is no longer than this, in characters.
const MAX_SAMPLE_CHARS: usize = 600;
/// Lines kept of each kind.
const SAMPLES: usize = 3;
/// Known lines kept, to show what a draft must leave alone.
const KNOWN_LINES: usize = 32;
/// So many kinds are kept; beyond them the rarest give way.
const MAX_CLUSTERS: usize = 2048;

/// Lines of one kind.
#[derive(Clone, Debug)]
pub struct Cluster {
    template: Template,
    count: u64,
    samples: Vec<String>,
    /// The number of the first line, so that results do not depend on a map's order.
    first: u64,
}

impl Cluster {
    fn join(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.min(other.first);
        self.samples.extend(other.samples);
        self.samples.truncate(SAMPLES);
    }

    /// How much it looks like a failure, and how frequent it is.
    fn rank(&self) -> (usize, u64) {
        let text = self.samples.first().map(|sample| sample.to_lowercase()).unwrap_or_default();
        (FAILURE_WORDS.iter().filter(|word| text.contains(*word)).count().min(3), self.count)
    }
}

/// Parts of words that failures are told with.
const FAILURE_WORDS: [&str; 30] = [
    "error",
    "fail",
    "cannot",
    "can't",
    "could not",
    "couldn't",
    "unable",
    "denied",
    "refus",
    "timeout",
    "timed out",
    "unreach",
    "reset",
    "invalid",
    "expire",
    "mismatch",
    "abort",
    "fatal",
    "panic",
    "reject",
    "not permitted",
    "lost",
    "disconnect",
    "wrong",
    "missing",
    "exceed",
    "too many",
    "unauthor",
    "forbidden",
    "no such",
];

/// How many drafts are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Kinds with fewer lines are left out.
    pub min_count: u64,
    /// At most so many.
    pub top: usize,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines read, blank ones and continuations not counted.
    pub lines: u64,
    /// Lines that a rule decides.
    pub known: u64,
    /// Lines that no rule decides.
    pub unknown: u64,
    /// Kinds of unknown lines.
    pub clusters: usize,
    /// Lines of kinds that were too rare to be kept while the input was long.
    pub forgotten: u64,
    /// Drafts written.
    pub drafts: usize,
}

/// Gathers lines; its memory does not grow with their number.
#[derive(Debug)]
pub struct Miner<'r> {
    rules: &'r RuleSet,
    client: Client,
    clusters: HashMap<Template, Cluster>,
    known_lines: Vec<String>,
    summary: Summary,
}

impl<'r> Miner<'r> {
    /// A miner of what `rules` do not know of a client's lines.
    pub fn new(rules: &'r RuleSet, client: Client) -> Self {
        Self { rules, client, clusters: HashMap::new(), known_lines: Vec::new(), summary: Summary::default() }
    }

    /// Takes one record: a line as it stands in the log.
    pub fn take(&mut self, record: &str) {
        for (line, rule) in self.rules.decide_record(self.client, record) {
            self.summary.lines += 1;
            if rule.is_none() {
                self.summary.unknown += 1;
                self.gather(line.logical());
            } else {
                self.summary.known += 1;
                if self.known_lines.len() < KNOWN_LINES {
                    let sample = sample_of(line.logical());
                    if !self.known_lines.contains(&sample) {
                        self.known_lines.push(sample);
                    }
                }
            }
        }
    }

    fn gather(&mut self, logical: &str) {
        let sample = sample_of(logical);
        let shown = Line::new(self.client, sample.as_str());
        let text = shown.text();
        let template = Template::of(text);
        let first = self.summary.lines;
        let cluster = self.clusters.entry(template).or_insert_with_key(|template| Cluster {
            template: template.clone(),
            count: 0,
            samples: Vec::new(),
            first,
        });
        cluster.count += 1;
        // Another time on the same text shows nothing new.
        if cluster.samples.len() < SAMPLES && !cluster.samples.iter().any(|known| known.ends_with(text)) {
            cluster.samples.push(sample);
        }
        if self.clusters.len() > MAX_CLUSTERS {
            self.make_room();
        }
    }

    /// First finds names that change, which often is all; then the rarer half gives way.
    fn make_room(&mut self) {
        let mut clusters = merged(std::mem::take(&mut self.clusters));
        if clusters.len() > MAX_CLUSTERS / 2 {
            clusters.sort_by_key(|cluster| (Reverse(cluster.count), cluster.first));
            let rare = clusters.split_off(MAX_CLUSTERS / 2);
            self.summary.forgotten += rare.iter().map(|cluster| cluster.count).sum::<u64>();
        }
        self.clusters = clusters.into_iter().map(|cluster| (cluster.template.clone(), cluster)).collect();
    }

    /// The rule file, and what was found.
    pub fn finish(self, wanted: Wanted) -> (String, Summary) {
        let mut clusters = merged(self.clusters);
        let mut summary = self.summary;
        summary.clusters = clusters.len();
        clusters.sort_by_key(|cluster| {
            let (failure, count) = cluster.rank();
            (Reverse(failure), Reverse(count), cluster.first)
        });
        let drafts = stub::drafts(self.rules, self.client, &clusters, &self.known_lines, wanted);
        summary.drafts = drafts.len();
        (stub::file(self.client, &drafts), summary)
    }
}

fn merged(clusters: HashMap<Template, Cluster>) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = clusters.into_values().collect();
    clusters.sort_by_key(|cluster| cluster.first);
    merge::merge(clusters)
}

/// The line as it may be shown: secrets masked, and short.
fn sample_of(logical: &str) -> String {
    // A secret at the cut would be cut to something that no mask knows: mask first, and scan no more than needed.
    let mut end = logical.len().min(MAX_SAMPLE_CHARS * 8);
    while !logical.is_char_boundary(end) {
        end -= 1;
    }
    redact(&logical[..end]).trim_end().chars().take(MAX_SAMPLE_CHARS).collect()
}

/// Which client wrote these lines: the one whose own rules know most of them.
///
/// None when no rule knows any, or two clients' rules know as many.
pub fn client_of<'l>(rules: &RuleSet, records: impl Iterator<Item = &'l str>) -> Option<Client> {
    let mut known: Vec<(usize, Client)> = Client::SOURCES.into_iter().map(|client| (0, client)).collect();
    for record in records {
        for (count, client) in &mut known {
            let decided = rules.decide_record(*client, record);
            *count += decided.iter().filter(|(_, rule)| rule.is_some_and(|rule| rule.client == *client)).count();
        }
    }
    known.sort_by_key(|(count, _)| Reverse(*count));
    (known[0].0 > known[1].0).then_some(known[0].1)
}

#[cfg(test)]
mod tests;
