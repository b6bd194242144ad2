//! The namespace's network: which servers are open, the tunnel's address, the inner side's route.

use std::net::Ipv4Addr;

use tracing::{info, warn};

use super::{HopError, command, system};
use crate::domain::plan::{
    EndpointAddress, HopPlan, address_commands, close_endpoint_commands, firewall, open_endpoint_commands,
};

#[derive(Default)]
pub(super) struct Network {
    open: Vec<EndpointAddress>,
    address: Option<Ipv4Addr>,
}

impl Network {
    /// Opens the kill switch for the plan's servers, beside those that are open.
    pub(super) async fn open(&mut self, plan: &HopPlan) -> Result<(), HopError> {
        load(plan, &self.open).await?;
        command::run_all(&open_endpoint_commands(plan, &plan.endpoints)).await?;
        for endpoint in &plan.endpoints {
            if !self.open.contains(endpoint) {
                self.open.push(*endpoint);
            }
        }
        Ok(())
    }

    /// Closes it for all others: the client has left them.
    pub(super) async fn close_others(&mut self, plan: &HopPlan) -> Result<(), HopError> {
        let left: Vec<_> = self.open.extract_if(.., |endpoint| !plan.endpoints.contains(endpoint)).collect();
        if left.is_empty() {
            return Ok(());
        }
        load(plan, &[]).await?;
        let kept = |endpoint: &EndpointAddress| plan.endpoints.iter().any(|other| other.ip == endpoint.ip);
        let gone: Vec<_> = left.into_iter().filter(|endpoint| !kept(endpoint)).collect();
        for command in close_endpoint_commands(plan, &gone) {
            // The route may have gone with its interface; the kill switch is what counts.
            if let Err(error) = command::run(&command).await {
                warn!(%error, "The route to a former server stays.");
            }
        }
        Ok(())
    }

    /// Gives the tunnel its address and the inner side its route, unless they are there.
    pub(super) async fn set_address(&mut self, plan: &HopPlan, address: Ipv4Addr) -> Result<(), HopError> {
        if self.address == Some(address) && system::is_routed(address) && mtu_fits(plan) {
            return Ok(());
        }
        command::run_all(&address_commands(plan, address)).await?;
        self.address = Some(address);
        info!(%address, mtu = plan.network.tun_mtu, "The tunnel has its address and its route.");
        Ok(())
    }

    /// Puts address and route back when they have vanished: the kernel removes them when the device goes down.
    pub(super) async fn repair(&mut self, plan: &HopPlan) -> Result<(), HopError> {
        match self.address {
            Some(address) if !system::is_routed(address) => self.set_address(plan, address).await,
            _ => Ok(()),
        }
    }
}

/// Applies the kill switch.
pub(super) async fn load(plan: &HopPlan, extra: &[EndpointAddress]) -> Result<(), HopError> {
    let script = firewall(plan, extra);
    command::run_with_input(&["nft".into(), "-f".into(), "-".into()], Some(&script)).await.map(drop)
}

fn mtu_fits(plan: &HopPlan) -> bool {
    system::mtu(crate::domain::plan::TUNNEL_INTERFACE) == Some(plan.network.tun_mtu)
}
