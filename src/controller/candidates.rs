//! Takes a candidate from a hop's pool: lists, reads, checks, resolves names, and skips what cannot be used.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use thiserror::Error;

use super::validate::ValidChain;
use crate::domain::candidate::{CandidateError, Parameters, RawCandidate, Resolved, parse};
use crate::domain::plan::{HopPlan, PlanError};
use crate::domain::types::CandidateRef;
use crate::parameters::{Pool, PoolError};

/// A resolver that does not answer must not hold a repair up for longer.
const LOOKUP: std::time::Duration = std::time::Duration::from_secs(5);

/// A candidate that is ready to be written into a hop's Secret.
pub struct Chosen {
    /// Which one.
    pub candidate: CandidateRef,
    /// Its client files and servers.
    pub resolved: Resolved,
}

/// A candidate that cannot be used, and why; the text never holds content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its key in the pool.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Why no candidate was found.
#[derive(Debug, Error)]
pub enum ChoiceError {
    /// The pool could not be read: try again.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The pool was read, and has nothing usable.
    #[error("pool of hop {hop:?} has no candidate left to try: of {listed}, {burned} failed lately and {} cannot be used", skipped.len())]
    Exhausted {
        /// The hop.
        hop: String,
        /// Keys in the pool.
        listed: usize,
        /// Keys that failed lately.
        burned: usize,
        /// Keys that cannot be used.
        skipped: Vec<Skipped>,
    },
}

impl ChoiceError {
    /// The candidates that were found unusable on the way.
    #[must_use]
    pub fn into_skipped(self) -> Vec<Skipped> {
        match self {
            Self::Exhausted { skipped, .. } => skipped,
            Self::Pool(_) => Vec::new(),
        }
    }
}

#[derive(Debug, Error)]
enum Unusable {
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("its name cannot be a label: use at most 63 letters, digits, '-', '_' and '.'")]
    Name,
}

/// The first usable candidate after `current` that is not burned, and what was skipped on the way.
///
/// # Errors
/// When the pool cannot be read, or has none.
pub async fn choose(
    chain: &ValidChain<'_>,
    hop: usize,
    pool: &Pool<'_>,
    current: Option<&CandidateRef>,
    burned: &[CandidateRef],
) -> Result<(Chosen, Vec<Skipped>), ChoiceError> {
    let names = pool.list().await?;
    let (listed, mut failed, mut skipped) = (names.len(), 0, Vec::new());
    for name in in_turn(names, current.map(|c| c.name.as_str())) {
        let Some(raw) = pool.read(&name).await? else { continue };
        let candidate = CandidateRef { name: raw.name.clone(), version: raw.version.clone() };
        if burned.contains(&candidate) {
            failed += 1;
            continue;
        }
        match prepare(chain, hop, &raw).await {
            Ok(resolved) => return Ok((Chosen { candidate, resolved }, skipped)),
            Err(why) => skipped.push(Skipped { name, reason: why.to_string() }),
        }
    }
    let hop = chain.hops()[hop].name.clone();
    Err(ChoiceError::Exhausted { hop, listed, burned: failed, skipped })
}

/// Reads and prepares the newest version of one candidate; none when it is gone.
///
/// # Errors
/// When the pool cannot be read, or the candidate cannot be used (the reason, in words).
pub async fn newest(
    chain: &ValidChain<'_>,
    hop: usize,
    pool: &Pool<'_>,
    name: &str,
) -> Result<Option<Result<Chosen, Skipped>>, PoolError> {
    let Some(raw) = pool.read(name).await? else { return Ok(None) };
    let candidate = CandidateRef { name: raw.name.clone(), version: raw.version.clone() };
    Ok(Some(match prepare(chain, hop, &raw).await {
        Ok(resolved) => Ok(Chosen { candidate, resolved }),
        Err(why) => Err(Skipped { name: name.to_owned(), reason: why.to_string() }),
    }))
}

/// The names in the order in which they are tried: those after the current one, then from the start, the current last.
///
/// The current one comes last, not never: a newer version of it may have been written.
fn in_turn(mut names: Vec<String>, current: Option<&str>) -> Vec<String> {
    let Some(current) = current else { return names };
    let next = names.partition_point(|name| name.as_str() <= current);
    names.rotate_left(next);
    names
}

async fn prepare(chain: &ValidChain<'_>, hop: usize, raw: &RawCandidate) -> Result<Resolved, Unusable> {
    if !is_label(&raw.name) || !is_label(&raw.version) {
        return Err(Unusable::Name);
    }
    let spec = &chain.hops()[hop];
    let parameters = parse(spec.implementation(), spec.transport(), raw)?;
    let resolved = parameters.resolve(&addresses(&parameters).await)?;
    let candidate = CandidateRef { name: raw.name.clone(), version: raw.version.clone() };
    // Whether it fits the hop's networks is found out here, so that writing it cannot fail for that.
    HopPlan::new(chain.plan.hops[hop].clone(), &resolved, candidate, 0)?;
    Ok(resolved)
}

/// The IPv4 addresses of a candidate's servers. A hop has no DNS; a name that does not resolve has none.
async fn addresses(parameters: &Parameters) -> BTreeMap<String, Vec<Ipv4Addr>> {
    let mut found = BTreeMap::new();
    for name in parameters.names() {
        let ips = match tokio::time::timeout(LOOKUP, tokio::net::lookup_host((name, 0))).await {
            Ok(Ok(addresses)) => {
                addresses.filter_map(|a| if let IpAddr::V4(ip) = a.ip() { Some(ip) } else { None }).collect()
            }
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        found.insert(name.to_owned(), ips);
    }
    found
}

/// Whether a text can be the value of a Kubernetes label.
fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63 && outer(text.chars().next()) && outer(text.chars().last()) && text.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_tried_from_the_one_after_the_current() {
        let names = || ["a", "b", "c"].map(str::to_owned).to_vec();
        assert_eq!(in_turn(names(), None), ["a", "b", "c"]);
        assert_eq!(in_turn(names(), Some("a")), ["b", "c", "a"]);
        assert_eq!(in_turn(names(), Some("c")), ["a", "b", "c"]);
        assert_eq!(in_turn(names(), Some("removed")), ["a", "b", "c"]);
        assert_eq!(in_turn(names(), Some("aa")), ["b", "c", "a"]);
    }

    #[test]
    fn only_what_can_be_a_label_names_a_candidate() {
        assert!(is_label("nl-ams_01.ovpn") && is_label("7"));
        assert!(!is_label("") && !is_label("-a") && !is_label("a/b") && !is_label(&"a".repeat(64)));
    }
}
