//! A dashboard: panels in a grid of 48 columns, each a saved object of its own.

use serde_json::{Value, json};

use super::objects::{self, Installation, Reference};
use super::source::{Chart, Dashboard, Panel, Show};

/// The panels' form.
const VERSION: &str = "8.0.0";
/// How often an open dashboard asks again, in milliseconds.
const REFRESH_MS: u64 = 30_000;

/// The id of a panel's chart: by its title, so that it stays when panels are moved.
pub(super) fn chart_id(key: &str, panel: &Panel, installation: &Installation) -> String {
    installation.id(&format!("{key}-{}", slug(&panel.title)))
}

fn slug(title: &str) -> String {
    let letters = title.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' });
    letters.collect::<String>().split_whitespace().collect::<Vec<_>>().join("-")
}

pub(super) fn object(key: &str, dashboard: &Dashboard, installation: &Installation) -> Result<Value, String> {
    let (mut panels, mut references) = (Vec::new(), Vec::new());
    for panel in &dashboard.panels {
        let (type_, id) = match (&panel.chart, &panel.session) {
            (Some(_), None) => ("lens", chart_id(key, panel, installation)),
            (None, Some(session)) => ("search", installation.session_id(session)),
            _ => return Err(format!("dashboard {key:?}, panel {:?}: needs a chart or a session", panel.title)),
        };
        let index = slug(&panel.title);
        references.push(Reference { name: format!("{index}:panel_{index}"), type_, id });
        let [x, y, w, h] = panel.at;
        panels.push(json!({
            "version": VERSION,
            "type": type_,
            "panelIndex": index,
            "panelRefName": format!("panel_{index}"),
            "gridData": { "x": x, "y": y, "w": w, "h": h, "i": index },
            "title": panel.title,
            "embeddableConfig": config(panel.chart.as_ref()),
        }));
    }
    let options = json!({ "useMargins": true, "syncColors": true, "hidePanelTitles": false });
    let attributes = json!({
        "title": installation.title(&dashboard.title),
        "description": dashboard.about,
        "panelsJSON": json!(panels).to_string(),
        "optionsJSON": options.to_string(),
        "timeRestore": true,
        "timeFrom": dashboard.range,
        "timeTo": "now",
        "refreshInterval": { "pause": false, "value": REFRESH_MS },
        "hits": 0,
        "version": 1,
        "kibanaSavedObjectMeta": objects::search_source("", None),
    });
    Ok(objects::object("dashboard", &installation.id(key), attributes, references))
}

/// A number shows its title itself.
fn config(chart: Option<&Chart>) -> Value {
    let hide = chart.is_some_and(|chart| chart.show == Show::Number);
    json!({ "enhancements": {}, "hidePanelTitles": hide })
}
