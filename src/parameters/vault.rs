//! Vault KV version 2 by vaultrs: login by Kubernetes, AppRole or token, and reading of candidates. Leaves writing to `write`.
//!
//! Tokens are not renewed: when one is refused or about to expire, the next call logs in again.

mod error;
mod write;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::HeaderValue;
use rustify::errors::ClientError as HttpError;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use url::Url;
use vaultrs::api::kv2::requests::ReadSecretRequest;
use vaultrs::client::{VaultClient, VaultClientSettingsBuilder};
use vaultrs::error::ClientError;

use super::fields_of;
use crate::domain::candidate::RawCandidate;
pub use error::VaultError;
use error::{code, last_version};

const TIMEOUT: Duration = Duration::from_secs(10);
const EXAMPLE: &str = "https://vault:8200";
/// A token is replaced this long before it expires.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);
/// How soon a login may follow one that did not help: what its token may not do the next one may not either, until somebody
/// gives the role other policies.
const AGAIN: Duration = Duration::from_secs(300);
const TO_READ: &str = "read and list on the path's data and metadata";

/// How to log in.
pub enum Login {
    /// A fixed token.
    Token(SecretString),
    /// A token in a file, read anew at each login because whoever keeps it alive replaces it.
    TokenFile(PathBuf),
    /// The pod's own service account token, read anew at each login because the kubelet replaces it.
    Kubernetes {
        /// Where the auth method is mounted.
        mount: String,
        /// The role.
        role: String,
        /// The projected token.
        token_file: PathBuf,
    },
    /// A role id, and a file that holds its secret id.
    AppRole {
        /// Where the auth method is mounted.
        mount: String,
        /// The role id.
        role_id: String,
        /// The file with the secret id.
        secret_id_file: PathBuf,
    },
}

impl Login {
    /// Whether each login makes a token in the server.
    fn makes_tokens(&self) -> bool {
        matches!(self, Self::Kubernetes { .. } | Self::AppRole { .. })
    }
}

/// A Vault server.
pub struct Vault {
    /// Where it is, for messages.
    address: String,
    settings: VaultClientSettingsBuilder,
    login: Login,
    sessions: Mutex<Sessions>,
}

/// What a key holds now.
struct Newest {
    /// Its last version's number; zero where it never had one.
    version: u64,
    /// None when that version is deleted.
    fields: Option<BTreeMap<String, SecretString>>,
}

/// What the last logins came to.
#[derive(Default)]
struct Sessions {
    live: Option<Session>,
    failed: Option<(Instant, VaultError)>,
}

struct Session {
    client: Arc<VaultClient>,
    since: Instant,
    until: Option<Instant>,
}

impl Vault {
    /// A server by its URL; nothing is sent yet.
    ///
    /// # Errors
    /// When the URL or the CA file cannot be used.
    pub fn new(address: &str, ca_file: Option<&str>, login: Login) -> Result<Self, VaultError> {
        // A user and a password before it are nobody's to read.
        let shown = address.rsplit('@').next().unwrap_or_default();
        let wrong = |reason: String| VaultError::Settings { address: shown.to_owned(), reason };
        // vaultrs' setter panics on a URL that does not parse; `vault:8200` would be one of scheme `vault`.
        let url = address.parse::<Url>().map_err(|e| wrong(format!("{e}; it must be a URL such as {EXAMPLE}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("it must be a URL such as {EXAMPLE}")));
        }
        let mut settings = VaultClientSettingsBuilder::default();
        settings.address(address).timeout(Some(TIMEOUT)).token("").verify(true);
        settings.ca_certs(ca_file.map(str::to_owned).into_iter().collect::<Vec<_>>());
        let vault = Self { address: shown.to_owned(), settings, login, sessions: Mutex::default() };
        vault.client("").map_err(|e| wrong(e.to_string()))?;
        Ok(vault)
    }

    /// The keys under a path; a path that does not exist has none.
    ///
    /// # Errors
    /// When Vault cannot be asked.
    pub async fn list(&self, mount: &str, path: &str) -> Result<Vec<String>, VaultError> {
        let asked = self.ask(|client| async move { vaultrs::kv2::list(&*client, mount, path).await });
        match asked.await? {
            // A key that ends in "/" is a folder.
            Ok(keys) => Ok(keys.into_iter().filter(|k| !k.ends_with('/')).collect()),
            Err(error) if last_version(&error).is_some() => Ok(Vec::new()),
            Err(error) => Err(self.failure(format!("list {mount}/{path}"), error)),
        }
    }

    /// The newest version of a candidate, or none when it is deleted.
    ///
    /// # Errors
    /// When Vault cannot be asked.
    pub async fn read(&self, mount: &str, path: &str, name: &str) -> Result<Option<RawCandidate>, VaultError> {
        let Newest { version, fields } = self.newest(mount, path, name).await?;
        Ok(fields.map(|fields| RawCandidate { name: name.to_owned(), version: version.to_string(), fields }))
    }

    async fn newest(&self, mount: &str, path: &str, name: &str) -> Result<Newest, VaultError> {
        let asked = self.ask(|client| async move {
            let request = ReadSecretRequest::builder().mount(mount).path(format!("{path}/{name}")).build();
            vaultrs::api::exec_with_result(&*client, request.expect("should be complete")).await
        });
        match asked.await? {
            Ok(found) => Ok(Newest { version: found.metadata.version, fields: Some(fields_of(found.data)) }),
            Err(error) => match last_version(&error) {
                Some(version) => Ok(Newest { version, fields: None }),
                None => Err(self.failure(format!("read {mount}/{path}/{name}"), error)),
            },
        }
    }

    /// Asks; and when the token is refused, once more with a new one: it may have been revoked, or the role have other policies.
    async fn ask<T, F>(&self, request: impl Fn(Arc<VaultClient>) -> F) -> Result<Result<T, ClientError>, VaultError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let client = self.session(None).await?;
        match request(client.clone()).await {
            Err(error) if code(&error) == Some(403) => {
                if self.lacks_a_right(&client).await {
                    return Ok(Err(error));
                }
                Ok(request(self.session(Some(&client)).await?).await)
            }
            Err(error) if code(&error).is_none() => {
                // The next one begins with the CA that the file holds then.
                self.sessions.lock().await.live.take_if(|live| Arc::ptr_eq(&live.client, &client));
                Ok(Err(error))
            }
            answer => Ok(answer),
        }
    }

    /// Whether a token that was refused is one of a recent login, and Vault knows it.
    async fn lacks_a_right(&self, refused: &Arc<VaultClient>) -> bool {
        let is_recent = |session: &Session| Arc::ptr_eq(&session.client, refused) && session.since.elapsed() < AGAIN;
        self.login.makes_tokens()
            && self.sessions.lock().await.live.as_ref().is_some_and(is_recent)
            && vaultrs::token::lookup_self(&**refused).await.err().and_then(|error| code(&error)) != Some(403)
    }

    /// The client with a token that should be good, after a login when there is none but `refused`. What one login comes to
    /// holds for all who waited for it: a server that says nothing is waited for once, not by one after the other.
    async fn session(&self, refused: Option<&Arc<VaultClient>>) -> Result<Arc<VaultClient>, VaultError> {
        let asked = Instant::now();
        let mut sessions = self.sessions.lock().await;
        let is_good = |session: &&Session| {
            let is_refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, &session.client));
            !is_refused && session.until.is_none_or(|until| Instant::now() < until)
        };
        if let Some(live) = sessions.live.as_ref().filter(is_good) {
            return Ok(live.client.clone());
        }
        if let Some((_, error)) = sessions.failed.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(error.clone());
        }
        let (token, lease) = match self.log_in().await {
            Ok(let_in) => let_in,
            Err(error) => {
                sessions.failed = Some((Instant::now(), error.clone()));
                return Err(error);
            }
        };
        let client = self.client(token.expose_secret());
        let client = client.map_err(|e| self.failure("set up the vault client".to_owned(), e))?;
        let until = lease.map(|lease| Instant::now() + lease.saturating_sub(EXPIRY_MARGIN));
        let fresh = Session { client: Arc::new(client), since: Instant::now(), until };
        let client = sessions.live.insert(fresh).client.clone();
        drop(sessions);
        if let Some(refused) = refused.filter(|_| self.login.makes_tokens()) {
            // Else it stays in the server until it expires. Mostly it is gone.
            let _ = vaultrs::token::revoke_self(&**refused).await;
        }
        Ok(client)
    }

    async fn log_in(&self) -> Result<(SecretString, Option<Duration>), VaultError> {
        let anonymous = || self.client("").map_err(|e| self.failure("set up the vault client".to_owned(), e));
        let (action, answer) = match &self.login {
            Login::Token(token) => return Ok((token.clone(), None)),
            Login::TokenFile(file) => return Ok((read_file(file)?, None)),
            Login::Kubernetes { mount, role, token_file } => {
                let jwt = read_file(token_file)?;
                let answer = vaultrs::auth::kubernetes::login(&anonymous()?, mount, role, jwt.expose_secret()).await;
                (format!("log in to vault by auth/{mount} as role {role:?}"), answer)
            }
            Login::AppRole { mount, role_id, secret_id_file } => {
                let id = read_file(secret_id_file)?;
                let answer = vaultrs::auth::approle::login(&anonymous()?, mount, role_id, id.expose_secret()).await;
                (format!("log in to vault by auth/{mount} with an AppRole"), answer)
            }
        };
        let info = answer.map_err(|e| match self.failure(action, e) {
            VaultError::Refused { action, code, .. } => VaultError::LoginRefused { action, code },
            other => other,
        })?;
        let lease = (info.lease_duration > 0).then(|| Duration::from_secs(info.lease_duration));
        Ok((SecretString::from(info.client_token), lease))
    }

    /// Keeps the status code and drops every text of the server: an answer's body may quote what was stored.
    fn failure(&self, action: String, error: ClientError) -> VaultError {
        let asked = |reason| VaultError::Unreachable { action: format!("{action} at {}", self.address), reason };
        match (code(&error), error) {
            (Some(503), _) => VaultError::Sealed { action },
            (Some(code), _) => VaultError::Refused { action, code, rights: TO_READ },
            (None, ClientError::RestClientError { source: HttpError::RequestError { .. } }) => {
                asked("no answer from the server; check its address and the network")
            }
            (None, ClientError::FileReadError { .. } | ClientError::ParseCertificateError { .. }) => {
                VaultError::Unreachable { action, reason: "the CA file cannot be read as PEM certificates" }
            }
            (None, ClientError::InvalidLoginMethodError) => {
                VaultError::Unreachable { action, reason: "the token is not one line of printable text" }
            }
            _ => asked("the server's answer was not understood; check that its address is a vault server's"),
        }
    }

    fn client(&self, token: &str) -> Result<VaultClient, ClientError> {
        // vaultrs panics on a token that no header can carry.
        HeaderValue::from_str(token).map_err(|_| ClientError::InvalidLoginMethodError)?;
        let mut settings = self.settings.clone();
        settings.token(token);
        VaultClient::new(settings.build().map_err(|_| ClientError::InvalidUpdateParameter)?)
    }
}

fn read_file(path: &PathBuf) -> Result<SecretString, VaultError> {
    let unusable = |source| VaultError::LoginFile { path: path.clone(), source: Arc::new(source) };
    let text = std::fs::read_to_string(path).map_err(unusable)?;
    let secret = text.trim();
    if secret.is_empty() || HeaderValue::from_str(secret).is_err() {
        return Err(unusable(std::io::Error::new(std::io::ErrorKind::InvalidData, "it must hold one line of text")));
    }
    Ok(SecretString::from(secret))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tempfile::NamedTempFile;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn vault(address: &str, ca_file: Option<&str>, login: Login) -> Result<Vault, VaultError> {
        // The program's main does so; another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Vault::new(address, ca_file, login)
    }

    fn token() -> Login {
        Login::Token("t".into())
    }

    fn words<T>(result: Result<T, VaultError>) -> String {
        result.err().map(|error| crate::telemetry::error_chain(&error)).unwrap_or_default()
    }

    #[test]
    fn an_address_that_is_no_url_is_refused_in_words() {
        for address in ["http://127.0.0.1:8200", "https://vault:8200", "https://vault.example/"] {
            assert_eq!(words(vault(address, None, token())), "");
        }
        for address in
            ["", "127.0.0.1:8200", "vault:8200", "/vault", "http://", "http://300.1.1.1", "http://vault:99999"]
        {
            let said = words(vault(address, None, token()));
            let expected = format!("failed to set up the vault client for {address}: ");
            assert!(said.starts_with(&expected) && said.ends_with("a URL such as https://vault:8200"), "{said}");
        }
        let said = words(vault("https://user:s3cret@vault:99999", None, token()));
        assert!(said.starts_with("failed to set up the vault client for vault:99999: "), "{said}");
    }

    #[test]
    fn a_ca_file_that_cannot_be_used_is_refused_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
        let rubbish = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        std::fs::write(path("rubbish.pem"), rubbish).unwrap();
        for file in [path("missing.pem"), path("rubbish.pem")] {
            let said = words(vault("https://vault:8200", Some(&file), token()));
            assert!(said.starts_with("failed to set up the vault client") && said.contains(&file), "{said}");
        }
    }

    #[tokio::test]
    async fn a_token_that_no_header_can_carry_is_an_error_that_does_not_show_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        for text in ["", " \n", "s3cret\nsecond"] {
            std::fs::write(&file, text).unwrap();
            let login = Login::TokenFile(file.clone());
            let refused = vault("http://127.0.0.1:1", None, login).unwrap().list("secret", "vpn").await;
            let shown = format!("{refused:?}");
            let said = words(refused);
            assert!(said.ends_with("for the vault login: it must hold one line of text"), "{said}");
            assert!(!shown.contains("s3cr") && !said.contains("s3cr"));
        }
        let fixed = Login::Token("s3cret\nsecond".into());
        let said = words(vault("http://127.0.0.1:1", None, fixed).unwrap().list("secret", "vpn").await);
        assert_eq!(said, "failed to set up the vault client: the token is not one line of printable text");
    }
    /// What a server does about requests that are no logins.
    #[derive(Clone, Copy, PartialEq)]
    enum Otherwise {
        Refuses,
        /// It refuses them, and knows the token.
        RefusesThough,
        BreaksOff,
    }

    /// A server that answers a login with `login`; counts the logins. It takes its time.
    async fn server(login: (u16, &'static str), otherwise: Otherwise) -> (String, Arc<AtomicUsize>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, logins) = (format!("http://{}", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&logins);
        tokio::task::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                tokio::task::spawn(async move {
                    let mut request = vec![0; 4096];
                    let read = connection.read(&mut request).await.unwrap();
                    let asks = |word: &[u8]| request[..read].windows(word.len()).any(|part| part == word);
                    let is_known = otherwise == Otherwise::RefusesThough && asks(b"/lookup-self");
                    let is_login = asks(b"/login");
                    if !is_login && otherwise == Otherwise::BreaksOff {
                        return;
                    }
                    counted.fetch_add(usize::from(is_login), Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    let refused = (403, r#"{"errors":["permission denied"]}"#);
                    let (code, body) = if is_login {
                        login
                    } else if is_known {
                        (200, "{}")
                    } else {
                        refused
                    };
                    let head =
                        format!("HTTP/1.1 {code} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                    connection.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                });
            }
        });
        (address, logins)
    }

    /// A Vault with such a server, its logins, and the file that it logs in with.
    async fn with_server(login: (u16, &'static str), otherwise: Otherwise) -> (Vault, Arc<AtomicUsize>, NamedTempFile) {
        let (address, logins) = server(login, otherwise).await;
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "id").unwrap();
        let role =
            Login::AppRole { mount: "approle".into(), role_id: "r".into(), secret_id_file: file.path().to_owned() };
        (vault(&address, None, role).unwrap(), logins, file)
    }

    /// What ten at once are told, and after how many logins.
    async fn ten_at_once(login: (u16, &'static str)) -> (Vec<String>, usize) {
        let (vault, logins, _file) = with_server(login, Otherwise::Refuses).await;
        let answers = futures::future::join_all((0..10).map(|_| vault.list("secret", "vpn"))).await;
        (answers.into_iter().map(words).collect(), logins.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_login_that_fails_is_waited_for_once_by_all() {
        let (said, logins) = ten_at_once((500, "{}")).await;
        assert!(said.iter().all(|said| said.contains("vault answered 500: the login was refused")), "{said:?}");
        assert_eq!(logins, 1);
    }

    #[tokio::test]
    async fn a_token_that_is_refused_is_renewed_once_for_all() {
        let (said, logins) = ten_at_once((200, TOKEN)).await;
        assert!(said.iter().all(|said| said.contains("vault answered 403")), "{said:?}");
        assert_eq!(logins, 2);
    }

    #[tokio::test]
    async fn a_right_that_is_missing_is_seldom_a_reason_to_log_in_again() {
        let (vault, logins, _file) = with_server((200, TOKEN), Otherwise::RefusesThough).await;
        let ask = async || {
            for _ in 0..5 {
                assert!(words(vault.list("secret", "vpn").await).contains("vault answered 403"));
            }
            logins.load(Ordering::Relaxed)
        };
        assert_eq!(ask().await, 1);
        // The role may have other policies by now.
        vault.sessions.lock().await.live.as_mut().unwrap().since -= AGAIN;
        assert_eq!(ask().await, 2);
    }

    /// Its CA is read when it is made, and may be another one by then.
    #[tokio::test]
    async fn a_client_that_has_no_answer_is_made_anew() {
        let (vault, logins, _file) = with_server((200, TOKEN), Otherwise::BreaksOff).await;
        for _ in 0..3 {
            assert!(words(vault.list("secret", "vpn").await).contains("no answer from the server"));
        }
        assert_eq!(logins.load(Ordering::Relaxed), 3);
    }

    const TOKEN: &str = r#"{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":null,"wrap_info":null,
            "warnings":null,"auth":{"client_token":"t","accessor":"a","policies":[],"token_policies":[],"metadata":null,
            "lease_duration":3600,"renewable":true,"entity_id":"","token_type":"service","orphan":true}}"#;
}
