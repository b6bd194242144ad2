//! Takes values of the right kind out of a file's tree; whatever is wrong is noted with its place, and reading goes on.

use std::sync::Arc;

use super::super::error::{Place, RuleError};
use super::super::keys::{self, Key};
use super::super::near;
use super::super::node::{Key as KeyNode, Node, Value};

/// A file that is being read, and what was found wrong in it so far.
pub(super) struct Reader<'a> {
    pub(super) file: Arc<str>,
    pub(super) source: &'a str,
    pub(super) errors: Vec<RuleError>,
}

/// The entries of one mapping.
#[derive(Clone, Copy)]
pub(super) struct Fields<'n>(&'n [(KeyNode, Node)]);

impl<'n> Fields<'n> {
    /// The value of a key that the reader has looked for.
    pub(super) fn get(self, key: &str) -> Option<&'n Node> {
        self.0.iter().find(|(known, _)| known.text == key).map(|(_, node)| node)
    }

    /// True when one of the keys is there.
    pub(super) fn has_any(self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.get(key).is_some())
    }

    /// Where a key stands.
    pub(super) fn key_place(self, key: &str) -> Option<Place> {
        self.0.iter().find(|(known, _)| known.text == key).map(|(known, _)| known.place)
    }
}

impl Reader<'_> {
    pub(super) fn wrong(&mut self, place: Place, message: impl Into<String>) {
        self.errors.push(RuleError::at(&self.file, self.source, place, message));
    }

    /// The entries of a mapping that may have these keys.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, known: &[Key], what: &str) -> Option<Fields<'n>> {
        let names = keys::names(known);
        let Value::Map(entries) = &node.value else {
            let message =
                format!("{what} must be a mapping with the keys {}, not {}", names.join(", "), node.value.kind());
            self.wrong(node.place, message);
            return None;
        };
        self.no_key_twice(entries);
        for (key, _) in entries {
            if !names.contains(&key.text.as_str()) {
                let hint = near::suggestion(&key.text, &names);
                self.wrong(key.place, format!("unknown key \"{}\" in {what}{hint}", key.text));
            }
        }
        Some(Fields(entries))
    }

    /// The entries of a mapping whose keys are the author's own.
    pub(super) fn open_fields<'n>(&mut self, node: &'n Node, key: &str, like: &str) -> Option<&'n [(KeyNode, Node)]> {
        let Value::Map(entries) = &node.value else {
            self.wrong(node.place, format!("\"{key}\" must be a mapping such as {like}, not {}", node.value.kind()));
            return None;
        };
        self.no_key_twice(entries);
        Some(entries)
    }

    fn no_key_twice(&mut self, entries: &[(KeyNode, Node)]) {
        for (index, (key, _)) in entries.iter().enumerate() {
            if let Some((first, _)) = entries[..index].iter().find(|(first, _)| first.text == key.text) {
                let line = first.place.line;
                self.wrong(
                    key.place,
                    format!("key \"{}\" is there already, in line {line}; keep one of them", key.text),
                );
            }
        }
    }

    pub(super) fn text(&mut self, node: &Node, key: &str) -> Option<String> {
        match &node.value {
            Value::Text(text) if !text.trim().is_empty() => Some(text.clone()),
            Value::Text(_) | Value::Null => {
                self.wrong(node.place, format!("\"{key}\" is empty"));
                None
            }
            Value::Number(_) | Value::Bool(_) => {
                let written = self.written(node.place);
                self.wrong(node.place, format!("\"{key}\" must be text; put it in quotes: '{written}'"));
                None
            }
            other => {
                self.wrong(node.place, format!("\"{key}\" must be text, not {}", other.kind()));
                None
            }
        }
    }

    /// A list of texts with their places; one text alone is a slip that is told.
    pub(super) fn texts(&mut self, node: &Node, key: &str) -> Option<Vec<(String, Place)>> {
        let Value::List(items) = &node.value else {
            self.wrong(node.place, format!("\"{key}\" must be a list, such as [a, b], not {}", node.value.kind()));
            return None;
        };
        let texts: Vec<_> = items.iter().map(|item| Some((self.text(item, key)?, item.place))).collect();
        texts.into_iter().collect()
    }

    pub(super) fn truth(&mut self, node: &Node, key: &str) -> Option<bool> {
        if let Value::Bool(truth) = node.value {
            return Some(truth);
        }
        self.wrong(node.place, format!("\"{key}\" must be true or false"));
        None
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, node: &Node, key: &str, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let Value::Text(text) = &node.value else {
            self.wrong(node.place, format!("\"{key}\" must be one of {}, not {}", names.join(", "), node.value.kind()));
            return None;
        };
        let found = words.iter().find(|(name, _)| name == text).map(|(_, value)| *value);
        if found.is_none() {
            self.wrong(node.place, format!("\"{key}\" can't be \"{text}\"{}", near::suggestion(text, &names)));
        }
        found
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, node: &Node, key: &str, bounds: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let number = match &node.value {
            Value::Number(number) => number.as_u64(),
            _ => None,
        };
        let found = number.filter(|number| bounds.contains(number));
        if found.is_none() {
            let (low, high) = (bounds.start(), bounds.end());
            self.wrong(node.place, format!("\"{key}\" must be a whole number from {low} to {high}"));
        }
        found
    }

    /// What stands there, as it was written.
    fn written(&self, place: Place) -> String {
        let line = self.source.lines().nth(place.line.saturating_sub(1)).unwrap_or_default();
        line.chars().skip(place.column.saturating_sub(1)).take(place.width).collect()
    }
}
