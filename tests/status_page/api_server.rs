//! As much of a Kubernetes API server as two watches need: lists, and what changes after them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

const PREFIX: &str = "/apis/hopkeeper.io/v1alpha1";

/// A server that runs as long as the test's runtime.
pub struct ApiServer {
    shared: Arc<Shared>,
    address: String,
}

struct Shared {
    objects: Mutex<Objects>,
    events: broadcast::Sender<(String, Value)>,
}

#[derive(Default)]
struct Objects {
    /// By plural and name.
    by_name: BTreeMap<(String, String), Value>,
    version: u64,
}

impl ApiServer {
    /// Serves these objects.
    pub async fn start(chains: Vec<Value>, incidents: Vec<Value>) -> Self {
        let (events, _) = broadcast::channel(1024);
        let shared = Arc::new(Shared { objects: Mutex::default(), events });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("should listen");
        let address = format!("http://{}", listener.local_addr().expect("it has an address"));
        let router =
            Router::new().route(&format!("{PREFIX}/{{plural}}"), get(list_or_watch)).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let server = Self { shared, address };
        chains.into_iter().chain(incidents).for_each(|object| server.put(object));
        server
    }

    /// Somebody who may do everything here.
    pub fn client(&self) -> Client {
        Client::try_from(Config::new(self.address.parse().expect("it is an address"))).expect("should make a client")
    }

    /// Creates or replaces an object.
    pub fn put(&self, mut object: Value) {
        let plural = if object["kind"] == "VpnChain" { "vpnchains" } else { "hopincidents" }.to_owned();
        let name = object["metadata"]["name"].as_str().expect("an object should have a name").to_owned();
        let mut objects = self.shared.objects.lock().expect("nobody panicked");
        objects.version += 1;
        object["metadata"]["resourceVersion"] = json!(objects.version.to_string());
        let before = objects.by_name.insert((plural.clone(), name), object.clone());
        let kind = if before.is_some() { "MODIFIED" } else { "ADDED" };
        // Nobody may be watching yet.
        let _ = self.shared.events.send((plural, json!({ "type": kind, "object": object })));
    }

    /// Removes one.
    pub fn delete(&self, plural: &str, name: &str) {
        let mut objects = self.shared.objects.lock().expect("nobody panicked");
        let object = objects.by_name.remove(&(plural.to_owned(), name.to_owned())).expect("it should be there");
        let _ = self.shared.events.send((plural.to_owned(), json!({ "type": "DELETED", "object": object })));
    }
}

async fn list_or_watch(
    State(shared): State<Arc<Shared>>,
    Path(plural): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    if !query.unwrap_or_default().contains("watch=true") {
        let objects = shared.objects.lock().expect("nobody panicked");
        let ours = objects.by_name.iter().filter(|((of, _), _)| *of == plural).map(|(_, object)| object);
        let items: Vec<&Value> = ours.collect();
        let version = objects.version.to_string();
        let list =
            json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": version }, "items": items });
        return list.to_string().into_response();
    }
    let told = futures::stream::unfold((shared.events.subscribe(), plural), |(mut events, plural)| async move {
        loop {
            match events.recv().await {
                Ok((of, event)) if of == plural => {
                    return Some((Ok::<_, Infallible>(format!("{event}\n")), (events, plural)));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
            }
        }
    });
    Body::from_stream(told).into_response()
}
