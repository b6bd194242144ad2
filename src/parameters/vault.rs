//! Vault KV version 2 by vaultrs: login by Kubernetes, AppRole or token, and reading of candidates.
//!
//! Tokens are not renewed: when one is refused or about to expire, the next call logs in again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use tokio::sync::Mutex;
use vaultrs::api::kv2::requests::ReadSecretRequest;
use vaultrs::client::{VaultClient, VaultClientSettingsBuilder};
use vaultrs::error::ClientError;

use super::fields_of;
use crate::domain::candidate::RawCandidate;

const TIMEOUT: Duration = Duration::from_secs(10);
/// A token is replaced this long before it expires.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);

/// How to log in.
pub enum Login {
    /// A fixed token.
    Token(SecretString),
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

/// A Vault server.
pub struct Vault {
    settings: VaultClientSettingsBuilder,
    login: Login,
    session: Mutex<Option<Session>>,
}

struct Session {
    client: std::sync::Arc<VaultClient>,
    until: Option<Instant>,
}

/// Why Vault could not be asked.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The address or the CA does not fit.
    #[error("failed to set up the vault client for {address}: {reason}")]
    Settings {
        /// The address.
        address: String,
        /// Why not.
        reason: String,
    },
    /// A file that login needs.
    #[error("failed to read {path} for the vault login")]
    LoginFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The server is sealed.
    #[error("failed to {action}: vault is sealed or not ready; unseal it")]
    Sealed {
        /// What was asked.
        action: String,
    },
    /// The server said no.
    #[error("failed to {action}: vault answered {code}{}", hint(*code))]
    Refused {
        /// What was asked.
        action: String,
        /// HTTP status.
        code: u16,
    },
    /// The server could not be reached, or its answer not understood.
    #[error("failed to {action}: {reason}")]
    Unreachable {
        /// What was asked.
        action: String,
        /// Why not, without any part of an answer.
        reason: &'static str,
    },
}

impl VaultError {
    /// A stable category for metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Settings { .. } => "vault_settings",
            Self::LoginFile { .. } => "vault_login_file",
            Self::Sealed { .. } => "vault_sealed",
            Self::Refused { .. } => "vault_refused",
            Self::Unreachable { .. } => "vault_unreachable",
        }
    }
}

fn hint(code: u16) -> &'static str {
    match code {
        403 => ": its policy must allow read and list on the path's data and metadata",
        404 => ": no such path; a pool is a KV version 2 path with one key per candidate",
        _ => "",
    }
}

impl Vault {
    /// A server by its URL; nothing is sent yet.
    ///
    /// # Errors
    /// When the URL or the CA file cannot be used.
    pub fn new(address: &str, ca_file: Option<&str>, login: Login) -> Result<Self, VaultError> {
        let wrong = |reason: String| VaultError::Settings { address: address.to_owned(), reason };
        // vaultrs' setter panics on a URL that does not parse.
        address.parse::<axum::http::Uri>().map_err(|e| wrong(e.to_string()))?;
        let mut settings = VaultClientSettingsBuilder::default();
        settings.address(address).timeout(Some(TIMEOUT)).token("").verify(true);
        settings.ca_certs(ca_file.map(str::to_owned).into_iter().collect::<Vec<_>>());
        let vault = Self { settings, login, session: Mutex::new(None) };
        vault.client("").map_err(|e| wrong(e.to_string()))?;
        Ok(vault)
    }

    /// The keys under a path; a path that does not exist has none.
    ///
    /// # Errors
    /// When Vault cannot be asked.
    pub async fn list(&self, mount: &str, path: &str) -> Result<Vec<String>, VaultError> {
        let action = || format!("list {mount}/{path}");
        for attempt in 0.. {
            let client = self.session(attempt > 0).await?;
            match vaultrs::kv2::list(&*client, mount, path).await {
                // A key that ends in "/" is a folder.
                Ok(keys) => return Ok(keys.into_iter().filter(|k| !k.ends_with('/')).collect()),
                Err(ClientError::APIError { code: 404, .. }) => return Ok(Vec::new()),
                Err(ClientError::APIError { code: 403, .. }) if attempt == 0 => {}
                Err(error) => return Err(failure(action(), error)),
            }
        }
        unreachable!("should have returned")
    }

    /// The newest version of a candidate, or none when it is deleted.
    ///
    /// # Errors
    /// When Vault cannot be asked.
    pub async fn read(&self, mount: &str, path: &str, name: &str) -> Result<Option<RawCandidate>, VaultError> {
        let action = || format!("read {mount}/{path}/{name}");
        for attempt in 0.. {
            let client = self.session(attempt > 0).await?;
            let request = ReadSecretRequest::builder().mount(mount).path(format!("{path}/{name}")).build();
            let request = request.expect("should be complete");
            match vaultrs::api::exec_with_result(&*client, request).await {
                Ok(found) => {
                    let (version, fields) = (found.metadata.version.to_string(), fields_of(found.data));
                    return Ok(Some(RawCandidate { name: name.to_owned(), version, fields }));
                }
                Err(ClientError::APIError { code: 404, .. }) => return Ok(None),
                Err(ClientError::APIError { code: 403, .. }) if attempt == 0 => {}
                Err(error) => return Err(failure(action(), error)),
            }
        }
        unreachable!("should have returned")
    }

    /// The client with a token that should be good, after a login when there is none or `renew` asks for it.
    async fn session(&self, renew: bool) -> Result<std::sync::Arc<VaultClient>, VaultError> {
        let mut session = self.session.lock().await;
        if let Some(live) = session.as_ref().filter(|s| !renew && s.until.is_none_or(|t| Instant::now() < t)) {
            return Ok(live.client.clone());
        }
        let (token, lease) = self.log_in().await?;
        let client = self.client(token.expose_secret());
        let client = client.map_err(|e| failure("set up the vault client".to_owned(), e))?;
        let until = lease.map(|lease| Instant::now() + lease.saturating_sub(EXPIRY_MARGIN));
        let fresh = Session { client: std::sync::Arc::new(client), until };
        Ok(session.insert(fresh).client.clone())
    }

    async fn log_in(&self) -> Result<(SecretString, Option<Duration>), VaultError> {
        let anonymous = || self.client("").map_err(|e| failure("set up the vault client".to_owned(), e));
        let (action, answer) = match &self.login {
            Login::Token(token) => return Ok((token.clone(), None)),
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
        let info = answer.map_err(|e| failure(action, e))?;
        let lease = (info.lease_duration > 0).then(|| Duration::from_secs(info.lease_duration));
        Ok((SecretString::from(info.client_token), lease))
    }

    fn client(&self, token: &str) -> Result<VaultClient, ClientError> {
        let mut settings = self.settings.clone();
        settings.token(token);
        VaultClient::new(settings.build().map_err(|_| ClientError::InvalidUpdateParameter)?)
    }
}

fn read_file(path: &PathBuf) -> Result<SecretString, VaultError> {
    let text = std::fs::read_to_string(path).map_err(|source| VaultError::LoginFile { path: path.clone(), source })?;
    Ok(SecretString::from(text.trim()))
}

/// Keeps the status code and drops every text of the server: an answer's body may quote what was stored.
fn failure(action: String, error: ClientError) -> VaultError {
    match error {
        ClientError::APIError { code: 503, .. } => VaultError::Sealed { action },
        ClientError::APIError { code, .. } => VaultError::Refused { action, code },
        ClientError::RestClientError { .. } => {
            VaultError::Unreachable { action, reason: "no answer from the server; check its address and the network" }
        }
        ClientError::FileReadError { .. } | ClientError::ParseCertificateError { .. } => {
            VaultError::Unreachable { action, reason: "the CA file cannot be read as PEM certificates" }
        }
        _ => VaultError::Unreachable { action, reason: "the server's answer was not understood" },
    }
}
