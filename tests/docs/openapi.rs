//! docs/openapi.json is the description that the operator serves; `HOPKEEPER_GENERATE=1` writes it.

use std::fs;

use hopkeeper::status_page::openapi;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

#[test]
fn the_committed_reference_of_the_api_is_what_the_operator_serves() {
    let text = serde_json::to_string_pretty(&openapi::document()).expect("should be JSON") + "\n";
    if std::env::var_os("HOPKEEPER_GENERATE").is_some() {
        fs::write(FILE, text).expect("should write");
        return;
    }
    let committed = fs::read_to_string(FILE).unwrap_or_default();
    assert!(committed == text, "docs/openapi.json is not up to date: run make generate");
}
