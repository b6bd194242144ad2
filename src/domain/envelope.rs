//! From a shipper's JSON (Filebeat, ECS) to a `LogEvent`: only the fields needed, borrowed where possible.
//!
//! Tolerates missing Kubernetes metadata by reading the log file's path. Leaves the line's text alone.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use thiserror::Error;

use super::event::{LogEvent, Position};

/// Why a record is not a log line; counted, never a stall.
#[derive(Debug, Error)]
pub enum EnvelopeError {
    /// The record is not JSON, or its fields have other types.
    #[error("failed to read the record as a Filebeat event: {0}")]
    Json(#[from] serde_json::Error),
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

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "@timestamp", borrow, default)]
    timestamp: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    kubernetes: Option<Kubernetes<'a>>,
    #[serde(borrow, default)]
    log: Option<Log<'a>>,
}

#[derive(Default, Deserialize)]
struct Kubernetes<'a> {
    #[serde(borrow, default)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pod: Option<Pod<'a>>,
    #[serde(borrow, default)]
    container: Option<Named<'a>>,
}

#[derive(Default, Deserialize)]
struct Pod<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    uid: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
struct Log<'a> {
    #[serde(borrow, default)]
    file: Option<File<'a>>,
    #[serde(default)]
    offset: Option<u64>,
}

#[derive(Default, Deserialize)]
struct File<'a> {
    #[serde(borrow, default)]
    path: Option<Cow<'a, str>>,
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
    let envelope: Envelope<'_> = serde_json::from_slice(payload)?;
    let message = envelope.message.ok_or(EnvelopeError::NoMessage)?;
    let log = envelope.log.unwrap_or_default();
    let kubernetes = envelope.kubernetes.unwrap_or_default();
    let pod = kubernetes.pod.unwrap_or_default();
    let path = log.file.unwrap_or_default().path.unwrap_or_default();
    let from_path = parse_path(&path).unwrap_or_default();

    let container = text(kubernetes.container.unwrap_or_default().name.as_deref(), from_path.container);
    let name = text(pod.name.as_deref(), from_path.pod);
    let uid = pod.uid.as_deref().or(from_path.uid).filter(|uid| !uid.is_empty()).map(str::to_owned);
    if container.is_empty() || (uid.is_none() && name.is_empty()) {
        return Err(EnvelopeError::NoContainer);
    }
    let (cri_time, text_start) = cri_prefix(&message);
    let time = cri_time
        .or_else(|| envelope.timestamp.as_deref().and_then(|t| t.parse().ok()))
        .or(received)
        .ok_or(EnvelopeError::NoTime)?;
    let text_of = message[text_start..].to_owned();
    Ok(LogEvent {
        time,
        namespace: text(kubernetes.namespace.as_deref(), from_path.namespace),
        pod: name,
        pod_uid: uid,
        container,
        text: text_of,
        file_offset: log.offset,
        position,
    })
}

fn text(metadata: Option<&str>, fallback: &str) -> String {
    metadata.filter(|m| !m.is_empty()).unwrap_or(fallback).to_owned()
}

/// `2026-11-22T16:25:43.1Z stdout F text`, where the shipper does not parse the runtime's format: its time, and where
/// the text starts. The runtime's time is the client's; the shipper's may be that of reading.
fn cri_prefix(message: &str) -> (Option<Timestamp>, usize) {
    let mut parts = message.splitn(4, ' ');
    let (Some(time), Some("stdout" | "stderr"), Some("F" | "P"), Some(rest)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return (None, 0);
    };
    time.parse().map_or((None, 0), |time| (Some(time), message.len() - rest.len()))
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
mod tests {
    use super::*;
    use crate::domain::event::Shard;

    fn at() -> Position {
        Position::new(Shard::new("kafka:vpn/0"), 7)
    }

    fn decoded(json: &str) -> Result<LogEvent, EnvelopeError> {
        decode(json.as_bytes(), at(), None)
    }

    #[test]
    fn a_filebeat_event_is_read_with_all_of_its_metadata_around() {
        let event = decoded(
            r#"{"@timestamp":"2026-11-22T16:25:43.824Z","@metadata":{"beat":"filebeat","type":"_doc","version":"9.1.0"},
            "stream":"stdout","message":"hello \"x\"","log":{"offset":99,"file":{"path":"/var/log/containers/a_b_c-1.log"}},
            "kubernetes":{"namespace":"prod","pod":{"name":"berlin-entry-0","uid":"u-1","ip":"10.0.0.1"},
            "container":{"name":"vpn"},"labels":{"app":"x"},"node":{"name":"n"}},"ecs":{"version":"8.0.0"},"agent":{}}"#,
        )
        .expect("should decode");
        assert_eq!(event.pod_uid.as_deref(), Some("u-1"));
        assert_eq!((event.namespace.as_str(), event.pod.as_str()), ("prod", "berlin-entry-0"));
        assert_eq!((event.container.as_str(), event.text.as_str()), ("vpn", "hello \"x\""));
        assert_eq!(event.time, "2026-11-22T16:25:43.824Z".parse().expect("should parse"));
        assert_eq!(event.file_offset, Some(99));
        assert_eq!(event.position.to_string(), "kafka:vpn/0/7");
    }

    #[test]
    fn missing_metadata_is_read_from_the_path() {
        let event = decoded(
            r#"{"@timestamp":"2026-11-22T16:25:43Z","message":"x","log":{"file":{"path":"/var/log/containers/berlin-entry-7d9_prod_net-admin-0123abc.log"}}}"#,
        )
        .expect("should decode");
        assert_eq!((event.pod.as_str(), event.namespace.as_str()), ("berlin-entry-7d9", "prod"));
        assert_eq!((event.container.as_str(), event.pod_uid), ("net-admin", None));

        let event = decoded(
            r#"{"@timestamp":"2026-11-22T16:25:43Z","message":"x","log":{"file":{"path":"/var/log/pods/prod_berlin-entry-7d9_0f8a-uid/vpn/3.log"}}}"#,
        )
        .expect("should decode");
        assert_eq!((event.pod.as_str(), event.pod_uid.as_deref()), ("berlin-entry-7d9", Some("0f8a-uid")));
        assert_eq!((event.namespace.as_str(), event.container.as_str()), ("prod", "vpn"));
    }

    #[test]
    fn the_runtimes_own_format_is_unwrapped() {
        let event = decoded(
            r#"{"@timestamp":"2026-11-22T16:30:00Z","message":"2026-11-22T16:25:43.5Z stderr F hi there","kubernetes":{"pod":{"uid":"u"},"container":{"name":"vpn"}}}"#,
        )
        .expect("should decode");
        assert_eq!((event.text.as_str(), event.time.to_string().as_str()), ("hi there", "2026-11-22T16:25:43.5Z"));
    }

    #[test]
    fn junk_is_an_error_with_a_category() {
        for (json, category) in [
            ("", "json"),
            ("not json", "json"),
            ("[1,2]", "json"),
            (r#"{"message":{"a":1}}"#, "json"),
            ("{}", "no_message"),
            (r#"{"message":"x"}"#, "no_container"),
            (r#"{"message":"x","log":{"file":{"path":"/var/log/syslog"}}}"#, "no_container"),
            (
                r#"{"message":"x","@timestamp":"soon","kubernetes":{"pod":{"uid":"u"},"container":{"name":"vpn"}}}"#,
                "no_time",
            ),
        ] {
            assert_eq!(decoded(json).expect_err(json).category(), category, "{json}");
        }
    }
}
