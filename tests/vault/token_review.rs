//! The one answer that OpenBao's Kubernetes login asks an API server for: whose token this is.

use std::sync::{Arc, Mutex};

use k8s_openapi::ByteString;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// A stand-in for the TokenReview API that trusts one token at a time.
pub(crate) struct TokenReviews {
    server: MockServer,
    trusted: Arc<Mutex<String>>,
}

struct Review(Arc<Mutex<String>>);

impl Respond for Review {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let asked: Value = request.body_json().expect("should be a TokenReview");
        let trusted = asked["spec"]["token"] == self.0.lock().expect("should lock").as_str();
        let user = json!({"username": "system:serviceaccount:hopkeeper:hopkeeper", "uid": "uid", "groups": ["system:serviceaccounts"]});
        let audiences = &asked["spec"]["audiences"];
        let status = if trusted {
            json!({"authenticated": true, "user": user, "audiences": audiences})
        } else {
            json!({"error": "no"})
        };
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status});
        ResponseTemplate::new(201).set_body_json(review)
    }
}

impl TokenReviews {
    pub(crate) async fn start(trusted: &str) -> Self {
        let (server, trusted) = (MockServer::start().await, Arc::new(Mutex::new(trusted.to_owned())));
        let reviews = Mock::given(method("POST")).and(path("/apis/authentication.k8s.io/v1/tokenreviews"));
        reviews.respond_with(Review(trusted.clone())).mount(&server).await;
        Self { server, trusted }
    }

    pub(crate) fn address(&self) -> String {
        self.server.uri()
    }

    /// From now on this token is the good one.
    pub(crate) fn trust(&self, token: &str) {
        token.clone_into(&mut self.trusted.lock().expect("should lock"));
    }
}

/// A projected token as the kubelet writes it; its signature is the API server's to judge.
pub(crate) fn service_account_token(id: &str) -> String {
    let header = json!({"alg": "RS256", "kid": "k"});
    let claims = json!({
        "iss": "https://kubernetes.default.svc", "jti": id, "aud": ["https://kubernetes.default.svc"],
        "exp": 4_000_000_000_u64, "iat": 1_700_000_000, "nbf": 1_700_000_000,
        "sub": "system:serviceaccount:hopkeeper:hopkeeper",
        "kubernetes.io": {"namespace": "hopkeeper", "serviceaccount": {"name": "hopkeeper", "uid": "uid"}},
    });
    [header.to_string(), claims.to_string(), "signature".to_owned()].map(|part| base64_url(&part)).join(".")
}

fn base64_url(text: &str) -> String {
    let quoted = serde_json::to_string(&ByteString(text.as_bytes().to_vec())).expect("should be base64");
    quoted.trim_matches(['"', '=']).replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned()
}
