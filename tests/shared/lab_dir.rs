//! Where the lab keeps its programs and files (`tests/lab/lab.sh`).

use std::path::PathBuf;

/// A variable's path, if it is set to something.
fn given(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// `LAB_DIR`, else a folder in the user's cache.
pub fn lab_dir() -> PathBuf {
    let cache =
        || given("XDG_CACHE_HOME").or_else(|| given("HOME").map(|home| home.join(".cache"))).unwrap_or_default();
    given("LAB_DIR").unwrap_or_else(|| cache().join("hopkeeper-lab"))
}

/// A program of the lab, or the one that a variable names.
#[allow(dead_code)] // Not every suite starts a program of the lab.
pub fn lab_program(variable: &str, name: &str) -> PathBuf {
    given(variable).unwrap_or_else(|| lab_dir().join("bin").join(name))
}
