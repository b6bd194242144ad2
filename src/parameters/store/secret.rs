//! A pool that is a Secret: each of its keys is one candidate, and one version is all of theirs.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Client};
use secrecy::ExposeSecret;

use super::super::PoolError;
use super::Outcome;
use crate::domain::candidate::RawCandidate;

/// A Secret of the Kubernetes API, which may not exist yet.
pub struct SecretStore {
    api: Api<Secret>,
    name: String,
}

impl SecretStore {
    /// The Secret of a name; nothing is asked yet.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned() }
    }

    pub(super) async fn existing(&self) -> Result<Secret, PoolError> {
        self.found().await?.ok_or_else(|| PoolError::NoSecret(self.name.clone()))
    }

    pub(super) async fn write(&self, candidates: &[RawCandidate]) -> Result<Vec<Outcome>, PoolError> {
        let mut secret = self.found().await?.unwrap_or_default();
        let data = secret.data.get_or_insert_default();
        let mut differs = Vec::new();
        for candidate in candidates {
            let value = ByteString(text_of(candidate).into_bytes());
            differs.push(data.get(&candidate.name) != Some(&value));
            data.insert(candidate.name.clone(), value);
        }
        if !differs.contains(&true) {
            return Ok(vec![Outcome::Unchanged; differs.len()]);
        }
        let version = self.replace(secret).await?;
        let outcome = |differs| if differs { Outcome::Written(version.clone()) } else { Outcome::Unchanged };
        Ok(differs.into_iter().map(outcome).collect())
    }

    pub(super) async fn remove(&self, names: &BTreeSet<String>) -> Result<(), PoolError> {
        let mut secret = self.existing().await?;
        secret.data.get_or_insert_default().retain(|key, _| !names.contains(key));
        self.replace(secret).await.map(drop)
    }

    async fn found(&self) -> Result<Option<Secret>, PoolError> {
        let refused = |source| PoolError::Secret { name: self.name.clone(), source: Box::new(source) };
        self.api.get_opt(&self.name).await.map_err(refused)
    }

    /// Writes the Secret over the version that it was read at, or creates it where it was not there; its new version.
    async fn replace(&self, mut secret: Secret) -> Result<String, PoolError> {
        let written = if secret.metadata.resource_version.is_some() {
            self.api.replace(&self.name, &PostParams::default(), &secret).await
        } else {
            secret.metadata.name = Some(self.name.clone());
            self.api.create(&PostParams::default(), &secret).await
        };
        match written {
            Ok(written) => Ok(written.metadata.resource_version.unwrap_or_default()),
            Err(kube::Error::Api(status)) if status.code == 409 => Err(PoolError::SecretChanged(self.name.clone())),
            Err(source) => Err(PoolError::WriteSecret { name: self.name.clone(), source: Box::new(source) }),
        }
    }
}

/// A candidate as the value of a key: its only field as it is, or all of them as a JSON object.
fn text_of(candidate: &RawCandidate) -> String {
    let fields: BTreeMap<_, _> = candidate.fields.iter().map(|(k, v)| (k, v.expose_secret())).collect();
    match fields.first_key_value() {
        Some((_, text)) if fields.len() == 1 => (*text).to_owned(),
        _ => serde_json::to_string(&fields).expect("should be JSON: texts by texts"),
    }
}
