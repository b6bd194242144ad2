//! Puts the CRDs into a cluster by server-side apply, and tells what that changed.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::runtime::wait::Condition;
use kube::runtime::wait::conditions::is_crd_established;
use kube::{Api, Client, CustomResourceExt, ResourceExt};
use serde_json::Value;
use thiserror::Error;

use super::{HopIncident, VpnChain};

const MANAGER: &str = "hopkeeper";
/// The API server serves a new kind within a second or so.
const ESTABLISHED: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// Why the cluster does not have the CRDs now.
#[derive(Debug, Error)]
pub enum InstallError {
    /// The Kubernetes API did not take one.
    #[error("failed to apply the CRD {name}")]
    Apply {
        /// Which.
        name: String,
        /// What the API said.
        source: Box<kube::Error>,
    },
    /// It was taken, and is not served.
    #[error("the CRD {0} was applied, but the API server does not serve it: kubectl describe crd {0}")]
    NotServed(String),
}

/// What applying one did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The CRD.
    pub name: String,
    /// What it did.
    pub change: Change,
}

/// The difference to what was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There was none.
    Created,
    /// It was just this.
    Unchanged,
    /// The places in its `spec` that differ, each with `added`, `removed` or `changed` before it; none where only who
    /// manages it did.
    Changed(Vec<String>),
}

/// Applies both CRDs over whatever is there, whoever wrote it. Their objects stay.
///
/// # Errors
/// When the API refuses one; those before it are applied then.
pub async fn apply(client: &Client) -> Result<Vec<Applied>, InstallError> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let mut applied = Vec::new();
    for wanted in [VpnChain::crd(), HopIncident::crd()] {
        let name = wanted.name_any();
        let refused = |source| InstallError::Apply { name: name.clone(), source: Box::new(source) };
        let before = api.get_opt(&name).await.map_err(refused)?;
        let params = PatchParams::apply(MANAGER).force();
        let after = api.patch(&name, &params, &Patch::Apply(&wanted)).await.map_err(refused)?;
        applied.push(Applied { name, change: change(before.as_ref(), &after) });
    }
    Ok(applied)
}

/// Waits until the API server serves what was applied.
///
/// # Errors
/// When it cannot be asked, or does not do so within half a minute.
pub async fn established(client: &Client, applied: &[Applied]) -> Result<(), InstallError> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    for Applied { name, .. } in applied {
        let served = async {
            loop {
                let now = api.get_opt(name).await;
                let now = now.map_err(|source| InstallError::Apply { name: name.clone(), source: Box::new(source) })?;
                if is_crd_established().matches_object(now.as_ref()) {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let late = |_| Err(InstallError::NotServed(name.clone()));
        tokio::time::timeout(ESTABLISHED, served).await.unwrap_or_else(late)?;
    }
    Ok(())
}

fn change(before: Option<&CustomResourceDefinition>, after: &CustomResourceDefinition) -> Change {
    let Some(before) = before else { return Change::Created };
    if before.metadata.resource_version == after.metadata.resource_version {
        return Change::Unchanged;
    }
    let spec = |crd: &CustomResourceDefinition| serde_json::to_value(&crd.spec).unwrap_or_default();
    let mut places = Vec::new();
    differences("spec", &spec(before), &spec(after), &mut places);
    Change::Changed(places)
}

fn differences(place: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, old) in before {
                let place = format!("{place}.{key}");
                match after.get(key) {
                    Some(new) => differences(&place, old, new, found),
                    None => found.push(format!("removed {place}")),
                }
            }
            let new = after.keys().filter(|key| !before.contains_key(*key));
            found.extend(new.map(|key| format!("added {place}.{key}")));
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (old, new)) in before.iter().zip(after).enumerate() {
                differences(&format!("{place}[{index}]"), old, new, found);
            }
        }
        _ if before == after => {}
        _ => found.push(format!("changed {place}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::controller::edge_tests::api_server::{ApiServer, Fault};
    use crate::telemetry::error_chain;

    const CHAINS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/vpnchains.hopkeeper.io";

    fn changes(applied: &[Applied]) -> Vec<&Change> {
        applied.iter().map(|one| &one.change).collect()
    }

    #[tokio::test]
    async fn crds_are_created_once_and_then_left_alone() {
        let server = ApiServer::start().await;
        let first = apply(&server.client()).await.unwrap();
        assert_eq!(changes(&first), [&Change::Created, &Change::Created]);
        assert_eq!(first[0].name, "vpnchains.hopkeeper.io");
        server.forget_requests();
        let second = apply(&server.client()).await.unwrap();
        assert_eq!(changes(&second), [&Change::Unchanged, &Change::Unchanged]);
        assert_eq!(server.written(), [""; 0]);
    }

    #[tokio::test]
    async fn what_an_older_version_did_not_have_is_told_by_its_place() {
        let server = ApiServer::start().await;
        apply(&server.client()).await.unwrap();
        let mut old = server.get(CHAINS);
        let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
        let fields = old.pointer_mut(&format!("{spec}/properties")).and_then(Value::as_object_mut).unwrap();
        fields.remove("mtu");
        old["spec"]["versions"][0]["additionalPrinterColumns"][0]["name"] = json!("State");
        server.put(CHAINS, &old);
        let applied = apply(&server.client()).await.unwrap();
        let expected = [
            "changed spec.versions[0].additionalPrinterColumns[0].name",
            "added spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.mtu",
        ];
        assert_eq!(changes(&applied), [&Change::Changed(expected.map(str::to_owned).to_vec()), &Change::Unchanged]);
    }

    #[tokio::test]
    async fn a_refusal_names_the_crd() {
        let server = ApiServer::start().await;
        server.fail(Fault { method: "PATCH", path: "hopincidents.hopkeeper.io", code: 403, reason: "Forbidden" });
        let said = error_chain(&apply(&server.client()).await.unwrap_err());
        assert!(said.starts_with("failed to apply the CRD hopincidents.hopkeeper.io: ") && said.contains("Forbidden"));
    }

    #[test]
    fn what_is_there_no_more_is_told_too() {
        let mut found = Vec::new();
        let (before, after) = (json!({"a": {"b": 1, "c": [1, 2]}}), json!({"a": {"c": [1]}, "d": null}));
        differences("spec", &before, &after, &mut found);
        assert_eq!(found, ["removed spec.a.b", "changed spec.a.c", "added spec.d"]);
    }
}
