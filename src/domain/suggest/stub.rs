//! Writes kinds of lines down as a rule file, and tries it by the code that loads and tests rule files.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::template::Piece;
use super::{Cluster, Wanted};
use crate::domain::rule::Client;
use crate::domain::rule::file::Strictness;
use crate::domain::ruleset::{RuleSet, pack};

/// Longer titles are cut.
const MAX_TITLE_CHARS: usize = 120;
/// Words of a rule's id.
const ID_WORDS: usize = 5;

/// A draft of a rule.
#[derive(Debug)]
pub(super) struct Draft {
    id: String,
    title: String,
    pattern: String,
    count: u64,
    fires: Vec<String>,
    silent: Vec<String>,
    /// Of its own words, to find the nearest other lines.
    words: BTreeSet<String>,
}

/// The drafts that load, keep their samples and leave alone what is known, the most urgent first.
pub(super) fn drafts(
    rules: &RuleSet,
    client: Client,
    clusters: &[Cluster],
    known: &[String],
    wanted: Wanted,
) -> Vec<Draft> {
    let mut ids: BTreeSet<String> = rules.rules().iter().map(|rule| rule.id.to_string()).collect();
    // A user's rules come before the shipped ones: a draft must not take their lines away.
    let samples = rules.rules().iter().filter(|rule| rule.client.reads(client)).flat_map(|rule| &rule.samples.fires);
    let decided: Vec<&String> = samples.chain(known).collect();
    let mut drafts: Vec<Draft> = Vec::new();
    let eligible =
        clusters.iter().filter(|cluster| cluster.count >= wanted.min_count && cluster.template.longest_word() >= 3);
    for cluster in eligible {
        if drafts.len() >= wanted.top {
            break;
        }
        let draft = Draft {
            id: unused_id(client, cluster, &mut ids),
            title: shortened(&cluster.template.title()),
            pattern: cluster.template.pattern(),
            count: cluster.count,
            fires: cluster.samples.clone(),
            silent: Vec::new(),
            words: words(cluster),
        };
        // Alone it must load and know its own lines.
        let Some(alone) = load(client, std::slice::from_ref(&draft)) else { continue };
        let takes = |line: &&String| alone.decide_record(client, line).iter().any(|(_, rule)| rule.is_some());
        if alone.check_samples().is_empty() && !decided.iter().any(takes) {
            drafts.push(draft);
        }
    }
    add_silent(client, &mut drafts, clusters, known);
    without_shadowed(client, drafts)
}

fn shortened(title: &str) -> String {
    match title.char_indices().nth(MAX_TITLE_CHARS) {
        Some((end, _)) => format!("{}…", title[..end].trim_end()),
        None => title.to_owned(),
    }
}

/// To each draft the lines nearest to its own that it leaves alone.
fn add_silent(client: Client, drafts: &mut [Draft], clusters: &[Cluster], known: &[String]) {
    let others: Vec<(BTreeSet<String>, &String)> = clusters
        .iter()
        .filter_map(|cluster| cluster.samples.first().map(|sample| (words(cluster), sample)))
        .chain(known.iter().map(|line| (line.split_whitespace().map(str::to_lowercase).collect(), line)))
        .collect();
    for draft in drafts {
        let Some(rules) = load(client, std::slice::from_ref(draft)) else { continue };
        let mut near: Vec<(usize, &String)> =
            others.iter().map(|(words, line)| (words.intersection(&draft.words).count(), *line)).collect();
        near.sort_by_key(|(shared, _)| std::cmp::Reverse(*shared));
        let left_alone = near.into_iter().map(|(_, line)| line).find(|line| {
            let decided = rules.decide_record(client, line);
            !decided.is_empty() && decided.iter().all(|(_, rule)| rule.is_none())
        });
        draft.silent.extend(left_alone.cloned());
    }
}

/// Where an earlier draft knows a later one's lines as well, the later one is not needed.
fn without_shadowed(client: Client, mut drafts: Vec<Draft>) -> Vec<Draft> {
    loop {
        let Some(rules) = load(client, &drafts) else { return Vec::new() };
        let wrong: BTreeSet<String> = rules.check_samples().iter().map(|sample| sample.rule.to_string()).collect();
        if wrong.is_empty() {
            return drafts;
        }
        drafts.retain(|draft| !wrong.contains(&draft.id));
    }
}

fn load(client: Client, drafts: &[Draft]) -> Option<RuleSet> {
    pack::load([("draft.yaml", file(client, drafts).as_str())], Strictness::User).ok()
}

fn words(cluster: &Cluster) -> BTreeSet<String> {
    let texts = cluster.template.0.iter().filter_map(|piece| match piece {
        Piece::Text(text) if !text.trim().is_empty() => Some(text.to_lowercase()),
        _ => None,
    });
    texts.collect()
}

/// The client's name and the first words of the line.
fn unused_id(client: Client, cluster: &Cluster, ids: &mut BTreeSet<String>) -> String {
    let title = cluster.template.0.iter().filter_map(|piece| match piece {
        Piece::Text(text) => Some(text.as_str()),
        Piece::Change(_) => None,
    });
    let text = title.collect::<Vec<_>>().join(" ").to_ascii_lowercase();
    let mut id = client.to_string();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() >= 2 && word.len() <= 20);
    for word in words.take(ID_WORDS) {
        if id.len() + word.len() < 56 {
            id.push('-');
            id.push_str(word);
        }
    }
    let unused = (1..).map(|n| if n == 1 { id.clone() } else { format!("{id}-{n}") }).find(|id| !ids.contains(id));
    let unused = unused.expect("should be found: numbers do not end");
    ids.insert(unused.clone());
    unused
}

/// The rule file.
pub(super) fn file(client: Client, drafts: &[Draft]) -> String {
    let mut yaml = String::from(HEADER);
    write!(yaml, "version: 1\nclient: {client}\nrules:").expect("should write to a string");
    if drafts.is_empty() {
        yaml.push_str(" []");
    }
    yaml.push('\n');
    for draft in drafts {
        draft.write(&mut yaml).expect("should write to a string");
    }
    yaml
}

const HEADER: &str = "\
# Drafts, written by `hopkeeper rules suggest` from lines that no rule knew. A person must judge each one:
#   evidence  own: the hop's own server answered, or the fault is in its pod. path: this hop, or any outer one
#   verdict   rotate, restart, alert, ignore (known and harmless) or recovered (the tunnel works)
#   threshold such as { count: 3, within: 60s }, where the client retries by itself
# Until then each is an alert. Delete what is not worth a rule; then: hopkeeper rules lint FILE, hopkeeper rules test FILE.
";

impl Draft {
    fn write(&self, yaml: &mut String) -> std::fmt::Result {
        let lines = if self.count == 1 { "1 line".to_owned() } else { format!("{} lines", self.count) };
        writeln!(yaml, "  # {lines}. To be judged: evidence, verdict.")?;
        writeln!(yaml, "  - id: {}", self.id)?;
        writeln!(yaml, "    title: {}", quoted(&self.title))?;
        writeln!(yaml, "    pattern: {}", quoted(&self.pattern))?;
        writeln!(yaml, "    evidence: path\n    verdict: alert\n    samples:")?;
        for (name, lines) in [("fires", &self.fires), ("silent", &self.silent)] {
            if lines.is_empty() {
                continue;
            }
            writeln!(yaml, "      {name}:")?;
            for line in lines {
                writeln!(yaml, "        - {}", quoted(line))?;
            }
        }
        Ok(())
    }
}

/// A YAML scalar: single quotes where the text allows, which keeps patterns readable.
fn quoted(text: &str) -> String {
    let plain = |c: char| {
        c == ' ' || (!c.is_control() && !c.is_whitespace() && !matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}'))
    };
    if text.chars().all(plain) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut scalar = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => scalar.extend(['\\', c]),
            c if plain(c) => scalar.push(c),
            c => write!(scalar, "\\U{:08x}", u32::from(c)).expect("should write to a string"),
        }
    }
    scalar.push('"');
    scalar
}
