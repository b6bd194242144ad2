//! `hopkeeper pool check`: which candidates of a pool the operator could use.

use std::io::Write;

use miette::miette;

use super::summary::Summary;
use super::{count, written};
use crate::parameters::location::Location;

pub(super) fn check(pool: &[Summary], location: &Location, mut out: impl Write) -> miette::Result<()> {
    if pool.is_empty() {
        return Err(miette!("{location} holds no candidate: fill it with `hopkeeper pool add {location} PATH`"));
    }
    let print = |candidate: &Summary| {
        let Summary { name, version, client, servers, problem, left_out, .. } = candidate;
        match problem {
            Some(problem) => writeln!(out, "{name}@{version}: cannot be used: {problem}"),
            None if left_out.is_empty() => writeln!(out, "{name}@{version}: ok, {client}, {}", servers.join(" ")),
            None => {
                let (servers, left_out) = (servers.join(" "), left_out.join(", "));
                writeln!(out, "{name}@{version}: ok, {client}, {servers}; not followed by a hop: {left_out}")
            }
        }
    };
    written(pool.iter().try_for_each(print))?;
    match pool.iter().filter(|candidate| candidate.problem.is_some()).count() {
        0 => Ok(()),
        unusable => Err(miette!("{unusable} of {} in {location} cannot be used", count(pool.len()))),
    }
}
