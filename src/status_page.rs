//! The status page: chains as paths with the state of each hop, what is held and why, incidents with their lines, candidates
//! left. Server-rendered, kept up to date by server-sent events, read-only; and the same as JSON for programs.
//!
//! Shows what it is given (`Publisher`) and asks nobody. What it shows is the read model of `overview`; where objects come
//! from is `app/status_page.rs`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::routing::get;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

mod access;
mod api;
mod assets;
mod events;
mod guard;
mod html;
pub mod openapi;
mod pages;
mod snapshot;

pub use access::Access;
pub use snapshot::{Operator, Publisher, Shown, channel};

/// Pages that are kept up to date at the same time: each holds the last thing that its viewer was sent.
const MAX_VIEWERS: usize = 64;

/// How long a viewer hears of changes without showing again that he may.
const TRUSTED: Duration = Duration::from_secs(300);

/// How the page is served.
#[derive(Clone)]
pub struct Settings {
    /// Only programs on this machine reach it: requests that name another host are a web page's, by a name of its own that
    /// it had resolved to here.
    pub local_only: bool,
    /// Asks Kubernetes who may look; without it, whoever reaches the page may.
    pub access: Option<Arc<Access>>,
    /// Ends what would never end by itself.
    pub stop: CancellationToken,
}

/// What every request is answered with.
#[derive(Clone)]
struct Serving {
    shown: Shown,
    viewers: Arc<Semaphore>,
    /// How long a viewer is kept up to date; without an end where nobody is asked who he is.
    trusted: Option<Duration>,
    stop: CancellationToken,
}

/// The page, its live updates, what it is drawn with, and the JSON API.
pub fn router(shown: Shown, settings: Settings) -> Router {
    let trusted = settings.access.is_some().then_some(TRUSTED);
    let serving = Serving { shown, viewers: Arc::new(Semaphore::new(MAX_VIEWERS)), trusted, stop: settings.stop };
    let mut router = Router::new()
        .route("/", get(pages::index))
        .route("/live", get(pages::live_index))
        .route("/chains/{namespace}/{name}", get(pages::chain))
        .route("/chains/{namespace}/{name}/live", get(pages::live_chain))
        .route("/assets/{name}", get(assets::asset))
        .route("/api/v1/operator", get(api::operator))
        .route("/api/v1/chains", get(api::chains))
        .route("/api/v1/chains/{namespace}/{name}", get(api::chain))
        .route("/api/v1/incidents", get(api::incidents))
        .route("/api/v1/incidents/{namespace}/{id}", get(api::incident))
        .route("/api/v1/openapi.json", get(api::openapi))
        .fallback(api::nothing_here)
        .with_state(serving);
    if let Some(access) = settings.access {
        router = router.layer(middleware::from_fn_with_state(access, access::require));
    }
    if settings.local_only {
        router = router.layer(middleware::from_fn(guard::refuse_names_of_others));
    }
    router.layer(middleware::map_response(guard::protect))
}

#[cfg(test)]
mod tests;
