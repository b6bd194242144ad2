//! The schema and the reader know the same keys and words, and the shipped packs fit the schema.

use serde_json::Value;

use super::*;
use crate::domain::rule::file::{Strictness, read};
use crate::domain::ruleset::pack::SHIPPED;

fn names_of(value: &Value) -> Vec<String> {
    value["properties"].as_object().expect("should have properties").keys().cloned().collect()
}

fn sorted(keys: &[Key]) -> Vec<String> {
    let mut names: Vec<String> = keys.iter().map(|key| key.name.to_owned()).collect();
    names.sort();
    names
}

#[test]
fn every_key_of_the_reader_is_in_the_schema_with_a_type_and_the_other_way_round() {
    let schema = schema();
    for (part, keys) in [
        (&schema, keys::FILE),
        (&schema["$defs"]["rule"], keys::RULE),
        (&schema["$defs"]["threshold"], keys::THRESHOLD),
        (&schema["$defs"]["samples"], keys::SAMPLES),
    ] {
        assert_eq!(names_of(part), sorted(keys));
        for (name, property) in part["properties"].as_object().expect("should have properties") {
            let says = property.as_object().expect("should be an object");
            assert!(says.len() > 1 && says.contains_key("description"), "{name} should say more than that it is there");
        }
    }
}

/// For each key a value that the reader must refuse: so the reader looks at each key that the schema offers.
#[test]
fn every_key_of_the_schema_is_looked_at_by_the_reader() {
    for key in keys::RULE {
        let mut rule: Vec<(&str, &str)> = vec![
            ("id", "a"),
            ("title", "t"),
            ("pattern", "x"),
            ("evidence", "own"),
            ("verdict", "alert"),
            ("client", "any"),
        ];
        rule.retain(|(name, _)| *name != key.name);
        rule.push((key.name, "{ no: [such, value] }"));
        let rule: Vec<String> = rule.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let source = format!("version: 1\nrules:\n  - {{ {} }}\n", rule.join(", "));
        let errors = read("a.yaml", &source, Strictness::User).errors;
        assert!(!errors.is_empty(), "the reader takes any value of {}", key.name);
        assert!(!errors.iter().any(|e| e.message.starts_with(&format!("unknown key \"{}\"", key.name))), "{errors:?}");
    }
}

#[test]
fn the_committed_schema_is_the_programs() {
    let committed = include_str!("../../../../rules/schema.json");
    assert!(committed == text_of_schema(), "rules/schema.json is not up to date: run make generate");
}

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&schema()).expect("should be a schema")
}

fn as_json(source: &str) -> Value {
    serde_saphyr::from_str(source).expect("should be YAML")
}

#[test]
fn the_schema_is_a_json_schema() {
    assert!(jsonschema::meta::is_valid(&schema()));
}

#[test]
fn the_shipped_packs_fit_the_schema() {
    for (name, source) in SHIPPED {
        let errors: Vec<String> = validator().iter_errors(&as_json(source)).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

/// The schema and the reader agree about each of these.
#[test]
fn what_the_schema_takes_the_reader_takes_and_what_it_refuses_the_reader_refuses() {
    const GOOD: &str = "id: a, title: t, pattern: x, evidence: own, verdict: alert, client: any";
    for (rule, fits) in [
        (GOOD.to_owned(), true),
        ("id: a, enabled: false".to_owned(), true),
        (format!("{GOOD}, threshold: {{ count: 2, within: 60s }}, tags: [b], severity: info, docs: x"), true),
        (format!("{GOOD}, samples: {{ fires: [x], silent: [] }}, unless: z, enabled: true"), true),
        (GOOD.replace("client: any", "client: health, where: { state: up, carrier: 1, rx_age_seconds: '> 3' }"), true),
        (GOOD.replace("title: t, ", ""), false),
        (GOOD.replace("own", "mine"), false),
        (GOOD.replace("id: a", "id: A"), false),
        (GOOD.replace("pattern: x", "pattern: 1"), false),
        (format!("{GOOD}, threshold: {{ count: 2 }}"), false),
        (format!("{GOOD}, threshold: {{ count: 0 }}"), false),
        (format!("{GOOD}, threshold: {{ count: 2000, within: 60s }}"), false),
        (format!("{GOOD}, threshold: {{ count: 2, within: soon }}"), false),
        (format!("{GOOD}, tags: b"), false),
        (format!("{GOOD}, patern: b"), false),
        (format!("{GOOD}, where: {{ a: [1] }}"), false),
        ("id: a, client: openvpn, enabled: false".to_owned(), false),
        ("title: t, pattern: x, evidence: own, verdict: alert, client: any".to_owned(), false),
    ] {
        let source = format!("version: 1\nrules:\n  - {{ {rule} }}\n");
        let errors = read("a.yaml", &source, Strictness::User).errors;
        assert_eq!(validator().is_valid(&as_json(&source)), fits, "the schema, {rule}");
        assert_eq!(errors.is_empty(), fits, "the reader, {rule}: {errors:?}");
    }
}
