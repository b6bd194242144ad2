//! Processor time of this thread: what other programs on the machine do counts little.

use rustix::time::{ClockId, clock_gettime};

fn now() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Seconds that a call takes.
pub fn seconds(mut call: impl FnMut()) -> f64 {
    let start = now();
    call();
    now() - start
}

/// The best of three calls.
pub fn best(mut call: impl FnMut()) -> f64 {
    (0..3).map(|_| seconds(&mut call)).fold(f64::MAX, f64::min)
}
