//! Where Vault is and how to log in: what was typed, and the client that it means.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::parameters::vault::{Login, Vault, VaultError};

/// Vault, or OpenBao.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Vault")]
pub struct VaultArgs {
    /// Vault's URL; without it only pools in Secrets work.
    #[arg(long = "vault-address", env = "VAULT_ADDR", value_name = "URL")]
    pub address: Option<String>,
    /// CA certificates (PEM) that Vault's certificate is checked against, besides the system's.
    #[arg(long = "vault-ca", env = "VAULT_CACERT", value_name = "FILE")]
    pub ca: Option<String>,
    /// How to log in [default: kubernetes; `hopkeeper pool` takes VAULT_TOKEN or ~/.vault-token where there is one].
    #[arg(long = "vault-auth", env = "HOPKEEPER_VAULT_AUTH", value_enum, value_name = "METHOD")]
    pub auth: Option<VaultAuth>,
    /// Where the auth method is mounted; `kubernetes` or `approle` where it is not given.
    #[arg(long = "vault-auth-mount", env = "HOPKEEPER_VAULT_AUTH_MOUNT", value_name = "PATH")]
    pub mount: Option<String>,
    /// Kubernetes: the role. AppRole: the role id.
    #[arg(long = "vault-role", env = "HOPKEEPER_VAULT_ROLE", default_value = "hopkeeper", value_name = "ROLE")]
    pub role: String,
    /// Kubernetes: the projected token, read anew at each login. AppRole: the secret id. Token: the token.
    #[arg(
        long = "vault-credential-file",
        env = "HOPKEEPER_VAULT_CREDENTIAL_FILE",
        default_value = "/var/run/secrets/kubernetes.io/serviceaccount/token",
        value_name = "FILE"
    )]
    pub credential_file: PathBuf,
}

/// Vault's auth methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VaultAuth {
    /// The pod's service account.
    Kubernetes,
    /// A role id and a secret id.
    Approle,
    /// A token in a file.
    Token,
}

impl VaultArgs {
    /// The server, where there is one; nothing is sent yet.
    ///
    /// # Errors
    /// When its URL or the CA file cannot be used.
    pub fn vault(&self) -> Result<Option<Vault>, VaultError> {
        self.vault_by(self.login())
    }

    /// The same with another login.
    ///
    /// # Errors
    /// When the URL or the CA file cannot be used.
    pub fn vault_by(&self, login: Login) -> Result<Option<Vault>, VaultError> {
        let Some(address) = &self.address else { return Ok(None) };
        Vault::new(address, self.ca.as_deref(), login).map(Some)
    }

    /// The login that the settings name.
    #[must_use]
    pub fn login(&self) -> Login {
        let mount = |default: &str| self.mount.clone().unwrap_or_else(|| default.to_owned());
        match self.auth.unwrap_or(VaultAuth::Kubernetes) {
            VaultAuth::Kubernetes => Login::Kubernetes {
                mount: mount("kubernetes"),
                role: self.role.clone(),
                token_file: self.credential_file.clone(),
            },
            VaultAuth::Approle => Login::AppRole {
                mount: mount("approle"),
                role_id: self.role.clone(),
                secret_id_file: self.credential_file.clone(),
            },
            VaultAuth::Token => Login::TokenFile(self.credential_file.clone()),
        }
    }
}
