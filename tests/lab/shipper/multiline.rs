//! Filebeat's multiline parser (`type: pattern, negate: false, match: after`), set for boringtun as in `filebeat/*.yml`: an event is a
//! line, a line `    at file:line`, and an empty line, which is also the `flush_pattern`. Without one, an event ends by the next or by time.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use regex::Regex;

use crate::cri::Message;

/// How long an event waits for its next line.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(200);
/// What belongs to the event before it.
const PATTERN: &str = r"^(?:\s+(?:\x1b\[[0-9;]*m)*(?:at|in)(?:\x1b\[[0-9;]*m)* |$)";
/// Further lines are left out of an event.
const MAX_LINES: usize = 8;

/// Collects the lines of one event.
#[derive(Default)]
pub(crate) struct Multiline {
    open: Option<(Message, Instant)>,
}

/// Whether the line belongs to the event before it.
fn continues(text: &str) -> bool {
    static CONTINUES: LazyLock<Regex> = LazyLock::new(|| Regex::new(PATTERN).expect("the pattern should be valid"));
    CONTINUES.is_match(text)
}

impl Multiline {
    /// Takes a message; gives the event that it completes or ends.
    pub(crate) fn push(&mut self, message: Message, now: Instant) -> Option<Message> {
        match self.open.take() {
            Some((mut event, _)) if continues(&message.text) => {
                if event.lines < MAX_LINES {
                    event.text.push('\n');
                    event.text.push_str(&message.text);
                    event.lines += 1;
                }
                (event.start, event.end) = (message.start, message.end);
                if message.text.is_empty() {
                    return Some(event);
                }
                self.open = Some((event, now));
                None
            }
            before => {
                self.open = Some((message, now));
                before.map(|(event, _)| event)
            }
        }
    }

    /// The open event, if its time is over.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Message> {
        let (_, since) = self.open.as_ref()?;
        if now.duration_since(*since) >= TIMEOUT { self.finish() } else { None }
    }

    /// What is left when the file ends for good.
    pub(crate) fn finish(&mut self) -> Option<Message> {
        self.open.take().map(|(event, _)| event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cri::parse;

    fn messages(texts: &[&str]) -> Vec<Message> {
        let mut at = 0;
        texts
            .iter()
            .map(|text| {
                let (m, _) = parse(format!("2026-01-02T03:04:05Z stdout F {text}\n").as_bytes(), at).unwrap();
                at = m.end;
                m
            })
            .collect()
    }

    fn run(texts: &[&str]) -> (Vec<Message>, Multiline) {
        let (mut m, now) = (Multiline::default(), Instant::now());
        (messages(texts).into_iter().filter_map(|x| m.push(x, now)).collect(), m)
    }

    #[test]
    fn the_three_lines_of_a_boringtun_event_are_one_as_soon_as_the_empty_line_comes() {
        let lines = ["  2026-01-02T03:04:05Z  WARN timers: HANDSHAKE(REKEY_TIMEOUT)", "    at src/timers.rs:275", ""];
        let (events, mut rest) = run(&lines);
        assert_eq!(events.len(), 1);
        assert_eq!(
            events[0].text,
            "  2026-01-02T03:04:05Z  WARN timers: HANDSHAKE(REKEY_TIMEOUT)\n    at src/timers.rs:275\n"
        );
        let last = messages(&lines)[2].start;
        assert_eq!((events[0].lines, events[0].start), (3, last), "the offset is that of the last line");
        assert_eq!(rest.finish(), None);
    }

    #[test]
    fn the_settings_are_those_of_our_configurations() {
        let configuration = include_str!("../../../filebeat/filebeat-kafka.yml");
        let timeout = format!("timeout: {}ms\n", TIMEOUT.as_millis());
        for setting in [format!("pattern: '{PATTERN}'\n"), timeout, format!("max_lines: {MAX_LINES}\n")] {
            assert!(configuration.contains(&setting), "{setting}");
        }
    }

    #[test]
    fn a_coloured_place_belongs_to_its_event_and_an_indented_line_of_another_kind_does_not() {
        let (events, mut rest) = run(&["  one", "    \u{1b}[2;3mat\u{1b}[0m a.rs:1", "", "  two", "  three"]);
        assert_eq!(events.iter().map(|e| e.lines).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(rest.finish().unwrap().text, "  three");
    }

    #[test]
    fn a_line_of_another_event_ends_the_one_before() {
        let (events, mut rest) = run(&["first", "    at a.rs:1", "second"]);
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].text.as_str(), events[0].lines), ("first\n    at a.rs:1", 2));
        assert_eq!(rest.finish().unwrap().text, "second");
    }

    #[test]
    fn an_event_without_an_end_is_given_after_the_timeout_and_not_before() {
        let (_, mut rest) = run(&["panicked at nothing"]);
        let now = Instant::now();
        assert_eq!(rest.expire(now - TIMEOUT / 2), None);
        assert_eq!(rest.expire(now + TIMEOUT).unwrap().text, "panicked at nothing");
    }

    #[test]
    fn the_end_of_an_event_is_the_end_of_its_last_line() {
        let all = messages(&["a", "    at b", ""]);
        let (events, _) = run(&["a", "    at b", ""]);
        assert_eq!(events[0].end, all[2].end);
    }
}
