//! `hopkeeper crd`: prints the CRDs.

use miette::IntoDiagnostic;

/// Prints both CRDs as YAML, ready for `kubectl apply -f -`.
pub(super) fn run() -> miette::Result<()> {
    print!("{}", crate::crd::as_yaml().into_diagnostic()?);
    Ok(())
}
