//! The Containerfiles' images, built by podman (`tests/images/build.sh`). Only where they are not yet does that take Debian's archive.

use std::path::Path;
use std::process::Command;

use super::programs::{boringtun, which};

/// Builds them, each stage anew if nothing of earlier builds may be taken; or says what is missing here.
pub(crate) fn build(anew: bool) -> Result<(), String> {
    let programs = ["podman", "mmdebstrap", "strip"];
    if let Some(program) = programs.into_iter().find(|program| which(program).is_none()) {
        return Err(program.to_owned());
    }
    let boringtun = boringtun().ok_or("boringtun-cli")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images/build.sh");
    let mut build = Command::new(script);
    build.arg(env!("CARGO_BIN_EXE_hopkeeper")).arg(boringtun);
    if anew {
        build.env("NO_CACHE", "1");
    }
    assert!(build.status().is_ok_and(|status| status.success()), "the images should have been built");
    Ok(())
}
