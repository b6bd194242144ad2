//! An API server with a kubelet behind it, as far as logs go: runs of containers, `previous`, `sinceTime` by the second,
//! streams that follow until their run ends, and connections that break.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode};
use futures::stream;
use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::watch;

/// One run of a container.
#[derive(Clone, Default)]
struct Run {
    lines: Vec<(Timestamp, String)>,
    ended: bool,
}

#[derive(Default)]
struct State {
    /// By pod and container.
    runs: BTreeMap<(String, String), Vec<Run>>,
    /// The pods as the API shows them.
    pods: BTreeMap<String, Value>,
    events: Vec<Value>,
    /// Grows with each break of all connections.
    cuts: u64,
    version: u64,
    requests: Vec<String>,
    /// No connection is taken.
    is_away: bool,
}

/// The server.
#[derive(Clone)]
pub(super) struct Node {
    state: Arc<Mutex<State>>,
    changed: Arc<watch::Sender<u64>>,
}

type Query = BTreeMap<String, String>;

impl Node {
    pub(super) async fn start() -> (Self, Client) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let node = Self { state: Arc::default(), changed: Arc::new(watch::Sender::new(0)) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers = node.clone();
        let service = service(move |request| answers.answer(&request));
        tokio::task::spawn(async move { axum::serve(listener, service).await });
        let config = kube::Config::new(format!("http://{address}").parse().unwrap());
        (node, Client::try_from(config).unwrap())
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock().unwrap());
        self.changed.send_modify(|changes| *changes += 1);
        result
    }

    /// A container writes a line.
    pub(super) fn write(&self, pod: &str, container: &str, time: Timestamp, text: &str) {
        self.change(|state| {
            let runs = state.runs.entry((pod.to_owned(), container.to_owned())).or_default();
            if runs.is_empty() {
                runs.push(Run::default());
            }
            runs.last_mut().unwrap().lines.push((time, text.to_owned()));
        });
    }

    /// A container ends and is started again; its status does not tell yet.
    pub(super) fn restart(&self, pod: &str, container: &str) {
        self.change(|state| {
            let runs = state.runs.get_mut(&(pod.to_owned(), container.to_owned())).unwrap();
            runs.last_mut().unwrap().ended = true;
            runs.push(Run::default());
        });
    }

    /// Every connection to a log breaks.
    pub(super) fn cut(&self) {
        self.change(|state| state.cuts += 1);
    }

    /// The server answers nothing but 503, or is back.
    pub(super) fn away(&self, is_away: bool) {
        self.change(|state| (state.is_away, state.cuts) = (is_away, state.cuts + 1));
    }

    /// The API shows the pod as it is now; `started` is the start of the present runs.
    pub(super) fn show(&self, pod: &str, started: Timestamp) {
        self.change(|state| {
            state.version += 1;
            let status = |container: &str| {
                let runs = state.runs.get(&(pod.to_owned(), container.to_owned())).map_or(1, Vec::len);
                json!({"name": container, "containerID": format!("containerd://{pod}-{container}-{runs}"),
                    "restartCount": runs - 1, "image": "", "imageID": "", "ready": true,
                    "state": {"running": {"startedAt": format!("{started:.0}")}}})
            };
            let containers = ["net", "vpn", "health"];
            let statuses: Vec<Value> = containers.iter().map(|name| status(name)).collect();
            let object = json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": pod, "namespace": "lab", "uid": format!("uid-{pod}"),
                    "labels": {"hopkeeper.io/hop": "entry"}, "resourceVersion": state.version.to_string()},
                "spec": {"containers": containers.map(|name| json!({"name": name, "image": "x"}))},
                "status": {"containerStatuses": statuses}});
            let kind = if state.pods.contains_key(pod) { "MODIFIED" } else { "ADDED" };
            state.events.push(json!({"type": kind, "object": object}));
            state.pods.insert(pod.to_owned(), object);
        });
    }

    /// The pod is deleted.
    pub(super) fn delete(&self, pod: &str) {
        self.change(|state| {
            state.runs.iter_mut().filter(|((name, _), _)| name == pod).for_each(|(_, runs)| {
                runs.last_mut().unwrap().ended = true;
            });
            let object = state.pods.remove(pod).unwrap();
            state.events.push(json!({"type": "DELETED", "object": object}));
        });
    }

    /// The queries for logs so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }

    fn answer(&self, request: &Request<Body>) -> Response<Body> {
        let query: Query = url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
        let mut state = self.state.lock().unwrap();
        if state.is_away {
            return refusal(StatusCode::SERVICE_UNAVAILABLE);
        }
        if let Some(path) = request.uri().path().strip_suffix("/log") {
            let pod = path.rsplit('/').next().unwrap().to_owned();
            state.requests.push(format!("{pod} {}", request.uri().query().unwrap_or_default()));
            drop(state);
            return self.log(pod, &query);
        }
        if query.get("watch").is_some_and(|watch| watch == "true") {
            let from = query["resourceVersion"].parse::<u64>().unwrap();
            drop(state);
            return self.watch(from);
        }
        let items: Vec<&Value> = state.pods.values().collect();
        let list = json!({"apiVersion": "v1", "kind": "PodList", "items": items,
            "metadata": {"resourceVersion": state.version.to_string()}});
        Response::builder().header("content-type", "application/json").body(Body::from(list.to_string())).unwrap()
    }

    fn watch(&self, from: u64) -> Response<Body> {
        let after = move |event: &&Value| {
            let version = event["object"]["metadata"]["resourceVersion"].as_str().unwrap();
            version.parse::<u64>().unwrap() > from || event["type"] == "DELETED"
        };
        let (node, changes) = (self.clone(), self.changed.subscribe());
        let events = stream::unfold((node, changes, 0), move |(node, mut changes, told)| async move {
            loop {
                changes.borrow_and_update();
                let next = node.state.lock().unwrap().events.iter().filter(after).nth(told).cloned();
                if let Some(event) = next {
                    return Some((Ok::<_, Infallible>(format!("{event}\n")), (node, changes, told + 1)));
                }
                changes.changed().await.ok()?;
            }
        });
        Response::new(Body::from_stream(events))
    }

    fn log(&self, pod: String, query: &Query) -> Response<Body> {
        let key = (pod, query["container"].clone());
        let is = |name: &str| query.get(name).is_some_and(|value| value == "true");
        assert!(is("timestamps"), "without times nothing can be told apart");
        let (follow, previous) = (is("follow"), is("previous"));
        let since: Option<Timestamp> = query.get("sinceTime").map(|time| time.parse().unwrap());
        let (run, cuts) = {
            let state = self.state.lock().unwrap();
            let runs = state.runs.get(&key).map_or(0, Vec::len);
            let Some(run) = runs.checked_sub(if previous { 2 } else { 1 }) else {
                return refusal(StatusCode::BAD_REQUEST);
            };
            (run, state.cuts)
        };
        let (node, changes) = (self.clone(), self.changed.subscribe());
        let lines = stream::unfold((node, changes, 0), move |(node, mut changes, told)| {
            let key = key.clone();
            async move {
                loop {
                    changes.borrow_and_update();
                    let (lines, ended, cut) = {
                        let state = node.state.lock().unwrap();
                        let run = &state.runs[&key][run];
                        (run.lines[told..].to_vec(), run.ended || !follow, state.cuts != cuts)
                    };
                    if cut {
                        return Some((Err(std::io::Error::other("the connection broke")), (node, changes, told)));
                    }
                    if !lines.is_empty() {
                        let text: String = lines
                            .iter()
                            .filter(|(time, _)| since.is_none_or(|since| *time >= since))
                            .map(|(time, text)| format!("{time:.9} {text}\n"))
                            .collect();
                        return Some((Ok(Bytes::from(text)), (node, changes, told + lines.len())));
                    }
                    if ended {
                        return None;
                    }
                    changes.changed().await.ok()?;
                }
            }
        });
        Response::new(Body::from_stream(lines))
    }
}

fn refusal(code: StatusCode) -> Response<Body> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code.as_u16(),
        "reason": "", "message": "no"});
    Response::builder().status(code).body(Body::from(status.to_string())).unwrap()
}

/// A service of a function, in the form that axum serves.
fn service(answer: impl Fn(Request<Body>) -> Response<Body> + Clone + Send + Sync + 'static) -> axum::Router {
    axum::Router::new().fallback(move |request: Request<Body>| {
        let response = answer(request);
        async move { response }
    })
}
