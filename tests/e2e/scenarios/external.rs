//! The chart on what is there already: lines from a real Kafka, then from a real Elasticsearch, which also takes the
//! documents; parameters from a real OpenBao, to which the operator's pod logs in as its ServiceAccount.

use hopkeeper::crd::incident::StepAction;
use jiff::Timestamp;
use serde_json::json;

use super::rotation::heals;
use super::{LIMIT, seconds};
use crate::app;
use crate::chain::{Chain, berlin};
use crate::documents;
use crate::elasticsearch::Server;
use crate::lab::LANES;
use crate::release::{Release, chart, values};
use crate::turn::{Need, turn};

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
    documents::prepare(&elasticsearch, DOCUMENTS).await;
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
    documents::until(&elasticsearch, DOCUMENTS, "the chain, three hops", |states, transitions| {
        states.len() == 4 && transitions > 0
    })
    .await;

    let before = chain.state().await;
    values["stack"]["transport"] = json!("elasticsearch");
    release.upgrade(&values);
    assert_eq!(chain.state().await, before, "another log source is the operator's business alone");
    heals(&chain, "exit", &["revoke-cert", "exit", "a"], StepAction::RotateInPlace).await;

    release.uninstall();
    documents::until(&elasticsearch, DOCUMENTS, "nothing is so any more", |states, _| states.is_empty()).await;
}
