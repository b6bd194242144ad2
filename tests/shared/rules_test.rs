//! `hopkeeper rules test` on logs of ours.

use std::path::Path;
use std::process::Command;

/// What it says of the logs below a folder of the repository; each must decide what its `expected.yaml` says.
pub(crate) fn rules_test(folder: &str) -> String {
    let tested = Command::new(env!("CARGO_BIN_EXE_hopkeeper"))
        .args(["rules", "test"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
        .output()
        .expect("should run");
    let (told, wrong) = (String::from_utf8_lossy(&tested.stdout), String::from_utf8_lossy(&tested.stderr));
    assert!(tested.status.success(), "{told}{wrong}");
    told.into_owned()
}
