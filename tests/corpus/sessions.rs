//! Whole sessions of public threads, where what matters is what came before and after: what they decide, through windows.
//!
//! `expected.yaml` names the thread and was written before a rule was tried on its log.

use std::path::Path;
use std::process::Command;

#[test]
fn each_session_decides_what_its_thread_is_about() {
    let sessions = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/sessions");
    let tested = Command::new(env!("CARGO_BIN_EXE_hopkeeper"))
        .args(["rules", "test"])
        .arg(sessions)
        .output()
        .expect("should run");
    let (told, wrong) = (String::from_utf8_lossy(&tested.stdout), String::from_utf8_lossy(&tested.stderr));
    assert!(tested.status.success(), "{told}{wrong}");
}
