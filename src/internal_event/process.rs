//! What happens to the process as a whole: who leads, and what the Kubernetes API answers it.

use prometheus::{IntGauge, Registry};
use tracing::info;

use super::catalog;
use super::metric::Counters;

/// The process' own metrics.
#[derive(Clone, Debug)]
pub struct ProcessMetrics {
    leader: IntGauge,
    kubernetes: Counters,
}

impl ProcessMetrics {
    /// Registers the metrics; nobody leads yet.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let build = catalog::BUILD_INFO.new_gauges(registry)?;
        build.of(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            leader: catalog::LEADER.new_gauge(registry)?,
            kubernetes: catalog::KUBERNETES_REQUESTS.new_counters(registry)?,
        })
    }
}

/// This process holds the lease from here on to its end.
pub(crate) struct LeadershipTaken;

impl LeadershipTaken {
    pub(crate) fn emit(self, metrics: &ProcessMetrics) {
        info!("Leading: reconciling chains.");
        metrics.leader.set(1);
    }
}

/// The Kubernetes API answered a request, or nobody did. Who asked says in the log what it meant.
pub(crate) struct KubernetesAnswered {
    /// HTTP status; none when there was no answer.
    pub(crate) status: Option<u16>,
}

impl KubernetesAnswered {
    pub(crate) fn emit(self, metrics: &ProcessMetrics) {
        metrics.kubernetes.of(&[outcome(self.status)]).inc();
    }
}

fn outcome(status: Option<u16>) -> &'static str {
    match status {
        None => "unreachable",
        Some(..400) => "ok",
        Some(401 | 403) => "forbidden",
        Some(404 | 410) => "not_found",
        Some(409) => "conflict",
        Some(429) => "throttled",
        Some(..500) => "refused",
        Some(500..) => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_counted_by_what_it_means() {
        for (status, expected) in [
            (Some(101), "ok"),
            (Some(201), "ok"),
            (Some(401), "forbidden"),
            (Some(403), "forbidden"),
            (Some(404), "not_found"),
            (Some(409), "conflict"),
            (Some(410), "not_found"),
            (Some(422), "refused"),
            (Some(429), "throttled"),
            (Some(503), "failed"),
            (None, "unreachable"),
        ] {
            assert_eq!(outcome(status), expected, "{status:?}");
        }
    }
}
