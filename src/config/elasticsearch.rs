//! How to reach Elasticsearch, for the operator, for replays and for `setup`. Secrets come from files or the environment
//! only: the command line is everybody's to read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use super::duration;
use crate::elasticsearch::{Connection, Credentials};
use crate::source::elasticsearch::Reading;

const API_KEY: &str = "HOPKEEPER_ELASTICSEARCH_API_KEY";
const PASSWORD: &str = "HOPKEEPER_ELASTICSEARCH_PASSWORD";

/// What the log lines are read from.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Log stream (Elasticsearch)")]
pub struct ElasticsearchArgs {
    /// The data stream that Filebeat writes to; a pattern is allowed.
    #[arg(
        long = "elasticsearch-index",
        env = "HOPKEEPER_ELASTICSEARCH_INDEX",
        default_value = "filebeat-*",
        value_name = "NAME"
    )]
    pub index: String,
    /// The cluster.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// The cluster, and who we are there.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Elasticsearch")]
pub struct ConnectionArgs {
    /// Elasticsearch's URL; several nodes of one cluster comma-separated.
    #[arg(
        long = "elasticsearch-url",
        visible_alias = "elasticsearch",
        env = "HOPKEEPER_ELASTICSEARCH_URL",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub urls: Vec<String>,
    /// CA certificates (PEM) that the certificate is checked against, besides the system's.
    #[arg(id = "elasticsearch_ca", long = "elasticsearch-ca", env = "HOPKEEPER_ELASTICSEARCH_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// File with an API key in its encoded form; or set HOPKEEPER_ELASTICSEARCH_API_KEY.
    #[arg(
        id = "elasticsearch_api_key_file",
        long = "elasticsearch-api-key-file",
        env = "HOPKEEPER_ELASTICSEARCH_API_KEY_FILE",
        value_name = "FILE",
        conflicts_with = "elasticsearch_user"
    )]
    pub api_key_file: Option<PathBuf>,
    /// User, where there is no API key.
    #[arg(
        id = "elasticsearch_user",
        long = "elasticsearch-user",
        env = "HOPKEEPER_ELASTICSEARCH_USER",
        value_name = "NAME"
    )]
    pub user: Option<String>,
    /// File with the user's password; or set HOPKEEPER_ELASTICSEARCH_PASSWORD.
    #[arg(
        id = "elasticsearch_password_file",
        long = "elasticsearch-password-file",
        env = "HOPKEEPER_ELASTICSEARCH_PASSWORD_FILE",
        value_name = "FILE",
        requires = "elasticsearch_user"
    )]
    pub password_file: Option<PathBuf>,
}

/// How the operator reads it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Log stream (Elasticsearch)")]
pub struct ReadingArgs {
    /// The field that orders the documents. A time that an ingest pipeline sets (event.ingested) makes it irrelevant how
    /// late shippers are.
    #[arg(
        long = "elasticsearch-order-field",
        env = "HOPKEEPER_ELASTICSEARCH_ORDER_FIELD",
        default_value = "@timestamp",
        value_name = "FIELD"
    )]
    field: String,
    /// Documents may show themselves so long after others of their time.
    #[arg(long = "elasticsearch-lag", env = "HOPKEEPER_ELASTICSEARCH_LAG", default_value = "10m", value_parser = duration)]
    lag: Duration,
    /// Younger documents are left for the next look, so that those before them have time to show themselves.
    #[arg(
        long = "elasticsearch-settle",
        env = "HOPKEEPER_ELASTICSEARCH_SETTLE",
        default_value = "2s",
        value_parser = duration
    )]
    settle: Duration,
    /// How long between two looks.
    #[arg(long = "elasticsearch-poll", env = "HOPKEEPER_ELASTICSEARCH_POLL", default_value = "1s", value_parser = duration)]
    poll: Duration,
}

impl ConnectionArgs {
    /// What a client takes; files are read now.
    ///
    /// # Errors
    /// When a file can't be read, or a user has no password; what to do is said.
    pub fn read(&self) -> Result<Connection, String> {
        self.read_with(|name| std::env::var(name).ok())
    }

    fn read_with(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Connection, String> {
        let credentials = match &self.user {
            Some(user) => {
                let password = secret(self.password_file.as_deref(), PASSWORD, variable)?;
                let missing =
                    || format!("user {user:?} has no password: give --elasticsearch-password-file or {PASSWORD}");
                Credentials::Password(user.clone(), password.ok_or_else(missing)?)
            }
            None => {
                secret(self.api_key_file.as_deref(), API_KEY, variable)?.map_or(Credentials::None, Credentials::ApiKey)
            }
        };
        Ok(Connection { urls: self.urls.clone(), credentials, ca: self.ca.clone() })
    }
}

/// A secret from a file, or else from the environment; an empty one is none.
///
/// # Errors
/// When the file can't be read; it is named.
pub(super) fn secret(
    file: Option<&Path>,
    name: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<SecretString>, String> {
    let text = match file {
        Some(path) => {
            let failed = |error| format!("failed to read {}: {error}", path.display());
            Some(std::fs::read_to_string(path).map_err(failed)?)
        }
        None => variable(name),
    };
    Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).map(SecretString::from))
}

impl From<&ReadingArgs> for Reading {
    fn from(args: &ReadingArgs) -> Self {
        let ReadingArgs { field, lag, settle, poll } = args.clone();
        // A document that is late can't be urgent.
        let sweep = (lag / 60).clamp(Duration::from_secs(1), Duration::from_secs(10));
        Self { field, lag, settle, poll, sweep, patience: Duration::from_secs(60) }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use secrecy::ExposeSecret;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ConnectionArgs,
    }

    fn parsed(arguments: &[&str]) -> Result<ConnectionArgs, String> {
        let line = ["x", "--elasticsearch-url", "https://a:9200,https://b:9200"].iter().chain(arguments);
        Line::try_parse_from(line).map(|line| line.args).map_err(|error| error.to_string())
    }

    #[test]
    fn who_we_are_comes_from_a_file_or_the_environment() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        std::fs::write(&file, "a2V5\n").unwrap();
        let path = file.display().to_string();
        let shown = |arguments: &[&str], variable: Option<&str>| {
            let read = parsed(arguments).unwrap().read_with(|_| variable.map(str::to_owned));
            read.map(|connection| match connection.credentials {
                Credentials::None => "none".to_owned(),
                Credentials::ApiKey(key) => format!("key {}", key.expose_secret()),
                Credentials::Password(user, password) => format!("{user} {}", password.expose_secret()),
            })
        };
        assert_eq!(shown(&[], None).unwrap(), "none");
        assert_eq!(shown(&[], Some("from-env")).unwrap(), "key from-env");
        assert_eq!(shown(&["--elasticsearch-api-key-file", &path], None).unwrap(), "key a2V5");
        assert_eq!(shown(&["--elasticsearch-user", "u"], Some("pass")).unwrap(), "u pass");
        assert_eq!(
            shown(&["--elasticsearch-user", "u", "--elasticsearch-password-file", &path], None).unwrap(),
            "u a2V5"
        );
        let error = shown(&["--elasticsearch-user", "u"], None).unwrap_err();
        assert!(error.contains("--elasticsearch-password-file"), "{error}");
        let error = shown(&["--elasticsearch-api-key-file", "/none/key"], None).unwrap_err();
        assert!(error.contains("/none/key"), "{error}");
        assert!(parsed(&["--elasticsearch-user", "u", "--elasticsearch-api-key-file", &path]).is_err());
        assert_eq!(parsed(&[]).unwrap().read_with(|_| None).unwrap().urls, ["https://a:9200", "https://b:9200"]);
    }
}
