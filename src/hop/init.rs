//! `net init`: builds the namespace before any client runs. The kill switch comes first, and only then what lets the neighbours'
//! packets in: the addresses by which they find this hop. Running it again is harmless.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tracing::info;

use super::interface::{self, Setting};
use super::mount::Mount;
use super::{HopError, Paths, command, network, system};
use crate::domain::plan::{
    CLUSTER_INTERFACE, HopPlan, INNER_INTERFACE, OUTER_INTERFACE, TUNNEL_INTERFACE, TunnelDevice,
    hardware_address_command, init_commands,
};

/// Builds the hop's network from its plan.
///
/// # Errors
/// When the pod lacks an interface or room for the chain's packets, forwards before it may, or a command fails.
pub async fn init(paths: &Paths) -> Result<(), HopError> {
    let plan = Mount::new(&paths.plan).read()?.plan;
    // Before anything that may fail: a pod that is not ready must not leak either.
    network::load(&plan, &[]).await?;
    check(&plan)?;
    let hardware_addresses = hardware_address_commands(&plan);
    command::run_all(&hardware_addresses).await?;
    for command in init_commands(&plan) {
        if command[1..].starts_with(&["-6".into()]) && !fs::exists("/proc/sys/net/ipv6").unwrap_or(false) {
            continue;
        }
        let makes_device = ["tuntap", "link"].contains(&command[1].as_str()) && command[2] == "add";
        if makes_device && system::exists(TUNNEL_INTERFACE) {
            continue;
        }
        match command::run_all(std::slice::from_ref(&command)).await {
            Err(HopError::Command { .. })
                if makes_device && TunnelDevice::of(plan.network.implementation) == TunnelDevice::Kernel =>
            {
                return Err(HopError::KernelWireGuard);
            }
            result => result?,
        }
    }
    let switch_on = |name, setting| {
        interface::switch_on(name, setting).map_err(|source| HopError::Setting {
            name,
            setting: format!("{setting:?}"),
            source,
        })
    };
    for name in [INNER_INTERFACE, TUNNEL_INTERFACE] {
        switch_on(name, Setting::Forwarding)?;
    }
    for (name, _) in plan.network.sides() {
        switch_on(name, Setting::ArpNotify)?;
    }
    // Once more, which tells the neighbours.
    command::run_all(&hardware_addresses).await?;
    // Where /proc/sys is read-only, the tuning plugin has set the default that the device was made with.
    let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{TUNNEL_INTERFACE}/disable_ipv6"), "1");
    // The client makes its socket here, and must not replace the state that `net` writes.
    let _ = fs::set_permissions(&paths.shared, fs::Permissions::from_mode(0o1777));
    info!(hop = plan.network.name, applied = plan.id(), "The hop's network is built.");
    Ok(())
}

fn hardware_address_commands(plan: &HopPlan) -> Vec<Vec<String>> {
    plan.network.sides().map(|(name, address)| hardware_address_command(name, address.addr())).collect()
}

fn check(plan: &HopPlan) -> Result<(), HopError> {
    let outer = plan.network.outer.as_ref().map_or(CLUSTER_INTERFACE, |_| OUTER_INTERFACE);
    for name in [INNER_INTERFACE, outer] {
        if !system::exists(name) {
            return Err(HopError::Interface { name });
        }
    }
    if plan.network.outer.is_none() {
        let (actual, expected) = (system::mtu(CLUSTER_INTERFACE).unwrap_or(0), plan.network.base_mtu);
        if actual < expected {
            return Err(HopError::BaseMtu { actual, expected });
        }
    }
    for (name, expected) in plan.network.links() {
        let actual = system::mtu(name).unwrap_or(0);
        if actual < expected {
            return Err(HopError::LinkMtu { name, actual, expected });
        }
    }
    if interface::all_forward() {
        return Err(HopError::AllForward);
    }
    Ok(())
}
