//! The chart on what is there already: lines from a real Kafka, then from a real Elasticsearch, which also takes the
//! documents; parameters from a real OpenBao, to which the operator's pod logs in as its ServiceAccount.

use hopkeeper::crd::incident::StepAction;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::json;

use super::rotation::heals;
use super::{LIMIT, seconds};
use crate::app;
use crate::chain::{Chain, berlin, hopkeeper};
use crate::elasticsearch::Server;
use crate::lab::LANES;
use crate::release::{Release, chart, values};
use crate::turn::{Need, turn};
use crate::wait::until;

/// How pods reach the host's programs.
const HOST: &str = "10.200.0.1";
/// Sets this scenario's documents apart.
const DOCUMENTS: &str = "e2e";

#[tokio::test(flavor = "multi_thread")]
async fn an_installed_chart_works_with_kafka_elasticsearch_and_openbao_that_are_there() {
    // The operator's pod is on the network on which the scenario of the leaks listens.
    let turn = turn("external", Need::ThisLane(LANES[0])).await;
    turn.lane.mend();
    let Some(elasticsearch) = Server::start(false) else { return };
    prepare(&elasticsearch).await;
    let chain = Chain::vacant(turn.lane, "external").await;
    let release = Release::new("e2e-external-operator");
    let mut values = values(&chain);
    // The README's own pools: of entry and middle in OpenBao, of the exit in a Secret.
    values["chains"]["berlin"]["spec"] = berlin(chain.lane)["spec"].clone();
    values["stack"] = json!({"mode": "external", "transport": "kafka"});
    values["kafka"] = json!({"brokers": [format!("{HOST}:9094")], "group": "e2e-external"});
    values["vault"] = json!({"address": format!("http://{HOST}:8200")});
    values["elasticsearch"] = json!({"urls": [format!("http://{HOST}:9200")], "index": "filebeat-lab"});
    values["documents"] = json!({"enabled": true, "namespace": DOCUMENTS});
    // The lab's own, on the node, ships.
    values["filebeat"] = json!({"enabled": false});

    let began = Timestamp::now();
    release.install(&chart(), &values);
    chain.claim().await;
    chain.pool("exit-pool", "exit");
    chain.until_up(LIMIT).await;
    app::start(&chain).await;
    let page = app::until_page(&chain, began, LIMIT).await;
    println!("    first page {:.1} s after `helm install` began", seconds(began, page));
    heals(&chain, "entry", &["revoke-password", "entry", "a"], StepAction::RotateInPlace).await;
    until_documents(&elasticsearch, "the chain, three hops", |states, transitions| states == 4 && transitions > 0)
        .await;

    let before = chain.state().await;
    values["stack"]["transport"] = json!("elasticsearch");
    release.upgrade(&values);
    assert_eq!(chain.state().await, before, "another log source is the operator's business alone");
    heals(&chain, "exit", &["revoke-cert", "exit", "a"], StepAction::RotateInPlace).await;

    release.uninstall();
    until_documents(&elasticsearch, "nothing is so any more", |states, _| states == 0).await;
}

/// An empty home for the documents.
async fn prepare(elasticsearch: &Server) {
    for old in [format!("_data_stream/logs-hopkeeper.transition-{DOCUMENTS}"), format!("hopkeeper-state-{DOCUMENTS}")] {
        elasticsearch.try_to(Method::DELETE, &old, None).await; // There may be none.
    }
    hopkeeper(&["setup", "--elasticsearch", &elasticsearch.url, "--documents-namespace", DOCUMENTS]);
}

/// Waits until the numbers of current states and of transitions fit.
async fn until_documents(elasticsearch: &Server, what: &str, fit: impl Fn(u64, u64) -> bool) {
    let count = async |index: String| {
        elasticsearch.ask(Method::POST, &format!("{index}/_refresh"), None).await;
        elasticsearch.ask(Method::GET, &format!("{index}/_count"), None).await["count"].as_u64().unwrap_or_default()
    };
    until(&format!("Elasticsearch has documents: {what}"), LIMIT, || async {
        let states = count(format!("hopkeeper-state-{DOCUMENTS}")).await;
        let transitions = count(format!("logs-hopkeeper.transition-{DOCUMENTS}")).await;
        if fit(states, transitions) { Ok(()) } else { Err(format!("{states} states, {transitions} transitions")) }
    })
    .await;
}
