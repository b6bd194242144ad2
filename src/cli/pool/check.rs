//! `hopkeeper pool check`: which candidates of a pool the operator could use.

use miette::miette;

use super::count;
use super::summary::Summary;
use crate::parameters::location::Location;

/// A pool without a candidate is no pool yet.
pub(super) fn is_filled(pool: &[Summary], location: &Location) -> miette::Result<()> {
    if pool.is_empty() {
        return Err(miette!("{location} holds no candidate: fill it with `hopkeeper pool add {location} PATH`"));
    }
    Ok(())
}

/// Each candidate in a line.
pub(super) fn text(pool: &[Summary]) -> String {
    let line = |candidate: &Summary| {
        let Summary { name, version, client, servers, problem, left_out, .. } = candidate;
        let servers = servers.join(" ");
        match problem {
            Some(problem) => format!("{name}@{version}: cannot be used: {problem}\n"),
            None if left_out.is_empty() => format!("{name}@{version}: ok, {client}, {servers}\n"),
            None => {
                let left_out = left_out.join(", ");
                format!("{name}@{version}: ok, {client}, {servers}; not followed by a hop: {left_out}\n")
            }
        }
    };
    pool.iter().map(line).collect()
}

/// Whether the operator could use all of them.
pub(super) fn all_can_be_used(pool: &[Summary], location: &Location) -> miette::Result<()> {
    match pool.iter().filter(|candidate| candidate.problem.is_some()).count() {
        0 => Ok(()),
        unusable => Err(miette!("{unusable} of {} in {location} cannot be used", count(pool.len()))),
    }
}
