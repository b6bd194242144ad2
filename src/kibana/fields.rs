//! Which fields there are, and their kinds: those of the documents, and the few of Filebeat's that we rely on.

use super::source::ViewName;
use crate::documents::fields::{FIELDS, Kind};

/// What our configuration of Filebeat (`filebeat/`) writes of each line, and the Elastic Common Schema keeps in this way.
const LINES: [(&str, Kind); 6] = [
    ("@timestamp", Kind::Date),
    ("message", Kind::Text),
    ("kubernetes.namespace", Kind::Keyword),
    ("kubernetes.pod.name", Kind::Keyword),
    ("kubernetes.pod.uid", Kind::Keyword),
    ("kubernetes.container.name", Kind::Keyword),
];

/// How a field is kept.
///
/// # Errors
/// When there is no such field.
pub(super) fn kind(view: ViewName, field: &str) -> Result<Kind, String> {
    let found = match view {
        ViewName::Lines => LINES.iter().find(|(name, _)| *name == field).map(|(_, kind)| *kind),
        ViewName::State | ViewName::Transitions => FIELDS.iter().find(|f| f.name == field).map(|f| f.kind),
    };
    found.ok_or_else(|| format!("view {:?} has no field {field:?}", view.key()))
}

/// Kibana's name of the kind.
pub(super) fn data_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Keyword | Kind::Text => "string",
        Kind::Date => "date",
        Kind::Long | Kind::Double => "number",
        Kind::Boolean => "boolean",
        Kind::Ip => "ip",
    }
}
