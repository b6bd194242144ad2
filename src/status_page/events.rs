//! Server-sent events: the parts of a page that are not as its viewer has them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::api::problem;
use super::html::{Page, Section};
use super::snapshot::{Shown, Which};
use super::{Serving, assets};

/// A viewer that hears nothing for three times as long takes the connection for dead (`assets/page.js`).
const TICK: Duration = Duration::from_secs(10);

/// How long a browser waits before it comes back after its connection has ended; its own 3 s are longer than a change may take.
const RETRY: Duration = Duration::from_millis(500);

/// What a viewer has.
enum Has {
    /// Something with this digest, which may be what there is.
    Digest(String),
    /// This page.
    Page(Arc<Page>),
}

/// What a viewer is sent.
#[derive(Serialize)]
struct Update<'a> {
    /// The program's version: a page of another one loads itself again.
    version: &'static str,
    title: &'a str,
    /// All sections there are, in order.
    order: Vec<&'a str>,
    /// Those that are new or different.
    sections: Vec<&'a Section>,
}

struct Viewer {
    shown: Shown,
    which: Which,
    has: Has,
    _permit: OwnedSemaphorePermit,
}

/// Updates of a page until the viewer leaves or the program ends; `state` is the digest of what the viewer has.
pub(super) fn stream(serving: &Serving, which: Which, state: String) -> Response {
    let Ok(permit) = Arc::clone(&serving.viewers).try_acquire_owned() else {
        let full = problem(StatusCode::SERVICE_UNAVAILABLE, "too many pages are being kept up to date already");
        return ([(header::RETRY_AFTER, "30")], full).into_response();
    };
    let viewer = Viewer { shown: serving.shown.clone(), which, has: Has::Digest(state), _permit: permit };
    let events = futures::stream::unfold((viewer, true), |(mut viewer, first)| async move {
        let event = viewer.next(first).await?;
        Some((Ok::<_, Infallible>(event), (viewer, false)))
    });
    let (stop, trusted) = (serving.stop.clone(), serving.trusted);
    let end = async move {
        match trusted {
            // The browser comes back by itself, and shows who it is.
            Some(time) => drop(timeout(time, stop.cancelled()).await),
            None => stop.cancelled().await,
        }
    };
    let events = events.take_until(Box::pin(end));
    let tick = KeepAlive::new().interval(TICK).event(Event::default().event("tick").data("-"));
    Sse::new(events).keep_alive(tick).into_response()
}

impl Viewer {
    /// The next thing that is not as the viewer has it; none when nothing can change any more.
    async fn next(&mut self, mut first: bool) -> Option<Event> {
        loop {
            if !first && !self.shown.changed().await {
                return None;
            }
            first = false;
            let page = self.shown.take().page(&self.which).await;
            let event = event(&self.has, &page);
            self.has = Has::Page(page);
            if event.is_some() {
                return event;
            }
        }
    }
}

fn event(has: &Has, page: &Page) -> Option<Event> {
    let sections: Vec<&Section> = match has {
        Has::Digest(digest) if *digest == page.digest => return None,
        Has::Page(before) if before.digest == page.digest => return None,
        Has::Digest(_) => page.sections.iter().collect(),
        Has::Page(before) => page.sections.iter().filter(|section| !before.sections.contains(section)).collect(),
    };
    let order = page.sections.iter().map(|section| section.id.as_str()).collect();
    let update = Update { version: assets::version(), title: &page.title, order, sections };
    let text = serde_json::to_string(&update).expect("should be text: it is made of strings");
    Some(Event::default().event("update").id(&page.digest).retry(RETRY).data(text))
}
