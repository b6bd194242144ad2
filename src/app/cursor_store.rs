//! The place reached in a log source, as an annotation of a Lease: the operator's role allows those already.

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::crd::names;
use crate::source::cursor::{CursorError, CursorStore};

const ANNOTATION: &str = "hopkeeper.io/log-cursor";

/// A Lease that nobody holds.
pub struct LeaseCursor {
    api: Api<Lease>,
    name: &'static str,
    place: String,
}

impl LeaseCursor {
    /// The cursor of one kind of source.
    pub fn new(client: Client, namespace: &str, name: &'static str) -> Self {
        Self { api: Api::namespaced(client, namespace), name, place: format!("lease {namespace}/{name}") }
    }

    fn failed(&self, what: &'static str, error: kube::Error) -> CursorError {
        CursorError { what, place: self.place.clone(), source: error.into() }
    }
}

impl CursorStore for LeaseCursor {
    fn load(&self) -> BoxFuture<'_, Result<Option<String>, CursorError>> {
        async {
            let lease = self.api.get_opt(self.name).await.map_err(|error| self.failed("load", error))?;
            Ok(lease.and_then(|lease| lease.annotations().get(ANNOTATION).cloned()))
        }
        .boxed()
    }

    fn save(&self, cursor: String) -> BoxFuture<'_, Result<(), CursorError>> {
        async move {
            let lease = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": { "name": self.name, "annotations": { ANNOTATION: cursor } } });
            let apply = PatchParams::apply(names::FIELD_MANAGER).force();
            let saved = self.api.patch(self.name, &apply, &Patch::Apply(lease)).await;
            saved.map(drop).map_err(|error| self.failed("save", error))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use wiremock::matchers::{any, method, path, query_param};
    use wiremock::{Mock, MockServer, Request, ResponseTemplate};

    use super::*;

    #[tokio::test]
    async fn a_lease_keeps_what_was_saved_last() {
        const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/hopkeeper/leases/hopkeeper-pod-logs";
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = MockServer::start().await;
        let kept: Arc<Mutex<Option<Value>>> = Arc::default();
        let answer = Arc::clone(&kept);
        let get = Mock::given(method("GET")).and(path(LEASE));
        get.respond_with(move |_: &Request| match &*answer.lock().unwrap() {
            Some(lease) => ResponseTemplate::new(200).set_body_json(lease),
            None => ResponseTemplate::new(404).set_body_json(json!({"kind": "Status", "apiVersion": "v1",
                "status": "Failure", "reason": "NotFound", "code": 404, "message": "none"})),
        })
        .mount(&server)
        .await;
        let taken = Arc::clone(&kept);
        let patch =
            Mock::given(method("PATCH")).and(path(LEASE)).and(query_param("fieldManager", names::FIELD_MANAGER));
        patch
            .respond_with(move |request: &Request| {
                let lease: Value = request.body_json().unwrap();
                *taken.lock().unwrap() = Some(lease.clone());
                ResponseTemplate::new(200).set_body_json(lease)
            })
            .mount(&server)
            .await;
        let client = Client::try_from(kube::Config::new(server.uri().parse().unwrap())).unwrap();
        let store = LeaseCursor::new(client, "hopkeeper", "hopkeeper-pod-logs");
        assert_eq!(store.load().await.unwrap(), None);
        store.save("one".into()).await.unwrap();
        store.save("two".into()).await.unwrap();
        assert_eq!(store.load().await.unwrap().as_deref(), Some("two"));

        let refused = ResponseTemplate::new(403).set_body_json(json!({"kind": "Status", "apiVersion": "v1",
            "status": "Failure", "reason": "Forbidden", "code": 403, "message": "no"}));
        Mock::given(any()).respond_with(refused).with_priority(1).mount(&server).await;
        let error = store.save("three".into()).await.unwrap_err();
        assert!(error.to_string().contains("lease hopkeeper/hopkeeper-pod-logs"), "{error}");
    }
}
