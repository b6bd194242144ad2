//! What Elasticsearch needs before documents are written: mappings, templates with a lifecycle, the data stream and the
//! index. Each part is looked at, and written only where it is missing or differs, so that it may be run at any time.

mod parts;

use reqwest::Method;
use serde::Serialize;
use serde_json::Value;

use self::parts::Part;
use super::Names;
use crate::elasticsearch::error::ElasticsearchError;
use crate::elasticsearch::{Body, Connection, Elasticsearch};

pub(crate) use self::parts::holds;
pub use self::parts::templates;

/// What a refusal means here.
fn remedies(status: u16) -> &'static str {
    match status {
        400 => {
            "; a field of the index may have another type: `hopkeeper setup` cannot change that, only a new index can"
        }
        403 => {
            "; setup needs the cluster privilege manage_index_templates, and manage on the indices \
             logs-hopkeeper.transition-* and hopkeeper-state-*"
        }
        _ => "",
    }
}

/// What is to be set up.
pub struct Wanted {
    /// The names.
    pub names: Names,
    /// How long transitions are kept, as Elasticsearch writes it: `90d`.
    pub keep: String,
}

/// What was, or would be, done about one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was missing.
    Create,
    /// It was different.
    Update,
    /// It was right.
    None,
    /// It is written over whatever is there; only who does it learns what that was.
    Import,
}

/// One part, and what was, or would be, done about it.
#[derive(Debug, Serialize)]
pub struct Done {
    /// What it is: `component template`, `index template`, `data stream` ….
    pub part: &'static str,
    /// Its name.
    pub name: String,
    /// What was, or would be, done.
    pub change: Change,
    /// How: method and path.
    pub request: String,
    /// What is sent.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub body: Value,
}

/// Sets everything up, or with `dry_run` only says what it would do.
///
/// # Errors
/// When Elasticsearch does not answer or refuses: what was done before stays, and running it again goes on from there.
pub async fn run(connection: Connection, wanted: &Wanted, dry_run: bool) -> Result<Vec<Done>, ElasticsearchError> {
    let client = Elasticsearch::new(connection, remedies)?;
    let mut done = Vec::new();
    for part in parts::all(wanted) {
        let answer = look(&client, &part).await?;
        let Some(change) = part.change(answer.as_ref()) else { continue };
        if change != Change::None && !dry_run {
            let body = if part.body.is_null() { Body::None } else { Body::Json(part.body.clone()) };
            let path: Vec<&str> = part.path.iter().map(String::as_str).collect();
            let _: Value = client.send(part.what, Method::PUT, &path, part.query, body).await?;
        }
        let request = format!("PUT /{}", part.path.join("/"));
        done.push(Done { part: part.kind, name: part.name, change, request, body: part.body });
    }
    Ok(done)
}

async fn look(client: &Elasticsearch, part: &Part) -> Result<Option<Value>, ElasticsearchError> {
    let path: Vec<&str> = part.look.iter().map(String::as_str).collect();
    match client.send("look at what is set up", Method::GET, &path, &[], Body::None).await {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
