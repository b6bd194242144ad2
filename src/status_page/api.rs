//! The JSON API: what `hopkeeper status -o json` and `explain-incident -o json` print, over HTTP. Its description is made
//! in `openapi`.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::snapshot::View;
use super::{Serving, openapi};
use crate::overview::Story;

/// Incidents, the newest first.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Incidents<'a> {
    /// The incidents.
    pub(super) incidents: Vec<&'a Story>,
}

/// Which incidents; all of them where nothing is said.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Those of this namespace.
    namespace: Option<String>,
    /// Those of chains of this name.
    chain: Option<String>,
    /// Those of hops of this name.
    hop: Option<String>,
    /// The open ones, or the closed ones.
    open: Option<bool>,
}

impl Filter {
    fn admits(&self, story: &Story) -> bool {
        let is = |wanted: &Option<String>, value: &String| wanted.as_ref().is_none_or(|wanted| wanted == value);
        is(&self.namespace, &story.namespace)
            && is(&self.chain, &story.chain)
            && is(&self.hop, &story.hop)
            && self.open.is_none_or(|open| open == story.is_open())
    }
}

/// What went wrong, as RFC 9457 has it.
#[derive(Serialize, JsonSchema)]
pub(super) struct ProblemDetails {
    /// The status code in words.
    title: &'static str,
    /// The status code.
    status: u16,
    /// What is wrong, in a sentence.
    detail: String,
}

/// An answer that says what is wrong.
pub(super) fn problem(status: StatusCode, detail: impl Into<String>) -> impl IntoResponse {
    let title = status.canonical_reason().unwrap_or_default();
    let problem = ProblemDetails { title, status: status.as_u16(), detail: detail.into() };
    (status, [(header::CONTENT_TYPE, "application/problem+json")], text(&problem))
}

pub(super) async fn operator(State(serving): State<Serving>) -> Response {
    json(&serving.shown.now().operator)
}

pub(super) async fn chains(State(serving): State<Serving>) -> Response {
    with_view(&serving, |view| json(&view.overview)).await
}

pub(super) async fn chain(State(serving): State<Serving>, Path((namespace, name)): Path<(String, String)>) -> Response {
    with_view(&serving, |view| match view.overview.chain(&namespace, &name) {
        Some(chain) => json(chain),
        None => missing(format!("no chain {name:?} in namespace {namespace:?}")),
    })
    .await
}

pub(super) async fn incidents(
    State(serving): State<Serving>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Response {
    let filter = match filter {
        Ok(Query(filter)) => filter,
        Err(wrong) => return problem(StatusCode::BAD_REQUEST, wrong.body_text()).into_response(),
    };
    with_view(&serving, |view| {
        let all = view.overview.chains.iter().flat_map(|chain| &chain.incidents);
        let mut incidents: Vec<&Story> = all.filter(|story| filter.admits(story)).collect();
        incidents.sort_by_key(|story| Reverse((story.last.time, &story.id)));
        json(&Incidents { incidents })
    })
    .await
}

pub(super) async fn incident(
    State(serving): State<Serving>,
    Path((namespace, id)): Path<(String, String)>,
) -> Response {
    with_view(&serving, |view| {
        let mut all = view.overview.chains.iter().flat_map(|chain| &chain.incidents);
        match all.find(|story| story.namespace == namespace && story.id == id) {
            Some(story) => json(story),
            None => missing(format!("no incident {id:?} in namespace {namespace:?}")),
        }
    })
    .await
}

pub(super) async fn openapi() -> Response {
    json(&openapi::document())
}

pub(super) async fn nothing_here() -> Response {
    missing("nothing is served here; /api/v1/openapi.json lists what is".to_owned())
}

async fn with_view(serving: &Serving, answer: impl FnOnce(&View) -> Response) -> Response {
    let view: Option<Arc<View>> = serving.shown.now().view().await;
    match view {
        Some(view) => answer(&view),
        None => {
            let not_yet = problem(StatusCode::SERVICE_UNAVAILABLE, "chains and incidents have not been listed yet");
            ([(header::RETRY_AFTER, "1")], not_yet).into_response()
        }
    }
}

fn missing(detail: String) -> Response {
    problem(StatusCode::NOT_FOUND, detail).into_response()
}

fn json(value: &impl Serialize) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text(value)).into_response()
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("should be JSON: keys are strings")
}
