//! How long to wait before something outside of this process is tried again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// From `first` on, doubled up to `longest`; by chance up to twice as much, so that many don't come back at once. Without an end.
pub(crate) fn growing(first: Duration, longest: Duration) -> ExponentialBuilder {
    ExponentialBuilder::new().with_min_delay(first).with_max_delay(longest).with_jitter().without_max_times()
}

/// The same, one after the other.
pub(crate) fn pauses(first: Duration, longest: Duration) -> impl Iterator<Item = Duration> + Send {
    growing(first, longest).build()
}
