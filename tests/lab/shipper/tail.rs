//! One container's log file, read as it grows: complete lines only, under whatever name (the kubelet rotates by renaming), to the last
//! byte of a deleted one.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Instant;

use crate::cri::{Joiner, Message, parse};
use crate::multiline::Multiline;
use crate::registry::Registry;

/// At most this much is read in one go, so that a flood in one file doesn't hold up the others.
const ROUND: u64 = 1 << 20;
/// A longer line is cut into several, so that memory stays bounded.
const LINE_MAX: usize = 1 << 20;
/// Bytes that tell two files with the same inode apart: the first line's time, to nanoseconds.
const HEAD: usize = 30;

/// An open log file.
pub(crate) struct Tail {
    file: File,
    /// `device-inode`. Filebeat's `file_identity.fingerprint` is the first bytes' hash; the registry holds those beside this.
    pub(crate) key: String,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) head: String,
    offset: u64,
    line: Vec<u8>,
    joiner: Joiner,
    multiline: Option<Multiline>,
    /// Lines that were not in the runtime's format.
    pub(crate) junk: u64,
}

/// What tells the file from every other one that is there: `device-inode`.
pub(crate) fn key(place: &Path) -> io::Result<String> {
    std::fs::metadata(place).map(|meta| key_of(&meta))
}

fn key_of(meta: &std::fs::Metadata) -> String {
    format!("{}-{}", meta.dev(), meta.ino())
}

/// What became of the file while it was read.
#[derive(Debug, PartialEq)]
pub(crate) enum Fate {
    /// It may grow.
    Same,
    /// It has no name any more, and everything has been read.
    Gone,
}

impl Tail {
    /// Opens the file where the registry says.
    pub(crate) fn open(place: &Path, registry: &Registry, multiline: bool) -> io::Result<Self> {
        let mut file = File::open(place)?;
        let meta = file.metadata()?;
        let key = key_of(&meta);
        let head = read_head(&file)?;
        let mut offset = registry.offset(&key, &head);
        if offset > meta.len() {
            offset = 0; // truncated
        }
        file.seek(SeekFrom::Start(offset))?;
        let multiline = multiline.then(Multiline::default);
        let (device, inode) = (meta.dev(), meta.ino());
        Ok(Self {
            file,
            key,
            device,
            inode,
            head,
            offset,
            line: Vec::new(),
            joiner: Joiner::default(),
            multiline,
            junk: 0,
        })
    }

    /// Reads what is new. Looks first whether the file was deleted, so that what it says last is read before it is left.
    pub(crate) fn read(&mut self, now: Instant) -> io::Result<(Vec<Message>, Fate)> {
        let fate = if self.file.metadata()?.nlink() == 0 { Fate::Gone } else { Fate::Same };
        if self.head.len() < HEAD {
            self.head = read_head(&self.file)?;
        }
        let mut bytes = Vec::new();
        let read = (&mut self.file).take(ROUND).read_to_end(&mut bytes)?;
        let mut messages = Vec::new();
        for byte in bytes {
            self.line.push(byte);
            if byte == b'\n' || self.line.len() >= LINE_MAX {
                self.take_line(now, &mut messages);
            }
        }
        messages.extend(self.multiline.as_mut().and_then(|m| m.expire(now)));
        if fate == Fate::Same || read as u64 == ROUND {
            return Ok((messages, Fate::Same));
        }
        if let Some(rest) = self.joiner.finish() {
            self.give(rest, now, &mut messages);
        }
        messages.extend(self.multiline.as_mut().and_then(Multiline::finish));
        Ok((messages, fate))
    }

    fn take_line(&mut self, now: Instant, messages: &mut Vec<Message>) {
        let line = std::mem::take(&mut self.line);
        let start = self.offset;
        self.offset += line.len() as u64;
        match parse(&line, start) {
            Ok((message, partial)) => {
                if let Some(whole) = self.joiner.push(message, partial) {
                    self.give(whole, now, messages);
                }
            }
            Err(_) => self.junk += 1,
        }
    }

    fn give(&mut self, message: Message, now: Instant, messages: &mut Vec<Message>) {
        match &mut self.multiline {
            Some(multiline) => messages.extend(multiline.push(message, now)),
            None => messages.push(message),
        }
    }
}

fn read_head(file: &File) -> io::Result<String> {
    let mut head = [0; HEAD];
    let n = file.read_at(&mut head, 0)?;
    Ok(String::from_utf8_lossy(&head[..n]).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::PathBuf;

    use super::*;
    use crate::registry::Entry;

    fn setup() -> (tempfile::TempDir, PathBuf, Registry) {
        let dir = tempfile::tempdir().unwrap();
        let (log, registry) = (dir.path().join("0.log"), Registry::open(&dir.path().join("registry")).unwrap());
        (dir, log, registry)
    }

    fn append(path: &Path, texts: &[&str]) {
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        for text in texts {
            writeln!(file, "2026-01-02T03:04:05.000000001Z stdout F {text}").unwrap();
        }
    }

    fn texts(messages: &[Message]) -> Vec<&str> {
        messages.iter().map(|m| m.text.as_str()).collect()
    }

    #[test]
    fn only_complete_lines_are_given_and_nothing_twice() {
        let (_dir, log, registry) = setup();
        append(&log, &["one", "two"]);
        let mut tail = Tail::open(&log, &registry, false).unwrap();
        assert_eq!(texts(&tail.read(Instant::now()).unwrap().0), ["one", "two"]);
        File::options().append(true).open(&log).unwrap().write_all(b"2026-01-02T03:04:05Z stdout F thr").unwrap();
        assert!(tail.read(Instant::now()).unwrap().0.is_empty());
        File::options().append(true).open(&log).unwrap().write_all(b"ee\n").unwrap();
        assert_eq!(texts(&tail.read(Instant::now()).unwrap().0), ["three"]);
    }

    #[test]
    fn a_rotated_file_is_read_on_under_its_new_name() {
        let (dir, log, registry) = setup();
        append(&log, &["one"]);
        let mut tail = Tail::open(&log, &registry, false).unwrap();
        tail.read(Instant::now()).unwrap();
        let rotated = dir.path().join("0.log.20260102");
        fs::rename(&log, &rotated).unwrap();
        append(&rotated, &["two"]);
        append(&log, &["three"]);
        let (messages, fate) = tail.read(Instant::now()).unwrap();
        assert_eq!((texts(&messages), fate), (vec!["two"], Fate::Same));
        fs::remove_file(&rotated).unwrap();
        assert_eq!(tail.read(Instant::now()).unwrap().1, Fate::Gone);
    }

    #[test]
    fn a_deleted_file_is_read_to_its_end() {
        let (_dir, log, registry) = setup();
        append(&log, &["one"]);
        let mut tail = Tail::open(&log, &registry, true).unwrap();
        assert!(tail.read(Instant::now()).unwrap().0.is_empty(), "it waits for a line that continues it");
        append(&log, &["last words"]);
        fs::remove_file(&log).unwrap();
        let (messages, fate) = tail.read(Instant::now()).unwrap();
        assert_eq!((texts(&messages), fate), (vec!["one", "last words"], Fate::Gone));
    }

    #[test]
    fn a_restart_goes_on_behind_what_was_acknowledged() {
        let (_dir, log, mut registry) = setup();
        append(&log, &["one", "two"]);
        let mut tail = Tail::open(&log, &registry, false).unwrap();
        let (messages, _) = tail.read(Instant::now()).unwrap();
        registry
            .acknowledged(&tail.key, Entry { offset: messages[0].end, head: tail.head.clone(), path: String::new() });
        let mut again = Tail::open(&log, &registry, false).unwrap();
        let (messages, _) = again.read(Instant::now()).unwrap();
        assert_eq!(texts(&messages), ["two"]);
    }

    #[test]
    fn junk_is_counted_and_passed_over() {
        let (_dir, log, registry) = setup();
        fs::write(&log, "not a runtime's line\n").unwrap();
        append(&log, &["one"]);
        let mut tail = Tail::open(&log, &registry, false).unwrap();
        assert_eq!(texts(&tail.read(Instant::now()).unwrap().0), ["one"]);
        assert_eq!(tail.junk, 1);
    }
}
