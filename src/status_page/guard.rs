//! What keeps a browser from doing what the page does not: everything shown is another's text.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::api::problem;

/// Scripts, styles and pictures are the page's own files; nothing is sent anywhere; nobody frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Gives every answer the headers that protect its reader.
pub(super) async fn protect(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A page that only this machine reaches is asked for by this machine's names. Any other name is a web page's that had it
/// resolved to here (DNS rebinding), to read with its visitor's browser what it could not reach itself.
pub(super) async fn refuse_names_of_others(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).map(HeaderValue::to_str);
    match host {
        None => next.run(request).await,
        Some(Ok(host)) if is_this_machine(host) => next.run(request).await,
        Some(_) => problem(
            StatusCode::MISDIRECTED_REQUEST,
            "this address answers to localhost and IP addresses only; to serve other names set --status-listen",
        )
        .into_response(),
    }
}

fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_localhost_and_addresses() {
        for ours in ["localhost", "LocalHost:8089", "127.0.0.1", "127.0.0.1:8089", "[::1]:8089", "10.0.0.1"] {
            assert!(is_this_machine(ours), "{ours}");
        }
        for other in ["evil.example", "localhost.evil.example:8089", "127.0.0.1.evil.example", "", "a b"] {
            assert!(!is_this_machine(other), "{other}");
        }
    }
}
