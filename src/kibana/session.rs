//! A Discover session: documents as they are, newest first.

use serde_json::{Value, json};

use super::objects::{self, Installation, Reference};
use super::source::Session;
use super::{fields, kql};

/// What stands for the data view.
const INDEX: &str = "kibanaSavedObjectMeta.searchSourceJSON.index";

pub(super) fn object(key: &str, session: &Session, installation: &Installation) -> Result<Value, String> {
    kql::check(&session.filter)?;
    for column in &session.columns {
        fields::kind(session.view, column)?;
    }
    let attributes = json!({
        "title": installation.title(&session.title),
        "description": session.about,
        "columns": session.columns,
        "sort": [["@timestamp", "desc"]],
        "grid": {},
        "hideChart": false,
        "hits": 0,
        "version": 1,
        "kibanaSavedObjectMeta": objects::search_source(&session.filter, Some(INDEX)),
    });
    let index = Reference { name: INDEX.into(), type_: "index-pattern", id: installation.view_id(session.view) };
    Ok(objects::object("search", &installation.session_id(key), attributes, vec![index]))
}
