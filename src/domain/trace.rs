//! The ids of an incident's trace. They follow from the incident's UID alone: whoever tells of it, once or again, before a
//! crash or after, tells of the same trace.

use sha2::{Digest, Sha256};

/// The id of the trace of an incident, as traces are told: its UID without dashes, so that who has the one has the other.
#[must_use]
pub fn trace_id(uid: &str) -> [u8; 16] {
    uuid(uid).filter(|id| *id != [0; 16]).unwrap_or_else(|| hash(&[uid]))
}

/// The same as people and documents write it: 32 hexadecimal digits.
#[must_use]
pub fn trace_id_text(uid: &str) -> String {
    trace_id(uid).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The id of a part of that trace, by its place in it.
#[must_use]
pub fn span_id(uid: &str, part: &str) -> [u8; 8] {
    // All zeroes would be no id; of 2^64 hashes one.
    match hash(&[uid, part]) {
        [0, 0, 0, 0, 0, 0, 0, 0] => [1; 8],
        id => id,
    }
}

/// The bytes of a UUID, which is what Kubernetes gives its objects.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let is_one = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_one.then(|| u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)).flatten()
}

fn hash<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let hash = hash.finalize();
    std::array::from_fn(|index| hash[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "5f1cbb7a-3a0e-4d2c-9c1b-0d9a7c2e4f61";

    #[test]
    fn a_trace_has_the_uid_of_its_incident_without_dashes() {
        assert_eq!(trace_id_text(UID), "5f1cbb7a3a0e4d2c9c1b0d9a7c2e4f61");
        assert_eq!(trace_id_text(&UID.to_uppercase()), trace_id_text(UID));
    }

    #[test]
    fn what_is_no_uuid_or_no_valid_id_still_has_one_of_its_own() {
        let odd = ["uid-incident", "", "00000000-0000-0000-0000-000000000000", "+f1cbb7a3a0e4d2c9c1b0d9a7c2e4f61", "ä"];
        let mut ids: Vec<_> = odd.iter().map(|uid| trace_id_text(uid)).collect();
        assert!(ids.iter().all(|id| id.len() == 32 && id.contains(|c| c != '0')), "{ids:?}");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), odd.len());
    }

    #[test]
    fn each_part_of_each_trace_has_an_id_that_stays() {
        assert_eq!(span_id(UID, "step 0"), span_id(UID, "step 0"));
        assert_ne!(span_id(UID, "step 0"), span_id(UID, "step 1"));
        assert_ne!(span_id(UID, "step 0"), span_id("other", "step 0"));
        assert_ne!(span_id("ab", "c"), span_id("a", "bc"));
    }
}
