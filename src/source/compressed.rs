//! Plain, gzip or zstd, told by the first bytes and not by a file's name: standard input has none.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};

use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Of 16 magic numbers of frames to skip the last digit differs; pzstd begins its files with one.
const ZSTD_SKIP: [u8; 3] = [0x2a, 0x4d, 0x18];

/// A reader of the content.
///
/// # Errors
/// When the first bytes can't be read.
pub fn open(mut input: impl BufRead + Send + 'static) -> Result<Box<dyn BufRead + Send>> {
    let start = input.fill_buf()?;
    Ok(match format(start) {
        Some(Format::Gzip) => Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(input))),
        Some(Format::Zstd) => Box::new(BufReader::new(Zstd { input: Some(input), frame: None })),
        None => Box::new(input),
    })
}

enum Format {
    Gzip,
    Zstd,
}

fn format(start: &[u8]) -> Option<Format> {
    let is_skipped = start.len() >= 4 && start[0] >> 4 == 5 && start[1..4] == ZSTD_SKIP;
    match start {
        _ if start.starts_with(&GZIP) => Some(Format::Gzip),
        _ if start.starts_with(&ZSTD) || is_skipped => Some(Format::Zstd),
        _ => None,
    }
}

/// True when the first bytes are those of a compressed file.
pub fn is_compressed(start: &[u8]) -> bool {
    format(start).is_some()
}

/// Any number of zstd frames, one after the other.
struct Zstd<R: BufRead> {
    input: Option<R>,
    frame: Option<StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>,
}

impl<R: BufRead> Zstd<R> {
    /// Begins the next frame; false at the end of the input.
    fn next_frame(&mut self) -> Result<bool> {
        let mut input = self.input.take().ok_or_else(|| Error::other("the zstd stream broke off"))?;
        loop {
            if input.fill_buf()?.is_empty() {
                self.input = Some(input);
                return Ok(false);
            }
            if let Some(length) = skipped(input.fill_buf()?) {
                std::io::copy(&mut (&mut input).take(length), &mut std::io::sink())?;
                continue;
            }
            self.frame = Some(StreamingDecoder::new(input).map_err(|error| failed(&error))?);
            return Ok(true);
        }
    }
}

/// The whole length of a frame to skip.
fn skipped(start: &[u8]) -> Option<u64> {
    let header: &[u8; 8] = start.first_chunk()?;
    let is_skipped = header[0] >> 4 == 5 && header[1..4] == ZSTD_SKIP;
    let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    is_skipped.then_some(8 + u64::from(length))
}

fn failed(error: &FrameDecoderError) -> Error {
    let kind = match error {
        FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::MagicNumberReadError(_)) => {
            ErrorKind::UnexpectedEof
        }
        _ => ErrorKind::InvalidData,
    };
    Error::new(kind, format!("not a whole zstd file: {error}"))
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                self.input = self.frame.take().map(StreamingDecoder::into_inner);
            }
            if !self.next_frame()? {
                return Ok(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    fn read(bytes: Vec<u8>) -> Result<String> {
        let mut text = String::new();
        open(Cursor::new(bytes))?.read_to_string(&mut text)?;
        Ok(text)
    }

    fn zstd(text: &str) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_content_is_told_by_its_first_bytes() {
        let text = "one line\n".repeat(50_000);
        assert_eq!(read(text.clone().into_bytes()).unwrap(), text);
        assert_eq!(read(gzip(&text)).unwrap(), text);
        assert_eq!(read(zstd(&text)).unwrap(), text);
        assert_eq!(read(Vec::new()).unwrap(), "");
        assert_eq!(read(b"(".to_vec()).unwrap(), "(");
    }

    #[test]
    fn files_that_were_written_one_after_the_other_are_read_to_the_end() {
        let parts = |pack: fn(&str) -> Vec<u8>| [pack("one\n"), pack("two\n")].concat();
        assert_eq!(read(parts(gzip)).unwrap(), "one\ntwo\n");
        assert_eq!(read(parts(zstd)).unwrap(), "one\ntwo\n");
        let skip =
            [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd("one\n"), &[0x5f, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]];
        assert_eq!(read(skip.concat()).unwrap(), "one\n");
    }

    #[test]
    fn a_file_that_breaks_off_is_an_error() {
        let text: String = (0..20_000).map(|n| format!("{n}\n")).collect();
        for whole in [gzip(&text), zstd(&text)] {
            assert!(read(whole[..whole.len() / 2].to_vec()).is_err());
        }
    }
}
