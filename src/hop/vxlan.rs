//! `net vxlan`: keeps the VXLAN device that links between nodes are on, on one node. No hop's pod runs it.
//!
//! The device stays when this ends: pods' links are on it.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing::info;

use super::{HopError, command, system};
use crate::domain::plan::{Vxlan, vxlan_destinations, vxlan_nodes};

/// The list of nodes changes when one joins, and a device that somebody has removed is made again.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Keeps the device until it is told to end. `list` is a file with the addresses of all nodes.
///
/// # Errors
/// When the list cannot be read, there is another device of that name, or a command fails.
pub async fn keep_vxlan(vxlan: &Vxlan, list: &Path) -> Result<(), HopError> {
    let handler = |kind| signal(kind).map_err(|source| HopError::Setup { what: "watch for signals", source });
    let (mut terminate, mut interrupt) = (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);
    tokio::select! {
        result = follow(vxlan, list) => result,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

async fn follow(vxlan: &Vxlan, list: &Path) -> Result<(), HopError> {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut applied = None;
    loop {
        looks.tick().await;
        let peers = peers(vxlan.address, list)?;
        if applied.as_ref() != Some(&peers) {
            // Before the device can take a frame.
            command::run_with_input(&["nft".into(), "-f".into(), "-".into()], Some(&vxlan.firewall(&peers))).await?;
        }
        let made = device(vxlan).await?;
        destinations(vxlan, &peers).await?;
        if made || applied.as_ref() != Some(&peers) {
            info!(device = vxlan.device, address = %vxlan.address, peers = peers.len(), "The VXLAN device reaches the other nodes.");
        }
        applied = Some(peers);
    }
}

/// The other nodes.
fn peers(own: Ipv4Addr, list: &Path) -> Result<BTreeSet<Ipv4Addr>, HopError> {
    let text = fs::read_to_string(list).map_err(|source| HopError::Read { path: list.into(), source })?;
    let mut nodes = vxlan_nodes(&text).map_err(|line| HopError::NodeAddress { path: list.into(), line })?;
    nodes.remove(&own);
    Ok(nodes)
}

/// Makes the device where it is missing, and switches it on; says whether it was missing.
async fn device(vxlan: &Vxlan) -> Result<bool, HopError> {
    let is_there = system::exists(&vxlan.device);
    if is_there {
        let shown = command::run(&vxlan.show()).await?;
        let other = |difference| HopError::OtherDevice { device: vxlan.device.clone(), difference };
        vxlan.is(&shown).map_err(other)?;
    } else {
        command::run(&vxlan.create()).await?;
    }
    command::run(&vxlan.set_up()).await?;
    Ok(!is_there)
}

async fn destinations(vxlan: &Vxlan, peers: &BTreeSet<Ipv4Addr>) -> Result<(), HopError> {
    let show = vxlan.show_destinations();
    let shown = command::run(&show).await?;
    let known = vxlan_destinations(&shown)
        .map_err(|error| HopError::Command { command: show.join(" "), output: error.to_string() })?;
    command::run_all(&vxlan.set_destinations(&known, peers)).await
}
