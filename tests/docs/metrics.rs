//! docs/metrics.md is what the catalogue of metrics says; `HOPKEEPER_GENERATE=1` writes it.

use std::fs;

use hopkeeper::internal_event::catalog;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");

#[test]
fn the_committed_reference_of_metrics_is_the_catalogue() {
    let page = catalog::page();
    if std::env::var_os("HOPKEEPER_GENERATE").is_some() {
        fs::write(FILE, page).expect("should write");
        return;
    }
    let committed = fs::read_to_string(FILE).unwrap_or_default();
    assert!(committed == page, "docs/metrics.md is not up to date: run make generate");
}
