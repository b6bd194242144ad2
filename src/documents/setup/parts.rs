//! The parts of the set-up in their order, each with its request, and how it is recognised when it is there.

use serde_json::{Value, json};

use super::{Change, Wanted};
use crate::documents::fields;

/// Higher than the built-in template of `logs-*-*`, which is 100.
const PRIORITY: u64 = 200;

/// When a part is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Where it is missing or differs.
    Put,
    /// Where it is missing.
    OnlyCreate,
    /// Where it is there and differs.
    Adjust,
}

/// One part.
pub(super) struct Part {
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// Completes "failed to …".
    pub(super) what: &'static str,
    pub(super) path: Vec<String>,
    /// Where it is looked at.
    pub(super) look: Vec<String>,
    pub(super) query: &'static [(&'static str, &'static str)],
    pub(super) body: Value,
    rule: Rule,
    /// Where in the answer of a look the same thing as `body` stands.
    stands: fn(&Value) -> Option<&Value>,
}

impl Part {
    /// What is to be done, by what a look answered; nothing where this is not its own to make.
    pub(super) fn change(&self, answer: Option<&Value>) -> Option<Change> {
        match (answer, self.rule) {
            // What a template gives to a new index need not be given twice.
            (None, Rule::Adjust) => None,
            (None, _) => Some(Change::Create),
            (Some(_), Rule::OnlyCreate) => Some(Change::None),
            (Some(answer), rule) => match (self.stands)(answer) {
                Some(there) if holds(there, &self.body) => Some(Change::None),
                // Taken away by somebody, for ILM perhaps.
                None if rule == Rule::Adjust => None,
                _ => Some(Change::Update),
            },
        }
    }
}

/// Whether all of `wanted` is in `there`, which may hold more: Elasticsearch adds defaults, and writes numbers and
/// booleans of settings as text.
pub(crate) fn holds(there: &Value, wanted: &Value) -> bool {
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| there.get(key).is_some_and(|there| holds(there, wanted)))
        }
        (Value::Array(there), Value::Array(wanted)) => {
            there.len() == wanted.len() && there.iter().zip(wanted).all(|(there, wanted)| holds(there, wanted))
        }
        (Value::String(text), Value::Number(_) | Value::Bool(_)) => {
            serde_json::from_str::<Value>(text).is_ok_and(|there| there == *wanted)
        }
        _ => there == wanted,
    }
}

/// The templates as they are sent, by the names of the files that show them in the repository.
#[must_use]
pub fn templates(wanted: &Wanted) -> [(&'static str, Value); 3] {
    let names = &wanted.names;
    let (base, custom) = (base_name(wanted), custom_name(wanted));
    let template = |pattern: &str, about: &str| {
        json!({
            "index_patterns": [pattern],
            // The last one wins: settings that users make there, and which no set-up touches.
            "composed_of": [base, custom],
            "ignore_missing_component_templates": [custom],
            "priority": PRIORITY,
            "_meta": { "description": about, "managed_by": "hopkeeper setup" },
        })
    };
    let mut transitions = template(&names.transitions, "Hopkeeper: transitions of chains and hops, and incidents");
    transitions["data_stream"] = json!({});
    transitions["template"]["lifecycle"] = json!({ "enabled": true, "data_retention": wanted.keep });
    let state = template(&names.state, "Hopkeeper: the current state, one document a chain and one a hop");
    let base = json!({
        "_meta": { "description": "Hopkeeper: the fields of chain-state documents", "managed_by": "hopkeeper setup" },
        "template": {
            "settings": { "index": { "number_of_shards": 1, "auto_expand_replicas": "0-1" } },
            "mappings": fields::mappings(),
        },
    });
    [("base.json", base), ("transition.json", transitions), ("state.json", state)]
}

fn base_name(wanted: &Wanted) -> String {
    format!("hopkeeper-{}@base", wanted.names.namespace)
}

fn custom_name(wanted: &Wanted) -> String {
    format!("hopkeeper-{}@custom", wanted.names.namespace)
}

/// All parts, each after what it needs.
pub(super) fn all(wanted: &Wanted) -> Vec<Part> {
    let names = &wanted.names;
    let [(_, base), (_, transitions), (_, state)] = templates(wanted);
    let lifecycle = transitions["template"]["lifecycle"].clone();
    let part = |kind, name: &str, what, path: &[&str], body, rule, stands| Part {
        kind,
        name: name.to_owned(),
        what,
        path: owned(path),
        look: owned(path),
        query: &[],
        body,
        rule,
        stands,
    };
    let mapping_of = |name: &str, query| Part {
        query,
        ..part("mapping", name, "put a mapping", &[name, "_mapping"], fields::mappings(), Rule::Adjust, newest_mapping)
    };
    let (stream, index, component) = (names.transitions.as_str(), names.state.as_str(), base_name(wanted));
    vec![
        part(
            "component template",
            &component,
            "put a component template",
            &["_component_template", &component],
            base,
            Rule::Put,
            |there| there.pointer("/component_templates/0/component_template"),
        ),
        part(
            "index template",
            stream,
            "put an index template",
            &["_index_template", stream],
            transitions,
            Rule::Put,
            index_template,
        ),
        part(
            "index template",
            index,
            "put an index template",
            &["_index_template", index],
            state,
            Rule::Put,
            index_template,
        ),
        part(
            "data stream",
            stream,
            "make the data stream",
            &["_data_stream", stream],
            Value::Null,
            Rule::OnlyCreate,
            |_| None,
        ),
        Part {
            look: owned(&["_data_stream", stream]),
            ..part(
                "lifecycle",
                stream,
                "put the lifecycle",
                &["_data_stream", stream, "_lifecycle"],
                lifecycle,
                Rule::Adjust,
                |there| there.pointer("/data_streams/0/lifecycle"),
            )
        },
        // Older backing indices stay as they are: nothing is written to them any more.
        mapping_of(stream, &[("write_index_only", "true")]),
        part("index", index, "make the index", &[index], Value::Null, Rule::OnlyCreate, |_| None),
        mapping_of(index, &[]),
    ]
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|part| (*part).to_owned()).collect()
}

fn index_template(there: &Value) -> Option<&Value> {
    there.pointer("/index_templates/0/index_template")
}

/// Of several backing indices the last by name, which is the one that is written to.
fn newest_mapping(there: &Value) -> Option<&Value> {
    there.as_object()?.iter().max_by_key(|(name, _)| *name)?.1.get("mappings")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_elasticsearch_adds_and_how_it_writes_numbers_is_no_difference() {
        let wanted = json!({ "priority": 200, "template": { "settings": { "index": { "number_of_shards": 1 } } } });
        let there = json!({ "priority": 200, "version": 3,
            "template": { "settings": { "index": { "number_of_shards": "1", "codec": "best" } } } });
        assert!(holds(&there, &wanted));
    }

    #[test]
    fn a_difference_is_seen_wherever_it_is() {
        let wanted = json!({ "a": { "b": [1, 2] }, "c": "x" });
        for there in [
            json!({ "a": { "b": [1, 2] }, "c": "y" }),
            json!({ "a": { "b": [1, 3] }, "c": "x" }),
            json!({ "a": { "b": [1, 2, 3] }, "c": "x" }),
            json!({ "a": { "b": [1, 2] } }),
            json!({ "a": "b", "c": "x" }),
        ] {
            assert!(!holds(&there, &wanted), "{there}");
        }
    }

    #[test]
    fn a_lifecycle_is_brought_to_the_wanted_one_and_one_that_was_taken_away_stays_away() {
        let wanted = Wanted { names: crate::documents::Names::new("default").unwrap(), keep: "90d".into() };
        let all = all(&wanted);
        let lifecycle = all.iter().find(|part| part.kind == "lifecycle").unwrap();
        assert_eq!(lifecycle.look, ["_data_stream", "logs-hopkeeper.transition-default"]);
        let there = |keep: &str| json!({ "data_streams": [{ "lifecycle": { "enabled": true, "data_retention": keep, "effective_retention": keep } }] });
        assert_eq!(lifecycle.change(Some(&there("90d"))), Some(Change::None));
        assert_eq!(lifecycle.change(Some(&there("7d"))), Some(Change::Update));
        assert_eq!(lifecycle.change(Some(&json!({ "data_streams": [{}] }))), None);
        assert_eq!(lifecycle.change(None), None);
    }

    #[test]
    fn of_backing_indices_the_newest_is_looked_at() {
        let there =
            json!({ ".ds-x-2026.01.02-000002": { "mappings": 2 }, ".ds-x-2026.01.01-000001": { "mappings": 1 } });
        assert_eq!(newest_mapping(&there), Some(&json!(2)));
    }
}
