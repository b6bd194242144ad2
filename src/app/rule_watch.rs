//! Watches the directory of rules and loads it when it changes. What is broken is told, and the last good set stays.
//!
//! Events only say that something may have changed; what decides is the files' content. So a ConfigMap's swapped link,
//! a plain edit and a rename are one case, and a missed event costs no more than the time to the next look.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::controller::rules_state::RulesState;
use crate::domain::ruleset::RuleSet;
use crate::domain::ruleset::pack::Base;
use crate::internal_event::rules::{RuleMetrics, RulesReloadError, RulesReloaded, RulesWatchError};
use crate::rule_files;
use crate::telemetry::error_chain;

/// Files are read when nothing has changed for so long: an editor writes in several steps.
const QUIET: Duration = Duration::from_millis(150);
/// But not later than so long after the first change: somebody may write for ever.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often files are looked at without an event.
const POLL: Duration = Duration::from_secs(30);
/// A condition and an Event hold so much of what is wrong.
const MAX_PROBLEM_CHARS: usize = 300;

/// The watch on a directory of rules, or on one file.
pub struct RuleWatch {
    path: PathBuf,
    base: Base,
    poll: Duration,
    /// The content that was looked at last.
    seen: Option<u64>,
    rules: watch::Sender<Arc<RuleSet>>,
    state: watch::Sender<RulesState>,
    metrics: RuleMetrics,
}

impl RuleWatch {
    /// A watch that is not running yet; `rules` were loaded from the path, over `base`.
    pub fn new(
        path: PathBuf,
        base: Base,
        rules: watch::Sender<Arc<RuleSet>>,
        state: watch::Sender<RulesState>,
        metrics: RuleMetrics,
    ) -> Self {
        Self { path, base, poll: POLL, seen: None, rules, state, metrics }
    }

    /// Watches until stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.watch()).await;
    }

    async fn watch(&mut self) {
        loop {
            let (sender, mut changes) = mpsc::channel(1);
            // Before the look: what changes after it is told.
            let identity = self.identity();
            let watcher = self.watcher(sender);
            self.look().await;
            // Another directory in the same place is another one to watch; so is one that could not be watched.
            while watcher.is_some() && identity.is_some() && identity == self.identity() {
                match timeout(self.poll, changes.recv()).await {
                    Ok(Some(())) => settled(&mut changes).await,
                    // The watcher has ended: make another one.
                    Ok(None) => break,
                    Err(_) => {}
                }
                self.look().await;
            }
            if watcher.is_none() || self.identity().is_none() {
                sleep(self.poll).await;
            }
        }
    }

    /// The directory to watch. A single file is watched through its directory: editors replace it.
    fn directory(&self) -> PathBuf {
        if self.path.is_dir() {
            return self.path.clone();
        }
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new(".")).to_owned()
    }

    fn identity(&self) -> Option<(u64, u64)> {
        std::fs::metadata(self.directory()).ok().map(|directory| (directory.dev(), directory.ino()))
    }

    fn watcher(&self, changes: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
        let tell = move |event: notify::Result<notify::Event>| {
            // Reading the files is no change. An error may hide one.
            if event.map_or(true, |event| is_change(event.kind)) {
                // One that waits already says it all.
                let _ = changes.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(tell).and_then(|mut watcher| {
            watcher.watch(&self.directory(), RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        let failed = |error: &_| {
            RulesWatchError { path: &self.path.display().to_string(), error, poll: self.poll }.emit();
        };
        watcher.inspect_err(failed).ok()
    }

    /// Loads the files if their content is not what it was.
    async fn look(&mut self) {
        let (path, base, seen) = (self.path.clone(), self.base, self.seen);
        let read = tokio::task::spawn_blocking(move || {
            // Taken first: what changes meanwhile is seen as a change by the next look.
            let content = content(&path);
            (seen != Some(content)).then(|| (content, rule_files::load(&path, base)))
        });
        let Some((content, loaded)) = read.await.expect("should not panic: loading gives errors") else { return };
        let first = self.seen.replace(content).is_none();
        let path = self.path.display().to_string();
        match loaded {
            Ok(loaded) => {
                let rules = loaded.rules.rules().len();
                RulesReloaded { path: &path, rules, files: loaded.files.len() }.emit(&self.metrics);
                self.rules.send_replace(Arc::new(loaded.rules));
                // The first look finds what the program began with.
                self.tell(RulesState { rules, problem: None }, !first);
            }
            Err(error) => {
                let rules = self.state.borrow().rules;
                RulesReloadError { path: &path, error: &error, kept: rules }.emit(&self.metrics);
                let problem = error_chain(&error).chars().take(MAX_PROBLEM_CHARS).collect();
                self.tell(RulesState { rules, problem: Some(problem) }, false);
            }
        }
    }

    /// A reload is told even where as many rules are in use as before.
    fn tell(&self, state: RulesState, reloaded: bool) {
        self.state.send_if_modified(|before| {
            let changed = reloaded || *before != state;
            *before = state;
            changed
        });
    }
}

/// Waits until changes cease for a moment.
async fn settled(changes: &mut mpsc::Receiver<()>) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE && matches!(timeout(QUIET, changes.recv()).await, Ok(Some(()))) {}
}

fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// A number that is another one when any rule file is.
fn content(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    // A directory that cannot be read has none; loading says why.
    for file in rule_files::paths(path).unwrap_or_default() {
        file.hash(&mut hasher);
        // Why a file cannot be read counts as well: it will be told once.
        std::fs::read(&file).map_err(|error| error.kind().to_string()).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
