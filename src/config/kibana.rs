//! How to reach Kibana, for `setup`. Who we are there is by default who we are in Elasticsearch, which Kibana asks.

use std::path::PathBuf;

use clap::Args;

use super::elasticsearch::secret;
use crate::elasticsearch::{self, Credentials};
use crate::kibana::Connection;

const API_KEY: &str = "HOPKEEPER_KIBANA_API_KEY";

/// Kibana, and what is shown there.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Kibana")]
pub struct KibanaArgs {
    /// Kibana's URL: brings data views, Discover sessions and dashboards there.
    #[arg(long = "kibana-url", visible_alias = "kibana", env = "HOPKEEPER_KIBANA_URL", value_name = "URL")]
    pub url: Option<String>,
    /// The space that they are brought into, by its identifier; without it the default one.
    #[arg(long = "kibana-space", env = "HOPKEEPER_KIBANA_SPACE", value_name = "ID", value_parser = space)]
    pub space: Option<String>,
    /// CA certificates (PEM) that the certificate is checked against, besides the system's; without it those of
    /// --elasticsearch-ca.
    #[arg(id = "kibana_ca", long = "kibana-ca", env = "HOPKEEPER_KIBANA_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// File with an API key in its encoded form; or set HOPKEEPER_KIBANA_API_KEY. Without it the API key, or user and
    /// password, of Elasticsearch.
    #[arg(
        id = "kibana_api_key_file",
        long = "kibana-api-key-file",
        env = "HOPKEEPER_KIBANA_API_KEY_FILE",
        value_name = "FILE"
    )]
    pub api_key_file: Option<PathBuf>,
    /// Also make alert rules: a chain is down, a budget is used up, hops or the operator are silent. Who is told is for you to add
    /// in Kibana, and is kept. They run with the rights of who set them up.
    #[arg(id = "kibana_rules", long = "kibana-rules", env = "HOPKEEPER_KIBANA_RULES")]
    pub rules: bool,
    /// The index pattern of the raw lines, which incidents lead to: where Filebeat writes.
    #[arg(
        id = "kibana_lines",
        long = "kibana-lines",
        env = "HOPKEEPER_KIBANA_LINES",
        default_value = "logs-hopkeeper.vpn-*,filebeat-*",
        value_name = "PATTERN"
    )]
    pub lines: String,
}

impl KibanaArgs {
    /// What a client takes, where Kibana is wanted; files are read now.
    ///
    /// # Errors
    /// When a file can't be read; it is named.
    pub fn read(&self, elasticsearch: &elasticsearch::Connection) -> Result<Option<Connection>, String> {
        self.read_with(elasticsearch, |name| std::env::var(name).ok())
    }

    fn read_with(
        &self,
        elasticsearch: &elasticsearch::Connection,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Connection>, String> {
        let Some(url) = self.url.clone() else { return Ok(None) };
        let key = secret(self.api_key_file.as_deref(), API_KEY, variable)?;
        let credentials = key.map_or_else(|| elasticsearch.credentials.clone(), Credentials::ApiKey);
        let ca = self.ca.clone().or_else(|| elasticsearch.ca.clone());
        let space = self.space.clone().filter(|space| space != "default");
        Ok(Some(Connection { url, space, credentials, ca }))
    }
}

/// The identifier of a space, as Kibana has it.
fn space(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    if text.is_empty() || !text.chars().all(fits) {
        return Err("must be lower-case letters, digits, '_' and '-': the identifier, not the name".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use secrecy::ExposeSecret;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: KibanaArgs,
    }

    fn parsed(arguments: &[&str]) -> Result<KibanaArgs, String> {
        let line = ["x"].iter().chain(arguments);
        Line::try_parse_from(line).map(|line| line.args).map_err(|error| error.to_string())
    }

    fn elasticsearch() -> elasticsearch::Connection {
        let credentials = Credentials::Password("elastic".into(), "pass".to_owned().into());
        elasticsearch::Connection { urls: Vec::new(), credentials, ca: Some("es.pem".into()) }
    }

    #[test]
    fn who_we_are_is_who_we_are_in_elasticsearch_unless_said_otherwise() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        std::fs::write(&file, "a2V5\n").unwrap();
        let path = file.display().to_string();
        let shown = |arguments: &[&str], variable: Option<&str>| {
            let all = [&["--kibana", "https://kibana:5601"], arguments].concat();
            let read = parsed(&all).unwrap().read_with(&elasticsearch(), |_| variable.map(str::to_owned));
            read.map(|connection| {
                let connection = connection.unwrap();
                let ca = connection.ca.unwrap().display().to_string();
                match connection.credentials {
                    Credentials::None => format!("none {ca}"),
                    Credentials::ApiKey(key) => format!("key {} {ca}", key.expose_secret()),
                    Credentials::Password(user, password) => format!("{user} {} {ca}", password.expose_secret()),
                }
            })
        };
        assert_eq!(shown(&[], None).unwrap(), "elastic pass es.pem");
        assert_eq!(shown(&["--kibana-ca", "k.pem"], Some("from-env")).unwrap(), "key from-env k.pem");
        assert_eq!(shown(&["--kibana-api-key-file", &path], None).unwrap(), "key a2V5 es.pem");
        assert!(shown(&["--kibana-api-key-file", "/none/key"], None).unwrap_err().contains("/none/key"));
    }

    #[test]
    fn kibana_is_asked_where_its_url_is_given_and_a_space_is_known_by_its_identifier() {
        assert!(parsed(&[]).unwrap().read_with(&elasticsearch(), |_| None).unwrap().is_none());
        for (space, expected) in [("vpn-team_1", Some("vpn-team_1")), ("default", None)] {
            let args = parsed(&["--kibana", "https://kibana:5601", "--kibana-space", space]).unwrap();
            let read = args.read_with(&elasticsearch(), |_| None).unwrap().unwrap();
            assert_eq!(read.space.as_deref(), expected);
        }
        for wrong in ["VPN team", "a/b", ""] {
            assert!(parsed(&["--kibana-space", wrong]).unwrap_err().contains("identifier"), "{wrong}");
        }
    }
}
