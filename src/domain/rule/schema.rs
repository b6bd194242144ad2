//! The JSON Schema of a rule file, so that editors complete and check: made of the same tables that the reader uses.

use serde_json::{Map, Value, json};

use super::file::{CLIENTS, EVIDENCE, SEVERITIES, VERDICTS};
use super::keys::{self, Key};

const ID: &str = "^[a-z0-9][a-z0-9-]{0,62}$";

/// The schema (JSON Schema 2020-12).
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Hopkeeper rule file, version 1",
        "type": "object",
        "additionalProperties": false,
        "required": ["version", "rules"],
        "properties": properties(keys::FILE, file_key),
        "$defs": {
            "rule": {
                "type": "object",
                "additionalProperties": false,
                "required": ["id"],
                "properties": properties(keys::RULE, rule_key),
                // An entry that says what it matches is a whole rule; any other changes a shipped one.
                "if": { "anyOf": [{ "required": ["pattern"] }, { "required": ["where"] }] },
                "then": { "required": ["title", "evidence", "verdict"] },
                "else": { "properties": { "client": false } },
            },
            "threshold": {
                "type": "object",
                "additionalProperties": false,
                "required": ["count"],
                "properties": properties(keys::THRESHOLD, threshold_key),
                "if": { "properties": { "count": { "minimum": 2 } } },
                "then": { "required": ["within"] },
            },
            "samples": {
                "type": "object",
                "additionalProperties": false,
                "properties": properties(keys::SAMPLES, |_| json!({ "type": "array", "items": text() })),
            },
            "condition": {
                "type": ["string", "number", "boolean"],
                "examples": ["up", ">= 15", "!= up", 1],
            },
        },
    })
}

/// As `hopkeeper rules schema` prints it.
pub fn text_of_schema() -> String {
    let mut text = serde_json::to_string_pretty(&schema()).expect("should serialize: it is plain JSON");
    text.push('\n');
    text
}

fn properties(keys: &[Key], of: impl Fn(&str) -> Value) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| {
            let mut property = of(key.name);
            property["description"] = key.about.into();
            (key.name.to_owned(), property)
        })
        .collect();
    Value::Object(properties)
}

fn file_key(name: &str) -> Value {
    match name {
        "version" => json!({ "const": 1 }),
        "client" => words(CLIENTS),
        "rules" => json!({ "type": "array", "items": { "$ref": "#/$defs/rule" } }),
        _ => json!({}),
    }
}

fn rule_key(name: &str) -> Value {
    match name {
        "id" => json!({ "type": "string", "pattern": ID }),
        "title" | "docs" => text(),
        "client" => words(CLIENTS),
        "pattern" | "unless" => json!({ "type": "string", "minLength": 1, "maxLength": super::pattern::MAX_CHARS }),
        "where" => json!({
            "type": "object", "minProperties": 1, "additionalProperties": { "$ref": "#/$defs/condition" },
        }),
        "evidence" => words(EVIDENCE),
        "verdict" => words(VERDICTS),
        "severity" => words(SEVERITIES),
        "threshold" => json!({ "$ref": "#/$defs/threshold" }),
        "samples" => json!({ "$ref": "#/$defs/samples" }),
        "tags" => json!({ "type": "array", "items": { "type": "string", "pattern": ID } }),
        "enabled" => json!({ "type": "boolean" }),
        _ => json!({}),
    }
}

fn threshold_key(name: &str) -> Value {
    match name {
        "count" => json!({ "type": "integer", "minimum": 1, "maximum": super::file::MAX_COUNT }),
        "within" => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$", "examples": ["60s", "5m"] }),
        _ => json!({}),
    }
}

fn text() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

fn words<T>(words: &[(&str, T)]) -> Value {
    json!({ "enum": words.iter().map(|(name, _)| *name).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests;
