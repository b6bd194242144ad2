//! What a test needs and a machine may not have: without it the test says so and passes, except where `CI` is set.

/// Passes a test over for want of this.
pub(crate) fn pass_over(needs: &str) {
    assert!(std::env::var_os("CI").is_none(), "this test needs {needs}, and CI must not skip it");
    eprintln!("SKIPPED: this test needs {needs}");
}

/// Whether the test runs as root.
#[allow(dead_code)] // Few suites need it.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
