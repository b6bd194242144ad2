//! The chain-state documents of a scenario, in the lab's Elasticsearch. What sets them apart from others is the end of their names.

use reqwest::Method;
use serde_json::{Value, json};

use crate::chain::hopkeeper;
use crate::elasticsearch::Server;
use crate::wait::{self, LIMIT};

fn transitions(namespace: &str) -> String {
    format!("logs-hopkeeper.transition-{namespace}")
}

fn states(namespace: &str) -> String {
    format!("hopkeeper-state-{namespace}")
}

/// An empty home for them.
pub async fn prepare(elasticsearch: &Server, namespace: &str) {
    for old in [format!("_data_stream/{}", transitions(namespace)), states(namespace)] {
        elasticsearch.try_to(Method::DELETE, &old, None).await; // There may be none.
    }
    hopkeeper(&["setup", "--elasticsearch", &elasticsearch.url, "--documents-namespace", namespace]);
}

/// Waits until the documents of the current state, and the number of transitions, fit.
pub async fn until(elasticsearch: &Server, namespace: &str, what: &str, fit: impl Fn(&[Value], usize) -> bool) {
    wait::until(&format!("Elasticsearch has documents: {what}"), LIMIT, || async {
        let (_, transitions) = found(elasticsearch, &transitions(namespace)).await;
        let (states, _) = found(elasticsearch, &states(namespace)).await;
        if fit(&states, transitions) { Ok(()) } else { Err(format!("{transitions} transitions, states {states:?}")) }
    })
    .await;
}

/// An index's documents, some thousands at most, and how many there are.
async fn found(elasticsearch: &Server, index: &str) -> (Vec<Value>, usize) {
    elasticsearch.ask(Method::POST, &format!("{index}/_refresh"), None).await;
    let query = json!({"size": 5000, "track_total_hits": true}).to_string();
    let found = elasticsearch.ask(Method::POST, &format!("{index}/_search"), Some(query)).await;
    let hits = found["hits"]["hits"].as_array().into_iter().flatten();
    let total = found["hits"]["total"]["value"].as_u64().unwrap_or_default();
    (hits.map(|hit| hit["_source"].clone()).collect(), usize::try_from(total).expect("it should fit"))
}
