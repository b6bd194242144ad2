//! Any text as a rule file: loaded, or refused with a place that is in it.
#![no_main]

use hopkeeper_fuzz::domain::rule::file::{Strictness, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    if let Err(errors) = parse("fuzz.yaml", source, Strictness::User) {
        assert!(!errors.is_empty());
        for error in errors {
            assert!(error.line >= 1 && error.column >= 1 && error.width >= 1);
            let _ = error.marked().to_string();
        }
    }
});
