//! Records from a file, a pipe or standard input, one a line: as a shipper sends them, or a client's own lines.
//!
//! A plain file is followed while it grows, also when it is cut off or replaced. No place is kept: the file is read from
//! its start each time, and what it proves has the same names.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::raw::{Origin, split_time};
use super::{MAX_RECORD_BYTES, Payload, Record, ShardHandle, Source, SourceError, append_line, compressed};
use crate::domain::event::{Position, Shard};

/// How often a file that is followed is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinesConfig {
    /// The file; none is standard input.
    pub path: Option<PathBuf>,
    /// The lines are those of a container, as it wrote them; none: they are a shipper's records.
    pub origin: Option<Origin>,
}

/// A reader of lines.
pub struct LinesSource(pub LinesConfig);

struct Whole(AtomicBool);

impl ShardHandle for Whole {
    fn is_lost(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn done_below(&self, _: u64) -> Result<(), SourceError> {
        Ok(())
    }
}

impl Source for LinesSource {
    async fn run(self, records: mpsc::Sender<Record>, stop: CancellationToken) -> Result<(), SourceError> {
        let handle = Arc::new(Whole(AtomicBool::new(false)));
        let (ended, end) = oneshot::channel();
        let name = self.0.path.as_ref().map_or_else(|| "stdin".to_owned(), |path| path.display().to_string());
        let shard = Shard::new(format!("file:{name}"));
        let reader = Reader { config: self.0, records: records.clone(), handle: Arc::clone(&handle), shard, number: 0 };
        // A thread of its own, not a blocking task: a read of standard input can't be ended, and must not hold up the
        // end of the process.
        std::thread::spawn(move || ended.send(reader.read()));
        let result = match stop.run_until_cancelled(end).await {
            Some(Ok(Err(error))) => Err(SourceError::Read(error.into())),
            Some(Ok(Ok(()))) => {
                tracing::info!("The log source was read to its end.");
                Ok(())
            }
            Some(Err(_)) => Err(SourceError::Read("the reading thread died".into())),
            None => Ok(()),
        };
        if result.is_ok() {
            // Held open until then: the end of the lines is not the end of the operator.
            stop.cancelled().await;
        }
        drop(records);
        handle.0.store(true, Ordering::Release);
        result
    }
}

struct Reader {
    config: LinesConfig,
    records: mpsc::Sender<Record>,
    handle: Arc<Whole>,
    shard: Shard,
    number: u64,
}

impl Reader {
    fn read(mut self) -> io::Result<()> {
        let Some(path) = self.config.path.clone() else {
            let mut input = compressed::open(BufReader::new(io::stdin()))?;
            return self.read_all(&mut input).map(drop);
        };
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        loop {
            let file = File::open(&path).map_err(named)?;
            let metadata = file.metadata().map_err(named)?;
            let mut input = BufReader::with_capacity(64 * 1024, file);
            let follows = metadata.is_file() && !compressed::is_compressed(input.fill_buf().map_err(named)?);
            if !follows {
                let mut input = compressed::open(input).map_err(named)?;
                return self.read_all(&mut input).map(drop).map_err(named);
            }
            if !self.follow(&path, &metadata, &mut input).map_err(named)? {
                return Ok(());
            }
        }
    }

    /// Reads until the file is another one; false when nobody takes records any more.
    fn follow(&mut self, path: &Path, opened: &Metadata, input: &mut BufReader<File>) -> io::Result<bool> {
        let mut rest = Vec::new();
        loop {
            if !self.read_lines(input, &mut rest)? {
                return Ok(false);
            }
            std::thread::sleep(LOOK);
            if self.records.is_closed() || self.handle.is_lost() {
                return Ok(false);
            }
            // Between a rotation and the new file there may be none.
            let Ok(now) = std::fs::metadata(path) else { continue };
            let place = io::Seek::stream_position(input)?;
            if now.ino() != opened.ino() || now.len() < place {
                return self.read_lines(input, &mut rest);
            }
        }
    }

    fn read_all(&mut self, input: &mut impl BufRead) -> io::Result<bool> {
        let mut rest = Vec::new();
        Ok(self.read_lines(input, &mut rest)? && (rest.is_empty() || self.send(&rest)))
    }

    /// Reads to the end as it is now; `rest` is the start of a line that has no end yet.
    fn read_lines(&mut self, input: &mut impl BufRead, rest: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            let available = match input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            if available.is_empty() {
                return Ok(true);
            }
            let (read, ended) = append_line(rest, available);
            input.consume(read);
            if ended {
                if !rest.iter().all(u8::is_ascii_whitespace) && !self.send(rest) {
                    return Ok(false);
                }
                rest.clear();
            }
        }
    }

    fn send(&mut self, line: &[u8]) -> bool {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let payload = match &self.config.origin {
            Some(_) if line.len() > MAX_RECORD_BYTES => Payload::TooLarge,
            Some(origin) => {
                let text = String::from_utf8_lossy(line);
                let (time, text) = split_time(&text).unwrap_or_else(|| (Timestamp::now(), &text));
                Payload::copied(&origin.record(time, text))
            }
            None => Payload::copied(line),
        };
        let position = Position::new(self.shard.clone(), self.number);
        self.number += 1;
        let shard = Arc::clone(&self.handle) as Arc<dyn ShardHandle>;
        self.records.blocking_send(Record { payload, received: None, position, shard }).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    struct Running {
        records: mpsc::Receiver<Record>,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<Result<(), SourceError>>,
    }

    fn start(path: &Path, origin: Option<&str>) -> Running {
        let (sender, records) = mpsc::channel(4);
        let stop = CancellationToken::new();
        let origin = origin.map(|text| Origin::parse(text).unwrap());
        let source = LinesSource(LinesConfig { path: Some(path.to_owned()), origin });
        let task = tokio::spawn(source.run(sender, stop.clone()));
        Running { records, stop, task }
    }

    impl Running {
        async fn next(&mut self) -> String {
            let record = tokio::time::timeout(Duration::from_secs(10), self.records.recv()).await.unwrap().unwrap();
            match record.payload {
                Payload::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
                Payload::Event(event) => event.text,
                Payload::TooLarge => "too large".to_owned(),
            }
        }

        async fn stop(mut self) {
            assert!(self.records.try_recv().is_err(), "more than was written");
            self.stop.cancel();
            tokio::time::timeout(Duration::from_secs(10), self.task).await.unwrap().unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_plain_file_is_followed_through_growth_and_replacement() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut file = File::create(&path).unwrap();
        write!(file, "one\n\ntwo\r\nthr").unwrap();
        let mut running = start(&path, None);
        assert_eq!((running.next().await, running.next().await), ("one".into(), "two".into()));
        writeln!(file, "ee").unwrap();
        assert_eq!(running.next().await, "three");
        std::fs::rename(&path, directory.path().join("log.1")).unwrap();
        writeln!(file, "last").unwrap();
        assert_eq!(running.next().await, "last");
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(running.next().await, "new");
        running.stop().await;
    }

    #[tokio::test]
    async fn a_compressed_file_is_read_to_its_end_and_no_further() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.zst");
        let packed = ruzstd::encoding::compress_to_vec(&b"one\ntwo"[..], ruzstd::encoding::CompressionLevel::Fastest);
        // As zstd writes it, and as pzstd does: with a frame before that is to be skipped.
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 9, 9, 9, 9][..], packed.as_slice()].concat();
        for packed in [packed, skipped] {
            std::fs::write(&path, packed).unwrap();
            let mut running = start(&path, None);
            assert_eq!((running.next().await, running.next().await), ("one".into(), "two".into()));
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert!(!running.task.is_finished(), "the end of the lines ended the source");
            running.stop().await;
        }
    }

    #[tokio::test]
    async fn a_clients_own_lines_become_records_and_long_ones_keep_their_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let long = "x".repeat(MAX_RECORD_BYTES + 10);
        std::fs::write(&path, format!("2026-11-22T16:25:43.5Z hello\n{long}\nbye\n")).unwrap();
        let mut running = start(&path, Some("vpn/berlin-entry-1"));
        let record: serde_json::Value = serde_json::from_str(&running.next().await).unwrap();
        assert_eq!((&record["message"], &record["@timestamp"]), (&"hello".into(), &"2026-11-22T16:25:43.5Z".into()));
        assert_eq!(running.next().await, "too large");
        assert!(running.next().await.contains("\"bye\""));
        running.stop().await;
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_named() {
        let running = start(Path::new("/none/log"), None);
        let error = running.task.await.unwrap().unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("/none/log"), "{cause}");
    }
}
