//! Reads a rule file: YAML, version 1. Every mistake is an error with its place; nothing is guessed.
//!
//! Leaves to `ruleset::pack` how the files and the shipped rules are put together.

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use super::change::{Change, Entry};
use super::condition::Condition;
use super::error::{Place, RuleError};
use super::keys;
use super::near;
use super::node::{Node, Value};
use super::severity::Severity;
use super::{Client, Origin, Places, Rule, RuleId, Samples, Threshold, duration, pattern};
use crate::domain::types::{Evidence, Verdict};
use values::{Fields, Reader};

mod values;

/// A rule file longer than this is refused.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;
/// A window keeps one entry for each line it counts.
pub(super) const MAX_COUNT: u64 = 1000;
const MAX_WITHIN: Duration = Duration::from_secs(3600);

/// The words that the keys may have.
pub(super) const CLIENTS: &[(&str, Client)] = &[
    ("openvpn", Client::Openvpn),
    ("wireguard-go", Client::WireguardGo),
    ("boringtun", Client::Boringtun),
    ("wireguard", Client::Wireguard),
    ("health", Client::Health),
    ("any", Client::Any),
];
pub(super) const EVIDENCE: &[(&str, Evidence)] = &[("own", Evidence::Own), ("path", Evidence::Path)];
pub(super) const VERDICTS: &[(&str, Verdict)] = &[
    ("rotate", Verdict::Rotate),
    ("restart", Verdict::Restart),
    ("alert", Verdict::Alert),
    ("ignore", Verdict::Ignore),
    ("recovered", Verdict::Recovered),
];
pub(super) const SEVERITIES: &[(&str, Severity)] =
    &[("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];

/// How strict to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// A rule of the shipped packs: needs a firing and a silent sample.
    Shipped,
    /// A user's rule: samples are optional.
    User,
}

/// What was read of a file, and everything that is wrong in it.
#[derive(Debug)]
pub struct Parsed {
    /// The entries that are right.
    pub entries: Vec<Entry>,
    /// What is wrong, each with its place; YAML that can't be read is one error.
    pub errors: Vec<RuleError>,
}

/// Reads the entries of one file.
pub fn read(name: &str, source: &str, strictness: Strictness) -> Parsed {
    let mut reader = Reader { file: Arc::from(name), source, errors: Vec::new() };
    let entries = if source.len() > MAX_FILE_BYTES {
        reader.wrong(Place::default(), "the file is larger than 1 MiB; split it");
        Vec::new()
    } else {
        match Node::read(source) {
            Ok(root) => reader.file(&root, strictness),
            Err((place, message)) => {
                reader.wrong(place, message);
                Vec::new()
            }
        }
    };
    Parsed { entries, errors: reader.errors }
}

/// Reads the rules of one file that has whole rules only.
///
/// # Errors
/// Everything wrong in it, each with its place.
pub fn parse(name: &str, source: &str, strictness: Strictness) -> Result<Vec<Rule>, Vec<RuleError>> {
    let Parsed { entries, mut errors } = read(name, source, strictness);
    let mut rules = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry {
            Entry::Rule { rule, enabled: true } => rules.push(*rule),
            Entry::Rule { enabled: false, .. } => {}
            Entry::Change(change) => errors.push(unmatched(&change, source, &[], "")),
        }
    }
    if errors.is_empty() { Ok(rules) } else { Err(errors) }
}

/// The error of an entry without a pattern whose id no rule has.
pub(in crate::domain) fn unmatched(change: &Change, source: &str, known: &[&str], why: &str) -> RuleError {
    let id = change.id.as_str();
    let hint = match near::near(id, known.iter().copied()) {
        Some(meant) => format!("did you mean to change \"{meant}\"?"),
        None => "give it one, or the id of a shipped rule to change".to_owned(),
    };
    let origin = &change.origin;
    let place = Place { line: origin.line, column: origin.column, width: 0 };
    RuleError::at(&origin.file, source, place, format!("rule \"{id}\" has no \"pattern\"{why}; {hint}"))
}

/// The error of a rule with `absent` that leaves nothing to do when its line stops.
fn needs_a_deed(verdict: &str) -> String {
    format!("\"absent\" needs a verdict that says what to do: rotate, restart or alert, not {verdict}")
}

/// The same of a shipped rule that an entry of `source` has changed; none where the entry by itself is told of it.
pub(in crate::domain) fn idle(rule: &Rule, source: &str) -> Option<RuleError> {
    let place = match (rule.places.absent, rule.places.verdict) {
        (Some(place), None) | (None, Some(place)) => place,
        _ => return None,
    };
    let is_idle = rule.absent.is_some() && matches!(rule.verdict, Verdict::Ignore | Verdict::Recovered);
    let file = &rule.changed.as_ref().filter(|_| is_idle)?.file;
    Some(RuleError::at(file, source, place, needs_a_deed(&rule.verdict.to_string())))
}

impl Reader<'_> {
    fn file(&mut self, root: &Node, strictness: Strictness) -> Vec<Entry> {
        let Some(fields) = self.fields(root, keys::FILE, "a rule file") else { return Vec::new() };
        match fields.get("version") {
            Some(node) if !matches!(&node.value, Value::Number(number) if number.as_u64() == Some(1)) => {
                self.wrong(node.place, "this version is not known; write \"version: 1\"");
                // The rest may mean something else.
                return Vec::new();
            }
            Some(_) => {}
            None => self.wrong(root.place, "the file names no version; write \"version: 1\""),
        }
        let client = fields.get("client").and_then(|node| self.word(node, "client", CLIENTS));
        let client_is_wrong = client.is_none() && fields.get("client").is_some();
        let Some(rules) = fields.get("rules") else {
            self.wrong(root.place, "the file has no \"rules\"; write a list of them");
            return Vec::new();
        };
        let Value::List(rules) = &rules.value else {
            let message = format!("\"rules\" must be a list, each rule with \"- id: …\", not {}", rules.value.kind());
            self.wrong(rules.place, message);
            return Vec::new();
        };
        // One message about the file's client is enough.
        let client = if client_is_wrong { Some(Client::Any) } else { client };
        rules.iter().filter_map(|node| self.entry(node, client, strictness)).collect()
    }

    /// One entry; none when something in it is wrong.
    fn entry(&mut self, node: &Node, file_client: Option<Client>, strictness: Strictness) -> Option<Entry> {
        let errors_before = self.errors.len();
        let fields = self.fields(node, keys::RULE, "a rule")?;
        let Some(id_node) = fields.get("id") else {
            self.wrong(node.place, "the rule has no \"id\"; write such as \"id: provider-plan-expired\"");
            return None;
        };
        let id = self.id(id_node);
        let at_id = id_node.place;
        let entry = if fields.has_any(&["pattern", "where"]) {
            self.rule(fields, at_id, id.clone(), file_client, strictness)
        } else {
            self.change(fields, at_id, id.clone())
        };
        if self.errors.len() == errors_before { entry } else { None }
    }

    fn rule(
        &mut self,
        fields: Fields<'_>,
        at_id: Place,
        id: Option<RuleId>,
        file_client: Option<Client>,
        strictness: Strictness,
    ) -> Option<Entry> {
        let name = id.as_ref().map_or("", RuleId::as_str);
        let mut places = Places::default();
        let own_client = fields.get("client").map(|node| self.word(node, "client", CLIENTS));
        let client = match own_client {
            Some(client) => client,
            None if file_client.is_none() => {
                let message = format!(
                    "rule \"{name}\" names no client; write \"client: openvpn\" here or at the top of the file"
                );
                self.wrong(at_id, message);
                None
            }
            None => file_client,
        };
        for (key, like) in [
            ("title", "what the line means"),
            ("evidence", "own or path"),
            ("verdict", "rotate, restart, alert, ignore or recovered"),
        ] {
            if fields.get(key).is_none() {
                self.wrong(at_id, format!("rule \"{name}\" has no \"{key}\"; write {like}"));
            }
        }
        let common = self.common(fields, &mut places);
        let pattern = fields.get("pattern").and_then(|node| self.pattern(node, "pattern", &mut places.pattern));
        let conditions = fields
            .get("where")
            .and_then(|node| {
                self.conditions(node, client?, pattern.as_ref(), fields.get("pattern").is_some(), &mut places)
            })
            .unwrap_or_default();
        if strictness == Strictness::Shipped
            && !common.samples.as_ref().is_some_and(|s| !s.fires.is_empty() && !s.silent.is_empty())
        {
            self.wrong(at_id, format!("shipped rule \"{name}\" needs a firing and a silent sample"));
        }
        let verdict = common.verdict?;
        Some(Entry::Rule {
            rule: Box::new(Rule {
                id: id?,
                title: common.title?,
                client: client?,
                pattern,
                unless: common.unless,
                conditions,
                evidence: common.evidence?,
                verdict,
                severity: common.severity.unwrap_or(Severity::of(verdict)),
                threshold: common.threshold.unwrap_or_default(),
                absent: common.absent,
                samples: common.samples.unwrap_or_default(),
                tags: common.tags.unwrap_or_default(),
                docs: common.docs,
                origin: self.origin(at_id),
                places: Arc::new(places),
                changed: None,
            }),
            enabled: common.enabled,
        })
    }

    fn change(&mut self, fields: Fields<'_>, at_id: Place, id: Option<RuleId>) -> Option<Entry> {
        if let Some(place) = fields.key_place("client") {
            let message = "an entry without \"pattern\" changes a shipped rule, whose client stays; leave \"client\" out, or write the whole rule";
            self.wrong(place, message);
        }
        let mut places = Places::default();
        let common = self.common(fields, &mut places);
        Some(Entry::Change(Box::new(Change {
            id: id?,
            origin: self.origin(at_id),
            title: common.title,
            unless: common.unless,
            evidence: common.evidence,
            verdict: common.verdict,
            severity: common.severity,
            threshold: common.threshold,
            absent: common.absent,
            samples: common.samples,
            tags: common.tags,
            docs: common.docs,
            enabled: common.enabled,
            places,
        })))
    }

    fn origin(&self, place: Place) -> Origin {
        Origin { file: Arc::clone(&self.file), line: place.line, column: place.column }
    }

    /// The keys that a rule and a change have in common.
    fn common(&mut self, fields: Fields<'_>, places: &mut Places) -> Common {
        places.verdict = fields.get("verdict").map(|node| node.place);
        places.threshold = fields.get("threshold").map(|node| node.place);
        places.absent = fields.get("absent").map(|node| node.place);
        Common {
            title: fields.get("title").and_then(|node| self.text(node, "title")),
            unless: fields.get("unless").and_then(|node| self.pattern(node, "unless", &mut places.unless)),
            evidence: fields.get("evidence").and_then(|node| self.word(node, "evidence", EVIDENCE)),
            verdict: fields.get("verdict").and_then(|node| self.word(node, "verdict", VERDICTS)),
            severity: fields.get("severity").and_then(|node| self.word(node, "severity", SEVERITIES)),
            threshold: fields.get("threshold").and_then(|node| self.threshold(node)),
            absent: fields.get("absent").and_then(|node| self.absent(node, fields)),
            samples: fields.get("samples").and_then(|node| self.samples(node, places)),
            tags: fields.get("tags").and_then(|node| self.tags(node)),
            docs: fields.get("docs").and_then(|node| self.text(node, "docs")),
            enabled: fields.get("enabled").and_then(|node| self.truth(node, "enabled")).unwrap_or(true),
        }
    }

    fn id(&mut self, node: &Node) -> Option<RuleId> {
        let text = self.text(node, "id")?;
        if is_word(&text) {
            return Some(RuleId::new(text));
        }
        let message = format!("\"{text}\" is no rule id; write 1 to 63 lower-case letters, digits and dashes");
        self.wrong(node.place, message);
        None
    }

    fn pattern(&mut self, node: &Node, key: &str, place: &mut Option<Place>) -> Option<Regex> {
        *place = Some(node.place);
        let text = match &node.value {
            Value::Text(text) => text.clone(),
            _ => self.text(node, key)?,
        };
        pattern::compile(self.source, node.place, &text).map_err(|(place, message)| self.wrong(place, message)).ok()
    }

    fn conditions(
        &mut self,
        node: &Node,
        client: Client,
        pattern: Option<&Regex>,
        has_pattern: bool,
        places: &mut Places,
    ) -> Option<Vec<Condition>> {
        let entries = self.open_fields(node, "where", "{ seconds: '>= 15' }")?;
        if entries.is_empty() {
            self.wrong(node.place, "\"where\" has no condition; write such as { seconds: '>= 15' }, or leave it out");
        }
        let groups: Vec<&str> = pattern.iter().flat_map(|p| p.capture_names().flatten()).collect();
        let mut conditions = Vec::with_capacity(entries.len());
        for (key, wanted) in entries {
            places.conditions.push(key.place);
            let is_group = groups.contains(&key.text.as_str());
            // A pattern that does not compile has been told of; its groups are not known.
            if !is_group && client != Client::Health && (pattern.is_some() || !has_pattern) {
                let message = if groups.is_empty() {
                    format!(
                        "\"{name}\" is no named group of the pattern, which has none; write (?P<{name}>…) around the text that is meant",
                        name = key.text
                    )
                } else {
                    let hint = near::suggestion(&key.text, &groups);
                    format!("\"{}\" is no named group of the pattern{hint}", key.text)
                };
                self.wrong(key.place, message);
                continue;
            }
            let scalar = match &wanted.value {
                Value::Text(text) => serde_json::Value::from(text.as_str()),
                Value::Number(number) => serde_json::Value::Number(number.clone()),
                Value::Bool(truth) => serde_json::Value::from(*truth),
                _ => serde_json::Value::Null,
            };
            match Condition::parse(&key.text, &scalar) {
                Ok(condition) => conditions.push(if is_group { condition.on_group() } else { condition }),
                Err(message) => self.wrong(wanted.place, message),
            }
        }
        Some(conditions)
    }

    fn threshold(&mut self, node: &Node) -> Option<Threshold> {
        let fields = self.fields(node, keys::THRESHOLD, "\"threshold\"")?;
        let Some(at_count) = fields.get("count") else {
            self.wrong(node.place, "\"threshold\" has no \"count\"; write such as { count: 2, within: 60s }");
            return None;
        };
        let count = self.number(at_count, "count", 1..=MAX_COUNT);
        let within = match fields.get("within") {
            Some(node) => self.time(node),
            None if count == Some(1) => Some(Threshold::default().within),
            None => {
                self.wrong(at_count.place, "\"count\" above 1 needs \"within\", such as \"within: 60s\"");
                None
            }
        };
        Some(Threshold {
            count: usize::try_from(count?).expect("should fit: it is at most MAX_COUNT"),
            within: within?,
        })
    }

    fn absent(&mut self, node: &Node, rule: Fields<'_>) -> Option<Duration> {
        let fields = self.fields(node, keys::ABSENT, "\"absent\"")?;
        if rule.get("threshold").is_some() {
            let message =
                "\"absent\" waits for a line that stops, \"threshold\" counts lines that come; write one of them";
            self.wrong(node.place, message);
        }
        if let Some(Value::Text(verdict)) = rule.get("verdict").map(|node| &node.value)
            && ["ignore", "recovered"].contains(&verdict.as_str())
        {
            self.wrong(node.place, needs_a_deed(verdict));
        }
        match fields.get("for") {
            Some(node) => self.time(node),
            None => {
                self.wrong(node.place, "\"absent\" has no \"for\"; write such as { for: 3m }");
                None
            }
        }
    }

    fn time(&mut self, node: &Node) -> Option<Duration> {
        let text = match &node.value {
            Value::Text(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        let found = duration::parse(&text).filter(|d| (Duration::from_secs(1)..=MAX_WITHIN).contains(d));
        if found.is_none() {
            self.wrong(node.place, format!("\"{text}\" is no time from 1s to 1h; write such as 60s or 5m"));
        }
        found
    }

    fn samples(&mut self, node: &Node, places: &mut Places) -> Option<Samples> {
        let fields = self.fields(node, keys::SAMPLES, "\"samples\"")?;
        let mut of = |key: &str, places: &mut Vec<Place>| {
            let (texts, found): (Vec<String>, Vec<Place>) =
                fields.get(key).and_then(|node| self.texts(node, key)).unwrap_or_default().into_iter().unzip();
            *places = found;
            texts
        };
        Some(Samples { fires: of("fires", &mut places.fires), silent: of("silent", &mut places.silent) })
    }

    fn tags(&mut self, node: &Node) -> Option<Vec<String>> {
        let tags = self.texts(node, "tags")?;
        for (tag, place) in &tags {
            if !is_word(tag) {
                self.wrong(*place, format!("\"{tag}\" is no tag; write 1 to 63 lower-case letters, digits and dashes"));
            }
        }
        Some(tags.into_iter().map(|(tag, _)| tag).collect())
    }
}

/// What a rule and a change may both say.
struct Common {
    title: Option<String>,
    unless: Option<Regex>,
    evidence: Option<Evidence>,
    verdict: Option<Verdict>,
    severity: Option<Severity>,
    threshold: Option<Threshold>,
    absent: Option<Duration>,
    samples: Option<Samples>,
    tags: Option<Vec<String>>,
    docs: Option<String>,
    enabled: bool,
}

fn is_word(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
}

#[cfg(test)]
mod tests;
