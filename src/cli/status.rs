//! `hopkeeper status`: chains, hops, what is held and why, once or as it changes.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::cluster::live::Live;
use super::cluster::{ClusterArgs, Scope, block_on};
use super::output::{self, OutputArgs};
use crate::overview::{Overview, overview};

mod text;

/// A terminal's ages go on also while nothing changes.
const TICK: Duration = Duration::from_secs(1);
/// What `--check` answers when a chain is not up.
const NOT_UP: u8 = 3;

/// Shows chains: their path, the state of each hop, what is held and why, and the candidates that are left.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 shown; 1 not shown (no such chain, no answer from the API server); 2 wrong usage; \
    3 with --check: some chain is not up.\n\n\
    Examples:\n  hopkeeper status\n  hopkeeper status berlin\n  hopkeeper status -A -o wide\n  \
    hopkeeper status berlin --watch\n  hopkeeper status berlin -o json | jq '.hops[] | {name, state, candidatesLeft}'\n  \
    hopkeeper status -A --check >/dev/null || echo 'a chain is down'\n  \
    hopkeeper status berlin --check --timeout 2m"
)]
pub(super) struct Status {
    /// One chain, hop by hop and with its incidents; without it, a line for each chain.
    #[arg(value_name = "CHAIN")]
    chain: Option<String>,
    /// The chains of all namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "chain"])]
    all_namespaces: bool,
    #[command(flatten)]
    printed: OutputArgs<Format>,
    /// Print again whenever something changes, until interrupted.
    #[arg(short, long, conflicts_with = "check")]
    watch: bool,
    /// Exit with 3 unless every chain that is shown is up, with its spec as it is now.
    #[arg(long)]
    check: bool,
    /// With --check: how long to wait for every chain to be up [default: not at all].
    #[arg(long, value_name = "TIME", requires = "check", value_parser = crate::config::duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// How chains are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table.
    #[default]
    Table,
    /// A table with paths, candidates and ages.
    Wide,
    /// JSON: one object with CHAIN, else `{"chains": […]}`.
    Json,
    /// The same as YAML.
    Yaml,
}

impl Status {
    pub(super) fn run(self) -> miette::Result<ExitCode> {
        block_on(async {
            let cluster = self.cluster.connect().await?;
            let namespace = (!self.all_namespaces).then(|| cluster.namespace.clone());
            let scope = Scope { namespace, chain: self.chain.clone() };
            if self.watch {
                return self.follow(Live::begin(&cluster, scope).await?).await;
            }
            let all = match self.timeout {
                Some(limit) => settled(Live::begin(&cluster, scope.clone()).await?, limit).await?,
                None => {
                    let (chains, incidents) = cluster.read(&scope).await?;
                    overview(&chains, &incidents)
                }
            };
            output::print(&self.rendered(&all, Timestamp::now())?)?;
            if all.chains.is_empty() && matches!(self.printed.format(), Format::Table | Format::Wide) {
                let place =
                    scope.namespace.map_or("the cluster".to_owned(), |namespace| format!("namespace {namespace:?}"));
                output::note(&format!("no chains in {place}"));
            }
            Ok(if self.check && !is_up(&all) { ExitCode::from(NOT_UP) } else { ExitCode::SUCCESS })
        })
    }

    async fn follow(&self, mut live: Live) -> miette::Result<ExitCode> {
        let on_screen =
            std::io::stdout().is_terminal() && matches!(self.printed.format(), Format::Table | Format::Wide);
        live.changed().await?;
        loop {
            let text = self.rendered(&live.overview(), Timestamp::now())?;
            match live.trouble() {
                Some(trouble) if !on_screen => output::note(&trouble),
                // From the top of an empty screen; into a file, one after the other.
                trouble if on_screen => {
                    output::print(&format!("\u{1b}[H\u{1b}[2J{text}{}", trouble.unwrap_or_default()))?;
                }
                _ => output::print(&text)?,
            }
            if on_screen {
                tokio::time::timeout(TICK, live.changed()).await.unwrap_or(Ok(()))?;
            } else {
                live.changed().await?;
            }
        }
    }

    fn rendered(&self, all: &Overview, now: Timestamp) -> miette::Result<String> {
        match (self.printed.format(), &self.chain, all.chains.first()) {
            (Format::Json, Some(_), Some(chain)) => output::json(chain),
            (Format::Json, ..) => output::json(all),
            (Format::Yaml, Some(_), Some(chain)) => output::yaml(chain),
            (Format::Yaml, ..) => output::yaml(all),
            (format, Some(_), Some(chain)) => Ok(text::chain(chain, now, format == Format::Wide)),
            (format, ..) => Ok(text::chains(all, now, self.all_namespaces, format == Format::Wide)),
        }
    }
}

/// Every chain carries traffic, and an operator has looked at each as it is now: a chain is as up as before in the moment after
/// its spec has changed.
fn is_up(all: &Overview) -> bool {
    all.chains.iter().all(|chain| chain.is_up() && chain.is_current)
}

/// What there is once every chain is up, or at the end of the time.
async fn settled(mut live: Live, limit: Duration) -> miette::Result<Overview> {
    let end = Instant::now() + limit;
    live.changed().await?;
    while !is_up(&live.overview()) {
        match timeout_at(end, live.changed()).await {
            Ok(changed) => changed?,
            Err(_) => break,
        }
    }
    Ok(live.overview())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overview::tests::berlin;

    #[test]
    fn a_chain_whose_spec_no_operator_has_looked_at_is_not_up_yet() {
        let mut chain = berlin();
        for hop in &mut chain.status.as_mut().unwrap().hops {
            (hop.state, hop.ready) = (crate::crd::chain::HopState::Up, true);
        }
        assert!(is_up(&overview(&[chain.clone()], &[])));
        chain.metadata.generation = chain.metadata.generation.map(|generation| generation + 1);
        assert!(!is_up(&overview(&[chain], &[])));
    }
}
