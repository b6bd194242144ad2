//! How to reach Kafka, for the operator and for replays: what was typed, and the librdkafka settings that it means.
//! Secrets come from files only: the command line is everybody's to read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret, SecretString};

/// How connections are protected, and who we are.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Log stream (Kafka)")]
pub struct KafkaConnectionArgs {
    /// How to talk to the brokers [default: sasl-ssl with a user, ssl with a CA or certificate, else plaintext].
    #[arg(
        long = "kafka-security-protocol",
        env = "HOPKEEPER_KAFKA_SECURITY_PROTOCOL",
        value_enum,
        value_name = "PROTOCOL"
    )]
    security_protocol: Option<SecurityProtocol>,
    /// CA certificates (PEM) that the brokers' certificates are checked against, instead of the system's.
    #[arg(long = "kafka-ca-file", env = "HOPKEEPER_KAFKA_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Our own certificate (PEM), where brokers ask for one.
    #[arg(
        long = "kafka-certificate-file",
        env = "HOPKEEPER_KAFKA_CERTIFICATE_FILE",
        value_name = "FILE",
        requires = "key_file"
    )]
    certificate_file: Option<PathBuf>,
    /// Its private key (PEM), without a passphrase.
    #[arg(
        long = "kafka-key-file",
        env = "HOPKEEPER_KAFKA_KEY_FILE",
        value_name = "FILE",
        requires = "certificate_file"
    )]
    key_file: Option<PathBuf>,
    /// How a user logs in [default: scram-sha-512].
    #[arg(
        long = "kafka-sasl-mechanism",
        env = "HOPKEEPER_KAFKA_SASL_MECHANISM",
        value_enum,
        value_name = "MECHANISM",
        requires = "username"
    )]
    sasl_mechanism: Option<SaslMechanism>,
    /// User (SASL).
    #[arg(long = "kafka-username", env = "HOPKEEPER_KAFKA_USERNAME", value_name = "NAME", requires = "password_file")]
    username: Option<String>,
    /// File with the user's password, read anew at each connection.
    #[arg(
        long = "kafka-password-file",
        env = "HOPKEEPER_KAFKA_PASSWORD_FILE",
        value_name = "FILE",
        requires = "username"
    )]
    password_file: Option<PathBuf>,
    /// Further librdkafka setting; may be repeated. A value @FILE is the file's content, which a secret must be.
    #[arg(long = "kafka-option", value_name = "KEY=VALUE", value_parser = option)]
    options: Vec<Setting>,
}

/// A librdkafka setting as it was typed. Its value is never shown: it may be the secret that it must not be.
#[derive(Clone, Debug)]
struct Setting {
    key: String,
    value: SecretString,
}

/// Kafka's own names for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SecurityProtocol {
    /// Neither encrypted nor logged in.
    Plaintext,
    /// TLS; the client may show a certificate.
    Ssl,
    /// A user without TLS: the network can read the lines, and with PLAIN the password.
    SaslPlaintext,
    /// A user, by TLS.
    SaslSsl,
}

/// How a user proves who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SaslMechanism {
    /// The password itself.
    Plain,
    /// A proof of the password, with SHA-256.
    #[value(name = "scram-sha-256")]
    ScramSha256,
    /// A proof of the password, with SHA-512.
    #[value(name = "scram-sha-512")]
    ScramSha512,
}

/// librdkafka settings that are secrets.
const SECRETS: [&str; 7] = [
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.client.credentials.client.secret",
];

impl KafkaConnectionArgs {
    /// librdkafka's settings; files are read now.
    ///
    /// # Errors
    /// When settings contradict one another, or a file cannot be read; what to do is said.
    pub fn settings(&self) -> Result<BTreeMap<String, String>, String> {
        let protocol = self.protocol()?;
        let mut settings = BTreeMap::from([("security.protocol".to_owned(), protocol.name().to_owned())]);
        let mut set = |key: &str, value: String| drop(settings.insert(key.to_owned(), value));
        if protocol.has_tls() {
            // Without a CA of its own, librdkafka tries the places where systems keep theirs.
            set("ssl.ca.location", self.ca_file.as_deref().map_or(Ok("probe".to_owned()), readable)?);
            if let (Some(certificate), Some(key)) = (&self.certificate_file, &self.key_file) {
                set("ssl.certificate.location", readable(certificate)?);
                set("ssl.key.location", readable(key)?);
            }
        }
        if let (Some(user), Some(file)) = (&self.username, &self.password_file) {
            let mechanism = self.sasl_mechanism.unwrap_or(SaslMechanism::ScramSha512);
            set("sasl.mechanism", mechanism.name().to_owned());
            set("sasl.username", user.clone());
            set("sasl.password", content(file)?);
        }
        for Setting { key, value } in &self.options {
            let value = match value.expose_secret().strip_prefix('@') {
                Some(file) => content(Path::new(file)).map_err(|why| format!("--kafka-option {key}: {why}"))?,
                // Not when the line is parsed: what clap refuses, it prints.
                None if SECRETS.contains(&key.as_str()) => {
                    return Err(format!(
                        "--kafka-option {key} is a secret, and everybody may read a command line: write it into a file, \
                         and say {key}=@FILE"
                    ));
                }
                None => value.expose_secret().to_owned(),
            };
            settings.insert(key.clone(), value);
        }
        Ok(settings)
    }

    fn protocol(&self) -> Result<SecurityProtocol, String> {
        let (has_user, has_tls_files) = (self.username.is_some(), self.ca_file.is_some() || self.key_file.is_some());
        let implied = match (has_user, has_tls_files) {
            (true, _) => SecurityProtocol::SaslSsl,
            (false, true) => SecurityProtocol::Ssl,
            (false, false) => SecurityProtocol::Plaintext,
        };
        let protocol = self.security_protocol.unwrap_or(implied);
        let name = protocol.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let says = |what: &str| Err(format!("--kafka-security-protocol {name} {what}"));
        match protocol {
            SecurityProtocol::Plaintext | SecurityProtocol::SaslPlaintext if has_tls_files => {
                says("has no TLS, for which a CA or certificate is given: say ssl or sasl-ssl")
            }
            SecurityProtocol::Plaintext | SecurityProtocol::Ssl if has_user => {
                says("logs no user in, but --kafka-username is given: say sasl-ssl")
            }
            protocol if protocol.has_sasl() && !has_user && !self.has_option("sasl.") => {
                says("needs --kafka-username and --kafka-password-file")
            }
            protocol => Ok(protocol),
        }
    }

    fn has_option(&self, prefix: &str) -> bool {
        self.options.iter().any(|setting| setting.key.starts_with(prefix))
    }
}

impl SecurityProtocol {
    fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

impl SaslMechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

fn option(text: &str) -> Result<Setting, String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or("must be KEY=VALUE, for example client.rack=a")?;
    Ok(Setting { key: key.to_owned(), value: value.into() })
}

/// The path of a file that librdkafka will read: said now when it can't, since librdkafka names no file.
fn readable(path: &Path) -> Result<String, String> {
    std::fs::File::open(path).map_err(|error| format!("failed to read {}: {error}", path.display()))?;
    path.to_str().map(str::to_owned).ok_or_else(|| format!("{}: its name is not UTF-8", path.display()))
}

fn content(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("failed to read {}: {error}", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        kafka: KafkaConnectionArgs,
    }

    /// What librdkafka is told, as `key=value` by key; or what is said instead.
    fn settings(arguments: &[&str]) -> Result<Vec<String>, String> {
        let line = Line::try_parse_from(["test"].iter().chain(arguments)).map_err(|error| error.to_string())?;
        let settings = line.kafka.settings()?;
        Ok(settings.into_iter().map(|(key, value)| format!("{key}={value}")).collect())
    }

    struct Files(tempfile::TempDir);

    impl Files {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            for name in ["ca", "crt", "key"] {
                std::fs::write(directory.path().join(name), name).unwrap();
            }
            std::fs::write(directory.path().join("password"), " pass=word@1\r\n").unwrap();
            Self(directory)
        }

        fn at(&self, name: &str) -> String {
            self.0.path().join(name).to_string_lossy().into_owned()
        }
    }

    #[test]
    fn the_protocol_follows_from_what_is_given() {
        let files = Files::new();
        let (ca, certificate, key, password) = (files.at("ca"), files.at("crt"), files.at("key"), files.at("password"));
        let user = ["--kafka-username", "me", "--kafka-password-file", &password];
        let tls = ["--kafka-ca-file", &ca];
        let own = ["--kafka-certificate-file", &certificate, "--kafka-key-file", &key];
        assert_eq!(settings(&[]).unwrap(), ["security.protocol=PLAINTEXT"]);
        assert_eq!(settings(&tls).unwrap(), ["security.protocol=SSL".to_owned(), format!("ssl.ca.location={ca}")]);
        let by_certificate = settings(&own).unwrap();
        assert_eq!(
            by_certificate,
            [
                "security.protocol=SSL".to_owned(),
                "ssl.ca.location=probe".to_owned(),
                format!("ssl.certificate.location={certificate}"),
                format!("ssl.key.location={key}")
            ]
        );
        assert_eq!(
            settings(&user).unwrap(),
            [
                "sasl.mechanism=SCRAM-SHA-512",
                "sasl.password= pass=word@1",
                "sasl.username=me",
                "security.protocol=SASL_SSL",
                "ssl.ca.location=probe"
            ]
        );
        let open = ["--kafka-security-protocol", "sasl-plaintext", "--kafka-sasl-mechanism", "plain"];
        assert_eq!(
            settings(&[&user[..], &open].concat()).unwrap(),
            [
                "sasl.mechanism=PLAIN",
                "sasl.password= pass=word@1",
                "sasl.username=me",
                "security.protocol=SASL_PLAINTEXT"
            ]
        );
    }

    #[test]
    fn what_contradicts_or_cannot_be_read_is_said_with_the_flag() {
        let files = Files::new();
        let (ca, missing, password) = (files.at("ca"), files.at("missing"), files.at("password"));
        let user = ["--kafka-username", "me", "--kafka-password-file", &password];
        let protocol = |name| ["--kafka-security-protocol", name];
        let option = format!("ssl.key.password=@{missing}");
        for (arguments, expected) in [
            ([&protocol("plaintext")[..], &["--kafka-ca-file", &ca]].concat(), "plaintext has no TLS"),
            ([&protocol("sasl-plaintext")[..], &user, &["--kafka-ca-file", &ca]].concat(), "sasl-plaintext has no TLS"),
            ([&protocol("ssl")[..], &user].concat(), "ssl logs no user in"),
            (protocol("sasl-ssl").to_vec(), "needs --kafka-username and --kafka-password-file"),
            (vec!["--kafka-username", "me"], "--kafka-password-file"),
            (vec!["--kafka-certificate-file", &ca], "--kafka-key-file"),
            (vec!["--kafka-ca-file", &missing], "missing: No such file"),
            (vec!["--kafka-option", &option], "--kafka-option ssl.key.password: failed to read"),
            (vec!["--kafka-option", "client.rack"], "must be KEY=VALUE"),
            (vec!["--kafka-option", "=a"], "must be KEY=VALUE"),
        ] {
            let refused = settings(&arguments).expect_err(&arguments.join(" "));
            assert!(refused.contains(expected), "{arguments:?}: {refused}");
        }
    }

    #[test]
    fn a_secret_is_taken_from_a_file_and_never_from_the_command_line() {
        let files = Files::new();
        for key in SECRETS {
            let typed = format!("{key}=CANARY");
            let refused = settings(&["--kafka-option", &typed]).expect_err(key);
            assert!(refused.contains(&format!("say {key}=@FILE")) && !refused.contains("CANARY"), "{refused}");
            let line = Line::parse_from(["test", "--kafka-option", &typed]);
            assert!(!format!("{line:?}").contains("CANARY"));
            let file = format!("{key}=@{}", files.at("password"));
            assert!(settings(&["--kafka-option", &file]).unwrap().contains(&format!("{key}= pass=word@1")));
        }
        assert!(settings(&["--kafka-option", "client.rack=a=b"]).unwrap().contains(&"client.rack=a=b".to_owned()));
    }
}
