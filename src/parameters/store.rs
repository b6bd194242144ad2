//! A pool that a person fills: reads it as the operator does, writes what has changed, removes.
//!
//! Every write is guarded by the version that was looked at. What may be written is the caller's business.

mod secret;

use std::collections::BTreeSet;

use super::vault::Vault;
use super::{Pool, PoolError};
use crate::domain::candidate::RawCandidate;

pub use secret::SecretStore;

/// Where it is, and who answers there.
pub enum Store {
    /// A path in Vault.
    Vault {
        /// The server.
        vault: Box<Vault>,
        /// The KV mount.
        mount: String,
        /// The path below it.
        path: String,
    },
    /// A Secret.
    Secret(Box<SecretStore>),
}

/// What became of a candidate that was to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is stored now, as this version.
    Written(String),
    /// The pool had just this.
    Unchanged,
}

impl Store {
    /// All candidates, in the order of their names.
    ///
    /// # Errors
    /// When the pool cannot be read, or is a Secret that does not exist.
    pub async fn candidates(&self) -> Result<Vec<RawCandidate>, PoolError> {
        let pool = match self {
            Self::Vault { vault, mount, path } => Pool::Vault { vault, mount, path },
            Self::Secret(store) => Pool::Secret(Box::new(store.existing().await?)),
        };
        let mut found = Vec::new();
        for name in pool.list().await? {
            found.extend(pool.read(&name).await?);
        }
        Ok(found)
    }

    /// Writes candidates (their names and fields count) where the pool does not have just these; what became of each, in
    /// their order. A Secret is created where there is none, and written once for all of them.
    ///
    /// # Errors
    /// When the pool cannot be written. In Vault the candidates before the one that the error names are stored then.
    pub async fn write(&self, candidates: &[RawCandidate]) -> Result<Vec<Outcome>, PoolError> {
        match self {
            Self::Vault { vault, mount, path } => {
                let mut outcomes = Vec::new();
                for RawCandidate { name, fields, .. } in candidates {
                    let written = vault.write(mount, path, name, fields).await?;
                    outcomes.push(written.map_or(Outcome::Unchanged, |version| Outcome::Written(version.to_string())));
                }
                Ok(outcomes)
            }
            Self::Secret(store) => store.write(candidates).await,
        }
    }

    /// Removes candidates that the pool holds.
    ///
    /// # Errors
    /// When the pool cannot be written. In Vault the candidates before the one that the error names are gone then.
    pub async fn remove(&self, names: &BTreeSet<String>) -> Result<(), PoolError> {
        match self {
            Self::Vault { vault, mount, path } => {
                for name in names {
                    vault.remove(mount, path, name).await?;
                }
                Ok(())
            }
            Self::Secret(store) => store.remove(names).await,
        }
    }
}

#[cfg(test)]
mod tests;
