//! Programs that are not of this package.

use std::env;
use std::path::PathBuf;

/// Where a program of the search path is.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(program)).find(|path| path.is_file())
}

/// boringtun, where the variable says, or in the search path.
pub(crate) fn boringtun() -> Option<PathBuf> {
    env::var_os("HOPKEEPER_TEST_BORINGTUN").map(PathBuf::from).or_else(|| which("boringtun-cli"))
}
