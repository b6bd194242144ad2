//! The custom resources, from which `hopkeeper crd` prints the CRDs that `k8s/crd.yaml` holds.
//!
//! Leaves what they mean to `domain` and what is done about them to `controller`; `install` puts the CRDs into a cluster.

use kube::CustomResourceExt;

pub mod chain;
pub mod incident;
pub mod install;
pub mod names;

pub use chain::{VpnChain, VpnChainSpec, VpnChainStatus};
pub use incident::{HopIncident, HopIncidentSpec, HopIncidentStatus};

/// Both CRDs as one multi-document YAML stream.
///
/// # Errors
/// When a schema cannot be written as YAML, which a test rules out.
pub fn as_yaml() -> Result<String, serde_saphyr::ser::Error> {
    let header = "# Made by `hopkeeper crd`; a test compares the two.\n";
    let chain = serde_saphyr::to_string(&VpnChain::crd())?;
    let incident = serde_saphyr::to_string(&HopIncident::crd())?;
    Ok(format!("{header}{chain}---\n{incident}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_crds_are_the_ones_that_the_types_make() {
        let committed = include_str!("../k8s/crd.yaml");
        assert!(as_yaml().unwrap() == committed, "k8s/crd.yaml is old: run `make generate` and read the difference");
    }

    #[test]
    fn both_documents_are_crds_of_the_group() {
        let text = as_yaml().unwrap();
        let names: Vec<_> = text
            .split("\n---\n")
            .map(|document| serde_saphyr::from_str::<serde_json::Value>(document).unwrap()["metadata"]["name"].clone())
            .collect();
        assert_eq!(names, ["vpnchains.hopkeeper.io", "hopincidents.hopkeeper.io"]);
    }
}
