//! Tokens of all kinds, on a fake API server.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::get;
use serde_json::{Value, json};
use tower::ServiceExt;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request as Asked, ResponseTemplate};

use super::*;

const TOKENS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const RIGHTS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/// A page behind a Kubernetes that knows the tokens `anna-token` and `boris-token`, and lets Anna look.
struct Door {
    server: MockServer,
    access: Arc<Access>,
    router: Router,
}

impl Door {
    async fn new() -> Self {
        let server = MockServer::start().await;
        let whose = |asked: &Asked| {
            let token = asked.body_json::<Value>().unwrap()["spec"]["token"].as_str().unwrap().to_owned();
            let status = match token.strip_suffix("-token") {
                Some(name) => {
                    json!({"authenticated": true, "user": {"username": name, "uid": "7", "groups": ["team"]}})
                }
                None => json!({"authenticated": false, "error": "unknown"}),
            };
            review("authentication.k8s.io/v1", "TokenReview", &status)
        };
        let may = |asked: &Asked| {
            let spec = &asked.body_json::<Value>().unwrap()["spec"];
            let wish = json!({"path": "/hopkeeper/status", "verb": "get"});
            let asks_all =
                spec["nonResourceAttributes"] == wish && spec["groups"] == json!(["team"]) && spec["uid"] == "7";
            review(
                "authorization.k8s.io/v1",
                "SubjectAccessReview",
                &json!({"allowed": asks_all && spec["user"] == "anna"}),
            )
        };
        Mock::given(method("POST")).and(path(TOKENS)).respond_with(whose).mount(&server).await;
        Mock::given(method("POST")).and(path(RIGHTS)).respond_with(may).mount(&server).await;
        let access = access(&server.uri());
        let router = router(Arc::clone(&access));
        Self { server, access, router }
    }

    async fn asks(&self, authorization: Option<&str>) -> (StatusCode, HeaderMap, String) {
        ask(&self.router, authorization).await
    }

    async fn questions(&self) -> usize {
        self.server.received_requests().await.unwrap().len()
    }
}

fn review(version: &str, kind: &str, status: &Value) -> ResponseTemplate {
    let review = json!({"apiVersion": version, "kind": kind, "metadata": {}, "spec": {}, "status": status});
    ResponseTemplate::new(201).set_body_json(review)
}

fn access(api: &str) -> Arc<Access> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::try_from(kube::Config::new(api.parse().unwrap())).unwrap();
    Arc::new(Access::new(client, CancellationToken::new()))
}

/// As if all that is remembered had been asked so long ago that it holds no more.
fn age(access: &Access) {
    for (at, _) in access.remembered.lock().unwrap().values_mut() {
        *at = at.checked_sub(HOLDS).expect("should be a time: the machine runs for longer");
    }
}

fn router(access: Arc<Access>) -> Router {
    Router::new().route("/", get(|| async { "chains" })).layer(axum::middleware::from_fn_with_state(access, require))
}

async fn ask(router: &Router, authorization: Option<&str>) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::get("/");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn who_shows_no_token_is_asked_for_one_and_kubernetes_is_not_asked() {
    let door = Door::new().await;
    for nothing in
        [None, Some("Basic YW5uYS10b2tlbg=="), Some("Basic ?"), Some("Bearer"), Some("Bearer "), Some("anna-token")]
    {
        let (status, headers, _) = door.asks(nothing).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{nothing:?}");
        let ways: Vec<_> = headers.get_all("www-authenticate").iter().map(|way| way.to_str().unwrap()).collect();
        assert!(ways[0].starts_with("Bearer ") && ways[1].starts_with("Basic "), "{ways:?}");
    }
    assert_eq!(door.questions().await, 0);
}

#[tokio::test]
async fn only_who_may_get_the_path_sees_the_page() {
    let door = Door::new().await;
    let (status, _, text) = door.asks(Some("Bearer anna-token")).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, "chains"));
    assert_eq!(door.asks(Some("bearer anna-token")).await.0, StatusCode::OK);
    // A browser: user "x", password "anna-token".
    assert_eq!(door.asks(Some("Basic eDphbm5hLXRva2Vu")).await.0, StatusCode::OK);
    let (status, _, text) = door.asks(Some("Bearer boris-token")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text.contains("boris") && text.contains("/hopkeeper/status") && !text.contains("boris-token"), "{text}");
    let (status, _, text) = door.asks(Some("Bearer made-up")).await;
    assert_eq!((status, text.contains("made-up")), (StatusCode::UNAUTHORIZED, false));
}

#[tokio::test]
async fn an_answer_holds_for_a_moment_and_then_is_asked_for_again() {
    let door = Door::new().await;
    for _ in 0..3 {
        door.asks(Some("Bearer anna-token")).await;
        door.asks(Some("Bearer made-up")).await;
    }
    assert_eq!(door.questions().await, 3, "two about Anna, one about nobody");
    age(&door.access);
    door.asks(Some("Bearer anna-token")).await;
    assert_eq!(door.questions().await, 5);
}

#[tokio::test]
async fn nobody_is_let_in_while_kubernetes_does_not_answer() {
    let router = router(access("http://127.0.0.1:1"));
    let (status, headers, text) = ask(&router, Some("Bearer anna-token")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(headers.contains_key("retry-after") && !text.contains("anna-token"), "{text}");
}

#[tokio::test]
async fn who_waits_for_kubernetes_does_not_keep_the_operator_from_stopping() {
    let server = MockServer::start().await;
    let silent = ResponseTemplate::new(201).set_delay(Duration::from_secs(3600));
    Mock::given(method("POST")).and(path(TOKENS)).respond_with(silent).mount(&server).await;
    let access = access(&server.uri());
    let stop = access.stop.clone();
    let router = router(access);
    let stops = async {
        while server.received_requests().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
    };
    let both = async { tokio::join!(ask(&router, Some("Bearer anna-token")), stops) };
    let ((status, _, text), ()) = tokio::time::timeout(Duration::from_secs(20), both).await.expect("should end");
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("stopping"), "{text}");
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let access = access("http://127.0.0.1:1");
    for number in 0..2 * REMEMBERED {
        access.remember(Sha256::digest(number.to_be_bytes()).into(), Verdict::Unknown);
    }
    assert_eq!(access.remembered.lock().unwrap().len(), REMEMBERED);
    age(&access);
    access.remember([7; 32], Verdict::Allowed);
    assert_eq!(access.remembered.lock().unwrap().len(), 1);
}
