//! Which hops the log stream has fallen silent about. A hop's health sidecar writes a line at least every 5 s, so a pod that
//! runs and that nobody hears is a fault of the log pipeline, whatever its tunnel does. Pure.
//!
//! A backlog is no silence: its lines come, only late. Who hears whom is counted by `pipeline/hearing`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Whom a reader of the log stream hears, pods by UID; or several readers together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// A line of theirs came lately that was written lately.
    pub fresh: BTreeSet<String>,
    /// Lines of theirs came lately, but all of them old.
    pub late: BTreeSet<String>,
    /// A part of the stream gave nothing but old lines lately: a pod that is not heard may only be further back in it.
    pub behind: bool,
}

impl Heard {
    /// Whoever one of both hears is heard.
    pub fn unite(&mut self, other: Self) {
        self.fresh.extend(other.fresh);
        self.late.extend(other.late);
        self.behind |= other.behind;
    }
}

/// The pods that nobody hears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// By UID.
    pub pods: BTreeSet<String>,
    /// They are all there are: it is not one node's shipper, but the log pipeline as a whole.
    pub all: bool,
}

impl Silence {
    /// What is so after `before`, of the pods that run for long enough, and of those that have only just started. Where it
    /// can't be told, because lines are only late, it stays as it was: silence begins when nothing comes, and ends when
    /// something new does.
    #[must_use]
    pub fn after(before: &Self, running: &BTreeSet<String>, young: &BTreeSet<String>, heard: &Heard) -> Self {
        let is_silent = |uid: &&String| {
            let is_late = heard.behind || heard.late.contains(*uid);
            !heard.fresh.contains(*uid) && (!is_late || before.pods.contains(*uid))
        };
        let mut pods: BTreeSet<String> = running.iter().filter(is_silent).cloned().collect();
        let is_down = pods.len() == running.len() && (before.all || !pods.is_empty());
        let all = is_down && young.is_disjoint(&heard.fresh) && !(pods.is_empty() && young.is_empty());
        if all {
            // A pod that was made anew meanwhile will not be heard either.
            pods.extend(young.iter().cloned());
        }
        Self { pods, all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pods: &[&str]) -> BTreeSet<String> {
        pods.iter().map(|&pod| pod.to_owned()).collect()
    }

    fn heard(fresh: &[&str], late: &[&str], behind: bool) -> Heard {
        Heard { fresh: set(fresh), late: set(late), behind }
    }

    fn after(before: &[&str], heard: &Heard) -> Silence {
        let before = Silence { pods: set(before), all: false };
        Silence::after(&before, &set(&["a", "b"]), &set(&[]), heard)
    }

    #[test]
    fn a_pod_that_nobody_hears_is_silent_and_all_of_them_are_the_pipeline() {
        assert_eq!(after(&[], &heard(&["a", "b", "gone"], &[], false)), Silence::default());
        assert_eq!(after(&[], &heard(&["a"], &[], false)), Silence { pods: set(&["b"]), all: false });
        assert_eq!(after(&[], &Heard::default()), Silence { pods: set(&["a", "b"]), all: true });
        // Where nothing runs for long enough, nothing is silent.
        let young = Silence::after(&Silence::default(), &set(&[]), &set(&["a"]), &Heard::default());
        assert_eq!(young, Silence::default());
    }

    #[test]
    fn a_pod_that_is_made_while_the_pipeline_is_down_is_silent_from_the_start() {
        let after = |all: bool, running: &[&str], heard: &Heard| {
            let before = Silence { pods: set(&["a", "b"]), all };
            Silence::after(&before, &set(running), &set(&["new"]), heard)
        };
        let nothing = Heard::default();
        assert_eq!(after(true, &["a"], &nothing), Silence { pods: set(&["a", "new"]), all: true });
        assert_eq!(
            after(true, &[], &nothing),
            Silence { pods: set(&["new"]), all: true },
            "the last one was made anew"
        );
        assert_eq!(after(false, &[], &nothing), Silence::default());
        assert_eq!(after(true, &["a"], &heard(&["new"], &[], false)), Silence { pods: set(&["a"]), all: false });
        assert_eq!(after(true, &["a"], &heard(&["a"], &[], false)), Silence::default());
    }

    #[test]
    fn a_backlog_neither_begins_a_silence_nor_ends_one() {
        for (before, silent) in [(vec![], vec![]), (vec!["b"], vec!["b"])] {
            assert_eq!(after(&before, &heard(&["a"], &["b"], false)).pods, set(&silent), "its own lines are old");
            assert_eq!(after(&before, &heard(&["a"], &[], true)).pods, set(&silent), "it may be further back");
        }
        assert_eq!(after(&["b"], &heard(&["a", "b"], &["b"], true)).pods, set(&[]), "a new line ends it");
    }

    #[test]
    fn whoever_one_reader_hears_is_heard() {
        let mut all = heard(&["a"], &[], false);
        all.unite(heard(&["b"], &["a"], true));
        assert_eq!(all, heard(&["a", "b"], &["a"], true));
        assert_eq!(after(&["a", "b"], &all).pods, set(&[]));
    }
}
