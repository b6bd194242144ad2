//! The operator's tasks by name: each is required, so the first one that ends, ends the process. What they do is their own affair.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::anyhow;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Tasks get this long to finish what they do.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// Those that run.
#[derive(Default)]
pub(super) struct Tasks {
    running: JoinSet<anyhow::Result<()>>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    /// Starts one.
    pub(super) fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let id = self.running.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Waits for a signal or for the first task that ends, then lets the others finish.
    ///
    /// # Errors
    /// When it was not a signal that ended it.
    pub(super) async fn supervise(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let outcome = tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            ended = self.next_end() => Err(match ended {
                Some((name, Ok(Ok(())))) => anyhow!("task {name:?} ended, which it never should"),
                Some((name, Ok(Err(error)))) => error.context(format!("task {name:?} failed")),
                Some((name, Err(panicked))) => anyhow!(panicked).context(format!("task {name:?} panicked")),
                None => anyhow!("there were no tasks"),
            }),
        };
        tracing::info!("Stopping.");
        stop.cancel();
        let left = self.finish(SHUTDOWN).await;
        if !left.is_empty() {
            tracing::warn!(tasks = ?left, seconds = SHUTDOWN.as_secs(), "Some tasks did not finish in time; leaving them.");
        }
        outcome
    }

    async fn next_end(&mut self) -> Option<(&'static str, Result<anyhow::Result<()>, JoinError>)> {
        let ended = self.running.join_next_with_id().await?;
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let name = self.names.remove(&id).expect("should have a name: each task got one");
        Some((name, ended.map(|(_, result)| result)))
    }

    /// Waits until all have ended; gives those that have not by then.
    async fn finish(&mut self, within: Duration) -> Vec<&'static str> {
        let all = async { while self.next_end().await.is_some() {} };
        let _ = tokio::time::timeout(within, all).await;
        let mut left: Vec<_> = self.names.values().copied().collect();
        left.sort_unstable();
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ended_by(task: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> String {
        let (mut tasks, stop) = (Tasks::default(), CancellationToken::new());
        let stopped = stop.clone();
        tasks.spawn("other", async move {
            stopped.cancelled().await;
            Ok(())
        });
        tasks.spawn("one", task);
        format!("{:#}", tasks.supervise(stop).await.unwrap_err())
    }

    #[tokio::test]
    async fn the_first_task_that_ends_is_named_and_ends_the_others() {
        assert_eq!(ended_by(async { Ok(()) }).await, "task \"one\" ended, which it never should");
        assert_eq!(ended_by(async { Err(anyhow!("no disk")) }).await, "task \"one\" failed: no disk");
        let said = ended_by(async { panic!("at the end of my rope") }).await;
        assert!(said.starts_with("task \"one\" panicked: ") && said.contains("at the end of my rope"), "{said}");
    }

    #[tokio::test]
    async fn those_that_do_not_finish_are_named() {
        let mut tasks = Tasks::default();
        tasks.spawn("quick", async { Ok(()) });
        tasks.spawn("stuck", std::future::pending());
        tasks.spawn("deaf", std::future::pending());
        assert_eq!(tasks.finish(Duration::from_millis(200)).await, ["deaf", "stuck"]);
    }
}
