//! `net sweep`: removes a deleted chain's bridges from the node. The CNI plugin that made them never does.

use tracing::info;

use super::{HopError, command};

/// Deletes each bridge that exists and joins nobody any more.
///
/// # Errors
/// When `ip` fails.
pub async fn sweep(bridges: &[String]) -> Result<(), HopError> {
    for bridge in bridges {
        let ip = |arguments: &[&str]| -> Vec<String> {
            std::iter::once("ip").chain(arguments.iter().copied()).map(str::to_owned).collect()
        };
        match command::run(&ip(&["-o", "link", "show", "master", bridge])).await {
            Ok(ports) if ports.trim().is_empty() => {
                command::run(&ip(&["link", "delete", bridge, "type", "bridge"])).await?;
                info!(bridge, "Removed the bridge of a deleted chain.");
            }
            Ok(ports) => info!(bridge, ports = ports.lines().count(), "The bridge still joins pods: left it."),
            // There is no such bridge: another sweep came first.
            Err(HopError::Command { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
