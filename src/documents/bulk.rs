//! One bulk request, and what Elasticsearch says of each of its documents: a status and the kind of error. Its sentences
//! are not asked for, since they quote the document.

use reqwest::Method;
use serde::Deserialize;

use crate::elasticsearch::error::ElasticsearchError;
use crate::elasticsearch::{Body, Elasticsearch};
use crate::outbox::Fate;

/// What is said of one document.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    status: u16,
    error: Option<Cause>,
}

#[derive(Debug, Deserialize)]
struct Cause {
    #[serde(rename = "type")]
    kind: String,
}

impl Answer {
    /// What became of the document.
    pub(super) fn fate(&self) -> Fate {
        match self.status {
            // 409: it is there already, or a newer one is. 404: what was to be removed is not there.
            200..=299 | 404 | 409 if !self.lacks_its_index() => Fate::Settled,
            429 | 500.. => Fate::Again,
            _ if self.is_forbidden() || self.lacks_its_index() => Fate::Again,
            _ => Fate::Refused,
        }
    }

    /// Someone removed the index: `setup` brings it back.
    pub(super) fn lacks_its_index(&self) -> bool {
        self.kind() == "index_not_found_exception"
    }

    /// The key or user lacks a right on that index; whoever gives it loses nothing.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self.status, 401 | 403)
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// The kind of error, such as `strict_dynamic_mapping_exception`.
    pub(super) fn kind(&self) -> &str {
        self.error.as_ref().map_or("", |error| &error.kind)
    }
}

#[derive(Deserialize)]
struct Answers {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Item {
    Create(Answer),
    Index(Answer),
    Delete(Answer),
}

/// Sends the lines; gives an answer a document, in their order.
pub(super) async fn send(client: &Elasticsearch, lines: String) -> Result<Vec<Answer>, ElasticsearchError> {
    let query = [("filter_path", "items.*.status,items.*.error.type")];
    let answers: Answers =
        client.send("write the documents", Method::POST, &["_bulk"], &query, Body::Lines(lines)).await?;
    let answer = |item| match item {
        Item::Create(answer) | Item::Index(answer) | Item::Delete(answer) => answer,
    };
    Ok(answers.items.into_iter().map(answer).collect())
}
