//! The container runtime's log format, `<RFC 3339 time> <stream> <tags> <text>`, as Filebeat's `container` parser reads it:
//! lines tagged `P` are joined with what follows, until one tagged `F`. Knows nothing of files.

use jiff::Timestamp;

/// One line of a log file, or several joined, and where in the file it lies.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    /// When the runtime read it (the first line's time).
    pub(crate) time: Timestamp,
    /// `stdout` or `stderr`.
    pub(crate) stream: String,
    /// The text, without a line end.
    pub(crate) text: String,
    /// First byte in the file: of the first of partial lines, and of the last line of a multiline event, as Filebeat's `log.offset`.
    pub(crate) start: u64,
    /// First byte after it.
    pub(crate) end: u64,
    /// How many lines a multiline parser put together.
    pub(crate) lines: usize,
}

/// A line that is not in the runtime's format.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("not a CRI log line")]
pub(crate) struct NotCri;

/// Splits one line; the flag tells whether it goes on in the next.
pub(crate) fn parse(line: &[u8], start: u64) -> Result<(Message, bool), NotCri> {
    let end = start + line.len() as u64;
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut words = line.splitn(4, |b| *b == b' ');
    let (Some(time), Some(stream), Some(tags), Some(text)) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(NotCri);
    };
    let time = std::str::from_utf8(time).ok().and_then(|t| t.parse().ok()).ok_or(NotCri)?;
    let partial = tags.split(|b| *b == b':').any(|tag| tag == b"P");
    let stream = String::from_utf8_lossy(stream).into_owned();
    let text = String::from_utf8_lossy(text).into_owned();
    Ok((Message { time, stream, text, start, end, lines: 1 }, partial))
}

/// Joins partial lines. Like Filebeat's, it does not tell the streams apart: the next line, of whichever, continues.
#[derive(Default)]
pub(crate) struct Joiner {
    open: Option<Message>,
}

impl Joiner {
    /// Takes a line; gives a message when one is complete.
    pub(crate) fn push(&mut self, message: Message, partial: bool) -> Option<Message> {
        let whole = match self.open.take() {
            Some(mut open) => {
                open.text.push_str(&message.text);
                open.end = message.end;
                open
            }
            None => message,
        };
        if partial {
            self.open = Some(whole);
            return None;
        }
        Some(whole)
    }

    /// What is left when the file ends for good.
    pub(crate) fn finish(&mut self) -> Option<Message> {
        self.open.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, start: u64) -> (Message, bool) {
        parse(text.as_bytes(), start).unwrap()
    }

    #[test]
    fn a_full_line_is_one_message_with_its_place_in_the_file() {
        let (m, partial) = line("2026-01-02T03:04:05.678901234Z stderr F hello  world \n", 100);
        assert!(!partial);
        assert_eq!((m.stream.as_str(), m.text.as_str(), m.start, m.end), ("stderr", "hello  world ", 100, 154));
        assert_eq!(m.time.to_string(), "2026-01-02T03:04:05.678901234Z");
    }

    #[test]
    fn a_time_with_an_offset_is_understood() {
        assert_eq!(line("2026-01-02T03:04:05.5+02:00 stdout F x\n", 0).0.time.to_string(), "2026-01-02T01:04:05.5Z");
    }

    #[test]
    fn an_empty_text_is_a_message() {
        assert_eq!(line("2026-01-02T03:04:05Z stdout F \n", 0).0.text, "");
    }

    #[test]
    fn partial_lines_are_joined_without_a_separator() {
        let mut joiner = Joiner::default();
        let (a, p) = line("2026-01-02T03:04:05Z stdout P one \n", 0);
        let (b, q) = line("2026-01-02T03:04:06Z stdout P two\n", a.end);
        let (c, r) = line("2026-01-02T03:04:07Z stdout F three\n", b.end);
        let end = c.end;
        assert_eq!((joiner.push(a, p), joiner.push(b, q)), (None, None));
        let m = joiner.push(c, r).unwrap();
        assert_eq!((m.text.as_str(), m.start, m.end, m.lines), ("one twothree", 0, end, 1));
        assert_eq!(m.time.to_string(), "2026-01-02T03:04:05Z");
        assert_eq!(joiner.finish(), None);
    }

    #[test]
    fn an_open_partial_line_is_given_when_the_file_ends() {
        let mut joiner = Joiner::default();
        let (a, p) = line("2026-01-02T03:04:05Z stdout P rest\n", 0);
        joiner.push(a, p);
        assert_eq!(joiner.finish().unwrap().text, "rest");
    }

    #[test]
    fn a_second_tag_does_not_hide_the_first() {
        assert!(line("2026-01-02T03:04:05Z stdout P:x text\n", 0).1);
    }

    #[test]
    fn other_formats_are_refused() {
        for text in ["", "\n", "{\"log\":\"docker\"}\n", "2026-01-02T03:04:05Z stdout F\n", "yesterday stdout F text\n"]
        {
            assert_eq!(parse(text.as_bytes(), 0), Err(NotCri), "{text:?}");
        }
    }
}
