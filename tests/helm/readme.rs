//! The chart's README: every value with the comment above it.

use std::fmt::Write;
use std::fs;

use serde_json::Value;

use super::generated::hold;
use super::tool::{chart, documents};

/// A value: its path, its text in values.yaml, the comment above it.
struct Entry {
    path: String,
    default: String,
    comment: String,
}

/// The values of a file that have a comment, and those that do not and are no section.
fn entries(text: &str) -> (Vec<Entry>, Vec<String>) {
    let (mut found, mut bare) = (Vec::new(), Vec::new());
    let mut parents: Vec<(usize, String)> = Vec::new();
    let mut comment = String::new();
    // The block of a value that has several lines belongs to it.
    let mut inside: Option<usize> = None;
    for line in text.lines() {
        let depth = line.len() - line.trim_start().len();
        let line = line.trim();
        if let Some(words) = line.strip_prefix('#') {
            comment = format!("{comment} {}", words.trim()).trim().to_owned();
            continue;
        }
        if inside.is_some_and(|start| depth > start) && !line.is_empty() {
            if let Some(Entry { default, .. }) = found.last_mut() {
                write!(default, "{}{line}", if default.is_empty() { "" } else { "; " }).unwrap();
            }
            continue;
        }
        inside = None;
        if let Some((key, value)) = line.split_once(':') {
            parents.retain(|(outer, _)| *outer < depth);
            let path = parents.iter().map(|(_, name)| name.as_str()).chain([key]).collect::<Vec<_>>().join(".");
            if comment.is_empty() && value.trim().is_empty() {
                parents.push((depth, key.to_owned()));
            } else if comment.is_empty() {
                bare.push(path);
            } else {
                if value.trim().is_empty() {
                    inside = Some(depth);
                }
                found.push(Entry { path, default: value.trim().to_owned(), comment: comment.clone() });
            }
        }
        comment.clear();
    }
    (found, bare)
}

#[test]
fn the_readme_is_made_from_the_comments_of_the_values() {
    let text = fs::read_to_string(chart().join("values.yaml")).unwrap();
    let (values, bare) = entries(&text);
    assert!(bare.is_empty(), "values without a comment above them: {bare:?}");
    let file = chart().join("README.md");
    let readme = fs::read_to_string(&file).unwrap();
    let (start, end) = ("<!-- values: made from values.yaml -->\n", "<!-- end of values -->");
    let (before, rest) = readme.split_once(start).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let mut table = String::from("| value | default | |\n| --- | --- | --- |\n");
    for Entry { path, default, comment } in values {
        writeln!(table, "| `{path}` | `{}` | {} |", default.replace('|', "\\|"), comment.replace('|', "\\|")).unwrap();
    }
    hold(&file, &format!("{before}{start}{table}{end}{after}"));
}

/// Every leaf of the defaults has a place in the schema, and the schema knows nothing that has no default.
#[test]
fn the_schema_and_the_defaults_know_the_same_values() {
    fn compare(path: &str, schema: &Value, values: &Value) {
        let Some(known) = schema["properties"].as_object().filter(|_| schema["additionalProperties"] == false) else {
            return;
        };
        let Some(values) = values.as_object() else { return };
        for (name, schema) in known {
            let path = format!("{path}/{name}");
            // `global` is helm's own; requests, limits and claims are Kubernetes'.
            if path != "/global" && !path.contains("/resources/") && !path.ends_with("pullSecrets") {
                compare(&path, schema, values.get(name).unwrap_or_else(|| panic!("values.yaml has no {path}")));
            }
        }
    }
    let schema: Value = serde_json::from_str(&fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap();
    let values = documents(&fs::read_to_string(chart().join("values.yaml")).unwrap()).swap_remove(0);
    compare("", &schema, &values);
}
