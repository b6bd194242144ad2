//! What every HTTP client of this program wants: TLS by rustls with a CA of one's own besides the system's, a limit on
//! connecting, and an answer of bounded length.

use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, ClientBuilder, Response};
use url::Url;

const CONNECT: Duration = Duration::from_secs(5);

/// A URL that can be asked, and logged; `secrets` is where user and password belong instead.
///
/// # Errors
/// When it is none; what is wrong with it is said, but for an example.
pub(crate) fn url(text: &str, secrets: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|_| "the URL can't be read")?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("the URL must begin with https:// or http:// and name a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("user and password must not be in the URL, which is logged: use {secrets}"));
    }
    Ok(url)
}

/// A client to be, which trusts the system's CAs and those of the file. It has no limit on answers yet.
///
/// # Errors
/// When the file can't be used; it is named.
pub(crate) fn client(ca: Option<&Path>) -> Result<ClientBuilder, String> {
    let http = reqwest::Client::builder()
        .user_agent(concat!("hopkeeper/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT);
    let Some(path) = ca else { return Ok(http) };
    let refused = |why: String| format!("CA file {}: {why}", path.display());
    let pem = std::fs::read(path).map_err(|e| refused(e.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|e| refused(e.to_string()))?;
    if certificates.is_empty() {
        return Err(refused("no PEM certificate in it".into()));
    }
    Ok(http.tls_certs_merge(certificates))
}

/// The answer's body; none when it is longer than that.
pub(crate) async fn body(response: &mut Response, max_bytes: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > max_bytes {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}
