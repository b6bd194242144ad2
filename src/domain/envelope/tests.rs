//! What shippers send, and what they should not.

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
