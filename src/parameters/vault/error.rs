//! What goes wrong with Vault, in words that hold nothing of an answer.

use std::path::PathBuf;
use std::sync::Arc;

use rustify::errors::ClientError as HttpError;
use serde_json::Value;
use thiserror::Error;
use vaultrs::error::ClientError;

/// Why Vault could not be asked.
#[derive(Clone, Debug, Error)]
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
        source: Arc<std::io::Error>,
    },
    /// The server does not let us in.
    #[error(
        "failed to {action}: vault answered {code}: the login was refused; check the auth method's mount, the role and the credential"
    )]
    LoginRefused {
        /// Which login.
        action: String,
        /// HTTP status.
        code: u16,
    },
    /// The server is sealed.
    #[error("failed to {action}: vault is sealed or not ready; unseal it")]
    Sealed {
        /// What was asked.
        action: String,
    },
    /// The server said no.
    #[error("failed to {action}: vault answered {code}{}", hint(*code, rights))]
    Refused {
        /// What was asked.
        action: String,
        /// HTTP status.
        code: u16,
        /// The rights that this takes, for a person to check.
        rights: &'static str,
    },
    /// A write that was meant for another version.
    #[error("failed to {action}: somebody else wrote it meanwhile; look at it, and run the command again")]
    Changed {
        /// What was asked.
        action: String,
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
            Self::LoginRefused { .. } => "vault_login_refused",
            Self::Sealed { .. } => "vault_sealed",
            Self::Refused { .. } => "vault_refused",
            Self::Changed { .. } => "vault_changed",
            Self::Unreachable { .. } => "vault_unreachable",
        }
    }
}

fn hint(code: u16, rights: &str) -> String {
    match code {
        403 => format!(": its policy must allow {rights}, and a fixed token must not have expired"),
        404 => ": there is no KV version 2 engine at this mount; check the mount's name".to_owned(),
        _ => String::new(),
    }
}

/// The HTTP status of an answer that is an error.
pub(super) fn code(error: &ClientError) -> Option<u16> {
    match error {
        ClientError::APIError { code, .. } => Some(*code),
        ClientError::RestClientError { source: HttpError::ServerResponseError { code, .. } } => Some(*code),
        _ => None,
    }
}

/// The last version of what the server says is not there: zero when it never was. None for every other error: a mount that
/// does not exist comes with an error's text, a version that was deleted with its metadata.
pub(super) fn last_version(error: &ClientError) -> Option<u64> {
    match error {
        ClientError::APIError { code: 404, errors } => errors.is_empty().then_some(0),
        ClientError::RestClientError { source: HttpError::ServerResponseError { code: 404, content } } => {
            let answer = serde_json::from_str::<Value>(content.as_ref()?).ok()?;
            answer.pointer("/data/metadata/version")?.as_u64()
        }
        _ => None,
    }
}
