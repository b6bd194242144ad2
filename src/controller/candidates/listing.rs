//! What a hop's pool holds by name, and how much of it is left to try.

use crate::domain::types::CandidateRef;
use crate::parameters::{Pool, PoolError};

/// The candidates of a pool, not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Their names.
    pub names: Vec<String>,
    /// The version that they all have, where there is such a one.
    pub version: Option<String>,
}

impl Listing {
    /// Lists a pool.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn read(pool: &Pool<'_>) -> Result<Self, PoolError> {
        Ok(Self { names: pool.list().await?, version: pool.version().map(str::to_owned) })
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
        Listing { names: ["a", "b", "c", "d"].map(str::to_owned).to_vec(), version: version.map(str::to_owned) }
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
