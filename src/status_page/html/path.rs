//! The way of a packet, drawn: application → exit → … → entry → internet. Side by side where there is room, one below the
//! other where there is not; the style sheet shows one of the two.

use maud::{Markup, html};

use super::{Place, class, hop, left};
use crate::overview::{ChainOverview, HopOverview, printable};

/// More nodes than this are not drawn side by side on any screen.
const MOST_IN_A_ROW: usize = 7;

/// A place on the way.
#[derive(Clone, Copy)]
enum Node<'a> {
    End(&'static str),
    Hop(&'a HopOverview),
}

/// How nodes are drawn, in pixels.
struct Size {
    width: usize,
    height: usize,
    gap: usize,
}

const WIDE: Size = Size { width: 140, height: 66, gap: 28 };
const TALL: Size = Size { width: 310, height: 48, gap: 24 };
/// Room for a stroke at the edges.
const MARGIN: usize = 3;
const CORNER: usize = 8;

/// Both drawings of a chain's path.
pub(super) fn drawings(chain: &ChainOverview, place: Place) -> Markup {
    let hops = chain.hops.iter().rev().map(Node::Hop);
    let nodes: Vec<Node<'_>> =
        std::iter::once(Node::End("application")).chain(hops).chain([Node::End("internet")]).collect();
    let fits = nodes.len() <= MOST_IN_A_ROW;
    html! {
        div class={ "path nodes-" (nodes.len()) @if !fits { " long" } } {
            @if fits { (wide(chain, &nodes, place)) }
            (tall(chain, &nodes, place))
        }
    }
}

fn wide(chain: &ChainOverview, nodes: &[Node<'_>], place: Place) -> Markup {
    let Size { width, height, gap } = WIDE;
    let (all, high) = (nodes.len() * (width + gap) - gap + 2 * MARGIN, height + 2 * MARGIN);
    let (middle, center) = (MARGIN + height / 2, width / 2);
    html! {
        svg.wide viewBox={ "0 0 " (all) " " (high) } width=(all) height=(high) role="group" aria-label=(printable(&chain.path())) {
            @for (index, pair) in nodes.windows(2).enumerate() {
                @let x = MARGIN + index * (width + gap) + width;
                g class={ "edge " (edge(pair)) } {
                    path d={ "M" (x + 2) " " (middle) "H" (x + gap - 9) } {}
                    path.tip d={ "M" (x + gap - 10) " " (middle - 5) "l8 5l-8 5z" } {}
                }
            }
            @for (index, node) in nodes.iter().enumerate() {
                @let x = MARGIN + index * (width + gap);
                @match node {
                    Node::End(name) => g.end {
                        rect x=(x) y=(MARGIN) width=(width) height=(height) rx=(height / 2) {}
                        text x=(x + center) y=(middle + 5) text-anchor="middle" { (name) }
                    }
                    Node::Hop(hop) => (link(chain, hop, "wide", place, &html! {
                        rect x=(x) y=(MARGIN) width=(width) height=(height) rx=(CORNER) {}
                        text.name x=(x + center) y=(MARGIN + 21) text-anchor="middle" { (printable(&hop.name)) }
                        text x=(x + center) y=(MARGIN + 39) text-anchor="middle" { (state(hop)) }
                        text.small x=(x + center) y=(MARGIN + 56) text-anchor="middle" { (few(hop)) }
                    }))
                }
            }
        }
    }
}

fn tall(chain: &ChainOverview, nodes: &[Node<'_>], place: Place) -> Markup {
    let Size { width, height, gap } = TALL;
    let (all, high) = (width + 2 * MARGIN, nodes.len() * (height + gap) - gap + 2 * MARGIN);
    let (center, right) = (MARGIN + width / 2, MARGIN + width - 12);
    html! {
        svg.tall viewBox={ "0 0 " (all) " " (high) } width=(all) height=(high) role="group" aria-label=(printable(&chain.path())) {
            @for (index, pair) in nodes.windows(2).enumerate() {
                @let y = MARGIN + index * (height + gap) + height;
                g class={ "edge " (edge(pair)) } {
                    path d={ "M" (center) " " (y + 2) "V" (y + gap - 9) } {}
                    path.tip d={ "M" (center - 5) " " (y + gap - 10) "l5 8l5 -8z" } {}
                }
            }
            @for (index, node) in nodes.iter().enumerate() {
                @let y = MARGIN + index * (height + gap);
                @match node {
                    Node::End(name) => g.end {
                        rect x=(MARGIN) y=(y) width=(width) height=(height) rx=(height / 2) {}
                        text x=(center) y=(y + height / 2 + 5) text-anchor="middle" { (name) }
                    }
                    Node::Hop(hop) => (link(chain, hop, "tall", place, &html! {
                        rect x=(MARGIN) y=(y) width=(width) height=(height) rx=(CORNER) {}
                        text.name x=(MARGIN + 12) y=(y + 20) { (printable(&hop.name)) }
                        text x=(right) y=(y + 20) text-anchor="end" { (state(hop)) }
                        text.small x=(MARGIN + 12) y=(y + 38) { (format!("{:?}", hop.implementation)) }
                        text.small x=(right) y=(y + 38) text-anchor="end" { (few(hop)) }
                    }))
                }
            }
        }
    }
}

fn link(chain: &ChainOverview, hop: &HopOverview, drawing: &str, place: Place, drawn: &Markup) -> Markup {
    let id = format!("{drawing}/{}/{}/{}", chain.namespace, chain.name, hop.name);
    let says = format!("hop {}: {}, {}", hop.name, state(hop), left(hop.candidates_left));
    html! {
        a id=(id) class={ "hop " (class(hop.state)) } href=(place.address(chain, &hop::id(&hop.name))) aria-label=(printable(&says)) {
            (drawn)
        }
    }
}

/// A packet gets into a hop's tunnel, and out of the last one, as well as that hop is.
fn edge(pair: &[Node<'_>]) -> &'static str {
    match pair {
        [_, Node::Hop(hop)] | [Node::Hop(hop), _] => class(hop.state),
        _ => "neutral",
    }
}

fn state(hop: &HopOverview) -> String {
    format!("{:?}", hop.state)
}

/// What the pool has left, in few letters.
fn few(hop: &HopOverview) -> String {
    match hop.candidates_left {
        None => "? left".to_owned(),
        Some(0) => "none left".to_owned(),
        Some(left) => format!("{left} left"),
    }
}
