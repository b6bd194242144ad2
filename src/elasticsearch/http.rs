//! What every server of the Elastic Stack wants of a client: who we are, and how long an answer may take and be. Kibana is
//! asked in the same way.

use std::path::Path;
use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use secrecy::ExposeSecret;
use url::Url;

use super::{Credentials, MAX_ANSWER_BYTES};
use crate::https;

const ANSWER: Duration = Duration::from_secs(60);

/// A client that trusts the system's CAs and those of the file.
///
/// # Errors
/// When the file can't be used; it is named.
pub(crate) fn client(ca: Option<&Path>) -> Result<reqwest::Client, String> {
    https::client(ca)?.timeout(ANSWER).build().map_err(|e| e.to_string())
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
    https::body(response, MAX_ANSWER_BYTES).await
}

/// A URL that can be asked, and logged.
///
/// # Errors
/// When it is none; what is wrong with it is said, but for an example.
pub(crate) fn url(text: &str) -> Result<Url, String> {
    https::url(text, "--elasticsearch-user")
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
