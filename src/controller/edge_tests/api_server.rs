//! An API server's memory, resourceVersions and refusals, over HTTP; it knows no schema and ignores selectors.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// An answer that replaces the real one, once.
pub(crate) struct Fault {
    pub(crate) method: &'static str,
    /// The end of the path.
    pub(crate) path: &'static str,
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    /// What pods have written, by the path of their log.
    logs: BTreeMap<String, String>,
    version: u64,
    faults: Vec<(usize, Fault)>,
    written: Vec<String>,
    events: Vec<String>,
}

/// The server.
pub(crate) struct ApiServer {
    server: MockServer,
    state: Arc<Mutex<State>>,
}

struct Answers(Arc<Mutex<State>>);

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let (code, body) = self.0.lock().unwrap().answer(request);
        match body {
            Value::String(log) => ResponseTemplate::new(code).set_body_string(log),
            body => ResponseTemplate::new(code).set_body_json(body),
        }
    }
}

fn refusal(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code,
        "message": reason});
    (code, status)
}

fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

/// Carries out the operations `test` and `remove` of a JSON patch; false when a test fails.
fn operate(on: &mut Value, operations: &[Value]) -> bool {
    operations.iter().all(|operation| {
        let path = operation["path"].as_str().unwrap();
        match operation["op"].as_str().unwrap() {
            "test" => on.pointer(path) == Some(&operation["value"]),
            "remove" => {
                let (parent, key) = path.rsplit_once('/').unwrap();
                let key = key.replace("~1", "/");
                on.pointer_mut(parent).and_then(Value::as_object_mut).is_some_and(|map| map.remove(&key).is_some())
            }
            other => panic!("the server knows no operation {other}"),
        }
    })
}

impl State {
    fn answer(&mut self, request: &Request) -> (u16, Value) {
        let (method, path) = (request.method.as_str(), request.url.path());
        let meant = |(_, fault): &(usize, Fault)| fault.method == method && path.ends_with(fault.path);
        if let Some(place) = self.faults.iter().position(meant) {
            match &mut self.faults[place].0 {
                0 => {
                    let (_, Fault { code, reason, .. }) = self.faults.remove(place);
                    return refusal(code, reason);
                }
                left => *left -= 1,
            }
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if let Some(log) = self.logs.get(path) {
            return (200, Value::String(log.clone()));
        }
        if path.contains("/events") {
            self.events.push(body.to_string());
            return (201, body);
        }
        let (object, part) = path.strip_suffix("/status").map_or((path, None), |object| (object, Some("status")));
        let known = self.objects.get(object).cloned();
        match (method, known) {
            ("GET", Some(known)) => (200, known),
            ("GET", None) if path.rsplit('/').next().is_some_and(|last| last.ends_with('s')) => {
                let below = |key: &str| key.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
                let items: Vec<_> = self.objects.iter().filter(|(key, _)| below(key)).map(|(_, v)| v).collect();
                (200, json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}))
            }
            ("DELETE", _) => (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})),
            ("POST", _) => {
                let path = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap());
                if self.objects.contains_key(&path) {
                    return refusal(409, "AlreadyExists");
                }
                (201, self.store(&path, body))
            }
            ("PUT", Some(known)) => {
                let version = &body["metadata"]["resourceVersion"];
                if !version.is_null() && *version != known["metadata"]["resourceVersion"] {
                    return refusal(409, "Conflict");
                }
                let mut new = known.clone();
                match part {
                    Some(part) => new[part] = body[part].clone(),
                    None => {
                        new = body;
                        new["metadata"]["uid"] = known["metadata"]["uid"].clone();
                    }
                }
                (200, self.store(object, new))
            }
            ("PATCH", Some(known)) => {
                // Whoever names an identity or a version means exactly that one.
                let other = |field: &str| {
                    let meant = &body["metadata"][field];
                    !meant.is_null() && *meant != known["metadata"][field]
                };
                if other("uid") || other("resourceVersion") {
                    return refusal(409, "Conflict");
                }
                let mut new = known;
                match (part, &body) {
                    (None, Value::Array(operations)) => {
                        if !operate(&mut new, operations) {
                            return refusal(422, "Invalid");
                        }
                    }
                    (Some(part), _) => new[part] = body[part].clone(),
                    (None, _) => merge(&mut new, &body),
                }
                (200, self.store(object, new))
            }
            ("PATCH", None) if part.is_none() => (201, self.store(object, body)),
            _ => refusal(404, "NotFound"),
        }
    }

    /// Stores what differs under a new version.
    fn store(&mut self, path: &str, mut object: Value) -> Value {
        let known = self.objects.get(path);
        let version = known.map(|k| k["metadata"]["resourceVersion"].clone()).unwrap_or_default();
        object["metadata"]["resourceVersion"] = version;
        if known == Some(&object) {
            return object;
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{}", self.version));
        }
        self.objects.insert(path.to_owned(), object.clone());
        self.written.push(path.to_owned());
        object
    }
}

impl ApiServer {
    pub(crate) async fn start() -> Self {
        let (server, state) = (MockServer::start().await, Arc::new(Mutex::new(State::default())));
        Mock::given(any()).respond_with(Answers(state.clone())).mount(&server).await;
        Self { server, state }
    }

    pub(crate) fn client(&self) -> kube::Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        kube::Client::try_from(kube::Config::new(self.server.uri().parse().unwrap())).unwrap()
    }

    /// Stores an object as somebody else would.
    pub(crate) fn put(&self, path: &str, object: &impl Serialize) {
        self.state.lock().unwrap().store(path, serde_json::to_value(object).unwrap());
    }

    /// Has a pod have written that.
    pub(crate) fn put_log(&self, pod: &str, log: &str) {
        self.state.lock().unwrap().logs.insert(format!("{pod}/log"), log.to_owned());
    }

    /// Takes what a pod has written away.
    pub(crate) fn forget_log(&self, pod: &str) {
        self.state.lock().unwrap().logs.remove(&format!("{pod}/log"));
    }

    /// Takes an object away as somebody else would.
    pub(crate) fn remove(&self, path: &str) {
        self.state.lock().unwrap().objects.remove(path);
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.state.lock().unwrap().objects[path].clone()
    }

    /// The next such request is refused.
    pub(crate) fn fail(&self, fault: Fault) {
        self.fail_after(0, fault);
    }

    /// So many such requests pass, the next one is refused.
    pub(crate) fn fail_after(&self, pass: usize, fault: Fault) {
        self.state.lock().unwrap().faults.push((pass, fault));
    }

    /// The objects that were changed, in order.
    pub(crate) fn written(&self) -> Vec<String> {
        self.state.lock().unwrap().written.clone()
    }

    /// The Kubernetes Events that were published, as JSON.
    pub(crate) fn events(&self) -> Vec<String> {
        self.state.lock().unwrap().events.clone()
    }

    pub(crate) fn forget_requests(&self) {
        let mut state = self.state.lock().unwrap();
        state.written.clear();
        state.events.clear();
    }
}
