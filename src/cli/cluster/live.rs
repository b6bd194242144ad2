//! The overview as it changes, for a command: refused lists and a chain that is not there end it, a watch that breaks later
//! does not.

use miette::miette;

use super::{Cluster, Scope, UNREACHABLE, no_chain};
use crate::live;
use crate::overview::Overview;

/// All chains and incidents of a scope, kept up to date.
pub(in crate::cli) struct Live {
    live: live::Live,
    scope: Scope,
    namespace: String,
}

impl Live {
    /// Begins to watch; `changed` waits for the first view.
    ///
    /// # Errors
    /// When the API server does not let us look, said as by every other command.
    pub(in crate::cli) async fn begin(cluster: &Cluster, scope: Scope) -> miette::Result<Self> {
        cluster.read(&scope).await?;
        let live = live::Live::new(&cluster.client, scope.namespace.as_deref(), scope.chain.as_deref());
        Ok(Self { live, scope, namespace: cluster.namespace.clone() })
    }

    /// Waits until there is something else to show.
    ///
    /// # Errors
    /// When the first lists are refused; a watch that breaks later is tried again, and `trouble` says so meanwhile.
    pub(in crate::cli) async fn changed(&mut self) -> miette::Result<()> {
        self.live.changed().await;
        if let Some(failure) = self.live.failure().filter(|_| !self.live.is_listed()) {
            return Err(miette!(help = UNREACHABLE, "failed to watch chains and incidents: {failure}"));
        }
        match &self.scope.chain {
            Some(name) if self.live.objects().0.is_empty() => Err(no_chain(name, &self.namespace)),
            _ => Ok(()),
        }
    }

    /// Why what there is may be old.
    pub(in crate::cli) fn trouble(&self) -> Option<String> {
        self.live.failure().map(|failure| format!("no news from the API server, trying again: {failure}"))
    }

    /// What there is now.
    pub(in crate::cli) fn overview(&self) -> Overview {
        self.live.overview()
    }
}
