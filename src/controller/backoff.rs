//! How long a chain whose reconcile failed waits: longer with every failure in a row, per chain.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use kube::ResourceExt;

use super::Error;

const FIRST: Duration = Duration::from_millis(500);
/// After an outage a repair waits so long at most.
const LONGEST: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_millis(300);

/// Failures in a row, by the chain's UID.
#[derive(Default)]
pub struct Backoff(Mutex<HashMap<String, u32>>);

impl Backoff {
    /// The chain's reconcile worked.
    pub fn succeeded(&self, chain: &impl ResourceExt) {
        self.failures().remove(&chain.uid().unwrap_or_default());
    }

    /// The chain's reconcile failed: how long to wait.
    pub fn failed(&self, chain: &impl ResourceExt, error: &Error) -> Duration {
        // A conflict means that the view was old, and pods that leave take a moment: nothing grows worse by asking.
        if matches!(error.category(), "conflict" | "still_leaving") {
            return SOON;
        }
        let mut failures = self.failures();
        let count = failures.entry(chain.uid().unwrap_or_default()).or_insert(0);
        let wait = FIRST.saturating_mul(1 << (*count).min(10)).min(LONGEST);
        *count += 1;
        wait
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, HashMap<String, u32>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
