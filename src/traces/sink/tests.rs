//! Which incidents are told, and that none is told twice by one process.

use super::super::tests::{UID, hex, recovered, sink, spans_of, time, told};
use super::*;
use crate::overview::tests::{berlin, rotated};

fn ids(outbox: &Outbox<Trace>) -> Vec<String> {
    told(outbox).iter().map(|of| hex(&spans_of(of)[0].trace_id)).collect()
}

fn trace_of(uid: &str) -> String {
    uid.replace('-', "")
}

#[test]
fn an_incident_is_told_once_it_is_closed_and_then_no_more() {
    let (sink, outbox) = sink();
    let mut open = rotated(None);
    open.metadata.uid = Some(UID.to_owned());
    for _ in 0..2 {
        sink.look(&berlin(), std::slice::from_ref(&open), time("03"));
        assert!(ids(&outbox).is_empty());
    }
    sink.look(&berlin(), &[recovered()], time("04"));
    assert_eq!(ids(&outbox), [trace_of(UID)]);
    sink.look(&berlin(), &[recovered()], time("05"));
    assert!(ids(&outbox).is_empty());
}

#[test]
fn the_next_leader_tells_again_of_what_was_closed_lately_and_of_nothing_older() {
    let closed = recovered().status.unwrap().closed_at.unwrap().0;
    for (later, expected) in [(AGAIN, 1), (AGAIN + SignedDuration::from_secs(1), 0)] {
        let (sink, outbox) = sink();
        sink.look(&berlin(), &[recovered()], closed + later);
        assert_eq!(ids(&outbox).len(), expected);
        // What is closed from now on is told however long that took.
        let mut next = recovered();
        next.metadata.uid = Some("2".into());
        sink.look(&berlin(), &[recovered(), next], closed + later + later);
        assert_eq!(ids(&outbox).len(), 1);
    }
}

#[test]
fn two_leaders_tell_the_same_trace() {
    let tell = || {
        let (sink, outbox) = sink();
        sink.look(&berlin(), &[recovered()], time("05"));
        told(&outbox)
    };
    assert_eq!(tell(), tell());
}

#[test]
fn nothing_is_remembered_of_incidents_and_chains_that_are_gone() {
    let (sink, outbox) = sink();
    let (chain, remembered) = (berlin(), || sink.told.lock().unwrap().values().map(HashSet::len).sum::<usize>());
    sink.look(&chain, &[recovered()], time("05"));
    assert_eq!((ids(&outbox).len(), remembered()), (1, 1));
    sink.look(&chain, &[], time("06"));
    assert_eq!(remembered(), 0);
    sink.forget_chain("vpn", "berlin");
    assert!(sink.told.lock().unwrap().is_empty());
}

#[test]
fn more_than_fits_drops_the_oldest() {
    let (_, outbox) = sink();
    drop(outbox);
    let outbox = Arc::new(Outbox::new(20_000));
    let registry = prometheus::Registry::new();
    let metrics = TraceMetrics::register(&registry).unwrap();
    let sink = TraceSink::new(Origin::new(&[]), Arc::clone(&outbox), metrics);
    let all: Vec<_> = (0..50)
        .map(|number| {
            let mut incident = recovered();
            incident.metadata.uid = Some(format!("00000000-0000-4000-8000-{number:012}"));
            incident
        })
        .collect();
    sink.look(&berlin(), &all, time("05"));
    let (kept, bytes) = outbox.size();
    assert!(kept > 1 && kept < 50 && bytes <= 20_000, "{kept} in {bytes} bytes");
    assert_eq!(ids(&outbox).last().unwrap(), &trace_of(&all[49].uid().unwrap()));
    let dropped =
        registry.gather().into_iter().find(|family| family.name() == "hopkeeper_traces_dropped_total").unwrap();
    let dropped: f64 = dropped.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum();
    assert_eq!(dropped as usize, 50 - kept);
}
