//! The real Elasticsearch that a test program is given.

use std::path::PathBuf;

use serde_json::Value;

use crate::lab_dir::lab_dir;
use crate::lab_lock;
use crate::needs::pass_over;

/// The superuser of the lab's secured servers.
pub(crate) const ADMIN: &str = "admin";

/// A file that the lab's secured servers go by: `ca.crt`, `password` ….
pub(crate) fn tls_file(name: &str) -> PathBuf {
    lab_dir().join("es/tls").join(name)
}

/// One that somebody may stop in another test.
pub(crate) struct Server {
    pub(crate) url: String,
    http: reqwest::Client,
    /// That of [`ADMIN`], where security is on.
    pub(crate) password: Option<String>,
    /// Nobody stops the server meanwhile.
    _turn: Option<std::fs::File>,
}

impl Server {
    /// None without an Elasticsearch; under CI that is a failure. Who stops it has it `alone`.
    pub(crate) fn start(alone: bool) -> Option<Self> {
        Self::named_by("HOPKEEPER_TEST_ELASTICSEARCH", alone)
    }

    /// The one that a variable names; with `https` it is one of the lab's secured ones.
    pub(crate) fn named_by(variable: &str, alone: bool) -> Option<Self> {
        let Ok(url) = std::env::var(variable) else {
            pass_over(&format!("Elasticsearch: set {variable}=http://host:port"));
            return None;
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let turn = tokio::task::block_in_place(|| lab_lock::lock(lab_lock::ELASTICSEARCH, alone));
        let (mut http, mut password) = (reqwest::Client::builder(), None);
        if url.starts_with("https:") {
            let read = |name| std::fs::read_to_string(tls_file(name)).expect("the lab should have made it");
            let ca = reqwest::Certificate::from_pem(read("ca.crt").as_bytes()).expect("should be a certificate");
            http = http.tls_certs_only([ca]);
            password = Some(read("password").trim().to_owned());
        }
        Some(Self { url, http: http.build().expect("should make a client"), password, _turn: turn })
    }

    /// The answer's status and body.
    pub(crate) async fn try_to(&self, method: reqwest::Method, path: &str, body: Option<String>) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}/{path}", self.url));
        if let Some(password) = &self.password {
            request = request.basic_auth(ADMIN, Some(password));
        }
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
