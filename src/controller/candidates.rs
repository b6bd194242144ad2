//! Takes a candidate from a hop's pool: lists, reads, checks, resolves names, and skips what cannot be used.

use std::time::Duration;

use futures::future::try_join_all;
use thiserror::Error;

use super::lookup::{self, Lookup};
use super::validate::ValidChain;
use crate::domain::candidate::{CandidateError, NAME_RULE, Problem, RawCandidate, Resolved, is_label, parse};
use crate::domain::plan::{EndpointAddress, HopPlan, PlanError};
use crate::domain::types::CandidateRef;
use crate::parameters::{Pool, PoolError};

pub mod listing;

/// How long the name service may take for the candidates after one that it gave no answer about.
const PATIENCE_LATER: Duration = Duration::from_secs(1);

/// So many candidates' servers are open in the outer wall beforehand: enough for a rotation, and for the one after it.
const AHEAD: usize = 2;

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

/// Why a candidate that is in the pool is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It cannot be used.
    Skipped(Skipped),
    /// The name service says nothing about its servers: it may be usable in a moment.
    NoAnswer,
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

/// Why a candidate cannot be used for a hop.
#[derive(Debug, Error)]
pub enum Unusable {
    /// Its servers have names, and the name service said nothing about any of them.
    #[error("the name service does not answer about the servers of candidate {0:?}")]
    NoAnswer(String),
    /// What it holds.
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    /// It does not fit the hop's networks.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Its name or version.
    #[error("its name cannot be a label: {}", NAME_RULE)]
    Name,
}

/// The first usable candidate after `current` that is not burned, and what was skipped on the way.
///
/// # Errors
/// When the pool cannot be read, or has none. Where there may be one as soon as the name service answers, it counts as
/// one that cannot be read.
pub async fn choose(
    chain: &ValidChain<'_>,
    hop: usize,
    pool: &Pool<'_>,
    lookup: Lookup,
    current: Option<&CandidateRef>,
    burned: &[CandidateRef],
) -> Result<(Chosen, Vec<Skipped>), ChoiceError> {
    let names = pool.list().await?;
    let (listed, mut failed, mut skipped, mut unanswered) = (names.len(), 0, Vec::new(), Vec::new());
    let mut patience = lookup::PATIENCE;
    for name in in_turn(names, current.map(|c| c.name.as_str())) {
        let Some(raw) = pool.read(&name).await? else { continue };
        let candidate = CandidateRef { name: raw.name.clone(), version: raw.version.clone() };
        if burned.contains(&candidate) {
            failed += 1;
            continue;
        }
        match prepare(chain, hop, &raw, lookup, patience).await {
            Ok(resolved) => return Ok((Chosen { candidate, resolved }, skipped)),
            Err(Unusable::NoAnswer(name)) => {
                patience = PATIENCE_LATER;
                unanswered.push(name);
            }
            Err(why) => skipped.push(Skipped { name, reason: why.to_string() }),
        }
    }
    if !unanswered.is_empty() {
        return Err(PoolError::NoAnswer(unanswered.join(", ")).into());
    }
    let hop = chain.hops()[hop].name.clone();
    Err(ChoiceError::Exhausted { hop, listed, burned: failed, skipped })
}

/// The servers of those of the pool's candidates that a rotation would try next, a few of them; one that cannot be used has none.
///
/// # Errors
/// When the pool cannot be read.
pub async fn servers_ahead(
    chain: &ValidChain<'_>,
    hop: usize,
    pool: &Pool<'_>,
    lookup: Lookup,
    names: Vec<String>,
    current: &CandidateRef,
    burned: &[CandidateRef],
) -> Result<Vec<EndpointAddress>, PoolError> {
    let is_ahead = |name: &String| *name != current.name && burned.iter().all(|burned| burned.name != *name);
    let ahead: Vec<String> = in_turn(names, Some(&current.name)).into_iter().filter(is_ahead).take(AHEAD).collect();
    // Side by side: a resolver that does not answer is waited for once.
    let read = try_join_all(ahead.iter().map(|name| newest(chain, hop, pool, lookup, name))).await?;
    let usable = read.into_iter().flatten().filter_map(Result::ok);
    Ok(usable.flat_map(|chosen| chosen.resolved.endpoints).collect())
}

/// Reads and prepares the newest version of one candidate; none when it is gone.
///
/// # Errors
/// When the pool cannot be read, or the candidate cannot be used.
pub async fn newest(
    chain: &ValidChain<'_>,
    hop: usize,
    pool: &Pool<'_>,
    lookup: Lookup,
    name: &str,
) -> Result<Option<Result<Chosen, Unfit>>, PoolError> {
    let Some(raw) = pool.read(name).await? else { return Ok(None) };
    let candidate = CandidateRef { name: raw.name.clone(), version: raw.version.clone() };
    Ok(Some(match prepare(chain, hop, &raw, lookup, lookup::PATIENCE).await {
        Ok(resolved) => Ok(Chosen { candidate, resolved }),
        Err(Unusable::NoAnswer(_)) => Err(Unfit::NoAnswer),
        Err(why) => Err(Unfit::Skipped(Skipped { name: name.to_owned(), reason: why.to_string() })),
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

/// Checks a candidate for a hop and resolves the names of its servers: a hop has no DNS.
///
/// # Errors
/// Why it cannot be used; the text never holds content.
pub async fn prepare(
    chain: &ValidChain<'_>,
    hop: usize,
    raw: &RawCandidate,
    lookup: Lookup,
    patience: Duration,
) -> Result<Resolved, Unusable> {
    if !is_label(&raw.name) || !is_label(&raw.version) {
        return Err(Unusable::Name);
    }
    let spec = &chain.hops()[hop];
    let parameters = parse(spec.implementation(), spec.transport(), raw)?;
    let addresses = lookup::all(lookup, parameters.names().into_iter(), patience).await;
    let resolved = match parameters.resolve(&addresses.found) {
        Err(CandidateError { problem: Problem::Unresolved, .. }) if addresses.is_partial => {
            return Err(Unusable::NoAnswer(raw.name.clone()));
        }
        resolved => resolved?,
    };
    let candidate = CandidateRef { name: raw.name.clone(), version: raw.version.clone() };
    // Whether it fits the hop's networks is found out here, so that writing it cannot fail for that.
    HopPlan::new(chain.plan.hops[hop].clone(), &resolved, candidate, 0)?;
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::controller::lookup::NoAnswer;
    use crate::controller::testing::{berlin, pool, profile, with_berlin};
    use crate::controller::validate::validate;

    #[test]
    fn candidates_are_tried_from_the_one_after_the_current() {
        let names = || ["a", "b", "c"].map(str::to_owned).to_vec();
        assert_eq!(in_turn(names(), None), ["a", "b", "c"]);
        assert_eq!(in_turn(names(), Some("a")), ["b", "c", "a"]);
        assert_eq!(in_turn(names(), Some("c")), ["a", "b", "c"]);
        assert_eq!(in_turn(names(), Some("removed")), ["a", "b", "c"]);
        assert_eq!(in_turn(names(), Some("aa")), ["b", "c", "a"]);
    }

    /// The name service of these tests.
    fn lookup(name: &str) -> Result<Vec<Ipv4Addr>, NoAnswer> {
        match name {
            "there.example" => Ok(vec![[203, 0, 113, 1].into()]),
            "mute.example" => Err(NoAnswer),
            _ => Ok(vec![]),
        }
    }

    /// Chooses for the entry hop from a Secret with these keys.
    async fn chosen(
        candidates: &[(&str, &str)],
        current: Option<&str>,
        burned: &[&str],
    ) -> Result<(Chosen, Vec<Skipped>), ChoiceError> {
        let at = |name: &str| CandidateRef { name: name.into(), version: "7".into() };
        let chain = berlin();
        let chain = validate(&chain).unwrap();
        let pool = Pool::Secret(Box::new(pool("entry-pool", "7", candidates)));
        let burned: Vec<_> = burned.iter().map(|name| at(name)).collect();
        choose(&chain, 0, &pool, lookup, current.map(at).as_ref(), &burned).await
    }

    #[tokio::test]
    async fn the_next_candidate_that_has_not_failed_is_taken() {
        let profile = profile("203.0.113.1");
        let candidates = ["a", "b", "c", "d"].map(|name| (name, profile.as_str()));
        let name =
            async |current, burned: &[&str]| chosen(&candidates, current, burned).await.ok().map(|c| c.0.candidate);
        let at = |name: &str| Some(CandidateRef { name: name.into(), version: "7".into() });
        assert_eq!(name(None, &[]).await, at("a"));
        assert_eq!(name(Some("a"), &[]).await, at("b"));
        assert_eq!(name(Some("a"), &["a", "b"]).await, at("c"));
        assert_eq!(name(Some("d"), &["d", "a"]).await, at("b"));
        // The current one is the last resort, not burned only by being in use.
        assert_eq!(name(Some("b"), &["a", "c", "d"]).await, at("b"));
    }

    #[tokio::test]
    async fn the_servers_ahead_are_those_of_the_two_candidates_that_come_next() {
        let ahead = async |current: &str, burned: &[&str]| -> Vec<u8> {
            let profiles = [1, 2, 3, 4].map(|last| profile(&format!("203.0.113.{last}")));
            let mut candidates: Vec<_> =
                ["a", "b", "c", "d"].into_iter().zip(profiles.iter().map(String::as_str)).collect();
            candidates.push(("e", "no profile"));
            let at = |name: &&str| CandidateRef { name: (*name).into(), version: "7".into() };
            let chain = berlin();
            let chain = validate(&chain).unwrap();
            let pool = Pool::Secret(Box::new(pool("entry-pool", "7", &candidates)));
            let burned: Vec<_> = burned.iter().map(at).collect();
            let names = pool.list().await.unwrap();
            let servers = servers_ahead(&chain, 0, &pool, lookup, names, &at(&current), &burned).await.unwrap();
            servers.into_iter().map(|server| server.ip.octets()[3]).collect()
        };
        assert_eq!(ahead("a", &[]).await, [2, 3]);
        assert_eq!(ahead("a", &["b"]).await, [3, 4]);
        assert_eq!(ahead("c", &["a"]).await, [4], "e has none");
        assert_eq!(ahead("removed", &["e"]).await, [1, 2]);
        assert_eq!(ahead("a", &["b", "c", "d", "e"]).await, [0; 0]);
    }

    #[tokio::test]
    async fn a_candidate_that_failed_is_tried_again_in_a_new_version() {
        let profile = profile("203.0.113.1");
        let pool = Pool::Secret(Box::new(pool("entry-pool", "8", &[("a", &profile)])));
        let chain = berlin();
        let chain = validate(&chain).unwrap();
        let failed = CandidateRef { name: "a".into(), version: "7".into() };
        let found = choose(&chain, 0, &pool, lookup, Some(&failed), std::slice::from_ref(&failed)).await;
        assert_eq!(found.ok().map(|(chosen, _)| chosen.candidate.to_string()).as_deref(), Some("a@8"));
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_skipped_by_its_key_and_never_by_its_content() {
        let good = profile("203.0.113.1");
        let clash = profile(&with_berlin(|chain| chain.plan.hops[0].inner.address.addr().to_string()));
        let unresolved = profile("CANARY.invalid");
        let plugin = format!("plugin /CANARY.so\n{good}");
        let candidates = [
            ("a", "frobnicate CANARY"),
            ("b", plugin.as_str()),
            ("c", ""),
            ("d", clash.as_str()),
            ("e", unresolved.as_str()),
            ("f.", good.as_str()),
            ("g", good.as_str()),
        ];
        let (chosen, skipped) = chosen(&candidates, None, &[]).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(chosen.candidate.name, "g");
        let names: Vec<_> = skipped.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e", "f."]);
        for Skipped { name, reason } in &skipped {
            assert!(
                !reason.contains("CANARY") && (name == "f." || reason.contains(&format!("\"{name}\""))),
                "{reason}"
            );
        }
    }

    #[tokio::test]
    async fn a_pool_with_nothing_left_says_what_became_of_its_keys() {
        let good = profile("203.0.113.1");
        let candidates = [("a", good.as_str()), ("b", "CANARY"), ("c", good.as_str())];
        let Err(error) = chosen(&candidates, Some("a"), &["a", "c"]).await else { panic!("should be exhausted") };
        let said = crate::telemetry::error_chain(&error);
        let expected = "pool of hop \"entry\" has no candidate left to try: of 3, 2 failed lately and 1 cannot be used";
        assert_eq!(said, expected);
        assert!(!format!("{error:?}").contains("CANARY"));
        let ChoiceError::Exhausted { skipped, .. } = error else { panic!("should be exhausted") };
        assert_eq!(skipped.len(), 1);
        assert!(matches!(chosen(&[], None, &[]).await, Err(ChoiceError::Exhausted { listed: 0, .. })));
    }

    #[tokio::test]
    async fn what_the_name_service_says_nothing_about_is_neither_used_up_nor_unusable() {
        let [mute, gone, there] = ["mute", "gone", "there"].map(|name| profile(&format!("{name}.example")));
        let both = profile("mute.example\nremote there.example");
        let (a, b, c) = (("a", mute.as_str()), ("b", gone.as_str()), ("c", there.as_str()));
        let name = async |candidates: &[(&str, &str)]| match chosen(candidates, None, &[]).await {
            Ok((chosen, skipped)) => format!("{} {}", chosen.candidate.name, skipped.len()),
            Err(error) => crate::telemetry::error_chain(&error),
        };
        assert_eq!(name(&[a, b, c]).await, "c 1", "of b alone it is known that it cannot be used");
        let waits = "the name service does not answer about the servers of candidates a, d";
        assert_eq!(name(&[a, b, ("d", mute.as_str())]).await, waits);
        assert_eq!(name(&[("a", both.as_str())]).await, "a 0", "one of its servers is enough");
        let chain = berlin();
        let chain = validate(&chain).unwrap();
        let pool = Pool::Secret(Box::new(pool("entry-pool", "7", &[a])));
        let newest = newest(&chain, 0, &pool, lookup, "a").await.unwrap().and_then(Result::err);
        assert_eq!(newest, Some(Unfit::NoAnswer));
    }

    #[tokio::test]
    async fn the_candidate_in_use_is_read_again_by_its_name() {
        let good = profile("203.0.113.1");
        let pool = Pool::Secret(Box::new(pool("entry-pool", "9", &[("a", &good), ("b", "CANARY")])));
        let chain = berlin();
        let chain = validate(&chain).unwrap();
        let found = newest(&chain, 0, &pool, lookup, "a").await.unwrap();
        assert_eq!(found.and_then(Result::ok).map(|c| c.candidate.to_string()).as_deref(), Some("a@9"));
        let bad = newest(&chain, 0, &pool, lookup, "b").await.unwrap().and_then(Result::err);
        let Some(Unfit::Skipped(bad)) = bad else { panic!("should be skipped: {bad:?}") };
        assert!(bad.name == "b" && !bad.reason.contains("CANARY"), "{}", bad.reason);
        assert!(newest(&chain, 0, &pool, lookup, "removed").await.unwrap().is_none());
    }
}
