//! A logical line as rules see it: what several of them need is worked out once.
//!
//! Here alone it is chosen what of a line is the program's own text, and which lines are a health sidecar's. Leaves to
//! `domain::line` how a record is split and where a prefix ends.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use serde_json::{Map, Value};
use smallvec::SmallVec;

use crate::domain::line;
use crate::domain::rule::{Client, Rule};

/// A client's logical line (see `domain::line::logical_lines`).
#[derive(Debug)]
pub struct Line<'t> {
    client: Client,
    logical: Cow<'t, str>,
    fields: Option<Map<String, Value>>,
    span: OnceCell<Range<usize>>,
}

impl<'t> Line<'t> {
    /// A logical line of a client.
    pub fn new(client: Client, logical: impl Into<Cow<'t, str>>) -> Self {
        let logical = logical.into();
        let fields = if client == Client::Health { health_fields(&logical) } else { None };
        Self { client, logical, fields, span: OnceCell::new() }
    }

    /// The logical lines of a record, mostly one.
    pub fn of_record(client: Client, text: &'t str) -> SmallVec<[Self; 1]> {
        // The health sidecar's lines are JSON themselves.
        let text = if client == Client::Health { Cow::Borrowed(text) } else { line::unwrap_json(text) };
        let new = |logical| Self::new(client, logical);
        match text {
            Cow::Borrowed(text) => line::logical_lines(text).into_iter().map(new).collect(),
            Cow::Owned(text) => {
                line::logical_lines(&text).into_iter().map(|l| new(Cow::Owned(l.into_owned()))).collect()
            }
        }
    }

    /// The line as it stands in the log, prefixes included.
    pub fn logical(&self) -> &str {
        &self.logical
    }

    /// Whose line it is.
    pub fn client(&self) -> Client {
        self.client
    }

    /// Where the program's own text stands in the logical line.
    pub fn span(&self) -> Range<usize> {
        let span = || {
            if self.client == Client::Health { 0..self.logical.len() } else { line::program_span(&self.logical) }
        };
        self.span.get_or_init(span).clone()
    }

    /// What the program printed. A health line is that as a whole.
    pub fn text(&self) -> &str {
        &self.logical[self.span()]
    }

    /// The fields of a health sidecar's line; none for any other line.
    pub fn fields(&self) -> Option<&Map<String, Value>> {
        self.fields.as_ref()
    }

    /// False for what stands between the health sidecar's lines: it writes only marked JSON objects.
    pub(super) fn is_of_client(&self) -> bool {
        self.client != Client::Health || self.fields.is_some()
    }

    /// Whether a rule is about the line, whatever others are: how rules with `absent` see it, which decide nothing.
    pub fn meets(&self, rule: &Rule) -> bool {
        self.is_of_client() && rule.client.reads(self.client) && rule.matches(self.text(), self.fields())
    }
}

fn health_fields(logical: &str) -> Option<Map<String, Value>> {
    let json = &logical[logical.find('{')?..];
    let fields: Map<String, Value> = serde_json::from_str(json).ok()?;
    (fields.get("hopkeeper").and_then(Value::as_str) == Some("health")).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_text_begins_behind_its_prefixes_and_a_health_line_is_text_as_a_whole() {
        let record = "{\"log\":\"2026-11-22 16:25:43 AUTH: x \\n2026-11-22 16:25:44 y\\n\"}";
        let lines = Line::of_record(Client::Openvpn, record);
        let texts: Vec<_> = lines.iter().map(|line| (line.span(), line.text())).collect();
        assert_eq!(texts, [(20..27, "AUTH: x"), (20..21, "y")]);
        let health = r#"2026-11-22T16:25:43Z {"hopkeeper":"health","state":"up"}"#;
        let [line] = &Line::of_record(Client::Health, health)[..] else { panic!("should be one line") };
        assert_eq!((line.text(), line.fields().map(Map::len)), (health, Some(2)));
        assert!(Line::new(Client::Openvpn, health).fields().is_none());
    }
}
