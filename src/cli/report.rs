//! How a command says that it did not do what it was asked, and with which exit code.

use std::process::ExitCode;

use miette::{Diagnostic, MietteHandlerOpts, Report};
use thiserror::Error;

use super::output;

/// What was typed cannot be meant so.
const WRONG_USAGE: u8 = 2;

/// Of the same kind as a flag that there is not, but only known once flags are read together.
#[derive(Debug, Diagnostic, Error)]
#[error("{0}")]
struct WrongUsage(String);

/// What was typed cannot be meant so: exit code 2.
pub(super) fn wrong_usage(why: impl Into<String>) -> Report {
    WrongUsage(why.into()).into()
}

/// Lines are left as they are, so that paths and commands in them can be copied; terminals break them.
pub(super) fn prepare() {
    // Somebody who was before us keeps theirs.
    let _ = miette::set_hook(Box::new(|_| Box::new(MietteHandlerOpts::default().wrap_lines(false).build())));
}

/// Tells what went wrong on standard error; the exit code that fits it.
pub(super) fn told(report: &Report) -> ExitCode {
    output::note(&format!("Error: {report:?}"));
    let wrong_usage = report.downcast_ref::<WrongUsage>().is_some();
    if wrong_usage { ExitCode::from(WRONG_USAGE) } else { ExitCode::FAILURE }
}
