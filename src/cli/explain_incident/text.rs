//! A story in sentences.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use crate::overview::story::{Moment, StepOfStory};
use crate::overview::words::{action, ended, evidence, verdict};
use crate::overview::{Story, printable};

/// The story, from the line to the end.
pub(super) fn story(story: &Story) -> String {
    let mut text = Told::default();
    text.line(format_args!("{}: {:?}", story.id, story.phase));
    text.line(format_args!(
        "  hop {} of chain {}/{}, pod {}, candidate {}",
        story.hop, story.namespace, story.chain, story.pod, story.candidate
    ));
    if let Some(trace) = &story.trace_id {
        text.line(format_args!("  trace {trace}, where the operator sends traces"));
    }
    text.chapter("What was seen");
    if story.first == story.last {
        text.line(format_args!("  {}", moment(&story.last)));
    } else {
        text.line(format_args!("  {}  the first line that counted", moment(&story.first)));
        text.line(format_args!("  {}  the line that decided", moment(&story.last)));
    }
    text.line(format_args!("  > {}", story.line));
    text.chapter("What it proves");
    text.line(format_args!("  rule {}: {}", story.rule.id, story.rule.title));
    text.line(format_args!("  verdict {}: {}", story.rule.verdict, verdict(story.rule.verdict)));
    text.line(format_args!("  evidence {}: {}", story.rule.evidence, evidence(story.rule.evidence)));
    text.chapter("Whose fault");
    match &story.attribution.hop {
        Some(hop) => text.line(format_args!("  hop {hop}: {}", story.attribution.why)),
        None => text.line(format_args!("  {}", story.attribution.why)),
    }
    text.chapter("What was done");
    if story.steps.is_empty() {
        text.line(format_args!("  nothing"));
    }
    for step in &story.steps {
        text.step(step);
    }
    text.chapter(if story.is_open() { "Where it stands" } else { "How it ended" });
    let since = story.closed.map(|at| format!(" at {}", clock(at))).unwrap_or_default();
    let reason = story.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    text.line(format_args!(
        "  {:?}{since}{reason}: {}",
        story.phase,
        story.message.as_deref().unwrap_or("not judged yet")
    ));
    text.chapter("How long it took, from the first line that counted");
    let times = &story.times;
    for (what, seconds) in [
        ("detected", times.to_detect_seconds),
        ("acted", times.to_act_seconds),
        ("recovered", times.to_recover_seconds),
    ] {
        let took = seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"));
        text.line(format_args!("  {what:9}  {took}"));
    }
    text.0
}

#[derive(Default)]
struct Told(String);

impl Told {
    fn line(&mut self, words: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{}", printable(&words.to_string())).expect("should write to a string");
    }

    fn chapter(&mut self, title: &str) {
        self.0.push('\n');
        self.line(format_args!("{title}"));
    }

    fn step(&mut self, step: &StepOfStory) {
        self.line(format_args!(
            "  {}  {:?}, candidate {}: {}",
            clock(step.started),
            step.action,
            step.candidate,
            action(step.action)
        ));
        let since = |at: Timestamp| seconds(at.duration_since(step.started));
        let written = step.applied.map_or("being written".to_owned(), |at| format!("written after {}", since(at)));
        let end = match (step.outcome, step.finished) {
            (Some(outcome), Some(at)) => format!("{} after {}", ended(outcome), since(at)),
            (Some(outcome), None) => ended(outcome).to_owned(),
            (None, _) => "not over yet".to_owned(),
        };
        self.line(format_args!("    {written}; {end}"));
    }
}

fn moment(moment: &Moment) -> String {
    format!("{}  {}", clock(moment.time), moment.position)
}

/// Milliseconds tell which of two came first; more would be noise.
fn clock(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn seconds(time: SignedDuration) -> String {
    format!("{:.1} s", time.as_secs_f64().max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overview::tests::{rotated, symptom};

    #[test]
    fn the_documentation_shows_a_rotation_from_its_line_to_the_working_hop() {
        let text = story(&Story::of(&rotated(Some("Up"))));
        assert!(include_str!("../../../docs/terminal.md").contains(&text), "docs/terminal.md should show:\n{text}");
    }

    #[test]
    fn a_symptom_that_is_held() {
        insta::assert_snapshot!(story(&Story::of(&symptom())));
    }

    #[test]
    fn the_id_of_its_trace_is_shown() {
        let mut incident = rotated(None);
        incident.metadata.uid = Some("5f1cbb7a-3a0e-4d2c-9c1b-0d9a7c2e4f61".into());
        let text = story(&Story::of(&incident));
        assert!(
            text.contains("\n  trace 5f1cbb7a3a0e4d2c9c1b0d9a7c2e4f61, where the operator sends traces\n"),
            "{text}"
        );
    }

    #[test]
    fn a_line_of_a_hostile_server_moves_no_cursor() {
        let mut hostile = rotated(None);
        hostile.spec.line = "AUTH_FAILED \u{1b}[2J\u{1b}]0;x\u{7}".into();
        hostile.spec.title = "a\nb".into();
        let text = story(&Story::of(&hostile));
        assert!(!text.contains(['\u{1b}', '\u{7}']) && text.contains("a\u{fffd}b"), "{text}");
    }
}
