//! That the source makes what is committed, and that what is committed holds together: it is the committed file that is
//! looked at, not the source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::objects::{Installation, objects};
use super::rules::rules;
use super::source::Source;
use crate::documents::Names;
use crate::documents::fields::FIELDS;

fn default() -> Installation {
    Installation { names: Names::new("default").unwrap(), lines: "logs-hopkeeper.vpn-*,filebeat-*".into(), space: None }
}

fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kibana/hopkeeper.ndjson")
}

/// What the file must hold.
fn made() -> String {
    objects(&Source::shipped(), &default()).unwrap().iter().map(|object| format!("{object}\n")).collect()
}

/// The committed objects; while the file is being written, what it will hold.
fn committed() -> Vec<Value> {
    let generating = std::env::var_os("HOPKEEPER_GENERATE").is_some();
    let text = if generating { made() } else { std::fs::read_to_string(file()).unwrap() };
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_type<'a>(all: &'a [Value], type_: &'a str) -> impl Iterator<Item = &'a Value> {
    all.iter().filter(move |object| object["type"] == type_)
}

/// A text attribute that holds JSON.
fn inner(value: &Value) -> Value {
    serde_json::from_str(value.as_str().expect("should be a text")).expect("the text should be JSON")
}

#[test]
fn the_committed_objects_are_made_from_the_source() {
    let made = made();
    if std::env::var_os("HOPKEEPER_GENERATE").is_some() {
        std::fs::write(file(), &made).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file()).unwrap(), made, "run `make generate`");
}

#[test]
fn the_committed_rules_are_made_from_the_source_and_know_their_fields() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("kibana/rules.json");
    let rules = rules(&Source::shipped(), &default()).unwrap();
    let made: serde_json::Map<_, _> = rules.iter().map(|rule| (rule.id.clone(), rule.body.clone())).collect();
    let made = format!("{}\n", serde_json::to_string_pretty(&made).unwrap());
    if std::env::var_os("HOPKEEPER_GENERATE").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), made, "run `make generate`");
    let documents: BTreeSet<_> = FIELDS.iter().map(|field| field.name).collect();
    for (key, rule) in &Source::shipped().rules {
        for field in filter_fields(&rule.filter).into_iter().chain(rule.by.clone()) {
            assert!(documents.contains(field.as_str()), "{key}: {field}");
        }
    }
    for rule in rules {
        assert!(inner(&rule.body["params"]["esQuery"])["query"].is_object(), "{rule:?}");
    }
}

#[test]
fn every_reference_leads_to_an_object_that_comes_before() {
    let mut before = BTreeSet::new();
    for object in committed() {
        let key = (object["type"].to_string(), object["id"].to_string());
        for reference in object["references"].as_array().unwrap() {
            let to = (reference["type"].to_string(), reference["id"].to_string());
            assert!(before.contains(&to), "{key:?} refers to {to:?}");
        }
        assert!(before.insert(key.clone()), "{key:?} is there twice");
    }
    assert!(before.len() > 30, "{before:?}");
}

#[test]
fn names_of_references_are_used_and_used_names_are_there() {
    for object in committed() {
        let attributes = object["attributes"].to_string();
        let names: Vec<_> =
            object["references"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
        match object["type"].as_str().unwrap() {
            "dashboard" => {
                let panels = inner(&object["attributes"]["panelsJSON"]);
                let wanted = panels.as_array().unwrap().iter().map(|panel| {
                    format!("{}:{}", panel["panelIndex"].as_str().unwrap(), panel["panelRefName"].as_str().unwrap())
                });
                assert_eq!(names, wanted.collect::<Vec<_>>());
            }
            "search" => assert_eq!(
                names,
                [inner(&object["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])["indexRefName"]
                    .as_str()
                    .unwrap()]
            ),
            "lens" => {
                let layers = &object["attributes"]["state"]["datasourceStates"]["indexpattern"]["layers"];
                let layers = layers.as_object().unwrap().keys().map(|l| format!("indexpattern-datasource-layer-{l}"));
                let current = "indexpattern-datasource-current-indexpattern".to_owned();
                assert_eq!(names, std::iter::once(current).chain(layers).collect::<Vec<_>>());
            }
            "index-pattern" => assert!(names.is_empty()),
            other => panic!("{other}: {attributes}"),
        }
    }
}

#[test]
fn what_kibana_keeps_as_text_is_json() {
    fn look(value: &Value, seen: &mut usize) {
        for (key, value) in value.as_object().into_iter().flatten() {
            if key.ends_with("JSON") || key == "fieldFormatMap" || key == "runtimeFieldMap" {
                inner(value);
                *seen += 1;
            } else {
                look(value, seen);
            }
        }
    }
    let mut seen = 0;
    committed().iter().for_each(|object| look(&object["attributes"], &mut seen));
    assert!(seen > 10, "{seen}");
}

#[test]
fn kibana_8_reads_the_objects_as_they_are_and_later_ones_from_there() {
    for object in committed() {
        let type_ = object["type"].as_str().unwrap();
        assert_eq!(object["coreMigrationVersion"], "8.0.0");
        assert_eq!(object["migrationVersion"][type_], "8.0.0");
        // With it Kibana 8.8 and later would take the object to be of their own time.
        assert!(object.get("typeMigrationVersion").is_none());
    }
}

#[test]
fn panels_lie_within_the_grid_and_not_over_each_other() {
    let all = committed();
    let mut dashboards = 0;
    for object in of_type(&all, "dashboard") {
        dashboards += 1;
        let panels = inner(&object["attributes"]["panelsJSON"]);
        let mut taken: BTreeMap<(u64, u64), String> = BTreeMap::new();
        for panel in panels.as_array().unwrap() {
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridData"][side].as_u64().unwrap());
            assert!(w > 0 && h > 0 && x + w <= 48, "{panel}");
            assert_eq!(panel["gridData"]["i"], panel["panelIndex"]);
            for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                let other = taken.insert(place, panel["title"].to_string());
                assert!(other.is_none(), "{} lies over {other:?} at {place:?}", panel["title"]);
            }
        }
        let rows = taken.keys().map(|(_, y)| y + 1).max().unwrap();
        assert_eq!(taken.len() as u64, rows * 48, "{} has a hole", object["id"]);
    }
    assert_eq!(dashboards, 5);
}

/// What stands where fields stand.
fn named_fields(object: &Value) -> Vec<String> {
    let mut fields = Vec::new();
    let state = &object["attributes"]["state"];
    let layers = &state["datasourceStates"]["indexpattern"]["layers"];
    let columns =
        layers.as_object().into_iter().flat_map(|l| l.values()).flat_map(|l| l["columns"].as_object().unwrap());
    for (_, column) in columns {
        fields.push(column["sourceField"].as_str().unwrap().to_owned());
        fields.extend(column["params"]["sortField"].as_str().map(str::to_owned));
        fields.extend(filter_fields(column["filter"]["query"].as_str().unwrap_or_default()));
    }
    fields.extend(filter_fields(state["query"]["query"].as_str().unwrap_or_default()));
    let listed = object["attributes"]["columns"].as_array().into_iter().flatten();
    fields.extend(listed.map(|column| column.as_str().unwrap().to_owned()));
    if object["type"] == "search" {
        let source = inner(&object["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"]);
        fields.extend(filter_fields(source["query"]["query"].as_str().unwrap()));
    }
    if object["type"] == "index-pattern" {
        for kept in ["fieldFormatMap", "fieldAttrs"] {
            fields.extend(inner(&object["attributes"][kept]).as_object().unwrap().keys().cloned());
        }
    }
    fields
}

/// The words before a colon or a comparison.
fn filter_fields(text: &str) -> Vec<String> {
    let words: Vec<_> = text.split([' ', '(', ')']).filter(|word| !word.is_empty()).collect();
    let is_sign = |word: &str| [":", "<", ">", "<=", ">="].contains(&word);
    words.windows(2).filter(|pair| is_sign(pair[1])).map(|pair| pair[0].to_owned()).collect()
}

#[test]
fn every_field_is_in_the_index_templates_or_written_by_filebeat() {
    let documents: BTreeSet<_> = FIELDS.iter().map(|field| field.name).collect();
    // Of each line that our Filebeat ships: filebeat/*.yml.
    let lines = ["@timestamp", "message", "kubernetes.pod.name", "kubernetes.container.name"];
    let mut seen = BTreeSet::new();
    for object in committed() {
        let view = object["references"].as_array().unwrap().last().map_or(&object["id"], |r| &r["id"]);
        let of_lines = view == "hopkeeper-default-view-lines";
        if object["type"] == "dashboard" {
            continue;
        }
        for field in named_fields(&object).into_iter().filter(|field| field != "Records") {
            let known = if of_lines { lines.contains(&field.as_str()) } else { documents.contains(field.as_str()) };
            assert!(known, "{}: {field}", object["id"]);
            seen.insert(field);
        }
    }
    assert!(seen.len() > 30 && seen.contains("hopkeeper.hop.previous_state"), "{seen:?}");
}

#[test]
fn links_lead_to_dashboards_and_sessions_that_are_there() {
    let all = committed();
    let ids: BTreeSet<_> = all.iter().map(|object| object["id"].as_str().unwrap()).collect();
    let mut links = 0;
    for view in of_type(&all, "index-pattern") {
        for (field, format) in inner(&view["attributes"]["fieldFormatMap"]).as_object().unwrap() {
            let Some(template) = format["params"]["urlTemplate"].as_str() else { continue };
            let id = template.split(['/', '?']).find(|part| part.starts_with("hopkeeper-")).unwrap();
            assert!(ids.contains(id), "{field} leads to {template}");
            assert!(template.contains("{{value}}") || template.ends_with("?{{rawValue}}"), "{template}");
            links += 1;
        }
    }
    assert_eq!(links, 4);
}

#[test]
fn another_installation_or_space_has_objects_of_its_own() {
    let of = |namespace: &str, space: Option<&str>| {
        let names = Names::new(namespace).unwrap();
        let installation = Installation { names, lines: "lines-*".into(), space: space.map(str::to_owned) };
        let made = objects(&Source::shipped(), &installation).unwrap();
        made.into_iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let all = [of("default", None), of("default", Some("team")), of("team", None)];
    let distinct: BTreeSet<_> = all.iter().flatten().collect();
    assert_eq!(distinct.len(), 3 * all[0].len());
}

#[test]
fn a_source_that_names_what_is_not_there_is_refused() {
    let source = |panel: &str| {
        format!(
            "views: {{}}\nsessions: {{}}\ndashboards:\n  d:\n    title: T\n    about: A\n    range: now-1h\n    panels:\n\
             \x20   - {{ title: P, at: [0, 0, 1, 1]{panel} }}"
        )
    };
    let chart = |rest: &str| source(&format!(", chart: {{ show: table, view: state, {rest} }}"));
    for (text, expected) in [
        (chart("values: [{ of: last, field: hopkeeper.nothing, title: V }]"), "hopkeeper.nothing"),
        (chart("values: [{ of: sum, field: message, title: V }]"), "no number"),
        (chart("values: [{ of: count, field: message, title: V }]"), "a count has no field"),
        (chart("values: [], by: [{ field: message, title: B }]"), "it is a text"),
        (chart("where: 'a b', values: []"), "KQL"),
        (chart("show: round, values: []"), "show"),
        (source(""), "needs a chart or a session"),
        (source(", colour: red"), "colour"),
    ] {
        let refused = Source::read(&text).and_then(|source| objects(&source, &default()));
        assert!(refused.as_ref().is_err_and(|why| why.contains(expected)), "{text}: {refused:?}");
    }
}
