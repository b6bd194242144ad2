//! The real Elasticsearch that a test program is given.

use serde_json::Value;

use crate::lab_lock;

/// One that somebody may stop in another test.
pub(crate) struct Server {
    pub(crate) url: String,
    http: reqwest::Client,
    /// Nobody stops the server meanwhile.
    _turn: Option<std::fs::File>,
}

impl Server {
    /// None without an Elasticsearch; under CI that is a failure. Who stops it has it `alone`.
    pub(crate) fn start(alone: bool) -> Option<Self> {
        let Ok(url) = std::env::var("HOPKEEPER_TEST_ELASTICSEARCH") else {
            let what = "needs Elasticsearch: set HOPKEEPER_TEST_ELASTICSEARCH=http://host:port";
            assert!(std::env::var_os("CI").is_none(), "{what}");
            println!("skipped: {what}");
            return None;
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let turn = tokio::task::block_in_place(|| lab_lock::lock(lab_lock::ELASTICSEARCH, alone));
        Some(Self { url, http: reqwest::Client::new(), _turn: turn })
    }

    /// The answer's status and body.
    pub(crate) async fn try_to(&self, method: reqwest::Method, path: &str, body: Option<String>) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}/{path}", self.url));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let answer = request.send().await.expect("Elasticsearch should answer");
        let (status, text) = (answer.status().as_u16(), answer.text().await.expect("it should answer in full"));
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    pub(crate) async fn ask(&self, method: reqwest::Method, path: &str, body: Option<String>) -> Value {
        let (status, answer) = self.try_to(method, path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }
}
