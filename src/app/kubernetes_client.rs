//! The client of the Kubernetes API, each of whose answers is counted.

use axum::http::Response;
use kube::client::{ClientBuilder, DynBody};
use kube::{Client, Config};
use tower::BoxError;
use tower::util::MapResultLayer;

use crate::internal_event::process::{KubernetesAnswered, ProcessMetrics};
use crate::kubeconfig;

/// A client by the settings of whoever runs the program: the files that KUBECONFIG names, or the pod's own account.
///
/// # Errors
/// When there are no settings, or they cannot be used.
pub async fn client(metrics: ProcessMetrics) -> anyhow::Result<Client> {
    Ok(counting(kubeconfig::config(None, None).await?, metrics)?)
}

fn counting(config: Config, metrics: ProcessMetrics) -> kube::Result<Client> {
    let counted = MapResultLayer::new(move |answer: Result<Response<Box<DynBody>>, BoxError>| {
        let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
        KubernetesAnswered { status }.emit(&metrics);
        answer
    });
    Ok(ClientBuilder::try_from(config)?.with_layer(&counted).build())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use kube::Api;
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
            let client = counting(Config::new(uri.parse().unwrap()), metrics.clone()).unwrap();
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
}
