//! Tests of [`super`] with a Secret, on a fake API server; with Vault: `tests/vault`.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use secrecy::SecretString;
use serde_json::Value;

use super::*;
use crate::controller::edge_tests::api_server::{ApiServer, Fault};
use crate::domain::candidate::{VALUE, fields_of_text};
use crate::domain::types::ClientKind;
use crate::telemetry::error_chain;

const POOL: &str = "/api/v1/namespaces/vpn/secrets/entry-pool";

fn store(server: &ApiServer) -> Store {
    Store::Secret(Box::new(SecretStore::new(server.client(), "vpn", "entry-pool")))
}

fn candidate(name: &str, text: &str, credentials: Option<(&str, &str)>) -> RawCandidate {
    let credentials = credentials.map(|(user, password)| (user.into(), password.into()));
    let fields = fields_of_text(ClientKind::OpenVPN, text.into(), credentials);
    RawCandidate { name: name.into(), version: String::new(), fields }
}

fn stored(server: &ApiServer) -> BTreeMap<String, String> {
    let secret: Secret = serde_json::from_value(server.get(POOL)).unwrap();
    let text = |ByteString(bytes)| String::from_utf8(bytes).unwrap();
    secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, text(value))).collect()
}

fn names(candidates: &[RawCandidate]) -> Vec<&str> {
    candidates.iter().map(|candidate| candidate.name.as_str()).collect()
}

fn written(outcomes: &[Outcome]) -> Vec<bool> {
    outcomes.iter().map(|outcome| *outcome != Outcome::Unchanged).collect()
}

#[tokio::test]
async fn a_secret_is_created_and_then_written_only_where_a_candidate_changed() {
    let server = ApiServer::start().await;
    let store = store(&server);
    let first = [candidate("b", "profile b", None), candidate("a", "profile a", Some(("user", "word")))];
    assert_eq!(written(&store.write(&first).await.unwrap()), [true, true]);
    assert_eq!(stored(&server)["b"], "profile b");
    let object: Value = serde_json::from_str(&stored(&server)["a"]).unwrap();
    assert_eq!(object, serde_json::json!({"profile": "profile a", "username": "user", "password": "word"}));

    server.forget_requests();
    assert_eq!(store.write(&first).await.unwrap(), [Outcome::Unchanged, Outcome::Unchanged]);
    assert_eq!(server.written(), [""; 0], "a write would be a new version of every candidate");

    let second = [candidate("a", "another", None), first[0].clone()];
    assert_eq!(written(&store.write(&second).await.unwrap()), [true, false]);
    let read = store.candidates().await.unwrap();
    assert_eq!(names(&read), ["a", "b"]);
    assert_eq!(server.written(), [POOL]);
    let version = server.get(POOL)["metadata"]["resourceVersion"].clone();
    assert!(read.iter().all(|candidate| version == *candidate.version && candidate.fields.contains_key(VALUE)));
}

#[tokio::test]
async fn only_the_named_candidates_are_removed() {
    let server = ApiServer::start().await;
    let store = store(&server);
    store.write(&["a", "b", "c"].map(|name| candidate(name, "x", None))).await.unwrap();
    store.remove(&BTreeSet::from(["a".to_owned(), "c".to_owned()])).await.unwrap();
    assert_eq!(names(&store.candidates().await.unwrap()), ["b"]);
}

#[tokio::test]
async fn what_somebody_else_wrote_meanwhile_is_not_overwritten() {
    for (method, exists) in [("POST", false), ("PUT", true)] {
        let server = ApiServer::start().await;
        let store = store(&server);
        if exists {
            store.write(&[candidate("a", "x", None)]).await.unwrap();
        }
        let path = if exists { "/entry-pool" } else { "/secrets" };
        server.fail(Fault { method, path, code: 409, reason: "Conflict" });
        let error = store.write(&[candidate("a", "CANARY", None)]).await.unwrap_err();
        assert!(matches!(error, PoolError::SecretChanged(_)), "{error:?}");
        assert!(error_chain(&error).ends_with("run the command again"));
    }
}

#[tokio::test]
async fn a_refusal_names_the_secret_and_never_what_was_to_be_stored() {
    let server = ApiServer::start().await;
    let store = store(&server);
    let missing = store.candidates().await.map(drop).unwrap_err();
    assert!(error_chain(&missing).starts_with("secret \"entry-pool\" does not exist"));

    server.fail(Fault { method: "POST", path: "/secrets", code: 403, reason: "Forbidden" });
    let password = SecretString::from("CANARY");
    let mut refused = candidate("a", "x", None);
    refused.fields.insert("password".into(), password);
    let error = store.write(&[refused]).await.unwrap_err();
    let said = format!("{} {error:?}", error_chain(&error));
    assert!(said.starts_with("failed to write secret \"entry-pool\": ") && said.contains("Forbidden"), "{said}");
    assert!(!said.contains("CANARY"));
}
