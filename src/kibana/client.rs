//! One Kibana, in one of its spaces: a request with its answer, and the import of saved objects.

use std::fmt;
use std::path::PathBuf;

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::error::KibanaError;
use crate::elasticsearch::{Credentials, http};

/// Stands between the parts of a form; no line of JSON begins so.
const BOUNDARY: &str = "hopkeeper-saved-objects";
/// The oldest that reads our objects.
const OLDEST_MAJOR: u32 = 8;

/// How to reach Kibana.
#[derive(Clone)]
pub struct Connection {
    /// Its URL, with its base path if it has one.
    pub url: String,
    /// The space; none is the default one.
    pub space: Option<String>,
    /// Who we are.
    pub credentials: Credentials,
    /// CA certificates (PEM) besides the system's.
    pub ca: Option<PathBuf>,
}

/// A client of one Kibana.
pub struct Kibana {
    http: reqwest::Client,
    url: Url,
    space: Option<String>,
    credentials: Credentials,
}

impl fmt::Debug for Kibana {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kibana").field("url", &self.url).field("space", &self.space).finish_non_exhaustive()
    }
}

/// What is sent along with a request.
pub(super) enum Body {
    None,
    Json(Value),
    /// A form with one file.
    File {
        name: &'static str,
        lines: String,
    },
}

/// What became of an import.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Imported {
    success: bool,
    #[serde(default)]
    success_results: Vec<Done>,
    #[serde(default)]
    errors: Vec<Refused>,
}

/// An object that is there now.
#[derive(Deserialize)]
pub(super) struct Done {
    #[serde(rename = "type")]
    pub(super) type_: String,
    pub(super) id: String,
    /// Whether another one was there.
    #[serde(default)]
    pub(super) overwrite: bool,
}

#[derive(Deserialize)]
struct Refused {
    #[serde(rename = "type")]
    type_: String,
    id: String,
    error: Value,
}

impl Refused {
    /// The object and why, in words.
    fn words(&self) -> String {
        let why = self.error["message"].as_str().or_else(|| self.error["type"].as_str()).unwrap_or("no reason given");
        let missing = self.error["references"].as_array().into_iter().flatten();
        let missing: Vec<_> =
            missing.filter_map(|r| Some(format!("{} {}", r["type"].as_str()?, r["id"].as_str()?))).collect();
        let missing = if missing.is_empty() { String::new() } else { format!(" ({})", missing.join(", ")) };
        format!("{} {:?}: {why}{missing}", self.type_, self.id)
    }
}

impl Kibana {
    /// A client that has not asked anything yet.
    ///
    /// # Errors
    /// When the URL or the CA file can't be used.
    pub fn new(connection: Connection) -> Result<Self, KibanaError> {
        let refused = |why| KibanaError::Settings(format!("{why}, for example https://kibana:5601"));
        let url = http::url(&connection.url).map_err(refused)?;
        let http = http::client(connection.ca.as_deref()).map_err(KibanaError::Settings)?;
        Ok(Self { http, url, space: connection.space, credentials: connection.credentials })
    }

    /// Asks one thing in the space; `what` completes "failed to …".
    pub(super) async fn send(
        &self,
        what: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Body,
    ) -> Result<Value, KibanaError> {
        let space = self.space.iter().flat_map(|space| ["s", space.as_str()]);
        let path: Vec<&str> = space.chain(path.iter().copied()).collect();
        let url = http::within(&self.url, &path, query);
        // Kibana refuses what might come from another site's page.
        let request =
            http::authorized(self.http.request(method, url), &self.credentials).header("kbn-xsrf", "hopkeeper");
        let request = match body {
            Body::None => request,
            Body::Json(value) => request.header("content-type", "application/json").body(value.to_string()),
            Body::File { name, lines } => {
                let kind = format!("multipart/form-data; boundary={BOUNDARY}");
                request.header("content-type", kind).body(form(name, &lines))
            }
        };
        let unreachable = |source: reqwest::Error| {
            let address = self.url.origin().ascii_serialization();
            KibanaError::Unreachable { what, address, source: source.without_url() }
        };
        let mut response = request.send().await.map_err(unreachable)?;
        let body = http::body(&mut response).await.map_err(unreachable)?.ok_or(KibanaError::TooLarge { what })?;
        let status = response.status();
        if !status.is_success() {
            return Err(KibanaError::refused(what, status.as_u16(), &String::from_utf8_lossy(&body)));
        }
        serde_json::from_slice(&body).map_err(|source| KibanaError::Answer { what, source })
    }

    /// Whether it is there, knows us, reads our objects, and has the space: it would take objects for one that it has not.
    ///
    /// # Errors
    /// When it does not.
    pub async fn check(&self) -> Result<(), KibanaError> {
        let status = self.send("ask kibana for its version", Method::GET, &["api", "status"], &[], Body::None).await?;
        // Whoever may not see it is not told.
        let version = status["version"]["number"].as_str().unwrap_or_default();
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_some_and(|major| major < OLDEST_MAJOR) {
            return Err(KibanaError::TooOld(version.to_owned()));
        }
        if let Some(space) = &self.space {
            let path = ["api", "spaces", "space", space.as_str()];
            self.send("look at the space", Method::GET, &path, &[], Body::None).await?;
        }
        Ok(())
    }

    /// Writes saved objects over those that are there.
    ///
    /// # Errors
    /// When Kibana does not answer, or refuses some; each is named, and the others are there.
    pub(super) async fn import(&self, objects: &[Value]) -> Result<Vec<Done>, KibanaError> {
        let what = "import the saved objects";
        let lines: String = objects.iter().map(|object| format!("{object}\n")).collect();
        let file = Body::File { name: "hopkeeper.ndjson", lines };
        let path = ["api", "saved_objects", "_import"];
        let answer = self.send(what, Method::POST, &path, &[("overwrite", "true")], file).await?;
        let imported: Imported =
            serde_json::from_value(answer).map_err(|source| KibanaError::Answer { what, source })?;
        if !imported.success {
            return Err(KibanaError::Objects(imported.errors.iter().map(Refused::words).collect()));
        }
        Ok(imported.success_results)
    }
}

fn form(name: &str, lines: &str) -> String {
    format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/ndjson\r\n\r\n{lines}\r\n--{BOUNDARY}--\r\n"
    )
}
