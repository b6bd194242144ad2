//! `hopkeeper pool remove`: takes candidates out of a pool, after a person has said so.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal, Write};

use miette::{IntoDiagnostic, miette};

use super::{candidates, count, written};
use crate::cli::report::wrong_usage;
use crate::parameters::location::Location;
use crate::parameters::store::Store;
use crate::telemetry::error_chain;

pub(super) async fn remove(
    names: &BTreeSet<String>,
    yes: bool,
    location: &Location,
    store: &Store,
    mut out: impl Write,
) -> miette::Result<()> {
    let there: BTreeSet<_> = candidates(store).await?.into_iter().map(|candidate| candidate.name).collect();
    let missing: Vec<_> = names.difference(&there).map(String::as_str).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(miette!(
            "{location} has no candidate {missing}: see `hopkeeper pool list {location}`; nothing was removed"
        ));
    }
    let shown = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let left = match there.len() - names.len() {
        0 => "none is left then".to_owned(),
        left => format!("{} left then", count(left)),
    };
    if !yes && !confirmed(&format!("Remove {shown} from {location}? {left} [y/N] "))? {
        return Err(miette!("nothing was removed"));
    }
    store.remove(names).await.map_err(|error| miette!("{}", error_chain(&error)))?;
    written(writeln!(out, "{shown}: removed from {location}; {left}"))
}

fn confirmed(question: &str) -> miette::Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(wrong_usage("nobody is there to confirm it: say --yes; nothing was removed"));
    }
    let _ = write!(std::io::stderr(), "{question}");
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).into_diagnostic()?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
