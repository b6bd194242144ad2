//! Tells on the operator's own pod, as Kubernetes Events, how its rules fare.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::own_pod::OwnPod;
use crate::controller::rules_state::RulesState;
use crate::telemetry::error_chain;

/// Publishes an Event for each change until stopped.
pub async fn run(
    client: Client,
    recorder: Recorder,
    pod: OwnPod,
    mut state: watch::Receiver<RulesState>,
    stop: CancellationToken,
) {
    let publish = async {
        while state.changed().await.is_ok() {
            let event = event(&state.borrow_and_update());
            let reference = reference(&client, &pod).await;
            if let Err(error) = recorder.publish(&event, &reference).await {
                tracing::warn!(error = error_chain(&error), "failed to publish a Kubernetes Event");
            }
        }
        // Nobody changes the rules any more.
        std::future::pending::<()>().await;
    };
    stop.run_until_cancelled(publish).await;
}

/// With the pod's UID where it can be found: `kubectl describe pod` looks for it.
async fn reference(client: &Client, pod: &OwnPod) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(pod.name.clone()),
        namespace: Some(pod.namespace.clone()),
        uid: pod.uid(client).await,
        ..ObjectReference::default()
    }
}

fn event(state: &RulesState) -> Event {
    let (type_, reason, note) = match &state.problem {
        None => (EventType::Normal, "RulesReloaded", state.good_news()),
        Some(problem) => (EventType::Warning, "RulesReloadFailed", state.bad_news(problem)),
    };
    // The API refuses notes over 1 kB.
    let end = note.floor_char_boundary(1000);
    Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note[..end].to_owned()),
        action: "LoadRules".to_owned(),
        secondary: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kube::runtime::events::Reporter;
    use serde_json::{Value, json};
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, Request, ResponseTemplate};

    use super::*;

    #[tokio::test]
    async fn broken_rules_are_an_event_on_the_operators_pod_and_mended_ones_too() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = MockServer::start().await;
        let pod =
            json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"uid": "uid-1"}});
        let found = ResponseTemplate::new(200).set_body_json(pod);
        Mock::given(method("GET")).and(path("/api/v1/namespaces/ops/pods/me")).respond_with(found).mount(&server).await;
        let echo =
            |request: &Request| ResponseTemplate::new(201).set_body_raw(request.body.clone(), "application/json");
        let events = "/apis/events.k8s.io/v1/namespaces/ops/events";
        Mock::given(method("POST")).and(path(events)).respond_with(echo).mount(&server).await;

        let client = Client::try_from(kube::Config::new(server.uri().parse().unwrap())).unwrap();
        let recorder = Recorder::new(client.clone(), Reporter { controller: "hopkeeper".into(), instance: None });
        let (state, receiver) = watch::channel(RulesState { rules: 3, problem: None });
        let stop = CancellationToken::new();
        let own = OwnPod { namespace: "ops".into(), name: "me".into() };
        let running = run(client, recorder, own, receiver, stop.clone());
        let published = |count: usize| {
            let server = &server;
            async move {
                loop {
                    let requests = server.received_requests().await.unwrap();
                    let posts: Vec<Value> = requests
                        .iter()
                        .filter(|r| r.method.as_str() == "POST")
                        .map(|r| r.body_json().unwrap())
                        .collect();
                    if posts.len() >= count {
                        return posts;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        };
        let drive = async {
            state.send_replace(RulesState { rules: 3, problem: Some("a.yaml:4:2: no".into()) });
            published(1).await;
            state.send_replace(RulesState { rules: 4, problem: None });
            let posts = published(2).await;
            stop.cancel();
            posts
        };
        let both = async { tokio::join!(running, drive) };
        let ((), posts) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
        assert_eq!((&posts[0]["type"], &posts[0]["reason"]), (&json!("Warning"), &json!("RulesReloadFailed")));
        assert!(posts[0]["note"].as_str().unwrap().ends_with("a.yaml:4:2: no"));
        assert_eq!((&posts[0]["regarding"]["name"], &posts[0]["regarding"]["uid"]), (&json!("me"), &json!("uid-1")));
        assert_eq!((&posts[1]["type"], &posts[1]["note"]), (&json!("Normal"), &json!("4 rules are in use")));
    }
}
