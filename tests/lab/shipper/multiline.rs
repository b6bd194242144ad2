//! Filebeat's multiline parser (`type: pattern, negate: false, match: after`), set for boringtun: an event is a line, a line
//! `    at file:line`, and an empty line, which is also the `flush_pattern`. Without one, an event ends by the next or by time.

use std::time::{Duration, Instant};

use crate::cri::Message;

/// How long an incomplete event waits for its next line.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(500);

/// Collects the lines of one event.
#[derive(Default)]
pub(crate) struct Multiline {
    open: Option<(Message, Instant)>,
}

/// Whether the line belongs to the event before it: `^(    at |$)`.
fn continues(text: &str) -> bool {
    text.starts_with("    at ") || text.is_empty()
}

impl Multiline {
    /// Takes a message; gives the event that it completes or ends.
    pub(crate) fn push(&mut self, message: Message, now: Instant) -> Option<Message> {
        match self.open.take() {
            Some((mut event, _)) if continues(&message.text) => {
                event.text.push('\n');
                event.text.push_str(&message.text);
                event.end = message.end;
                event.lines += 1;
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
        let (events, mut rest) =
            run(&["  2026-01-02T03:04:05Z  WARN timers: HANDSHAKE(REKEY_TIMEOUT)", "    at src/timers.rs:275", ""]);
        assert_eq!(events.len(), 1);
        assert_eq!(
            events[0].text,
            "  2026-01-02T03:04:05Z  WARN timers: HANDSHAKE(REKEY_TIMEOUT)\n    at src/timers.rs:275\n"
        );
        assert_eq!((events[0].lines, events[0].start), (3, 0));
        assert_eq!(rest.finish(), None);
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
