//! Scenarios that nobody recorded, put together from the programs' lines; what each must come to was written first.

use std::path::Path;
use std::process::Command;

#[test]
fn every_invented_scenario_comes_to_what_was_expected() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/invented");
    let tested = Command::new(env!("CARGO_BIN_EXE_hopkeeper"))
        .args(["rules", "test"])
        .arg(scenarios)
        .output()
        .expect("should run");
    let (told, wrong) = (String::from_utf8_lossy(&tested.stdout), String::from_utf8_lossy(&tested.stderr));
    assert!(tested.status.success(), "{told}{wrong}");
    assert!(told.contains("14 logs"), "{told}");
}
