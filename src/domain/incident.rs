//! An incident's name: the same evidence always has the same one, so that what is delivered twice is created once. And
//! what a reader must know of the incidents that are there already.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::engine::Detection;
use super::rule::RuleId;
use super::types::CandidateRef;

/// What a reader found before, this one or another: its rule rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The pod that wrote the lines.
    pub pod_uid: String,
    /// What its client ran with.
    pub candidate: CandidateRef,
    /// The rule that fired.
    pub rule: RuleId,
    /// The first line's time.
    pub first: Timestamp,
    /// The time of the line that fired.
    pub last: Timestamp,
    /// When the hop was found to carry traffic again, which ends the rest.
    pub ended: Option<Timestamp>,
}

/// Kubernetes object names used as DNS labels.
const MAX_NAME: usize = 63;
const HASH_CHARS: usize = 12;

/// `<chain>-<hop>-<12 hex>`: at most 63 characters, a DNS label. The first line's time counts by the millisecond, since that is
/// all that a shipper tells of it: the same line from the Kubernetes API has nanoseconds.
pub fn incident_name(detection: &Detection) -> String {
    let hop = &detection.hop;
    let mut hash = Sha256::new();
    for part in [
        hop.id.namespace.as_str(),
        &hop.id.chain,
        &hop.id.hop,
        &hop.pod_uid,
        &hop.candidate.name,
        &hop.candidate.version,
        detection.rule.as_str(),
        &detection.window_start.as_millisecond().to_string(),
    ] {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let hex: String = hash.finalize().iter().take(HASH_CHARS / 2).map(|byte| format!("{byte:02x}")).collect();
    let readable: String = format!("{}-{}", hop.id.chain, hop.id.hop)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(MAX_NAME - HASH_CHARS - 1)
        .collect();
    match readable.trim_matches('-') {
        "" => format!("hop-{hex}"),
        readable => format!("{readable}-{hex}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::engine::tests::detection;

    #[test]
    fn the_name_is_a_dns_label_that_depends_on_all_of_the_evidence() {
        let first = detection();
        let name = incident_name(&first);
        assert!(name.starts_with("berlin-entry-") && name.len() == "berlin-entry-".len() + 12, "{name}");
        assert_eq!(name, incident_name(&first.clone()));

        let mut other = first.clone();
        other.window_start = first.window_start + jiff::SignedDuration::from_nanos(999_999);
        assert_eq!(name, incident_name(&other), "a shipper tells milliseconds only");
        other.window_start = first.window_start + jiff::SignedDuration::from_millis(1);
        assert_ne!(name, incident_name(&other));
        let mut other = first.clone();
        other.hop.candidate.version.push('1');
        assert_ne!(name, incident_name(&other));

        let mut long = first;
        long.hop.id.chain = "x.".repeat(60);
        let name = incident_name(&long);
        assert!(name.len() <= 63 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{name}");
    }
}
