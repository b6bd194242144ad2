//! Filling a pool in Vault: for a person with the rights to it. The operator never writes there.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use vaultrs::api::kv2::requests::SetSecretRequestOptions;

use super::error::{VaultError, code};
use super::{Newest, Vault};

const TO_WRITE: &str = "create and update on the path's data";
const TO_REMOVE: &str = "delete on the path's data";

impl Vault {
    /// Writes a candidate's fields as a new version and returns its number; none where the newest one has just these.
    ///
    /// Written over the version that was compared: Vault refuses it when somebody else was quicker.
    ///
    /// # Errors
    /// When Vault cannot be asked or refuses; never with any of the fields.
    pub async fn write(
        &self,
        mount: &str,
        path: &str,
        name: &str,
        fields: &BTreeMap<String, SecretString>,
    ) -> Result<Option<u64>, VaultError> {
        let Newest { version, fields: stored } = self.newest(mount, path, name).await?;
        if stored.is_some_and(|stored| same(&stored, fields)) {
            return Ok(None);
        }
        // A version beyond u32 is none that a server counts to; if one says so, it refuses the write.
        let cas = u32::try_from(version).unwrap_or(u32::MAX);
        let written = self.ask(|client| async move {
            let data: BTreeMap<&str, &str> = fields.iter().map(|(k, v)| (k.as_str(), v.expose_secret())).collect();
            let (at, options) = (format!("{path}/{name}"), SetSecretRequestOptions { cas });
            vaultrs::kv2::set_with_options(&*client, mount, &at, &data, options).await
        });
        let action = || format!("write {mount}/{path}/{name}");
        match written.await? {
            Ok(written) => Ok(Some(written.version)),
            Err(error) if code(&error) == Some(400) => Err(VaultError::Changed { action: action() }),
            Err(error) => Err(self.failure(action(), error).needing(TO_WRITE)),
        }
    }

    /// Deletes a candidate's newest version, as `vault kv delete` does: what was stored can be undeleted, and a later
    /// version goes on counting from it.
    ///
    /// # Errors
    /// When Vault cannot be asked or refuses.
    pub async fn remove(&self, mount: &str, path: &str, name: &str) -> Result<(), VaultError> {
        let removed = self
            .ask(|client| async move { vaultrs::kv2::delete_latest(&*client, mount, &format!("{path}/{name}")).await });
        let refused = |error| self.failure(format!("remove {mount}/{path}/{name}"), error).needing(TO_REMOVE);
        removed.await?.map_err(refused)
    }
}

impl VaultError {
    fn needing(self, rights: &'static str) -> Self {
        match self {
            Self::Refused { action, code, .. } => Self::Refused { action, code, rights },
            other => other,
        }
    }
}

/// Whether two sets of fields hold the same.
fn same(a: &BTreeMap<String, SecretString>, b: &BTreeMap<String, SecretString>) -> bool {
    let equal = |key: &String, value: &SecretString| {
        b.get(key).is_some_and(|other| other.expose_secret() == value.expose_secret())
    };
    a.len() == b.len() && a.iter().all(|(key, value)| equal(key, value))
}
