//! `hopkeeper pool …`: fills a hop's pool of candidates, and shows what is in it, without its secrets.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use miette::{IntoDiagnostic, WrapErr, miette};
use secrecy::SecretString;

use crate::config::vault::VaultArgs;
use crate::domain::candidate::RawCandidate;
use crate::domain::types::{ClientKind, Transport};
use crate::hardening;
use crate::parameters::location::Location;
use crate::parameters::store::{SecretStore, Store};
use crate::parameters::vault::Login;
use crate::telemetry::error_chain;

use super::cluster::{ContextArgs, block_on};
use super::output::{OutputArgs, Whole, print};
use super::written;

mod add;
mod check;
pub(super) mod input;
mod list;
mod remove;
mod summary;

/// Fills a hop's pool of candidates, and shows it: the profiles and configurations that it may connect with.
///
/// A pool is vault:MOUNT/PATH (KV version 2; as in `parameters.vault` of a VpnChain) or secret:NAMESPACE/NAME (as in
/// `parameters.secretRef`, with the chain's namespace). No secret is ever printed.
#[derive(Debug, Args)]
pub(super) struct PoolCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Puts profiles (.ovpn) and WireGuard configurations (.conf) into a pool.
    ///
    /// Each file becomes a candidate under its own name without its last ending. What runs commands, loads code or writes
    /// to files (`up`, `script-security`, `plugin`, `PostUp` …) is taken out, and named as `clean`; the rest is read as the
    /// operator reads it. When one cannot be used, none is written. One that has not changed gets no new version.
    ///
    /// User and password, a line each, stand in NAME.auth beside NAME.ovpn, or for all profiles in --credentials.
    #[command(after_help = "Exit codes: 0 all are in the pool, 1 otherwise, 2 wrong usage.\n\n\
        Examples:\n  hopkeeper pool add vault:secret/vpn/entry ./profiles --credentials account.txt\n  \
        hopkeeper pool add secret:vpn/exit-pool berlin.ovpn rome.ovpn\n  \
        pass vpn/middle | hopkeeper pool add vault:secret/vpn/middle - --name nl-1\n  \
        hopkeeper pool add vault:secret/vpn/entry ./profiles --dry-run")]
    Add {
        /// vault:MOUNT/PATH or secret:NAMESPACE/NAME.
        pool: Location,
        /// Directories (all *.ovpn and *.conf directly in them), files, or `-` for standard input.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// The candidate's name, for one file or standard input.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// A file with user and password, a line each, for the profiles that ask for them and have none.
        #[arg(long, value_name = "FILE")]
        credentials: Option<PathBuf>,
        /// Clean and check, and write nothing: the pool need not be reachable.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        hop: HopArgs,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Lists a pool's candidates: name, version, client, servers, end of the client certificate, whether it can be used.
    #[command(after_help = "Exit codes: 0 listed, 1 otherwise, 2 wrong usage.\n\n\
        Example:\n  hopkeeper pool list vault:secret/vpn/entry -o json")]
    List {
        /// vault:MOUNT/PATH or secret:NAMESPACE/NAME.
        pool: Location,
        #[command(flatten)]
        printed: OutputArgs<Whole>,
        #[command(flatten)]
        hop: HopArgs,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Reads every candidate of a pool as the operator does, and says which cannot be used, and why.
    #[command(after_help = "Exit codes: 0 every candidate can be used, 1 otherwise, 2 wrong usage.\n\n\
        Example:\n  hopkeeper pool check vault:secret/vpn/entry --client openvpn --transport udp")]
    Check {
        /// vault:MOUNT/PATH or secret:NAMESPACE/NAME.
        pool: Location,
        #[command(flatten)]
        printed: OutputArgs<Whole>,
        #[command(flatten)]
        hop: HopArgs,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Removes candidates from a pool.
    ///
    /// In Vault their newest version is deleted, as `vault kv delete` does: it can be undeleted. A hop that uses one keeps
    /// it until it fails.
    #[command(after_help = "Exit codes: 0 all are removed, 1 otherwise, 2 wrong usage.\n\n\
        Example:\n  hopkeeper pool remove vault:secret/vpn/entry nl-1 nl-2 --yes")]
    Remove {
        /// vault:MOUNT/PATH or secret:NAMESPACE/NAME.
        pool: Location,
        /// The candidates.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        place: PlaceArgs,
    },
}

/// The hop that the pool is for, as its VpnChain has it.
#[derive(Clone, Copy, Debug, Args)]
struct HopArgs {
    /// The hop's client [default: the one that the candidates are for].
    #[arg(long, value_enum)]
    client: Option<Client>,
    /// The hop's `openVPN.transport`.
    #[arg(long, value_enum, default_value_t = Protocols::Any)]
    transport: Protocols,
}

/// Where pools are: the Vault, and the cluster whose Secrets are meant.
#[derive(Debug, Args)]
struct PlaceArgs {
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    cluster: ContextArgs,
}

/// The hop's client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Client {
    Openvpn,
    Wireguard,
}

/// The protocols that a hop's candidates may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocols {
    Any,
    Udp,
    Tcp,
}

impl HopArgs {
    fn client(self) -> Option<ClientKind> {
        self.client.map(|client| match client {
            Client::Openvpn => ClientKind::OpenVPN,
            Client::Wireguard => ClientKind::WireGuard,
        })
    }

    fn transport(self) -> Transport {
        match self.transport {
            Protocols::Any => Transport::Any,
            Protocols::Udp => Transport::UDP,
            Protocols::Tcp => Transport::TCP,
        }
    }
}

impl PoolCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// When the pool cannot be read or written, or holds what cannot be used.
    pub(super) fn run(self) -> miette::Result<()> {
        hardening::forbid_core_dumps().into_diagnostic().wrap_err("failed to turn core dumps off")?;
        let out = std::io::stdout();
        block_on(async {
            match self.action {
                Action::Add { pool, paths, name, credentials, dry_run, hop, place } => {
                    let profiles = input::read(&paths, name.as_deref(), credentials.as_deref())?;
                    let ready = add::prepare(profiles, hop, Timestamp::now())?;
                    if dry_run {
                        return written(add::would_write(&ready, &pool, out));
                    }
                    add::write(ready, &store(&pool, &place).await?, out).await
                }
                Action::List { pool, printed, hop, place } => {
                    let candidates = candidates(&store(&pool, &place).await?).await?;
                    let summaries = summary::of_pool(&candidates, hop, Timestamp::now());
                    print(&printed.format().of(|| list::text(&summaries), &summaries)?)
                }
                Action::Check { pool, printed, hop, place } => {
                    let candidates = candidates(&store(&pool, &place).await?).await?;
                    let summaries = summary::of_pool(&candidates, hop, Timestamp::now());
                    check::is_filled(&summaries, &pool)?;
                    print(&printed.format().of(|| check::text(&summaries), &summaries)?)?;
                    check::all_can_be_used(&summaries, &pool)
                }
                Action::Remove { pool, names, yes, place } => {
                    let names = names.into_iter().collect();
                    remove::remove(&names, yes, &pool, &store(&pool, &place).await?, out).await
                }
            }
        })
    }
}

async fn candidates(store: &Store) -> miette::Result<Vec<RawCandidate>> {
    store.candidates().await.map_err(|error| miette!("{}", error_chain(&error)))
}

/// The pool, ready to be asked.
async fn store(pool: &Location, PlaceArgs { vault, cluster }: &PlaceArgs) -> miette::Result<Store> {
    match pool {
        Location::Vault { mount, path } => {
            let nowhere = || {
                miette!("{pool} is in Vault: say where that is, with VAULT_ADDR or --vault-address https://vault:8200")
            };
            // Who has no address needs no token yet.
            vault.address.as_ref().ok_or_else(nowhere)?;
            let vault = vault.vault_by(login(vault)?).map_err(|error| miette!("{}", error_chain(&error)))?;
            let vault = vault.ok_or_else(nowhere)?;
            Ok(Store::Vault { vault: Box::new(vault), mount: mount.clone(), path: path.clone() })
        }
        Location::Secret { namespace, name } => {
            let client = cluster.client().await?;
            Ok(Store::Secret(Box::new(SecretStore::new(client, namespace, name))))
        }
    }
}

/// The login that the settings name; where they name none, what `vault login` left for a person, before a pod's own.
///
/// # Errors
/// When there is none of them.
fn login(vault: &VaultArgs) -> miette::Result<Login> {
    if vault.auth.is_some() {
        return Ok(vault.login());
    }
    if let Some(token) = std::env::var("VAULT_TOKEN").ok().filter(|token| !token.trim().is_empty()) {
        return Ok(Login::Token(SecretString::from(token.trim())));
    }
    let file = std::env::home_dir().map(|home| home.join(".vault-token")).filter(|file| file.exists());
    match file {
        Some(file) => Ok(Login::TokenFile(file)),
        None if vault.credential_file.exists() => Ok(vault.login()),
        None => Err(miette!(
            help = "run `vault login`, set VAULT_TOKEN, or say with --vault-auth how to log in",
            "no token for Vault: neither VAULT_TOKEN, nor ~/.vault-token, nor {}",
            vault.credential_file.display()
        )),
    }
}

/// `1 candidate`, `2 candidates`.
fn count(number: usize) -> String {
    format!("{number} candidate{}", if number == 1 { "" } else { "s" })
}
