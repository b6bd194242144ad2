//! Pages as HTML. Pure: what is shown is a function of the read model, times stand in it absolutely, and the viewer's
//! script makes ages of them.
//!
//! Every text passes `maud`'s escaping and `printable`: a VPN server chooses part of what is shown.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;

use super::assets;
use super::snapshot::Operator;
use crate::overview::{ChainOverview, Overview, Tone, printable};

mod chain;
mod hop;
mod incident;
mod path;

/// A page without its frame.
pub(super) struct Page {
    pub(super) state: State,
    pub(super) title: String,
    pub(super) sections: Vec<Section>,
    /// Another one whenever anything of it is.
    pub(super) digest: String,
}

/// Whether there is what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Shown,
    Missing,
    NotYet,
}

/// A part of a page that changes by itself. Its outermost element has its id.
#[derive(PartialEq, Serialize)]
pub(super) struct Section {
    pub(super) id: String,
    pub(super) html: String,
}

/// What surrounds a page.
pub(super) struct Frame {
    /// The way from the page to where everything is served: it may stand behind a proxy, below a path.
    pub(super) root: &'static str,
    /// Where its updates come from.
    pub(super) live: String,
    /// The time on the operator's clock.
    pub(super) now: Timestamp,
}

/// Where a chain is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Among all others.
    Index,
    /// On its own page.
    Own,
}

impl Place {
    /// An address of something on the chain's own page.
    fn address(self, chain: &ChainOverview, id: &str) -> String {
        match self {
            Self::Index => format!("chains/{}/{}#{id}", chain.namespace, chain.name),
            Self::Own => format!("#{id}"),
        }
    }
}

impl Page {
    fn new(state: State, title: String, sections: Vec<(String, Markup)>) -> Self {
        let sections: Vec<Section> =
            sections.into_iter().map(|(id, markup)| Section { id, html: markup.into_string() }).collect();
        let mut hasher = DefaultHasher::new();
        assets::version().hash(&mut hasher);
        title.hash(&mut hasher);
        sections.iter().for_each(|section| (&section.id, &section.html).hash(&mut hasher));
        Self { state, title, sections, digest: format!("{:016x}", hasher.finish()) }
    }
}

/// All chains.
pub(super) fn index(all: &Overview, operator: &Operator) -> Page {
    let up = all.chains.iter().filter(|chain| chain.is_up()).count();
    let summary = html! {
        section id="summary" {
            h1 { "VPN chains" }
            @if all.chains.is_empty() {
                p role="status" { "There are no chains yet." }
            } @else {
                p role="status" { strong { (up) " of " (all.chains.len()) } " chains are up." }
            }
            @if up < all.chains.len() {
                nav aria-label="Chains that are not up" {
                    ul.links {
                        @for chain in all.chains.iter().filter(|chain| !chain.is_up()) {
                            li {
                                a id={ "summary/" (chain.namespace) "/" (chain.name) } href={ "#" (chain::id(chain)) } {
                                    (chain.namespace) "/" (chain.name)
                                }
                                " " (badge(chain.phase, &chain.phase_word()))
                            }
                        }
                    }
                }
            }
            (served_by(operator))
        }
    };
    let mut sections = vec![("summary".to_owned(), summary)];
    sections.extend(all.chains.iter().map(|chain| (chain::id(chain), chain::among_others(chain))));
    Page::new(State::Shown, format!("{up} of {} chains up", all.chains.len()), sections)
}

/// One chain; that it is not there, where it is none.
pub(super) fn chain(namespace: &str, name: &str, chain: Option<&ChainOverview>, operator: &Operator) -> Page {
    let Some(chain) = chain else {
        let words = html! {
            section id="missing" {
                h1 { (printable(namespace)) "/" (printable(name)) }
                p role="alert" { "There is no such chain." }
                p { a href="../../" id="all" { "All chains" } }
            }
        };
        return Page::new(State::Missing, "no such chain".to_owned(), vec![("missing".to_owned(), words)]);
    };
    let title = format!("{name}: {}, {} of {} hops up", chain.phase_word(), chain.hops_up, chain.hops.len());
    let sections = vec![
        ("chain".to_owned(), chain::on_its_own(chain, &served_by(operator))),
        ("hops".to_owned(), hop::all(chain)),
        ("incidents".to_owned(), incident::all(chain)),
    ];
    Page::new(State::Shown, title, sections)
}

/// Before everything was listed once.
pub(super) fn not_yet(operator: &Operator) -> Page {
    let words = html! {
        section id="summary" {
            h1 { "VPN chains" }
            p role="status" { "Chains and incidents are being read from the Kubernetes API." }
            (served_by(operator))
        }
    };
    Page::new(State::NotYet, "reading chains".to_owned(), vec![("summary".to_owned(), words)])
}

/// The whole document.
pub(super) fn document(page: &Page, frame: &Frame) -> String {
    let asset = |name: &str| format!("{}assets/{name}?v={}", frame.root, assets::version());
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) }
                link rel="stylesheet" href=(asset("page.css"));
                link rel="icon" href=(asset("icon.svg")) type="image/svg+xml";
                script src=(asset("page.js")) defer {}
                noscript { meta http-equiv="refresh" content="10"; }
            }
            body data-live=(frame.live) data-state=(page.digest) data-version=(assets::version()) data-now=(frame.now) {
                a.skip href="#sections" { "Skip to what there is" }
                header {
                    a.brand href=(frame.root) { "Hopkeeper" }
                    span id="connection" role="status" { "as of " (time(frame.now)) }
                }
                main id="sections" tabindex="-1" {
                    @for section in &page.sections { (PreEscaped(&section.html)) }
                }
                footer {
                    "The same for programs: "
                    a href={ (frame.root) "api/v1/chains" } { "JSON" } ", "
                    a href={ (frame.root) "api/v1/openapi.json" } { "its description" } "."
                }
            }
        }
    }
    .into_string()
}

fn served_by(operator: &Operator) -> Markup {
    html! {
        @if let Some(trouble) = &operator.trouble {
            p.alert role="alert" { "No news from the Kubernetes API, so this may be old: " (printable(trouble)) }
        }
        p.served {
            "Served by " code { (printable(&operator.identity)) }
            @match &operator.leader {
                Some(_) if operator.leads() => ", which leads.",
                Some(leader) => { "; " code { (printable(leader)) } " leads." }
                None => "; which operator leads is not known.",
            }
        }
    }
}

fn badge(state: impl Into<Tone>, word: &str) -> Markup {
    html! { span class={ "badge " (class(state)) } { (printable(word)) } }
}

fn class(state: impl Into<Tone>) -> &'static str {
    match state.into() {
        Tone::Good => "good",
        Tone::Busy => "busy",
        Tone::Bad => "bad",
        Tone::Neutral => "neutral",
    }
}

/// A time, to the second.
fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
}

/// What a hop's pool has left.
fn left(left: Option<u32>) -> String {
    match left {
        None => "candidates left: not known".to_owned(),
        Some(0) => "no candidate left".to_owned(),
        Some(1) => "1 candidate left".to_owned(),
        Some(left) => format!("{left} candidates left"),
    }
}
