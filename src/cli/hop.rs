//! `hopkeeper hop …`: what the containers of a hop's pod run.

mod files;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use miette::{IntoDiagnostic, WrapErr};

use crate::crd::chain::VXLAN_DEVICE;
use crate::domain::plan::{self, Vxlan};
use crate::hop::{self, Paths};
use crate::telemetry::LogFormat;
use crate::{hardening, telemetry};

/// Runs inside a hop's pod; the operator starts it, not a person. Without Kubernetes, makes a hop's files.
#[derive(Debug, Subcommand)]
pub(super) enum HopCommand {
    /// Builds and keeps the hop's network (needs NET_ADMIN).
    #[command(subcommand)]
    Net(NetCommand),
    Files(files::Files),
}

/// Builds and keeps the hop's network.
#[derive(Debug, Subcommand)]
pub(super) enum NetCommand {
    /// Builds the namespace before the client starts: kill switch, tunnel device, routes.
    Init(NetArgs),
    /// Keeps it: hands the client its parameters, sets the tunnel's address and route, writes the hop's state.
    Run {
        #[command(flatten)]
        files: NetArgs,
        /// Leaves the running client alone when the parameters change: a new pod takes them up.
        #[arg(long)]
        no_reload: bool,
    },
    /// Removes bridges that join nobody any more from this node, after their chain was deleted.
    Sweep {
        /// The bridges.
        #[arg(required = true, value_name = "BRIDGE")]
        bridges: Vec<String>,
    },
    /// Keeps the VXLAN device that links of type vxlan are on, on the node that it runs on (host network, NET_ADMIN).
    Vxlan(VxlanArgs),
}

/// The VXLAN device; the defaults are what `links.type: vxlan` takes.
#[derive(Debug, Args)]
pub(super) struct VxlanArgs {
    /// A file with the addresses of all nodes, one a line; read again as it changes.
    #[arg(long, value_name = "FILE")]
    nodes: PathBuf,
    /// This node's address.
    #[arg(long, value_name = "ADDRESS", env = "HOPKEEPER_NODE_ADDRESS")]
    address: Ipv4Addr,
    /// The device.
    #[arg(long, value_name = "NAME", default_value = VXLAN_DEVICE)]
    device: String,
    /// The network's identifier.
    #[arg(long, default_value_t = 4673, value_parser = clap::value_parser!(u32).range(1..1 << 24))]
    vni: u32,
    /// The UDP port by which the nodes reach each other.
    #[arg(long, default_value_t = 8473, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The largest packet in bytes that a link takes.
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u16).range(576..))]
    mtu: u16,
}

impl VxlanArgs {
    async fn keep(self) -> Result<(), hop::HopError> {
        let Self { nodes, address, device, vni, port, mtu } = self;
        hop::keep_vxlan(&Vxlan { device, vni, port, mtu, address }, &nodes).await
    }
}

/// Where the hop's files lie; the defaults are the layout of a hop's pod.
#[derive(Debug, Args)]
pub(super) struct NetArgs {
    /// The hop's plan; `client.conf` and `auth` lie beside it.
    #[arg(long, value_name = "FILE", default_value = "/etc/hopkeeper/hop/hop.json")]
    plan: PathBuf,
    /// The directory that the hop's containers share.
    #[arg(long, value_name = "DIR", default_value = plan::SHARED_DIR)]
    shared: PathBuf,
    /// The directory of WireGuard's control sockets.
    #[arg(long, value_name = "DIR", default_value = plan::UAPI_DIR)]
    uapi: PathBuf,
}

impl From<NetArgs> for Paths {
    fn from(NetArgs { plan, shared, uapi }: NetArgs) -> Self {
        Self { plan, shared, uapi }
    }
}

impl HopCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// When the network cannot be built or kept, or the files cannot be made.
    pub(super) fn run(self) -> miette::Result<()> {
        hardening::forbid_core_dumps().into_diagnostic().wrap_err("failed to turn core dumps off")?;
        let filter = std::env::var("HOPKEEPER_LOG").unwrap_or_else(|_| "info".to_owned());
        telemetry::start(&filter, LogFormat::Text).into_diagnostic()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
        runtime.block_on(async {
            match self {
                Self::Files(files) => files.run().await,
                Self::Net(NetCommand::Init(args)) => {
                    hop::init(&args.into()).await.into_diagnostic().wrap_err("failed to build the hop's network")
                }
                Self::Net(NetCommand::Run { files, no_reload }) => hop::run(&files.into(), !no_reload)
                    .await
                    .into_diagnostic()
                    .wrap_err("failed to keep the hop's network"),
                Self::Net(NetCommand::Sweep { bridges }) => {
                    hop::sweep(&bridges).await.into_diagnostic().wrap_err("failed to remove the chain's bridges")
                }
                Self::Net(NetCommand::Vxlan(args)) => {
                    args.keep().await.into_diagnostic().wrap_err("failed to keep the node's VXLAN device")
                }
            }
        })
    }
}
