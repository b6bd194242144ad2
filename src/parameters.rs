//! Where candidates come from: a path in Vault, or a plain Secret.
//!
//! Lists and reads; what a candidate must look like is `domain::candidate`'s business, which one is taken the controller's,
//! and filling a pool `store`'s, for which a person asks.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use secrecy::SecretString;
use serde_json::Value;
use thiserror::Error;

use crate::crd::chain::Parameters;
use crate::domain::candidate::{RawCandidate, VALUE};

pub mod location;
pub mod store;
pub mod vault;

use vault::{Vault, VaultError};

/// Why a pool could not be read. The text never holds a value from the pool.
#[derive(Debug, Error)]
pub enum PoolError {
    /// The hop names a Vault path, but the operator was started without a Vault.
    #[error("hop takes its parameters from vault, but the operator has no vault: start it with --vault-address")]
    NoVault,
    /// Vault did not give it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The Secret does not exist.
    #[error("secret {0:?} does not exist: create it with one key per candidate")]
    NoSecret(String),
    /// The Kubernetes API did not give it.
    #[error("failed to read secret {name:?}")]
    Secret {
        /// The Secret.
        name: String,
        /// What the API said.
        source: Box<kube::Error>,
    },
    /// It was read, but its candidates' servers have names, and the name service says nothing about them.
    #[error("the name service does not answer about the servers of candidates {0}")]
    NoAnswer(String),
    /// The Kubernetes API did not take it.
    #[error("failed to write secret {name:?}")]
    WriteSecret {
        /// The Secret.
        name: String,
        /// What the API said.
        source: Box<kube::Error>,
    },
    /// The Secret is another one than the one that was looked at.
    #[error("failed to write secret {0:?}: somebody else wrote it meanwhile; look at it, and run the command again")]
    SecretChanged(String),
}

impl PoolError {
    /// A stable category for metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::NoVault => "no_vault",
            Self::Vault(e) => e.category(),
            Self::NoSecret(_) => "no_secret",
            Self::Secret { .. } | Self::WriteSecret { .. } => "kubernetes",
            Self::NoAnswer(_) => "name_service",
            Self::SecretChanged(_) => "secret_changed",
        }
    }
}

/// A hop's pool, ready to be read.
pub enum Pool<'a> {
    /// A path in Vault.
    Vault {
        /// The server.
        vault: &'a Vault,
        /// The KV mount.
        mount: &'a str,
        /// The path below it.
        path: &'a str,
    },
    /// A Secret that was read when the pool was opened: one version for all of its keys.
    Secret(Box<Secret>),
}

impl<'a> Pool<'a> {
    /// Opens the pool that a hop names.
    ///
    /// # Errors
    /// When there is no Vault to ask, or no such Secret.
    pub async fn open(
        parameters: &'a Parameters,
        vault: Option<&'a Vault>,
        client: &Client,
        namespace: &str,
    ) -> Result<Self, PoolError> {
        if let Some(at) = &parameters.vault {
            let vault = vault.ok_or(PoolError::NoVault)?;
            return Ok(Self::Vault { vault, mount: &at.mount, path: at.path.trim_matches('/') });
        }
        let name = parameters.secret_ref.as_ref().map(|s| s.name.clone()).unwrap_or_default();
        let found = Api::<Secret>::namespaced(client.clone(), namespace).get_opt(&name).await;
        match found {
            Ok(Some(secret)) => Ok(Self::Secret(Box::new(secret))),
            Ok(None) => Err(PoolError::NoSecret(name)),
            Err(source) => Err(PoolError::Secret { name, source: Box::new(source) }),
        }
    }

    /// The candidates' names, sorted.
    ///
    /// # Errors
    /// When Vault cannot be asked.
    pub async fn list(&self) -> Result<Vec<String>, PoolError> {
        let mut names = match self {
            Self::Vault { vault, mount, path } => vault.list(mount, path).await?,
            Self::Secret(secret) => secret.data.iter().flatten().map(|(key, _)| key.clone()).collect(),
        };
        names.sort_unstable();
        Ok(names)
    }

    /// The version that all of its candidates have; none where each has one of its own.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Vault { .. } => None,
            Self::Secret(secret) => secret.metadata.resource_version.as_deref(),
        }
    }

    /// One candidate, or none when it has been removed.
    ///
    /// # Errors
    /// When Vault cannot be asked.
    pub async fn read(&self, name: &str) -> Result<Option<RawCandidate>, PoolError> {
        match self {
            Self::Vault { vault, mount, path } => Ok(vault.read(mount, path, name).await?),
            Self::Secret(secret) => Ok(secret.data.iter().flatten().find(|(key, _)| *key == name).map(|(_, value)| {
                let text = String::from_utf8_lossy(&value.0).into_owned();
                RawCandidate {
                    name: name.to_owned(),
                    version: self.version().unwrap_or_default().to_owned(),
                    fields: BTreeMap::from([(VALUE.to_owned(), SecretString::from(text))]),
                }
            })),
        }
    }
}

/// The fields of a stored candidate: strings as they are, anything else as JSON text.
fn fields_of(data: Value) -> BTreeMap<String, SecretString> {
    let Value::Object(map) = data else { return BTreeMap::new() };
    map.into_iter()
        .map(|(key, value)| {
            let text = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            (key, SecretString::from(text))
        })
        .collect()
}
