//! On a server of the tests: who we are, which node is asked, what a refusal says.

use serde_json::json;
use wiremock::matchers::{any, header};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

fn remedies(status: u16) -> &'static str {
    if status == 403 { "; ask for the privilege" } else { "" }
}

fn client(urls: &[&str], credentials: Credentials, ca: Option<&std::path::Path>) -> Result<Elasticsearch, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let urls = urls.iter().map(|url| (*url).to_owned()).collect();
    let connection = Connection { urls, credentials, ca: ca.map(Into::into) };
    Elasticsearch::new(connection, remedies).map_err(|error| error.to_string())
}

async fn ask(client: &Elasticsearch) -> Result<Value, ElasticsearchError> {
    client.send("ask", Method::GET, &["_x"], &[], Body::None).await
}

fn refusal(status: u16) -> ResponseTemplate {
    let body = json!({ "status": status, "error": { "type": "t", "reason": "outer",
        "root_cause": [{ "type": "t", "reason": "for a reason" }] } });
    ResponseTemplate::new(status).set_body_json(body)
}

#[tokio::test]
async fn who_we_are_is_told_and_never_shown() {
    for (credentials, expected) in [
        (Credentials::ApiKey("Q0FOQVJZ".to_owned().into()), "ApiKey Q0FOQVJZ"),
        (Credentials::Password("u".into(), "CANARY".to_owned().into()), "Basic dTpDQU5BUlk="),
    ] {
        let server = MockServer::start().await;
        let known = Mock::given(any()).and(header("authorization", expected));
        known.respond_with(ResponseTemplate::new(200).set_body_json(json!({ "ok": 1 }))).mount(&server).await;
        Mock::given(any()).respond_with(refusal(401)).with_priority(9).mount(&server).await;
        let known = client(&[&server.uri()], credentials, None).unwrap();
        assert_eq!(ask(&known).await.unwrap()["ok"], 1);
        assert!(!format!("{known:?}").contains("CANARY"));
        let stranger = client(&[&server.uri()], Credentials::None, None).unwrap();
        let refused = ask(&stranger).await.unwrap_err();
        assert!(refused.to_string().contains("check the API key"), "{refused}");
    }
}

#[tokio::test]
async fn another_node_is_asked_when_one_does_not_answer() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(json!({}))).mount(&server).await;
    let client = client(&["http://127.0.0.1:9", &server.uri()], Credentials::None, None).unwrap();
    let away = ask(&client).await.unwrap_err();
    assert!(matches!(away, ElasticsearchError::Unreachable { .. }) && away.is_passing(), "{away}");
    ask(&client).await.unwrap();
}

#[tokio::test]
async fn a_refusal_says_why_and_what_helps() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(refusal(403)).mount(&server).await;
    let refused = ask(&client(&[&server.uri()], Credentials::None, None).unwrap()).await.unwrap_err();
    assert_eq!(refused.to_string(), "failed to ask: elasticsearch answered 403: for a reason; ask for the privilege");
    assert!(!refused.is_passing());
}

#[tokio::test]
async fn what_is_no_elasticsearch_is_told() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_string("<html>hello")).mount(&server).await;
    let refused = ask(&client(&[&server.uri()], Credentials::None, None).unwrap()).await.unwrap_err();
    assert!(refused.to_string().contains("is the URL right?"), "{refused}");
}

#[test]
fn settings_that_cannot_be_used_are_refused_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("ca.pem");
    std::fs::write(&empty, "").unwrap();
    for (url, ca, expected) in [
        ("elasticsearch:9200", None, "https://elasticsearch:9200"),
        ("ftp://elasticsearch", None, "https://elasticsearch:9200"),
        ("https://u:p@elasticsearch", None, "--elasticsearch-user"),
        ("https://e", Some(empty.as_path()), "ca.pem"),
        ("https://e", Some(std::path::Path::new("/none/ca")), "/none/ca"),
    ] {
        let refused = client(&[url], Credentials::None, ca).unwrap_err();
        assert!(refused.contains(expected), "{refused}");
    }
    assert!(client(&[], Credentials::None, None).unwrap_err().contains("no URL is given"));
}
