//! Incidents as a timeline, the newest first, each with the line that caused it.

use jiff::Timestamp;
use maud::{Markup, html};

use super::{Place, badge, class, time};
use crate::overview::story::{Moment, StepOfStory};
use crate::overview::words::{action, ended, evidence, verdict};
use crate::overview::{ChainOverview, Story, printable};

/// How many closed incidents are shown of a chain among others.
const RECENT: usize = 3;
/// How many at all: a chain with more open ones than this is looked at on its own page.
const MOST: usize = 8;

/// The id of an incident on its chain's page.
pub(super) fn id(incident: &str) -> String {
    format!("incident/{incident}")
}

/// The open incidents of a chain and the last few that are closed.
pub(super) fn latest(chain: &ChainOverview) -> Markup {
    let mut closed = 0;
    let is_shown = |story: &&Story| {
        closed += usize::from(!story.is_open());
        story.is_open() || closed <= RECENT
    };
    let shown: Vec<&Story> = chain.incidents.iter().filter(is_shown).take(MOST).collect();
    let more = chain.incidents.len() - shown.len();
    html! {
        @if !shown.is_empty() {
            ol.timeline aria-label="Incidents, the newest first" {
                @for story in shown {
                    li class=(class(story.phase)) {
                        a id={ (super::chain::id(chain)) "/" (id(&story.id)) } href=(Place::Index.address(chain, &id(&story.id))) {
                            (headline(story))
                        }
                        (line(story))
                    }
                }
            }
        }
        @if more > 0 {
            p {
                a id={ (super::chain::id(chain)) "/more" } href=(Place::Index.address(chain, "incidents")) {
                    (more) " more " (if more == 1 { "incident" } else { "incidents" })
                }
            }
        }
    }
}

/// All incidents of a chain, each with its story.
pub(super) fn all(chain: &ChainOverview) -> Markup {
    html! {
        section id="incidents" aria-labelledby="incidents/name" {
            h2 id="incidents/name" { "Incidents" }
            @if chain.incidents.is_empty() { p { "None." } }
            ol.timeline {
                @for story in &chain.incidents {
                    li id=(id(&story.id)) class=(class(story.phase)) {
                        details id={ (id(&story.id)) "/story" } {
                            summary id={ (id(&story.id)) "/line" } { (headline(story)) }
                            (told(story))
                        }
                        (line(story))
                    }
                }
            }
        }
    }
}

fn headline(story: &Story) -> Markup {
    html! {
        span.when { (time(story.last.time)) }
        " " strong { (printable(&story.hop)) }
        " " (printable(&story.rule.title))
        " " (badge(story.phase, &format!("{:?}", story.phase)))
    }
}

/// The line that made the verdict; its secrets were masked before it was stored.
fn line(story: &Story) -> Markup {
    html! {
        code.line { bdi { (printable(&story.line)) } }
        @if let Some(message) = &story.message { p.message { (printable(message)) } }
    }
}

fn told(story: &Story) -> Markup {
    html! {
        dl {
            dt { "Incident" } dd { code { (printable(&story.id)) } }
            dt { "Logged" }
            dd {
                @if story.first != story.last { (moment(&story.first)) " to " }
                (moment(&story.last)) ", pod " code { (printable(&story.pod)) }
                ", candidate " code { (printable(&story.candidate)) }
            }
            dt { "Rule" }
            dd {
                code { (printable(&story.rule.id)) } "; " (story.rule.verdict.to_string()) ": " (verdict(story.rule.verdict))
                "; evidence " (story.rule.evidence.to_string()) ": " (evidence(story.rule.evidence))
            }
            dt { "Whose fault" }
            dd {
                @if let Some(hop) = &story.attribution.hop { "hop " strong { (printable(hop)) } ": " }
                (printable(&story.attribution.why))
            }
            dt { "Done" }
            dd {
                @if story.steps.is_empty() { "nothing" }
                @else { ol.steps { @for step in &story.steps { li { (told_step(step)) } } } }
            }
            @if let Some(closed) = story.closed {
                dt { "Closed" } dd { (exact(closed)) @if let Some(reason) = &story.reason { " (" (printable(reason)) ")" } }
            }
            dt { "Took" }
            dd {
                (took(story.times.to_detect_seconds)) " to detect, " (took(story.times.to_act_seconds)) " to act, "
                (took(story.times.to_recover_seconds)) " to recover, from the first line that counted"
            }
        }
    }
}

fn told_step(step: &StepOfStory) -> Markup {
    let after = |at: Timestamp| format!("{:.1} s", at.duration_since(step.started).as_secs_f64().max(0.0));
    html! {
        (exact(step.started)) " " (action(step.action)) ": " code { (printable(&step.candidate)) }
        @match step.outcome {
            Some(outcome) => { "; " (ended(outcome)) }
            None => "; not over yet",
        }
        @if let Some(at) = step.finished { " after " (after(at)) }
    }
}

fn moment(moment: &Moment) -> Markup {
    html! { (exact(moment.time)) " at " code { (printable(&moment.position)) } }
}

/// A time that stays absolute: milliseconds tell which of two came first.
fn exact(at: Timestamp) -> Markup {
    html! { span.exact { (format!("{at:.3}")) } }
}

fn took(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"))
}
