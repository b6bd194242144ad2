//! What the sink puts into the buffer, and what of it is not told twice.

use prometheus::Registry;
use serde_json::json;

use super::super::tests::{chain, held, names, noon, up};
use super::*;
use crate::outbox::{Fate, Parcel as _};

fn sink(max_bytes: usize) -> (DocumentSink, Arc<Buffer>) {
    let buffer = Arc::new(Buffer::new(max_bytes));
    let metrics = DocumentMetrics::register(&Registry::new()).unwrap();
    (DocumentSink::new(names(), Arc::clone(&buffer), metrics), buffer)
}

/// Action and id of all that waits; it is taken out.
fn told(buffer: &Buffer) -> Vec<String> {
    let mut lines = String::new();
    buffer.begin(usize::MAX, usize::MAX, |document| lines.push_str(document.lines()));
    buffer.abandon();
    let metas = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let meta = |line: Value| {
        let (action, of) = line.as_object()?.iter().next().map(|(action, of)| (action.clone(), of.clone()))?;
        Some(format!("{action} {}", of.get("_id")?.as_str()?))
    };
    metas.filter_map(meta).collect()
}

const ALL: [&str; 4] =
    ["index demo/berlin", "index demo/berlin/entry", "index demo/berlin/exit", "index demo/berlin/middle"];

#[test]
fn a_state_is_told_when_it_is_news_and_confirmed_now_and_then() {
    let (sink, buffer) = sink(1 << 20);
    let at = |seconds| noon() + SignedDuration::from_secs(seconds);
    let servers = Servers::new();
    sink.chain(&chain(Some(up())), &up(), &servers, None, at(0));
    assert_eq!(told(&buffer), ALL, "nothing was told since this process began");
    sink.chain(&chain(Some(up())), &up(), &servers, None, at(30));
    assert!(told(&buffer).is_empty(), "only the time is another one");
    let mut one = up();
    one.hops[1].cause = Some("entry".into());
    sink.chain(&chain(Some(one.clone())), &one, &servers, None, at(60));
    assert_eq!(told(&buffer), ["index demo/berlin/middle"]);
    sink.chain(&chain(Some(one.clone())), &one, &servers, None, at(299));
    assert!(told(&buffer).is_empty());
    sink.chain(&chain(Some(one.clone())), &one, &servers, None, at(300));
    assert_eq!(told(&buffer), ALL);
}

#[test]
fn transitions_are_told_of_what_was_written_only() {
    let (sink, buffer) = sink(1 << 20);
    sink.chain(&chain(Some(up())), &held(), &Servers::new(), Some("7"), noon());
    let all = told(&buffer);
    assert_eq!(all[..3], ["create uid-berlin:7", "create uid-berlin:7:entry", "create uid-berlin:7:middle"]);
    assert_eq!(all[3..], ALL);
}

#[test]
fn a_hop_that_is_no_more_and_a_chain_that_is_deleted_are_removed() {
    let (sink, buffer) = sink(1 << 20);
    let mut smaller = chain(Some(up()));
    smaller.spec.hops.remove(1);
    let mut status = up();
    status.hops.remove(1);
    sink.chain(&smaller, &status, &Servers::new(), None, noon());
    assert_eq!(told(&buffer).last().unwrap(), "delete demo/berlin/middle");
    sink.chain_gone(&smaller, noon());
    let mut gone = told(&buffer);
    gone.sort();
    let expected =
        ["delete demo/berlin", "delete demo/berlin/entry", "delete demo/berlin/exit", "delete demo/berlin/middle"];
    assert_eq!(gone, expected);
}

#[test]
fn more_than_fits_drops_the_oldest_and_counts_them() {
    let document = |id: &str| Document::create("i", id, &json!({"text": "x".repeat(100)}));
    let (sink, buffer) = sink(3 * document("0").bytes());
    sink.put((0..9).map(|number| document(&number.to_string())));
    assert_eq!(buffer.size(), (3, 3 * document("0").bytes()));
    assert_eq!(told(&buffer), ["create 6", "create 7", "create 8"]);
}

#[test]
fn a_document_that_is_larger_than_the_whole_buffer_is_dropped_alone() {
    let (sink, buffer) = sink(100);
    sink.put([Document::create("i", "0", &json!({"text": "x".repeat(200)}))]);
    assert_eq!(buffer.size(), (0, 0));
}

#[test]
fn what_is_being_sent_counts_and_goes_first_when_it_does_not_fit_any_more() {
    let document = |id: usize| Document::create("i", &id.to_string(), &json!({}));
    let (sink, buffer) = sink(4 * document(0).bytes());
    sink.put((0..2).map(document));
    assert_eq!(buffer.begin(2, usize::MAX, |_| {}), 2);
    sink.put((2..5).map(document));
    assert_eq!(buffer.size().0, 4, "document 2 went, since 0 and 1 are on their way");
    assert_eq!(buffer.settle(|_| Fate::Again), 0);
    assert_eq!(told(&buffer), ["create 0", "create 1", "create 3", "create 4"]);
}
