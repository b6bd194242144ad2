//! What the pipeline is told for each answer of the API server: create once, try again, or leave it.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::domain::engine::tests::detection;

const INCIDENTS: &str = "/apis/hopkeeper.io/v1alpha1/namespaces/prod/hopincidents";
const CHAIN: &str = "/apis/hopkeeper.io/v1alpha1/namespaces/prod/vpnchains/berlin";

fn refusal(code: u16, reason: &str) -> ResponseTemplate {
    ResponseTemplate::new(code).set_body_json(
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": reason}),
    )
}

fn sink(address: &str) -> KubernetesSink {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = kube::Config::new(address.parse().unwrap());
    (config.connect_timeout, config.read_timeout) = (Some(Duration::from_secs(5)), Some(Duration::from_millis(200)));
    // By default the client itself repeats 429, 503 and 504, for minutes.
    config.default_retry = false;
    KubernetesSink::new(Client::try_from(config).unwrap(), Some("prod".into()), ChainUids::default())
}

/// A server with the chain, and this answer to a create.
async fn create(answer: ResponseTemplate) -> Result<Created, SinkError> {
    let server = MockServer::start().await;
    let chain = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"name": "berlin", "namespace": "prod", "uid": "uid-1"}});
    let found = ResponseTemplate::new(200).set_body_json(chain);
    Mock::given(method("GET")).and(path(CHAIN)).respond_with(found).mount(&server).await;
    Mock::given(method("POST")).and(path(INCIDENTS)).respond_with(answer).expect(1).mount(&server).await;
    sink(&server.uri()).create(&detection()).await
}

fn is_refused(result: &Result<Created, SinkError>) -> bool {
    matches!(result, Err(SinkError::Refused(_)))
}

fn is_unavailable(result: &Result<Created, SinkError>) -> bool {
    matches!(result, Err(SinkError::Unavailable(_)))
}

#[tokio::test]
async fn a_new_incident_is_owned_by_its_chain_and_carries_its_deterministic_name() {
    let server = MockServer::start().await;
    let chain = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"uid": "uid-1"}});
    let found = ResponseTemplate::new(200).set_body_json(chain);
    Mock::given(method("GET")).and(path(CHAIN)).respond_with(found).mount(&server).await;
    let echo = |request: &Request| ResponseTemplate::new(201).set_body_raw(request.body.clone(), "application/json");
    Mock::given(method("POST")).and(path(INCIDENTS)).respond_with(echo).mount(&server).await;
    let before = Timestamp::now();
    assert_eq!(sink(&server.uri()).create(&detection()).await.unwrap(), Created::New);
    let after = Timestamp::now();
    let requests = server.received_requests().await.unwrap();
    let sent: Value = requests.iter().find(|r| r.method.as_str() == "POST").unwrap().body_json().unwrap();
    let detected: Timestamp = sent["spec"]["detectedAt"].as_str().unwrap().parse().unwrap();
    // The API keeps microseconds.
    assert!(before.as_microsecond() <= detected.as_microsecond() && detected <= after, "{before} {detected} {after}");
    assert_eq!(sent["metadata"]["name"], incident_name(&detection()));
    assert_eq!(sent["metadata"]["labels"]["hopkeeper.io/hop"], "entry");
    let owner = &sent["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["uid"], &owner["controller"]), (&json!("uid-1"), &json!(true)));
    assert_eq!(sent["spec"]["rule"], "openvpn-auth-failed");
    assert!(sent["status"].is_null(), "the status is the reconciler's");
}

#[tokio::test]
async fn the_incidents_that_are_there_are_found_as_they_were_created() {
    let server = MockServer::start().await;
    let (created, detection) = (incident(&detection(), "uid-1".into(), Timestamp::now()), detection());
    let list =
        json!({"apiVersion": "hopkeeper.io/v1alpha1", "kind": "HopIncidentList", "metadata": {}, "items": [created]});
    let found = ResponseTemplate::new(200).set_body_json(list);
    Mock::given(method("GET")).and(path(INCIDENTS)).respond_with(found).mount(&server).await;
    let found = Finding {
        pod_uid: detection.hop.pod_uid,
        candidate: detection.hop.candidate,
        rule: detection.rule,
        first: detection.first.time,
        last: detection.last.time,
        ended: None,
    };
    assert_eq!(sink(&server.uri()).findings().await.unwrap(), [found]);
    assert!(sink("http://127.0.0.1:1").findings().await.is_err());
}

#[tokio::test]
async fn an_incident_that_exists_is_a_success_and_no_other_conflict_is() {
    assert_eq!(create(refusal(409, "AlreadyExists")).await.unwrap(), Created::AlreadyThere);
    assert!(is_unavailable(&create(refusal(409, "Conflict")).await));
}

#[tokio::test]
async fn what_would_be_refused_again_is_left() {
    for (code, reason) in [(400, "BadRequest"), (404, "NotFound"), (413, "RequestEntityTooLarge"), (422, "Invalid")] {
        assert!(is_refused(&create(refusal(code, reason)).await), "{code}");
    }
}

#[tokio::test]
async fn what_may_pass_later_is_tried_again() {
    for (code, reason) in [
        (401, "Unauthorized"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
        (504, "Timeout"),
    ] {
        assert!(is_unavailable(&create(refusal(code, reason)).await), "{code}");
    }
    let no_status = ResponseTemplate::new(502).set_body_string("<html>bad gateway</html>");
    assert!(is_unavailable(&create(no_status).await));
    assert!(is_unavailable(&create(ResponseTemplate::new(201).set_body_string("cut o")).await));
}

/// An API server that has just started says the same of every right.
#[tokio::test]
async fn a_missing_right_is_told_as_such_once_it_has_been_missing_for_a_while() {
    let server = MockServer::start().await;
    Mock::given(method("GET")).and(path(CHAIN)).respond_with(refusal(403, "Forbidden")).mount(&server).await;
    let mut sink = sink(&server.uri());
    assert!(is_unavailable(&sink.create(&detection()).await));
    assert!(is_unavailable(&sink.create(&detection()).await));
    sink.patience = Duration::ZERO;
    assert!(matches!(sink.create(&detection()).await, Err(SinkError::Forbidden(_))));
}

#[tokio::test]
async fn a_server_that_is_silent_or_away_is_tried_again() {
    assert!(is_unavailable(&create(ResponseTemplate::new(201).set_delay(Duration::from_secs(5))).await));
    assert!(is_unavailable(&sink("http://127.0.0.1:1").create(&detection()).await));
}

#[tokio::test]
async fn an_incident_of_a_chain_that_is_gone_is_left_and_one_of_a_chain_not_seen_yet_is_not() {
    for (answer, refused) in [(refusal(404, "NotFound"), true), (refusal(500, "InternalError"), false)] {
        let server = MockServer::start().await;
        Mock::given(method("GET")).and(path(CHAIN)).respond_with(answer).mount(&server).await;
        let result = sink(&server.uri()).create(&detection()).await;
        assert_eq!((is_refused(&result), is_unavailable(&result)), (refused, !refused));
    }
}

/// What the API server answers.
fn answer(status: &str) -> SinkError {
    sink_error(kube::Error::Api(serde_json::from_str::<Status>(status).expect("should be a status").boxed()))
}

#[test]
fn a_namespace_that_is_being_deleted_takes_no_incident() {
    let terminating = r#"{"kind":"Status","status":"Failure","code":403,"reason":"Forbidden",
        "message":"hopincidents \"x\" is forbidden: unable to create new content in namespace prod because it is being terminated",
        "details":{"name":"x","group":"hopkeeper.io","kind":"hopincidents",
        "causes":[{"reason":"NamespaceTerminating","message":"namespace prod is being terminated","field":"metadata.namespace"}]}}"#;
    assert!(matches!(answer(terminating), SinkError::Refused(_)));
}

#[test]
fn what_is_missing_is_told_from_what_is_wrong_and_from_what_is_away() {
    let answer = |code: u16| answer(&format!(r#"{{"status":"Failure","code":{code},"reason":"x","message":"x"}}"#));
    assert!(matches!(answer(403), SinkError::Forbidden(_)));
    for code in [400, 404, 413, 422] {
        assert!(matches!(answer(code), SinkError::Refused(_)), "{code}");
    }
    for code in [401, 409, 429, 500, 503] {
        assert!(matches!(answer(code), SinkError::Unavailable(_)), "{code}");
    }
}
