//! What a hop's pool holds by name, and how much of it is left to try.

use std::collections::BTreeSet;

use crate::domain::types::CandidateRef;
use crate::parameters::{Pool, PoolError};

/// The candidates of a pool, not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Their names, sorted.
    pub names: Vec<String>,
    /// The version that they all have, where there is such a one.
    pub version: Option<String>,
    /// Names that Vault lists although their newest version is deleted.
    pub gone: BTreeSet<String>,
    /// The name that was last looked at for that.
    pub looked_at: Option<String>,
}

impl Listing {
    /// Lists a pool. Vault goes on listing what was deleted, and reading every candidate to know would be a request each: so one name
    /// is looked at each time, in turn, and what was found of the others `before` is remembered.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn read(pool: &Pool<'_>, before: Option<Self>) -> Result<Self, PoolError> {
        let (names, version) = (pool.list().await?, pool.version().map(str::to_owned));
        let before = before.unwrap_or_default();
        let look_at = before.next(&names).filter(|_| version.is_none()).map(str::to_owned);
        let looked = match look_at {
            Some(name) => Some((pool.read(&name).await?.is_some(), name)),
            None => None,
        };
        Ok(Self { version, ..before.then(names, looked) })
    }

    /// The name whose turn it is.
    fn next<'n>(&self, names: &'n [String]) -> Option<&'n str> {
        let after = self.looked_at.as_ref().map_or(0, |last| names.partition_point(|name| name <= last));
        names.get(after).or(names.first()).map(String::as_str)
    }

    /// What is known once these names are listed, and one of them was looked at: whether it is there.
    fn then(mut self, mut names: Vec<String>, looked: Option<(bool, String)>) -> Self {
        self.gone.retain(|name| names.contains(name));
        if let Some((is_there, name)) = looked {
            if is_there {
                self.gone.remove(&name);
            } else {
                self.gone.insert(name.clone());
            }
            self.looked_at = Some(name);
        }
        names.retain(|name| !self.gone.contains(name));
        Self { names, ..self }
    }

    /// How many of them a rotation could take: not `current`, not burned, not known to be unusable.
    ///
    /// A list from Vault has no versions, and reading every candidate for them would be a request each. So there one counts
    /// as burned until the time is over, also when a new version of it was written meanwhile (which a rotation would find).
    pub fn left(&self, current: &CandidateRef, burned: &[CandidateRef], is_unusable: impl Fn(&str) -> bool) -> u32 {
        let is_burned = |name: &str| {
            let same_version = |b: &CandidateRef| self.version.as_ref().is_none_or(|version| *version == b.version);
            burned.iter().any(|b| b.name == name && same_version(b))
        };
        let usable = |name: &&String| **name != current.name && !is_burned(name) && !is_unusable(name);
        u32::try_from(self.names.iter().filter(usable).count()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(name: &str, version: &str) -> CandidateRef {
        CandidateRef { name: name.into(), version: version.into() }
    }

    fn listing(version: Option<&str>) -> Listing {
        Listing {
            names: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
            version: version.map(str::to_owned),
            ..Listing::default()
        }
    }

    #[test]
    fn what_vault_lists_though_it_was_deleted_is_found_out_in_turn() {
        let all = || ["a", "b", "c"].map(str::to_owned).to_vec();
        let mut listing = Listing::default();
        let mut looked = Vec::new();
        let mut look = |listing: Listing, deleted: &str| {
            let name = listing.next(&all()).expect("there are names").to_owned();
            looked.push(name.clone());
            listing.then(all(), Some((name != deleted, name)))
        };
        for _ in 0..2 {
            listing = look(listing, "b");
        }
        assert_eq!(listing.names, ["a", "c"]);
        for _ in 0..2 {
            listing = look(listing, "b");
        }
        assert_eq!(listing.names, ["a", "c"], "it is remembered");
        // A new version of it was written.
        listing = look(listing, "none");
        assert_eq!(listing.names, ["a", "b", "c"]);
        assert_eq!(looked, ["a", "b", "c", "a", "b"]);
        assert_eq!(listing.then(vec!["c".into()], None).names, ["c"]);
        assert_eq!(Listing::default().next(&[]), None);
    }

    #[test]
    fn what_is_in_use_failed_or_unusable_is_not_left() {
        let pool = listing(None);
        assert_eq!(pool.left(&at("a", "1"), &[], |_| false), 3);
        assert_eq!(pool.left(&at("a", "1"), &[at("a", "1"), at("b", "1")], |_| false), 2);
        assert_eq!(pool.left(&at("a", "1"), &[at("b", "1")], |name| name == "b" || name == "c"), 1);
        assert_eq!(pool.left(&at("removed", "1"), &[], |_| false), 4);
    }

    #[test]
    fn a_failure_of_an_older_version_counts_only_where_versions_are_not_listed() {
        let failed = [at("b", "7")];
        assert_eq!(listing(Some("8")).left(&at("a", "8"), &failed, |_| false), 3);
        assert_eq!(listing(Some("7")).left(&at("a", "7"), &failed, |_| false), 2);
        assert_eq!(listing(None).left(&at("a", "7"), &failed, |_| false), 2);
    }
}
