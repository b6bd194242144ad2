//! All lines between two times, once: for a replay.

use std::time::Duration;

use jiff::Timestamp;

use super::client::Search;
use super::pages::Pages;
use super::query::Span;
use crate::domain::event::{Position, Shard};
use crate::elasticsearch::error::ElasticsearchError;

const PAGE: usize = 2_000;
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);
/// The field that Filebeat puts a line's time into.
const FIELD: &str = "@timestamp";

/// Gives each document of the span to `each`, oldest first, with its place; `each` is told as well how many there are.
///
/// # Errors
/// When Elasticsearch does not answer for some seconds, or refuses.
pub async fn read(
    client: &Search,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    each: impl FnMut(&[u8], Position, u64),
) -> Result<(), ElasticsearchError> {
    let mut pit = client.open_pit().await?;
    let result = pages(client, &mut pit, Span { from, to, young: None }, each).await;
    // It ends by itself within a minute.
    let _ = client.close_pit(&pit).await;
    result
}

async fn pages(
    client: &Search,
    pit: &mut String,
    span: Span,
    mut each: impl FnMut(&[u8], Position, u64),
) -> Result<(), ElasticsearchError> {
    let query = span.query(FIELD);
    let total = client.count(pit, &query).await?;
    let shard = Shard::new(format!("elasticsearch:{}", client.index()));
    let mut pages = Pages::new(client, &query, FIELD, PAGE);
    let (mut sequence, mut tries) = (0, 1);
    loop {
        match pages.next(pit).await {
            Ok(None) => return Ok(()),
            Ok(Some(hits)) => {
                tries = 1;
                for hit in hits {
                    let payload = hit.source.as_ref().map_or(&[][..], |source| source.get().as_bytes());
                    each(payload, Position::new(shard.clone(), sequence), total);
                    sequence += 1;
                }
            }
            Err(error) if error.is_passing() && tries < TRIES => {
                tokio::time::sleep(error.retry_after().unwrap_or(PAUSE * tries)).await;
                tries += 1;
            }
            Err(error) => return Err(error),
        }
    }
}
