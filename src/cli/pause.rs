//! `hopkeeper pause` and `resume`: repairs off and on again (`spec.paused`).

use clap::Args;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::cluster::{ClusterArgs, FIELD_MANAGER, block_on, refused};
use super::output;

/// Which chain.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 done, or so already; 1 not done; 2 wrong usage.\n\n\
    It sets spec.paused: where the chain is applied from a file or by GitOps, change it there too.\n\n\
    Example:\n  hopkeeper pause berlin   # before work at the provider; afterwards: hopkeeper resume berlin")]
pub(super) struct OfChain {
    /// The chain.
    #[arg(value_name = "CHAIN")]
    chain: String,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl OfChain {
    /// Sets `spec.paused`.
    pub(super) fn set_paused(&self, paused: bool) -> miette::Result<()> {
        block_on(async {
            let cluster = self.cluster.connect().await?;
            let before = cluster.chain(&self.chain).await?.spec.paused;
            if before != paused {
                let patch = json!({"spec": {"paused": paused}});
                let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
                let done = cluster.chains().patch(&self.chain, &params, &Patch::Merge(patch)).await;
                done.map_err(|e| refused(if paused { "pause the chain" } else { "resume the chain" }, &e))?;
            }
            output::print(&told(&format!("{}/{}", cluster.namespace, self.chain), before, paused))
        })
    }
}

fn told(chain: &str, before: bool, paused: bool) -> String {
    let already = if before == paused { "already " } else { "" };
    if paused {
        format!("chain {chain} is {already}paused: incidents are recorded, nothing is repaired\n")
    } else {
        format!("chain {chain} is {already}resumed: open incidents are judged anew\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_so_already_is_said() {
        assert!(told("vpn/berlin", false, true).starts_with("chain vpn/berlin is paused: "));
        assert!(told("vpn/berlin", true, true).starts_with("chain vpn/berlin is already paused: "));
        assert!(told("vpn/berlin", true, false).starts_with("chain vpn/berlin is resumed: "));
        assert!(told("vpn/berlin", false, false).starts_with("chain vpn/berlin is already resumed: "));
    }
}
