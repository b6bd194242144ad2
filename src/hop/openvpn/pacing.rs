//! How long to wait before the next attempt: seconds after a failure of the path, minutes after a refusal, because
//! providers lock accounts that try too often.

use std::time::Duration;

/// The first refusal may be an accident (servers refuse good passwords once in a while), hence a quick second try.
const AFTER_REFUSALS_SECONDS: [u64; 6] = [2, 30, 60, 120, 240, 300];
const AFTER_FAILURES_SECONDS: [u64; 4] = [2, 4, 8, 10];

#[derive(Debug, Default)]
pub(super) struct Pacing {
    refusals: usize,
    failures: usize,
    refused: bool,
}

impl Pacing {
    pub(super) fn failed(&mut self, refused: bool) {
        self.refused = refused;
        let count = if refused { &mut self.refusals } else { &mut self.failures };
        *count += 1;
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub(super) fn delay(&self) -> Duration {
        let (table, count) = if self.refused {
            (&AFTER_REFUSALS_SECONDS[..], self.refusals)
        } else {
            (&AFTER_FAILURES_SECONDS[..], self.failures)
        };
        Duration::from_secs(table[count.saturating_sub(1).min(table.len() - 1)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(refused: bool, count: usize) -> Vec<u64> {
        let mut pacing = Pacing::default();
        (0..count)
            .map(|_| {
                pacing.failed(refused);
                pacing.delay().as_secs()
            })
            .collect()
    }

    #[test]
    fn refusals_are_tried_again_ever_more_slowly() {
        assert_eq!(delays(true, 8), [2, 30, 60, 120, 240, 300, 300, 300]);
    }

    #[test]
    fn other_failures_are_tried_again_within_seconds() {
        assert_eq!(delays(false, 6), [2, 4, 8, 10, 10, 10]);
    }

    #[test]
    fn a_connection_starts_over() {
        let mut pacing = Pacing::default();
        pacing.failed(true);
        pacing.failed(true);
        pacing.succeeded();
        pacing.failed(true);
        assert_eq!(pacing.delay().as_secs(), 2);
    }
}
