//! `hopkeeper validate`: what the API server would say of a chain, without one.

use std::path::{Path, PathBuf};

use clap::Args;
use miette::{IntoDiagnostic, WrapErr, miette};
use serde_json::Value;

use crate::manifest;

/// Checks VpnChain manifests without a cluster, in the API server's own words.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hopkeeper validate chain.yaml && kubectl apply -f chain.yaml\n\n\
    Exits with 1 when a chain is not valid. Other kinds in the same file are passed over.")]
pub(super) struct Validate {
    /// A YAML or JSON file with one or more documents.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

impl Validate {
    pub(super) fn run(&self) -> miette::Result<()> {
        let mut wrong = 0_usize;
        for path in &self.files {
            let file = path.display();
            let chains = chains_of(path)?;
            if chains.is_empty() {
                return Err(miette!("{file}: no VpnChain in it: a chain begins with `kind: VpnChain`"));
            }
            for chain in &chains {
                let name = chain.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("(no name)");
                match manifest::check(chain) {
                    Ok(valid) => println!("{file}: {name}: valid, {} hops", valid.spec.hops.len()),
                    Err(problems) => {
                        wrong += 1;
                        problems.iter().for_each(|p| eprintln!("{file}: {name}: {p}"));
                    }
                }
            }
        }
        if wrong == 0 { Ok(()) } else { Err(miette!("{wrong} of the chains not valid")) }
    }
}

/// The chains that a file of YAML or JSON documents holds, not checked.
///
/// # Errors
/// When it can't be read.
pub(super) fn chains_of(path: &Path) -> miette::Result<Vec<Value>> {
    let file = path.display();
    let text = std::fs::read_to_string(path).into_diagnostic().wrap_err_with(|| format!("cannot read {file}"))?;
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|e| miette!("{file}: {e}"))?;
    let number = documents.len();
    documents.retain(|document| is_ours(document, number));
    Ok(documents)
}

/// A document of another kind is passed over where it stands beside others; alone, it is meant.
fn is_ours(document: &Value, documents: usize) -> bool {
    documents == 1 || document.get("kind").and_then(Value::as_str).is_some_and(|k| k == "VpnChain")
}
