//! Any bytes as a shipper's record: decoded or refused, and what is decoded was in the record.
#![no_main]

use hopkeeper_fuzz::domain::envelope::decode;
use hopkeeper_fuzz::domain::event::{Position, Shard};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = decode(bytes, Position::new(Shard::new("fuzz"), 0), None) {
        assert!(!event.container.is_empty());
        assert!(event.pod_uid.is_some() || !event.pod.is_empty());
        assert!(event.text.len() <= bytes.len());
    }
});
