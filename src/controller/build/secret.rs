//! A hop's Secret: the desired state of the hop. Its files are what the client runs with, its labels say which candidate.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use secrecy::{ExposeSecret, SecretString};

use super::{ValidChain, metadata};
use crate::crd::names;
use crate::domain::plan::{HopPlan, PLAN_FILE};

/// The suffix of a hop Secret's name.
#[must_use]
pub fn suffix(hop: &str) -> String {
    format!("{hop}-parameters")
}

/// What a hop's Secret says besides its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When the parameters were written.
    pub applied_at: Timestamp,
    /// The recreation counter.
    pub recreate: u64,
}

/// The Secret of a hop.
#[must_use]
pub fn hop_secret(
    chain: &ValidChain<'_>,
    plan: &HopPlan,
    files: &BTreeMap<String, SecretString>,
    stamp: Stamp,
) -> Secret {
    let hop = plan.network.name.as_str();
    let mut metadata = metadata(chain, &suffix(hop), Some(hop));
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(names::CANDIDATE.into(), plan.candidate.name.clone());
    labels.insert(names::VERSION.into(), plan.candidate.version.clone());
    metadata.annotations = Some(BTreeMap::from([
        (names::APPLIED_AT.into(), stamp.applied_at.to_string()),
        (names::REVISION.into(), plan.revision.to_string()),
        (names::RECREATE.into(), stamp.recreate.to_string()),
    ]));
    let mut data: BTreeMap<_, _> =
        files.iter().map(|(name, text)| (name.clone(), ByteString(text.expose_secret().as_bytes().to_vec()))).collect();
    data.insert(PLAN_FILE.into(), ByteString(plan.to_json().into_bytes()));
    Secret { metadata, data: Some(data), type_: Some("hopkeeper.io/hop".into()), ..Secret::default() }
}
