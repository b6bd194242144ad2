//! What a test reads from metrics, and how it waits for what happens by itself.

use std::time::Duration;

use prometheus::Registry;

/// A server that starts on a busy machine may need more than a minute.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// The sum of a counter's values.
pub(crate) fn count(registry: &Registry, name: &str) -> usize {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name).expect("should be registered");
    let sum: f64 = family.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum();
    // Counts are whole.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let whole = sum as usize;
    whole
}

pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !done() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
