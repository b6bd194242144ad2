//! On a server of the tests: what a dry run leaves alone, and what a refusal says. What Elasticsearch makes of the
//! requests is tested on a real one (`tests/elasticsearch/documents.rs`).

use serde_json::json;
use wiremock::matchers::{any, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::elasticsearch::Credentials;

async fn run_on(server: &MockServer, dry_run: bool) -> Result<Vec<Done>, ElasticsearchError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let connection = Connection { urls: vec![server.uri()], credentials: Credentials::None, ca: None };
    run(connection, &Wanted { names: Names::new("default").unwrap(), keep: "90d".into() }, dry_run).await
}

#[tokio::test]
async fn a_dry_run_says_what_is_missing_and_writes_nothing() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(404).set_body_json(json!({}))).mount(&server).await;
    let done = run_on(&server, true).await.unwrap();
    assert!(done.iter().all(|done| done.change == Change::Create));
    let parts: Vec<_> = done.iter().map(|done| (done.part, done.name.as_str())).collect();
    let expected = [
        ("component template", "hopkeeper-default@base"),
        ("index template", "logs-hopkeeper.transition-default"),
        ("index template", "hopkeeper-state-default"),
        ("data stream", "logs-hopkeeper.transition-default"),
        ("index", "hopkeeper-state-default"),
    ];
    assert_eq!(parts, expected);
    let asked = server.received_requests().await.unwrap();
    assert!(asked.iter().all(|request| request.method == reqwest::Method::GET));
}

#[tokio::test]
async fn a_missing_privilege_is_named() {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(404).set_body_json(json!({}))).mount(&server).await;
    Mock::given(method("PUT")).respond_with(ResponseTemplate::new(403).set_body_json(json!({}))).mount(&server).await;
    let refused = run_on(&server, false).await.unwrap_err().to_string();
    assert!(refused.contains("put a component template") && refused.contains("manage_index_templates"), "{refused}");
}
