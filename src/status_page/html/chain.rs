//! One chain: its phase, its path, what holds it back.

use maud::{Markup, html};

use super::{Place, badge, class, incident, path};
use crate::overview::{ChainOverview, HeldBy, HopOverview, Tone, printable};

/// The id of a chain among others.
pub(super) fn id(chain: &ChainOverview) -> String {
    format!("chain/{}/{}", chain.namespace, chain.name)
}

/// A chain among others, with its latest incidents.
pub(super) fn among_others(chain: &ChainOverview) -> Markup {
    let id = id(chain);
    html! {
        section id=(id) class={ "chain " (class(chain.phase)) } aria-labelledby={ (id) "/name" } {
            div.title {
                h2 id={ (id) "/name" } {
                    a id={ (id) "/link" } href={ "chains/" (chain.namespace) "/" (chain.name) } { (name(chain)) }
                }
                (phase(chain))
            }
            (body(chain, Place::Index))
            (incident::latest(chain))
        }
    }
}

/// A chain on its own page.
pub(super) fn on_its_own(chain: &ChainOverview, served_by: &Markup) -> Markup {
    html! {
        section id="chain" class={ "chain " (class(chain.phase)) } {
            div.title {
                h1 { (name(chain)) }
                (phase(chain))
            }
            (body(chain, Place::Own))
            p { a id="all" href="../../" { "All chains" } }
            (served_by)
        }
    }
}

fn name(chain: &ChainOverview) -> Markup {
    html! { span.namespace { (printable(&chain.namespace)) "/" } (printable(&chain.name)) }
}

fn phase(chain: &ChainOverview) -> Markup {
    html! {
        (badge(chain.phase, &chain.phase_word()))
        span.count { (chain.hops_up) " of " (chain.hops.len()) " hops up" }
        @if let Some(at) = chain.last_recovery {
            span.count { "last recovery " (super::time(at)) }
        }
    }
}

fn body(chain: &ChainOverview, place: Place) -> Markup {
    let held: Vec<(&HopOverview, &HeldBy)> =
        chain.hops.iter().filter_map(|hop| Some((hop, hop.held.as_ref()?))).collect();
    html! {
        p { (printable(&chain.sentence())) }
        (path::drawings(chain, place))
        @if !held.is_empty() || !chain.problems.is_empty() {
            ul.reasons {
                @for (hop, held) in held {
                    li class=(class(if held.needs_person { Tone::Bad } else { Tone::Busy })) {
                        strong { (printable(&hop.name)) }
                        @if held.needs_person { " waits for a person: " } @else { " is held: " }
                        (printable(&held.message)) " ("
                        a id={ (id(chain)) "/held/" (hop.name) } href=(place.address(chain, &incident::id(&held.incident))) {
                            (printable(&held.reason))
                        }
                        ")"
                    }
                }
                @for problem in chain.other_problems() {
                    li.bad { strong { (printable(&problem.reason)) } ": " (printable(&problem.message)) }
                }
            }
        }
    }
}
