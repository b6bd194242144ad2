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

/// How many interfaces a bridge joins: its ports, and macvlan interfaces on it, which are in their pods and can be told by their
/// having it take frames for all addresses only (they count as one). None when there is no such bridge.
async fn ports(bridge: &str) -> Result<Option<usize>, HopError> {
    let is_there = |answer: Result<String, HopError>| match answer {
        Ok(text) => Ok(Some(text)),
        Err(HopError::Command { .. }) => Ok(None),
        Err(error) => Err(error),
    };
    let Some(ports) = is_there(command::run(&ip(&["-o", "link", "show", "master", bridge])).await)? else {
        return Ok(None);
    };
    let Some(itself) = is_there(command::run(&ip(&["-o", "-d", "link", "show", "dev", bridge])).await)? else {
        return Ok(None);
    };
    Ok(Some(ports.lines().count() + usize::from(!itself.contains(" promiscuity 0 "))))
}

fn ip(arguments: &[&str]) -> Vec<String> {
    std::iter::once("ip").chain(arguments.iter().copied()).map(str::to_owned).collect()
}
