//! `hopkeeper validate`: what the API server would say of a chain, without one.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Serialize;
use serde_json::Value;

use super::output::{Format, OutputArgs, note, print};
use crate::manifest;

/// Checks VpnChain manifests without a cluster, in the API server's own words.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 all chains are valid; 1 one is not, or a file cannot be read; 2 wrong usage.\n\n\
    Other kinds in the same file are passed over.\n\n\
    Examples:\n  hopkeeper validate chain.yaml && kubectl apply -f chain.yaml\n  \
    kubectl kustomize chains/ | hopkeeper validate -"
)]
pub(super) struct Validate {
    /// A YAML or JSON file with one or more documents, or `-` for standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    printed: OutputArgs<Format>,
}

/// What is said of one chain, or of a file that holds none.
#[derive(Serialize)]
struct Said {
    file: String,
    /// The document's number in its file, from 1; none for a file that can't be read.
    document: Option<usize>,
    chain: Option<String>,
    hops: Option<usize>,
    /// None for a chain that is valid.
    problems: Vec<String>,
}

impl Validate {
    pub(super) fn run(&self) -> miette::Result<()> {
        let said: Vec<Said> = self.files.iter().flat_map(|path| of_file(path)).collect();
        for one in &said {
            match self.printed.format() {
                Format::Json => print(&(serde_json::to_string(one).into_diagnostic()? + "\n"))?,
                Format::Text => tell(one)?,
            }
        }
        match said.iter().filter(|one| !one.problems.is_empty()).count() {
            0 => Ok(()),
            wrong => Err(miette!("{wrong} of {} not valid", said.len())),
        }
    }
}

fn tell(Said { file, document, chain, hops, problems }: &Said) -> miette::Result<()> {
    let of_chain = chain.clone().or_else(|| document.map(|number| format!("document {number}")));
    let place = of_chain.map_or(file.clone(), |chain| format!("{file}: {chain}"));
    if let Some(hops) = hops {
        return print(&format!("{place}: valid, {hops} hop{}\n", if *hops == 1 { "" } else { "s" }));
    }
    problems.iter().for_each(|problem| note(&format!("{place}: {problem}")));
    Ok(())
}

fn of_file(path: &Path) -> Vec<Said> {
    let file = shown(path);
    let of_file =
        |problem| Said { file: file.clone(), document: None, chain: None, hops: None, problems: vec![problem] };
    match chains_of(path) {
        Err(error) => {
            let problem = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
            vec![of_file(problem.strip_prefix(&format!("{file}: ")).unwrap_or(&problem).to_owned())]
        }
        Ok(chains) if chains.is_empty() => {
            vec![of_file("no VpnChain in it: a chain begins with `kind: VpnChain`".to_owned())]
        }
        Ok(chains) => chains.iter().map(|(number, chain)| of_chain(&file, *number, chain)).collect(),
    }
}

fn of_chain(file: &str, number: usize, chain: &Value) -> Said {
    let checked = manifest::check(chain);
    Said {
        file: file.to_owned(),
        document: Some(number),
        chain: chain.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned),
        hops: checked.as_ref().ok().map(|valid| valid.spec.hops.len()),
        problems: checked.err().unwrap_or_default().iter().map(ToString::to_string).collect(),
    }
}

/// The chains that a file of YAML or JSON documents holds with their documents' numbers, not checked.
///
/// # Errors
/// When it can't be read; what it holds is not repeated, since a Secret may stand beside a chain.
pub(super) fn chains_of(path: &Path) -> miette::Result<Vec<(usize, Value)>> {
    let file = shown(path);
    let text = text_of(path).wrap_err_with(|| format!("cannot read {file}"))?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|error| {
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        miette!("{file}:{line}:{column}: no YAML: {}", reason(&error))
    })?;
    let number = documents.len();
    Ok((1..).zip(documents).filter(|(_, document)| is_ours(document, number)).collect())
}

/// What is wrong, without what it is wrong with.
fn reason(error: &serde_saphyr::Error) -> String {
    let said = error.without_snippet().to_string();
    let said = said.split([':', '"', '\'', '`']).next().unwrap_or_default();
    said.split(" at line ").next().unwrap_or_default().trim().to_owned()
}

fn text_of(path: &Path) -> miette::Result<String> {
    let read = if is_stdin(path) {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => miette!("it is not text: a manifest is UTF-8"),
        _ => miette!("{error}"),
    })
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn shown(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// A document of another kind is passed over where it stands beside others; alone, it is meant.
fn is_ours(document: &Value, documents: usize) -> bool {
    documents == 1 || document.get("kind").and_then(Value::as_str).is_some_and(|k| k == "VpnChain")
}
