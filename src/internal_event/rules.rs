//! What happens to the rules while the operator runs.

use prometheus::{IntCounter, IntGauge, Registry};
use tracing::{error, info, warn};

use super::catalog;
use crate::rule_files::RuleFilesError;
use crate::telemetry::error_chain;

/// So many mistakes of one reload get a log line each.
const MISTAKES_TOLD: usize = 20;

/// The metrics of the rules.
#[derive(Clone, Debug)]
pub struct RuleMetrics {
    loaded: IntGauge,
    last_reload_success: IntGauge,
    reloads: IntCounter,
    reload_errors: IntCounter,
}

impl RuleMetrics {
    /// Registers the metrics; `rules` are loaded.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn register(registry: &Registry, rules: usize) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            loaded: catalog::RULES_LOADED.new_gauge(registry)?,
            last_reload_success: catalog::RULES_LAST_RELOAD_SUCCESS.new_gauge(registry)?,
            reloads: catalog::RULES_RELOADS.new_counter(registry)?,
            reload_errors: catalog::RULES_RELOAD_ERRORS.new_counter(registry)?,
        };
        metrics.loaded.set(i64::try_from(rules).unwrap_or(i64::MAX));
        metrics.last_reload_success.set(1);
        Ok(metrics)
    }
}

/// Changed rule files are in use.
pub(crate) struct RulesReloaded<'a> {
    pub(crate) path: &'a str,
    pub(crate) rules: usize,
    pub(crate) files: usize,
}

impl RulesReloaded<'_> {
    pub(crate) fn emit(self, metrics: &RuleMetrics) {
        info!(path = self.path, rules = self.rules, files = self.files, "Loaded the changed rules.");
        metrics.loaded.set(i64::try_from(self.rules).unwrap_or(i64::MAX));
        metrics.last_reload_success.set(1);
        metrics.reloads.inc();
    }
}

/// Changed rule files are broken; the rules before stay in use.
pub(crate) struct RulesReloadError<'a> {
    pub(crate) path: &'a str,
    pub(crate) error: &'a RuleFilesError,
    pub(crate) kept: usize,
}

impl RulesReloadError<'_> {
    pub(crate) fn emit(self, metrics: &RuleMetrics) {
        if let RuleFilesError::Rules(mistakes) = self.error {
            for mistake in mistakes.iter().take(MISTAKES_TOLD) {
                error!("{mistake}");
            }
        }
        error!(
            path = self.path,
            error = error_chain(self.error),
            kept_rules = self.kept,
            "The changed rules did not load: the last good set stays in use."
        );
        metrics.last_reload_success.set(0);
        metrics.reload_errors.inc();
    }
}

/// The rules' directory cannot be watched: changes are found by looking now and then.
pub(crate) struct RulesWatchError<'a> {
    pub(crate) path: &'a str,
    pub(crate) error: &'a notify::Error,
    pub(crate) poll: std::time::Duration,
}

impl RulesWatchError<'_> {
    pub(crate) fn emit(self) {
        warn!(path = self.path, error = %self.error, poll_seconds = self.poll.as_secs_f64(),
            "The rules' directory cannot be watched: looking now and then.");
    }
}
