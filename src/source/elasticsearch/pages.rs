//! One point in time, page by page: whole, in order, and in pages that fit into memory.

use serde_json::Value;

use super::client::{Hit, Search};
use super::query::search;
use crate::elasticsearch::error::ElasticsearchError;

/// Pages of one query.
pub(super) struct Pages<'a> {
    pub(super) client: &'a Search,
    pub(super) query: &'a Value,
    pub(super) field: &'a str,
    /// Documents of a page; fewer where they are long.
    pub(super) size: usize,
    /// Whether the documents come along, or their ids only.
    pub(super) with_source: bool,
    /// The place of the last document.
    pub(super) after: Option<(i64, i64)>,
    pub(super) at_end: bool,
}

impl<'a> Pages<'a> {
    pub(super) fn new(client: &'a Search, query: &'a Value, field: &'a str, size: usize) -> Self {
        Self { client, query, field, size, with_source: true, after: None, at_end: false }
    }

    /// The next page; none after the last. What failed may be tried again.
    pub(super) async fn next(&mut self, pit: &mut String) -> Result<Option<Vec<Hit>>, ElasticsearchError> {
        if self.at_end {
            return Ok(None);
        }
        let hits = loop {
            let ask = |size, with_source| search(self.query, self.field, size, self.after, with_source);
            match self.client.page(pit, ask(self.size, self.with_source)).await {
                Err(ElasticsearchError::TooLarge { .. }) if self.size > 1 => self.size = (self.size / 4).max(1),
                // One document alone is too long: its place is enough.
                Err(ElasticsearchError::TooLarge { .. }) if self.with_source => {
                    break self.client.page(pit, ask(1, false)).await?;
                }
                result => break result?,
            }
        };
        self.at_end = hits.len() < self.size;
        self.after = hits.last().map(|hit| hit.sort).or(self.after);
        Ok((!hits.is_empty()).then_some(hits))
    }
}
