//! Reads a directory of rule files. What is in them is `domain::rule::file`'s affair.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::domain::rule::Rule;
use crate::domain::rule::error::RuleError;
use crate::domain::ruleset::RuleSet;
use crate::domain::ruleset::pack::{self, Base};

/// Why a directory of rules did not load.
#[derive(Debug, Error)]
pub enum RuleFilesError {
    /// A file or the directory can't be read.
    #[error("failed to read {path}{}", not_text(source))]
    Read {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No rule file is there.
    #[error("{0} has no rule file: put a *.yaml there")]
    Empty(String),
    /// Files are there, but something in them is wrong.
    #[error("{} in rule files, the first: {}", count(.0.len()), .0.first().map(ToString::to_string).unwrap_or_default())]
    Rules(Vec<RuleError>),
}

fn not_text(error: &std::io::Error) -> &'static str {
    if error.kind() == std::io::ErrorKind::InvalidData { "; a rule file is text" } else { "" }
}

fn count(errors: usize) -> String {
    if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") }
}

/// Rules, and the files that were laid over the shipped ones.
#[derive(Debug)]
pub struct Loaded {
    /// The compiled rules of all layers.
    pub rules: RuleSet,
    /// Those that are switched off.
    pub disabled: Vec<Rule>,
    /// The files by name, with their text.
    pub files: Vec<(String, String)>,
}

impl Loaded {
    /// The rules alone, without any file.
    pub fn without_files(base: Base) -> Self {
        let layers = pack::layered(base, &[]).expect("should load: no file can be wrong");
        Self { rules: layers.rules, disabled: layers.disabled, files: Vec::new() }
    }

    /// True for a rule that one of the files brought or changed.
    pub fn is_users(&self, rule: &Rule) -> bool {
        rule.is_from(|name| self.files.iter().any(|(file, _)| file == name))
    }

    /// The rules that one of the files brought or changed.
    pub fn users(&self) -> impl Iterator<Item = &Rule> {
        self.rules.rules().iter().filter(|rule| self.is_users(rule))
    }
}

/// The rule files of a directory in the order of their names, or the one file.
///
/// # Errors
/// When the directory can't be read.
pub fn paths(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        let yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        // A ConfigMap's files are links; its ..data directory is none of them.
        if yaml && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Loads `*.yaml` and `*.yml` of a directory in the order of their names, or one file, and lays them over `base`.
///
/// # Errors
/// When a file can't be read or anything in one is wrong.
pub fn load(path: &Path, base: Base) -> Result<Loaded, RuleFilesError> {
    let paths = paths(path).map_err(failed(path))?;
    if paths.is_empty() {
        return Err(RuleFilesError::Empty(path.display().to_string()));
    }
    load_files(&paths, base)
}

/// Loads these files in their order, and lays them over `base`.
///
/// # Errors
/// When one can't be read or anything in one is wrong.
pub fn load_files(paths: &[PathBuf], base: Base) -> Result<Loaded, RuleFilesError> {
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        files.push((path.display().to_string(), std::fs::read_to_string(path).map_err(failed(path))?));
    }
    let sources: Vec<(&str, &str)> = files.iter().map(|(name, source)| (name.as_str(), source.as_str())).collect();
    let layers = pack::layered(base, &sources).map_err(RuleFilesError::Rules)?;
    Ok(Loaded { rules: layers.rules, disabled: layers.disabled, files })
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> RuleFilesError {
    let path = path.display().to_string();
    move |source| RuleFilesError::Read { path, source }
}
