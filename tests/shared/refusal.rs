//! A command of ours that says no.

use std::process::Command;

/// What it says on standard error, on one line however it was wrapped; it must fail, and tell no secret.
pub fn refusal(command: &mut Command) -> String {
    let output = command.output().expect("should run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{command:?}");
    assert!(!said.contains("CANARY"), "{said}");
    said.split_whitespace().filter(|word| !["│", "|"].contains(word)).collect::<Vec<_>>().join(" ")
}
