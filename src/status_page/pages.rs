//! The pages and their live updates, over HTTP.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::html::{self, Frame};
use super::snapshot::Which;
use super::{Serving, events};

/// What a page says it has, when it asks for what changes.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    /// The digest of what it shows.
    #[serde(default)]
    state: String,
}

/// All chains.
pub(super) async fn index(State(serving): State<Serving>) -> Response {
    document(&serving, &Which::Index, Frame { root: "./", live: "live".to_owned(), now: Timestamp::now() }).await
}

/// One chain.
pub(super) async fn chain(State(serving): State<Serving>, Path(path): Path<(String, String)>) -> Response {
    let which = which(path);
    let live = match &which {
        // An absolute address that somebody wrote for a name stays below this page.
        Which::Chain { name, .. } => format!("./{name}/live"),
        Which::Index => "live".to_owned(),
    };
    document(&serving, &which, Frame { root: "../../", live, now: Timestamp::now() }).await
}

/// What changes of all chains.
pub(super) async fn live_index(
    State(serving): State<Serving>,
    headers: HeaderMap,
    Query(seen): Query<Seen>,
) -> Response {
    events::stream(&serving, Which::Index, last_seen(&headers, seen))
}

/// What changes of one chain.
pub(super) async fn live_chain(
    State(serving): State<Serving>,
    headers: HeaderMap,
    Path(path): Path<(String, String)>,
    Query(seen): Query<Seen>,
) -> Response {
    events::stream(&serving, which(path), last_seen(&headers, seen))
}

async fn document(serving: &Serving, which: &Which, frame: Frame) -> Response {
    let page = serving.shown.now().page(which).await;
    let text = Html(html::document(&page, &frame));
    match page.state {
        html::State::Shown => text.into_response(),
        html::State::Missing => (StatusCode::NOT_FOUND, text).into_response(),
        html::State::NotYet => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], text).into_response(),
    }
}

fn which((namespace, name): (String, String)) -> Which {
    Which::Chain { namespace, name }
}

/// A browser that lost its connection says what it heard last.
fn last_seen(headers: &HeaderMap, seen: Seen) -> String {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    last.map_or(seen.state, str::to_owned)
}
