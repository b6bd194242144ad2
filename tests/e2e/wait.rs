//! Waiting for something to become true, with a limit and the last thing seen in the failure.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long anything in the lab may take before a test gives up on it: what takes 10 s on an idle machine took 90 on one whose
/// processors were wanted ten times over.
pub const LIMIT: Duration = Duration::from_secs(240);

/// Asks every 200 ms (more would keep the API server busy: several scenarios ask) until `probe` gives a value; fails with what it last said.
pub async fn until<T, F>(what: &str, limit: Duration, probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    until_every(Duration::from_millis(200), what, limit, probe).await
}

/// The same for a question that is expensive, or one that must be asked often.
pub async fn until_every<T, F>(pause: Duration, what: &str, limit: Duration, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    let end = Instant::now() + limit;
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(last) => assert!(Instant::now() < end, "not within {limit:?}: {what}; last seen: {last}"),
        }
        tokio::time::sleep(pause).await;
    }
}

/// Asks every 500 ms for the whole time; fails as soon as `probe` objects.
pub async fn throughout<F>(what: &str, time: Duration, mut probe: impl FnMut() -> F)
where
    F: Future<Output = Result<(), String>>,
{
    let end = Instant::now() + time;
    while Instant::now() < end {
        if let Err(seen) = probe().await {
            panic!("{what}: {seen}");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
