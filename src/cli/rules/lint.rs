//! `hopkeeper rules lint`: mistakes in rule files, and what is allowed but unwise.

use std::path::Path;

use miette::{IntoDiagnostic, miette};
use serde::Serialize;

use super::{Format, count};
use crate::cli::output::{note, print};
use crate::domain::rule::error::RuleError;
use crate::domain::rule::lint;
use crate::domain::ruleset::pack::Base;
use crate::rule_files::{self, RuleFilesError};

/// One error or warning, for programs.
#[derive(Serialize)]
struct Finding<'a> {
    level: &'static str,
    code: &'a str,
    file: &'a str,
    line: usize,
    column: usize,
    width: usize,
    message: &'a str,
}

pub(super) fn lint(path: &Path, base: Base, format: Format, deny_warnings: bool) -> miette::Result<()> {
    let loaded = match rule_files::load(path, base) {
        Ok(loaded) => loaded,
        Err(RuleFilesError::Rules(errors)) => {
            for error in &errors {
                tell(format, "error", "error", error)?;
            }
            return Err(miette!("{} in the rule files; nothing was loaded", count(errors.len(), "error")));
        }
        Err(error) => return Err(error).into_diagnostic(),
    };
    let warnings = lint::lint(&loaded.rules, &loaded.files);
    for warning in &warnings {
        tell(format, "warning", warning.code, &warning.at)?;
    }
    if format == Format::Text {
        let rules = count(loaded.users().count(), "rule");
        let off = if loaded.disabled.is_empty() {
            String::new()
        } else {
            format!(" ({} switched off)", loaded.disabled.len())
        };
        let files = count(loaded.files.len(), "file");
        let found = if warnings.is_empty() {
            "no errors".to_owned()
        } else {
            format!("no errors, {}", count(warnings.len(), "warning"))
        };
        print(&format!("{rules}{off} in {files}: {found}\n"))?;
    }
    if deny_warnings && !warnings.is_empty() {
        return Err(miette!("{} denied", count(warnings.len(), "warning")));
    }
    Ok(())
}

fn tell(format: Format, level: &'static str, code: &str, at: &RuleError) -> miette::Result<()> {
    match format {
        Format::Json => {
            let RuleError { file, line, column, width, message, .. } = at;
            let finding = Finding { level, code, file, line: *line, column: *column, width: *width, message };
            let finding = serde_json::to_string(&finding).into_diagnostic()?;
            print(&(finding + "\n"))
        }
        Format::Text if level == "error" => {
            note(&format!("{at}\n{}", at.marked()));
            Ok(())
        }
        Format::Text => {
            let RuleError { file, line, column, message, .. } = at;
            print(&format!("{file}:{line}:{column}: {level}: {message} [{code}]\n{}\n", at.marked()))
        }
    }
}
