//! Who may look, as Kubernetes says: a token that it knows, of somebody who may `get` the page's path. Programs send it as
//! a bearer token; a browser asks for it as a password, and sends it with every request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::api::problem;
use crate::telemetry::error_chain;

/// The path that a viewer must be allowed to `get`, whatever page is asked for. Not the page's own: Kubernetes lets everybody
/// who is logged in get what is below `/api`.
pub const PATH: &str = "/hopkeeper/status";

/// How long an answer of Kubernetes holds: as long as rights that were taken away may still be used.
const HOLDS: Duration = Duration::from_secs(10);
/// How many tokens are remembered.
const REMEMBERED: usize = 1024;
/// How many questions are asked at the same time: whoever reaches the page must not use up the API server.
const AT_ONCE: usize = 8;

/// What Kubernetes said of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    /// It is this user's, who may not.
    Forbidden(String),
    /// It is nobody's.
    Unknown,
}

/// Asks Kubernetes, and remembers for a moment.
pub struct Access {
    client: Client,
    /// By the tokens' hashes: a token is not kept.
    remembered: Mutex<HashMap<[u8; 32], (Instant, Verdict)>>,
    asking: Semaphore,
    /// Ends the wait for an answer.
    stop: CancellationToken,
}

impl Access {
    /// Nothing is asked yet; from `stop` on no answer is waited for.
    #[must_use]
    pub fn new(client: Client, stop: CancellationToken) -> Self {
        Self { client, remembered: Mutex::default(), asking: Semaphore::new(AT_ONCE), stop }
    }

    async fn verdict(&self, token: &SecretString) -> Result<Verdict, kube::Error> {
        let hash = Sha256::digest(token.expose_secret()).into();
        if let Some(verdict) = self.recall(&hash) {
            return Ok(verdict);
        }
        let _turn = self.asking.acquire().await.expect("should stay open: nobody closes it");
        // Somebody else may have asked the same meanwhile.
        if let Some(verdict) = self.recall(&hash) {
            return Ok(verdict);
        }
        let verdict = match self.whose(token).await? {
            None => Verdict::Unknown,
            Some(user) => {
                let name = user.username.clone().unwrap_or_default();
                if self.may_look(user).await? { Verdict::Allowed } else { Verdict::Forbidden(name) }
            }
        };
        self.remember(hash, verdict.clone());
        Ok(verdict)
    }

    async fn whose(&self, token: &SecretString) -> Result<Option<UserInfo>, kube::Error> {
        let spec = TokenReviewSpec { token: Some(token.expose_secret().to_owned()), ..TokenReviewSpec::default() };
        let review = TokenReview { spec, ..TokenReview::default() };
        let answer = Api::all(self.client.clone()).create(&PostParams::default(), &review).await?;
        let status = answer.status.unwrap_or_default();
        Ok(status.user.filter(|_| status.authenticated == Some(true)))
    }

    async fn may_look(&self, user: UserInfo) -> Result<bool, kube::Error> {
        let wish = NonResourceAttributes { path: Some(PATH.to_owned()), verb: Some("get".to_owned()) };
        let spec = SubjectAccessReviewSpec {
            user: user.username,
            groups: user.groups,
            uid: user.uid,
            extra: user.extra,
            non_resource_attributes: Some(wish),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let answer = Api::all(self.client.clone()).create(&PostParams::default(), &review).await?;
        Ok(answer.status.is_some_and(|status| status.allowed && status.denied != Some(true)))
    }

    fn recall(&self, hash: &[u8; 32]) -> Option<Verdict> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, verdict) = remembered.get(hash)?;
        (at.elapsed() < HOLDS).then(|| verdict.clone())
    }

    fn remember(&self, hash: [u8; 32], verdict: Verdict) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.retain(|_, (at, _)| at.elapsed() < HOLDS);
        }
        // Many strangers at once are asked about again; a bound is a bound.
        if remembered.len() < REMEMBERED {
            remembered.insert(hash, (Instant::now(), verdict));
        }
    }
}

/// Lets through whom Kubernetes lets through.
pub(super) async fn require(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let Some(token) = token(request.headers()) else { return unauthorized("a token of Kubernetes is needed") };
    // A server that has gone silent must not keep the operator from stopping.
    match access.stop.run_until_cancelled(access.verdict(&token)).await {
        None => unavailable("the operator is stopping"),
        Some(Ok(Verdict::Allowed)) => next.run(request).await,
        Some(Ok(Verdict::Unknown)) => unauthorized("Kubernetes does not know this token"),
        Some(Ok(Verdict::Forbidden(user))) => {
            let why = format!("user {user:?} may not get {PATH}: bind a ClusterRole with this nonResourceURL");
            problem(StatusCode::FORBIDDEN, why).into_response()
        }
        Some(Err(error)) => {
            tracing::warn!(error = %error_chain(&error), "Kubernetes did not say who may see the status page.");
            unavailable("Kubernetes did not say whether you may look; the operator's log says why")
        }
    }
}

fn token(headers: &HeaderMap) -> Option<SecretString> {
    let (scheme, value) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = if scheme.eq_ignore_ascii_case("bearer") {
        value.trim().to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
        // Whatever the user is called: the token says who it is.
        pair.split_once(':')?.1.to_owned()
    } else {
        return None;
    };
    (!token.is_empty()).then(|| token.into())
}

fn unavailable(why: &str) -> Response {
    ([(header::RETRY_AFTER, "5")], problem(StatusCode::SERVICE_UNAVAILABLE, why)).into_response()
}

fn unauthorized(why: &str) -> Response {
    let ways = ["Bearer realm=\"hopkeeper\"", "Basic realm=\"hopkeeper: a token of Kubernetes as password\""];
    let challenges = AppendHeaders(ways.map(|way| (header::WWW_AUTHENTICATE, way)));
    (challenges, problem(StatusCode::UNAUTHORIZED, why)).into_response()
}

#[cfg(test)]
mod tests;
