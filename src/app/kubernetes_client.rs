//! The client of the Kubernetes API, each of whose answers is counted, and none waited for without end: a connection that
//! somebody on the way has dropped is silent for ever, and with it an operator that takes itself for the leader.

use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{Request, Response, Uri};
use futures::future::BoxFuture;
use kube::client::{Body, ClientBuilder, DynBody};
use kube::{Client, Config};
use tower::layer::layer_fn;
use tower::util::MapResultLayer;
use tower::{BoxError, Service};
use tower_http::timeout::TimeoutBody;

use crate::internal_event::process::{KubernetesAnswered, ProcessMetrics};
use crate::kubeconfig;

/// A client by the settings of whoever runs the program: the files that KUBECONFIG names, or the pod's own account.
///
/// # Errors
/// When there are no settings, or they cannot be used.
pub async fn client(metrics: ProcessMetrics) -> anyhow::Result<Client> {
    Ok(counting(kubeconfig::config(None, None).await?, metrics, PATIENCE)?)
}

/// How long to wait.
#[derive(Clone, Copy)]
struct Patience {
    /// For an answer to begin.
    begin: Duration,
    /// For it to begin where a Lease is read or written: before somebody else may take it.
    lease: Duration,
    /// For the next part of it.
    part: Duration,
}

const PATIENCE: Patience =
    Patience { begin: Duration::from_secs(30), lease: Duration::from_secs(10), part: Duration::from_secs(30) };

impl Patience {
    /// For an answer to begin, and for each of its parts. What goes on for as long as there is something to tell may be silent
    /// in between; watches look after that by themselves.
    fn with(self, uri: &Uri) -> (Duration, Duration) {
        let begin = if uri.path().contains("/leases/") { self.lease } else { self.begin };
        let goes_on = |pair: &str| matches!(pair, "watch=true" | "watch=1" | "follow=true");
        let part =
            if uri.query().is_some_and(|query| query.split('&').any(goes_on)) { Duration::MAX } else { self.part };
        (begin, part)
    }
}

/// Gives up on an answer that does not come.
struct Impatient<S> {
    inner: S,
    patience: Patience,
}

impl<S, B> Service<Request<Body>> for Impatient<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<TimeoutBody<B>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (begin, part) = self.patience.with(request.uri());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let late = |_| format!("no answer from the Kubernetes API within {begin:?}");
            let answer = tokio::time::timeout(begin, answer).await.map_err(late)?.map_err(Into::into)?;
            Ok(answer.map(|body| TimeoutBody::new(part, body)))
        })
    }
}

fn counting(config: Config, metrics: ProcessMetrics, patience: Patience) -> kube::Result<Client> {
    let counted = MapResultLayer::new(move |answer: Result<Response<TimeoutBody<Box<DynBody>>>, BoxError>| {
        let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
        KubernetesAnswered { status }.emit(&metrics);
        answer
    });
    let impatient = layer_fn(move |inner| Impatient { inner, patience });
    Ok(ClientBuilder::try_from(config)?.with_layer(&impatient).with_layer(&counted).build())
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use k8s_openapi::api::coordination::v1::Lease;
    use k8s_openapi::api::core::v1::Pod;
    use kube::Api;
    use kube::api::WatchParams;
    use prometheus::Registry;
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    #[tokio::test]
    async fn answers_and_their_absence_are_counted() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = MockServer::start().await;
        let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}});
        let answer = ResponseTemplate::new(200).set_body_json(pod);
        Mock::given(path("/api/v1/namespaces/x/pods/a")).respond_with(answer).mount(&server).await;
        let status = serde_json::json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
            "code": 404, "message": "no"});
        let answer = ResponseTemplate::new(404).set_body_json(status);
        Mock::given(path("/api/v1/namespaces/x/pods/b")).respond_with(answer).mount(&server).await;
        let registry = Registry::new();
        let metrics = ProcessMetrics::register(&registry).unwrap();
        let pods = |uri: &str| {
            let client = counting(Config::new(uri.parse().unwrap()), metrics.clone(), PATIENCE).unwrap();
            Api::<Pod>::namespaced(client, "x")
        };
        pods(&server.uri()).get("a").await.unwrap();
        assert!(pods(&server.uri()).get_opt("b").await.unwrap().is_none());
        assert!(pods("http://127.0.0.1:1").get("a").await.is_err());
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for (outcome, count) in [("ok", 1), ("not_found", 1), ("unreachable", 1), ("failed", 0)] {
            let line = format!("hopkeeper_kubernetes_requests_total{{outcome=\"{outcome}\"}} {count}\n");
            assert!(text.contains(&line), "{line}{text}");
        }
    }

    /// Begins no answer about pods `mute`, none that is soon enough about Leases, and ends none about other objects.
    async fn server() -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let answer = async |uri: Uri| {
            if uri.path().ends_with("/mute") {
                std::future::pending::<()>().await;
            }
            if uri.path().contains("/leases/") {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            let begun = futures::stream::iter([Ok::<_, std::io::Error>("{".to_owned())]);
            axum::body::Body::from_stream(begun.chain(futures::stream::pending()))
        };
        tokio::task::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
        address
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_or_does_not_end_is_given_up() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (begin, lease, part) = (Duration::from_millis(200), Duration::from_millis(100), Duration::from_millis(200));
        let patience = Patience { begin, lease, part };
        let metrics = ProcessMetrics::register(&Registry::new()).unwrap();
        let client = counting(Config::new(server().await.parse().unwrap()), metrics, patience).unwrap();
        let pods = Api::<Pod>::namespaced(client.clone(), "x");
        let words = |error: kube::Error| crate::telemetry::error_chain(&error);
        let said = words(pods.get("mute").await.unwrap_err());
        assert!(said.contains("no answer from the Kubernetes API within 200ms"), "{said}");
        let said = words(Api::<Lease>::namespaced(client.clone(), "x").get("l").await.unwrap_err());
        assert!(said.contains("within 100ms"), "{said}");
        let said = words(pods.get("endless").await.unwrap_err());
        assert!(said.contains("timed out") || said.contains("timeout"), "{said}");
        // A watch may be silent.
        let watch = pods.watch(&WatchParams::default(), "0").await.unwrap();
        let silent = tokio::time::timeout(part * 5, Box::pin(watch).next()).await;
        assert!(silent.is_err(), "{silent:?}");
    }
}
