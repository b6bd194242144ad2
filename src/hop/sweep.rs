//! `net sweep`: removes a deleted chain's bridges from the node. The CNI plugin that made them never does.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::info;

use super::{HopError, command};

/// A pod that is gone from the API may hold its interface for a moment longer.
const PATIENCE: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_millis(300);

/// Deletes each bridge that exists and joins nobody any more; one that still joins pods after a while is left.
///
/// # Errors
/// When `ip` fails.
pub async fn sweep(bridges: &[String]) -> Result<(), HopError> {
    let end = Instant::now() + PATIENCE;
    for bridge in bridges {
        loop {
            match ports(bridge).await? {
                None => break,
                Some(0) => {
                    command::run(&ip(&["link", "delete", bridge, "type", "bridge"])).await?;
                    info!(bridge, "Removed the bridge of a deleted chain.");
                    break;
                }
                Some(_) if Instant::now() < end => sleep(RETRY).await,
                Some(ports) => {
                    info!(bridge, ports, "The bridge still joins pods: left it.");
                    break;
                }
            }
        }
    }
    Ok(())
}

/// How many interfaces a bridge joins; none when there is no such bridge.
async fn ports(bridge: &str) -> Result<Option<usize>, HopError> {
    match command::run(&ip(&["-o", "link", "show", "master", bridge])).await {
        Ok(ports) => Ok(Some(ports.lines().count())),
        Err(HopError::Command { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn ip(arguments: &[&str]) -> Vec<String> {
    std::iter::once("ip").chain(arguments.iter().copied()).map(str::to_owned).collect()
}
