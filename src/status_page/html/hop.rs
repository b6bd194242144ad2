//! The hops of a chain, each with what it runs with and what holds it back.

use maud::{Markup, html};

use super::{badge, class, incident, left, time};
use crate::overview::{ChainOverview, HopOverview, printable};

/// The id of a hop on its chain's page.
pub(super) fn id(hop: &str) -> String {
    format!("hop/{hop}")
}

/// All hops, as a packet meets them.
pub(super) fn all(chain: &ChainOverview) -> Markup {
    html! {
        section id="hops" aria-labelledby="hops/name" {
            h2 id="hops/name" { "Hops" }
            div.cards { @for hop in chain.hops.iter().rev() { (card(hop)) } }
        }
    }
}

fn card(hop: &HopOverview) -> Markup {
    html! {
        article id=(id(&hop.name)) class={ "card " (class(hop.state)) } tabindex="-1" {
            div.title {
                h3 { (printable(&hop.name)) }
                (badge(hop.state, &format!("{:?}", hop.state)))
            }
            dl {
                dt { "Client" } dd { (format!("{:?}", hop.implementation)) }
                @if let Some(since) = hop.since { dt { "Since" } dd { (time(since)) } }
                dt { "Candidate" }
                dd {
                    @match &hop.candidate {
                        Some(candidate) => code { (printable(candidate)) },
                        None => "none yet",
                    }
                }
                dt { "Pool" } dd { (left(hop.candidates_left)) }
                @if let Some(pod) = &hop.pod { dt { "Pod" } dd { code { (printable(pod)) } } }
                @if let Some(held) = &hop.held {
                    dt { @if held.needs_person { "Waits for a person" } @else { "Held" } }
                    dd {
                        (printable(&held.message)) " ("
                        a id={ (id(&hop.name)) "/held" } href={ "#" (incident::id(&held.incident)) } { (printable(&held.reason)) }
                        ")"
                    }
                }
            }
        }
    }
}
