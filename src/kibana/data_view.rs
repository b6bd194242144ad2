//! A data view: which indices are looked at, and how fields are shown.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::objects::{self, Installation};
use super::source::{Format, Link, View, ViewName};

/// How far back a link looks that names no time.
const LINKS_LOOK_BACK: &str = "now-30d";

pub(super) fn object(name: ViewName, view: &View, installation: &Installation) -> Value {
    let formats: BTreeMap<_, _> = view.formats.iter().map(|(field, of)| (field, format(of, installation))).collect();
    let label = |(field, label): (&String, &String)| (field.clone(), json!({ "customLabel": label }));
    let labels: Map<_, _> = view.labels.iter().map(label).collect();
    let attributes = json!({
        "title": installation.index(name),
        "name": installation.title(&view.title),
        "timeFieldName": "@timestamp",
        "fieldFormatMap": json!(formats).to_string(),
        "fieldAttrs": Value::Object(labels).to_string(),
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "typeMeta": "{}",
        // Raw lines may be elsewhere, and nothing may have been written yet.
        "allowNoIndex": true,
    });
    objects::object("index-pattern", &installation.view_id(name), attributes, Vec::new())
}

fn format(of: &Format, installation: &Installation) -> Value {
    match of {
        Format::Duration => json!({ "id": "duration", "params": {
            "inputFormat": "seconds", "outputFormat": "humanizePrecise", "outputPrecision": 0, "useShortSuffix": true,
        }}),
        Format::Percentage => json!({ "id": "percent", "params": { "pattern": "0,0%" } }),
        Format::Link(link) => {
            let label = if link.field.is_some() { "{{value}}" } else { "lines" };
            json!({ "id": "url", "params": {
                "type": "a", "urlTemplate": address(link, installation), "labelTemplate": label,
                "openLinkInCurrentTab": link.dashboard.is_some(),
            }})
        }
    }
}

/// Relative to Kibana's own address and space; the value is put in at `{{value}}`.
fn address(link: &Link, installation: &Installation) -> String {
    let of = |field: &String| format!("_a=(query:(language:kuery,query:'{field}:{{{{value}}}}'))");
    let end = link.field.as_ref().map(of);
    match (&link.dashboard, &link.session) {
        (Some(key), _) => {
            format!("../app/dashboards#/view/{}?{}", installation.id(key), end.unwrap_or_default())
        }
        (None, session) => {
            let id = installation.session_id(session.as_deref().unwrap_or_default());
            let end =
                end.map_or("{{rawValue}}".to_owned(), |end| format!("_g=(time:(from:{LINKS_LOOK_BACK},to:now))&{end}"));
            format!("../app/discover#/view/{id}?{end}")
        }
    }
}
