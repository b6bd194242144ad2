//! All saved objects of one installation: their names and ids, each with what it refers to, in an order in which each comes
//! after what it needs.

use serde_json::{Value, json};

use super::source::{Source, ViewName};
use super::{dashboard, data_view, lens, session};
use crate::documents::Names;

/// The oldest Kibana that reads these objects as they are; later ones migrate them from here.
const FORMAT: &str = "8.0.0";

/// Whose objects they are, and where they go.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The documents' names.
    pub names: Names,
    /// The index pattern of the raw lines.
    pub lines: String,
    /// Kibana's space; none is the default one.
    pub space: Option<String>,
}

impl Installation {
    /// An object's id: the same at each set-up. Ids with a space in them, as one id may not stand in two spaces.
    pub(super) fn id(&self, key: &str) -> String {
        let space = self.space.as_ref().map(|space| format!("{space}-")).unwrap_or_default();
        format!("hopkeeper-{}-{space}{key}", self.names.namespace)
    }

    /// The id of what can be looked at.
    pub(super) fn view_id(&self, view: ViewName) -> String {
        self.id(&format!("view-{}", view.key()))
    }

    /// The id of a Discover session.
    pub(super) fn session_id(&self, key: &str) -> String {
        self.id(&format!("session-{key}"))
    }

    /// A title that shows whose it is.
    pub(super) fn title(&self, title: &str) -> String {
        match self.names.namespace.as_str() {
            "default" => format!("[Hopkeeper] {title}"),
            namespace => format!("[Hopkeeper {namespace}] {title}"),
        }
    }

    /// The indices of a view.
    pub(super) fn index(&self, view: ViewName) -> &str {
        match view {
            ViewName::State => &self.names.state,
            ViewName::Transitions => &self.names.transitions,
            ViewName::Lines => &self.lines,
        }
    }
}

/// What an object refers to, by the name that stands in its place.
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) type_: &'static str,
    pub(super) id: String,
}

/// One saved object as Kibana imports it. `migrationVersion` is read up to 8.7, `typeMigrationVersion` made of it later.
pub(super) fn object(type_: &str, id: &str, attributes: Value, references: Vec<Reference>) -> Value {
    let references: Vec<_> =
        references.into_iter().map(|r| json!({ "id": r.id, "name": r.name, "type": r.type_ })).collect();
    json!({
        "type": type_,
        "id": id,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": FORMAT,
        "migrationVersion": { type_: FORMAT },
    })
}

/// What stands for an index in an object of Discover, and the same with its query.
pub(super) fn search_source(filter: &str, index: Option<&str>) -> Value {
    let mut source = json!({ "query": query(filter), "filter": [] });
    if let Some(name) = index {
        source["indexRefName"] = name.into();
    }
    json!({ "searchSourceJSON": source.to_string() })
}

/// A query in KQL.
pub(super) fn query(filter: &str) -> Value {
    json!({ "query": filter, "language": "kuery" })
}

/// The objects.
///
/// # Errors
/// When the source names something that is not there; what, is said.
pub fn objects(source: &Source, installation: &Installation) -> Result<Vec<Value>, String> {
    let mut objects = Vec::new();
    for (name, view) in &source.views {
        objects.push(data_view::object(*name, view, installation));
    }
    for (key, found) in &source.sessions {
        objects.push(session::object(key, found, installation).map_err(|why| format!("session {key:?}: {why}"))?);
    }
    for (key, found) in &source.dashboards {
        for panel in &found.panels {
            let wrong = |why| format!("dashboard {key:?}, panel {:?}: {why}", panel.title);
            if let Some(chart) = &panel.chart {
                let title = format!("{}: {}", found.title, panel.title);
                let id = dashboard::chart_id(key, panel, installation);
                objects.push(lens::object(&id, &title, chart, installation).map_err(wrong)?);
            }
        }
        objects.push(dashboard::object(key, found, installation)?);
    }
    Ok(objects)
}
