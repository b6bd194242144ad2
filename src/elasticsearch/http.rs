//! What every server of the Elastic Stack wants of a client: TLS with a CA of one's own, who we are, and that its answer is
//! of bounded length. Kibana is asked in the same way.

use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, RequestBuilder, Response};
use secrecy::ExposeSecret;
use url::Url;

use super::{Credentials, MAX_ANSWER_BYTES};

const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(60);

/// A client that trusts the system's CAs and those of the file.
///
/// # Errors
/// When the file can't be used; it is named.
pub(crate) fn client(ca: Option<&Path>) -> Result<reqwest::Client, String> {
    let mut http = reqwest::Client::builder()
        .user_agent(concat!("hopkeeper/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(ANSWER);
    if let Some(path) = ca {
        let refused = |why: String| format!("CA file {}: {why}", path.display());
        let pem = std::fs::read(path).map_err(|e| refused(e.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|e| refused(e.to_string()))?;
        if certificates.is_empty() {
            return Err(refused("no PEM certificate in it".into()));
        }
        http = http.tls_certs_merge(certificates);
    }
    http.build().map_err(|e| e.to_string())
}

/// The request with who we are.
pub(crate) fn authorized(request: RequestBuilder, credentials: &Credentials) -> RequestBuilder {
    match credentials {
        Credentials::None => request,
        Credentials::ApiKey(key) => request.header("authorization", format!("ApiKey {}", key.expose_secret())),
        Credentials::Password(user, password) => request.basic_auth(user, Some(password.expose_secret())),
    }
}

/// The answer's body; none when it is longer than [`MAX_ANSWER_BYTES`].
pub(crate) async fn body(response: &mut Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// A URL that can be asked, and logged.
///
/// # Errors
/// When it is none; what is wrong with it is said, but for an example.
pub(crate) fn url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text.trim()).map_err(|_| "the URL can't be read")?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("the URL must begin with https:// or http:// and name a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("user and password must not be in the URL, which is logged: use --elasticsearch-user");
    }
    Ok(url)
}

/// The URL with a path after its own, and a query.
pub(crate) fn within(url: &Url, path: &[&str], query: &[(&str, &str)]) -> Url {
    let mut url = url.clone();
    // A URL that can be a base has path segments; `url()` lets no other one in.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}
