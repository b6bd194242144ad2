//! The collector: one request, and what its answer means, by OTLP over HTTP.

use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use thiserror::Error;

use super::settings::Settings;
use crate::https;

/// A longer answer is not read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// How much of a refusal is shown.
const MAX_REASON: usize = 300;
/// What gRPC listens on, and HTTP does not.
const GRPC: u16 = 4317;

/// Why traces were not taken.
#[derive(Debug, Error)]
pub(super) enum ExportError {
    /// A setting can't be used; a file may be replaced.
    #[error("{0}")]
    Settings(String),
    /// No answer.
    #[error("the collector at {address} does not answer{remedy}")]
    Unreachable {
        address: String,
        remedy: &'static str,
        #[source]
        source: reqwest::Error,
    },
    /// It says no.
    #[error("the collector at {address} answered {status}{reason}{remedy}")]
    Refused { address: String, status: u16, reason: String, remedy: &'static str, retry_after: Option<Duration> },
}

impl ExportError {
    /// A stable category for metrics.
    pub(super) fn category(&self) -> &'static str {
        match self {
            Self::Settings(_) => "settings",
            Self::Unreachable { .. } => "unreachable",
            Self::Refused { status: 429, .. } => "busy",
            Self::Refused { status: 401 | 403, .. } => "forbidden",
            Self::Refused { status: 502..=504, .. } => "unreachable",
            Self::Refused { .. } => "refused",
        }
    }

    /// Whether the same request may be taken a moment later, as OTLP has it.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Settings(_) | Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => matches!(status, 429 | 502 | 503 | 504),
        }
    }

    /// Whether a smaller request may be taken.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(self, Self::Refused { status: 413, .. })
    }

    /// How long the collector wants to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What became of a request that was taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Spans that were not.
    pub(super) rejected_spans: u64,
    /// Why.
    pub(super) message: String,
}

/// `google.rpc.Status`, the body of a refusal.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Refusal {
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

/// Where traces go.
pub(super) struct Collector {
    /// Made anew after each request without an answer: the CA's file may hold another one by now.
    http: Mutex<reqwest::Client>,
    settings: Settings,
}

impl Collector {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// When the CA file can't be used.
    pub(super) fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self { http: Mutex::new(client(&settings)?), settings })
    }

    fn http(&self) -> MutexGuard<'_, reqwest::Client> {
        self.http.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its address, which holds no secret.
    pub(super) fn address(&self) -> String {
        self.settings.url.to_string()
    }

    /// Sends one request.
    pub(super) async fn send(&self, request: Vec<u8>) -> Result<Taken, ExportError> {
        let headers = self.settings.headers.read().map_err(ExportError::Settings)?;
        let post = self.http().post(self.settings.url.clone());
        let post = post.headers(headers.clone()).header(CONTENT_TYPE, "application/x-protobuf");
        let post = if self.settings.gzip {
            post.header(CONTENT_ENCODING, "gzip").body(gzip(&request))
        } else {
            post.body(request)
        };
        let mut response = post.send().await.map_err(|source| self.unreachable(source))?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = https::body(&mut response, MAX_ANSWER_BYTES).await.map_err(|source| self.unreachable(source))?;
        let body = body.unwrap_or_default();
        if status.is_success() {
            // An answer that can't be read is none of OTLP's; the status is.
            let partial =
                ExportTraceServiceResponse::decode(body.as_slice()).ok().and_then(|answer| answer.partial_success);
            let partial = partial.unwrap_or_default();
            let message = without_secrets(&partial.error_message, &headers);
            return Ok(Taken { rejected_spans: u64::try_from(partial.rejected_spans).unwrap_or(0), message });
        }
        let said = Refusal::decode(body.as_slice()).map(|refusal| refusal.message).unwrap_or_default();
        let said = without_secrets(&said, &headers);
        Err(ExportError::Refused {
            address: self.address(),
            status: status.as_u16(),
            reason: if said.is_empty() { said } else { format!(": {said}") },
            remedy: match status.as_u16() {
                401 | 403 => "; check OTEL_EXPORTER_OTLP_HEADERS, or --otlp-headers-file",
                404 | 405 => "; v1/traces is added to --otlp-endpoint, and nothing to --otlp-traces-endpoint",
                _ => "",
            },
            retry_after: retry_after.map(Duration::from_secs),
        })
    }

    pub(super) fn unreachable(&self, source: reqwest::Error) -> ExportError {
        // What is wrong with the file now would be told at the next start; until then the CA that it held may do.
        if let Ok(client) = client(&self.settings) {
            *self.http() = client;
        }
        let grpc = self.settings.url.port() == Some(GRPC);
        let remedy = if grpc { "; port 4317 is that of gRPC, OTLP over HTTP has 4318" } else { "" };
        ExportError::Unreachable { address: self.address(), remedy, source: source.without_url() }
    }
}

fn client(settings: &Settings) -> Result<reqwest::Client, String> {
    let http = https::client(settings.ca.as_deref()).map_err(|why| format!("--otlp-ca: {why}"))?;
    // A redirection would carry the headers, and with them a key, to somebody else.
    let http = http.timeout(settings.timeout).redirect(Policy::none());
    http.build().map_err(|error| format!("failed to set up the client of --otlp-endpoint: {error}"))
}

fn gzip(request: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(request).expect("should write to memory");
    encoder.finish().expect("should write to memory")
}

/// What a server says, cut to a length, without what was sent to it in headers.
fn without_secrets(text: &str, headers: &HeaderMap) -> String {
    let values = headers.values().filter_map(|value| value.to_str().ok()).filter(|value| !value.is_empty());
    // A key is also said without the word before it, such as `Bearer`.
    let secrets = values.flat_map(|value| [value].into_iter().chain(value.split_whitespace().last()));
    let text = secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
    text.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect()
}
