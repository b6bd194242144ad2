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
