//! The health scripts, mounted into every hop's `health` container.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::{ValidChain, metadata};
use crate::hop::scripts;

/// The suffix of the ConfigMap's name.
pub const SUFFIX: &str = "health";

/// The ConfigMap with the health scripts.
#[must_use]
pub fn health_scripts(chain: &ValidChain<'_>) -> ConfigMap {
    let data = BTreeMap::from([
        ("health.sh".to_owned(), scripts::HEALTH.to_owned()),
        ("ready.sh".to_owned(), scripts::READY.to_owned()),
    ]);
    ConfigMap { metadata: metadata(chain, SUFFIX, None), data: Some(data), ..ConfigMap::default() }
}
