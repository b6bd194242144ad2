//! From a shipper's JSON (Filebeat, ECS) to a `LogEvent`: only the fields needed, borrowed where possible.
//!
//! Tolerates missing Kubernetes metadata by reading the log file's path. Leaves the line's text alone.

mod json;
mod marks;
mod time;

use std::borrow::Cow;

use jiff::Timestamp;
use thiserror::Error;

use json::{Malformed, Reader};
use marks::Marks;

use super::event::{LogEvent, Position};

/// Why a record is not a log line; counted, never a stall.
#[derive(Debug, Error)]
pub enum EnvelopeError {
    /// The record is not JSON, or its fields have other types.
    #[error("failed to read the record as a Filebeat event: {0}")]
    Json(#[from] Malformed),
    /// The record has no text.
    #[error("the record has no \"message\"")]
    NoMessage,
    /// Neither the record nor its source gives a time.
    #[error("the record has no \"@timestamp\"")]
    NoTime,
    /// Neither the metadata nor the file's path names a container.
    #[error("the record names no container: no kubernetes metadata, and log.file.path is not a container log's")]
    NoContainer,
}

impl EnvelopeError {
    /// A stable word for metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Json(_) => "json",
            Self::NoMessage => "no_message",
            Self::NoTime => "no_time",
            Self::NoContainer => "no_container",
        }
    }
}

/// What is read of a record, wherever it stands in it.
#[derive(Default)]
struct Envelope<'a> {
    timestamp: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
    namespace: Option<Cow<'a, str>>,
    pod_name: Option<Cow<'a, str>>,
    pod_uid: Option<Cow<'a, str>>,
    container: Option<Cow<'a, str>>,
    path: Option<Cow<'a, str>>,
    offset: Option<u64>,
}

impl<'a> Envelope<'a> {
    fn read(payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut read = Self::default();
        let marks = Marks::of(payload);
        let mut reader = Reader::new(payload, marks.words());
        reader.object(["message", "@timestamp", "kubernetes", "log"], |reader, member| {
            match member {
                0 => read.message = reader.optional_text()?,
                1 => read.timestamp = reader.optional_text()?,
                2 => reader.optional_object(["pod", "namespace", "container"], |reader, member| {
                    match member {
                        0 => reader.optional_object(["name", "uid"], |reader, member| {
                            let field = if member == 0 { &mut read.pod_name } else { &mut read.pod_uid };
                            *field = reader.optional_text()?;
                            Ok(())
                        })?,
                        1 => read.namespace = reader.optional_text()?,
                        _ => reader.optional_object(["name"], |reader, _| {
                            read.container = reader.optional_text()?;
                            Ok(())
                        })?,
                    }
                    Ok(())
                })?,
                _ => reader.optional_object(["offset", "file"], |reader, member| {
                    if member == 0 {
                        read.offset = reader.optional_number()?;
                        return Ok(());
                    }
                    reader.optional_object(["path"], |reader, _| {
                        read.path = reader.optional_text()?;
                        Ok(())
                    })
                })?,
            }
            Ok(())
        })?;
        reader.end()?;
        Ok(read)
    }
}

/// What a container log's path tells.
#[derive(Debug, Default, PartialEq, Eq)]
struct FromPath<'a> {
    namespace: &'a str,
    pod: &'a str,
    uid: Option<&'a str>,
    container: &'a str,
}

/// Decodes one record.
///
/// `received` is the source's own time of the record, used where the record has none.
///
/// # Errors
/// When the record is not an event with a text, a time and a container.
pub fn decode(payload: &[u8], position: Position, received: Option<Timestamp>) -> Result<LogEvent, EnvelopeError> {
    let envelope = Envelope::read(payload)?;
    let message = envelope.message.ok_or(EnvelopeError::NoMessage)?;
    // What the metadata says goes before the path, which need not be looked at where the metadata is whole.
    let is_named = |field: &Option<Cow<'_, str>>| field.as_deref().is_some_and(|name| !name.is_empty());
    let is_whole = [&envelope.namespace, &envelope.pod_name, &envelope.container].into_iter().all(is_named);
    let path = envelope.path.as_deref().filter(|_| !is_whole || envelope.pod_uid.is_none()).unwrap_or_default();
    let from_path = if path.is_empty() { FromPath::default() } else { parse_path(path).unwrap_or_default() };

    let container = text(envelope.container, from_path.container);
    let pod = text(envelope.pod_name, from_path.pod);
    let pod_uid = envelope.pod_uid.or(from_path.uid.map(Cow::Borrowed)).filter(|uid| !uid.is_empty());
    if container.is_empty() || (pod_uid.is_none() && pod.is_empty()) {
        return Err(EnvelopeError::NoContainer);
    }
    let (cri_time, text_start) = cri_prefix(&message);
    let time = cri_time
        .or_else(|| envelope.timestamp.as_deref().and_then(time::parse))
        .or(received)
        .ok_or(EnvelopeError::NoTime)?;
    Ok(LogEvent {
        time,
        namespace: text(envelope.namespace, from_path.namespace),
        pod,
        pod_uid: pod_uid.map(Cow::into_owned),
        container,
        text: if text_start == 0 { message.into_owned() } else { message[text_start..].to_owned() },
        file_offset: envelope.offset,
        position,
    })
}

fn text(metadata: Option<Cow<'_, str>>, fallback: &str) -> String {
    metadata.filter(|m| !m.is_empty()).map_or_else(|| fallback.to_owned(), Cow::into_owned)
}

/// `2026-11-22T16:25:43.1Z stdout F text`, where the shipper does not parse the runtime's format: its time, and where
/// the text starts. The runtime's time is the client's; the shipper's may be that of reading.
fn cri_prefix(message: &str) -> (Option<Timestamp>, usize) {
    let prefix = || {
        let (time, rest) = message.split_once(' ')?;
        let rest = rest.strip_prefix("stdout ").or_else(|| rest.strip_prefix("stderr "))?;
        let rest = rest.strip_prefix("F ").or_else(|| rest.strip_prefix("P "))?;
        Some((Some(time.parse().ok()?), message.len() - rest.len()))
    };
    prefix().unwrap_or((None, 0))
}

/// `/var/log/containers/<pod>_<ns>_<container>-<id>.log` or `/var/log/pods/<ns>_<pod>_<uid>/<container>/N.log`.
fn parse_path(path: &str) -> Option<FromPath<'_>> {
    if let Some((_, rest)) = path.split_once("/containers/") {
        let mut parts = rest.strip_suffix(".log")?.splitn(3, '_');
        let (pod, namespace, container) = (parts.next()?, parts.next()?, parts.next()?);
        let (container, id) = container.rsplit_once('-')?;
        let valid = !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
        return valid.then_some(FromPath { namespace, pod, uid: None, container });
    }
    let (_, rest) = path.split_once("/pods/")?;
    let mut parts = rest.split('/');
    let (directory, container, file) = (parts.next()?, parts.next()?, parts.next()?);
    let mut names = directory.splitn(3, '_');
    let (namespace, pod, uid) = (names.next()?, names.next()?, names.next()?);
    file.contains(".log").then_some(FromPath { namespace, pod, uid: Some(uid), container })
}

#[cfg(test)]
mod recorded_tests;
#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod tests;
