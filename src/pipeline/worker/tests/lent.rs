//! Records that their source read where they lay: nothing may differ from those of which it took a copy.

use std::fmt::Write;

use super::*;

/// All that is counted; the waiting for a pod included.
async fn outcome(records: &[Vec<u8>], payload: impl Fn(&[u8], &Record) -> Payload) -> (String, Vec<String>, u64) {
    let world = World::new(&["p1", "p2"]);
    let mut worker = world.worker();
    for (second, bytes) in (0..).zip(records) {
        NOW.set(second);
        let record = world.record(Payload::TooLarge, second);
        let payload = payload(bytes, &record);
        worker.handle(Record { payload, ..record }, &world.stop).await;
    }
    worker.settle();
    let mut counted = String::new();
    for family in world.registry.gather().iter().filter(|family| !family.name().ends_with("_seconds")) {
        writeln!(counted, "{} {:?}", family.name(), family.get_metric()).expect("should write");
    }
    (counted, world.created(), world.stored())
}

#[tokio::test]
async fn a_record_that_its_source_read_is_judged_as_its_bytes_are() {
    let world = World::new(&[]);
    let line = |pod: &str, second, text: &str| {
        let Payload::Bytes(bytes) = world.line(pod, second, second, text).payload else { panic!("should be small") };
        bytes
    };
    let mut of_net = line("p2", 5, EXPIRED);
    of_net = String::from_utf8_lossy(&of_net).replace(r#""name":"vpn""#, r#""name":"net""#).into_bytes();
    let records = [
        line("p1", 0, EXPIRED),
        line("p2", 86_400, "Initialization Sequence Completed"),
        line("foreign", 2, EXPIRED),
        line("p2", 7, EXPIRED),
        b"junk".to_vec(),
        br#"{"message":"x"}"#.to_vec(),
        br#"{"@timestamp":"2026-11-22T12:00:00Z","kubernetes":{}}"#.to_vec(),
        of_net,
        Vec::new(),
        vec![b'x'; MAX_RECORD_BYTES],
        vec![b'x'; MAX_RECORD_BYTES + 1],
        line("p1", -86_400 * 365, EXPIRED),
    ];
    let copied = outcome(&records, |bytes, _| Payload::copied(bytes)).await;
    let read = outcome(&records, |bytes, record| Payload::read(bytes, &record.position, record.received)).await;
    assert_eq!(copied, read);
    assert_eq!(read.1, ["p1", "p2"]);
}
