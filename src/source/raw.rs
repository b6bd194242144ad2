//! Lines that no shipper has wrapped: made into records of the shipper's form, so that one decoder reads all of them.

use jiff::Timestamp;
use serde::Serialize;

/// Whose lines they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's UID, where it is known.
    pub uid: Option<String>,
    /// The container's name.
    pub container: String,
}

impl Origin {
    /// `namespace/pod`, or `namespace/pod/container`; without one it is the client's.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let (namespace, pod, container) = match parts.as_slice() {
            [namespace, pod] => (namespace, pod, "vpn"),
            [namespace, pod, container] => (namespace, pod, *container),
            _ => (&"", &"", ""),
        };
        if namespace.is_empty() || pod.is_empty() || container.is_empty() {
            return Err(format!("{text:?} names no pod: write NAMESPACE/POD or NAMESPACE/POD/CONTAINER"));
        }
        let (namespace, pod) = ((*namespace).to_owned(), (*pod).to_owned());
        Ok(Self { namespace, pod, uid: None, container: container.to_owned() })
    }

    /// A line as a shipper would have sent it.
    pub fn record(&self, time: Timestamp, text: &str) -> Vec<u8> {
        let kubernetes = Kubernetes {
            namespace: &self.namespace,
            pod: Pod { name: &self.pod, uid: self.uid.as_deref() },
            container: Container { name: &self.container },
        };
        serde_json::to_vec(&Event { time, message: text, kubernetes }).expect("should serialize: it is text")
    }
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "@timestamp")]
    time: Timestamp,
    message: &'a str,
    kubernetes: Kubernetes<'a>,
}

#[derive(Serialize)]
struct Kubernetes<'a> {
    namespace: &'a str,
    pod: Pod<'a>,
    container: Container<'a>,
}

#[derive(Serialize)]
struct Pod<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
}

#[derive(Serialize)]
struct Container<'a> {
    name: &'a str,
}

/// The time that `kubectl logs --timestamps` puts before a line, and the line.
pub fn split_time(line: &str) -> Option<(Timestamp, &str)> {
    let (time, text) = line.split_once(' ').unwrap_or((line, ""));
    // A date alone, or a time without zone, is the program's own.
    let is_whole = time.len() >= 20 && time.as_bytes().get(10) == Some(&b'T');
    Some((time.parse().ok().filter(|_| is_whole)?, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::envelope;
    use crate::domain::event::{Position, Shard};

    #[test]
    fn a_raw_line_is_decoded_like_a_shipped_one() {
        let origin = Origin { uid: Some("u".into()), ..Origin::parse("vpn/berlin-entry-1").unwrap() };
        let time = "2026-11-22T16:25:43.123456789Z".parse().unwrap();
        let record = origin.record(time, "a \"quoted\" \u{1b}[31mline\t");
        let event = envelope::decode(&record, Position::new(Shard::new("x"), 1), None).unwrap();
        assert_eq!((event.time, event.text.as_str()), (time, "a \"quoted\" \u{1b}[31mline\t"));
        assert_eq!((event.namespace.as_str(), event.pod.as_str()), ("vpn", "berlin-entry-1"));
        assert_eq!((event.pod_uid.as_deref(), event.container.as_str()), (Some("u"), "vpn"));
    }

    #[test]
    fn only_the_runtimes_time_is_taken_off() {
        let time: Timestamp = "2026-11-22T16:25:43.1Z".parse().unwrap();
        assert_eq!(split_time("2026-11-22T16:25:43.1Z  indented"), Some((time, " indented")));
        assert_eq!(split_time("2026-11-22T17:25:43.1+01:00 x"), Some((time, "x")));
        assert_eq!(split_time("2026-11-22T16:25:43.1Z"), Some((time, "")));
        for line in ["2026-11-22 16:25:43 x", "2026-11-22T16:25:43 x", "hello", ""] {
            assert_eq!(split_time(line), None, "{line}");
        }
    }

    #[test]
    fn an_origin_names_namespace_and_pod() {
        assert_eq!(Origin::parse("a/b").unwrap().container, "vpn");
        assert_eq!(Origin::parse("a/b/health").unwrap().container, "health");
        for text in ["", "a", "a/", "/b", "a/b/", "a/b/c/d"] {
            assert!(Origin::parse(text).unwrap_err().contains("NAMESPACE/POD"), "{text}");
        }
    }
}
