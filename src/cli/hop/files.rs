//! `hopkeeper hop files`: what the operator would mount into the pods of a chain's hops, into directories; for a chain
//! without Kubernetes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use clap::Args;
use miette::{IntoDiagnostic, WrapErr, miette};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::cli::output::print;
use crate::cli::pool::input::{self, Credentials, Profile};
use crate::controller::candidates::prepare;
use crate::controller::lookup;
use crate::controller::validate::{ValidChain, validate};
use crate::domain::candidate::{RawCandidate, clean, client_of_text, fields_of_text};
use crate::domain::plan::{HopPlan, PLAN_FILE};
use crate::domain::types::CandidateRef;

/// Writes what a hop mounts (its plan, its client's configuration) for every hop of a chain that runs without Kubernetes.
///
/// A hop's candidate is CANDIDATES/<hop>.ovpn or <hop>.conf, its user name and password two lines of <hop>.auth beside it, and its
/// files go to OUTPUT/<hop>. They are replaced all at once, as the kubelet does it, so that a running hop takes them up; a hop
/// whose candidate is the same is left alone.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 all are written, or as before; 1 not all; 2 wrong usage.\n\n\
    Example:\n  hopkeeper hop files --chain compose/chain.yaml --candidates ./candidates --output ./hops")]
pub(in crate::cli) struct Files {
    /// The VpnChain's manifest.
    #[arg(long, value_name = "FILE")]
    chain: PathBuf,
    /// The directory of candidates, one a hop.
    #[arg(long, value_name = "DIR")]
    candidates: PathBuf,
    /// The directory that has, or gets, a directory for each hop.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

impl Files {
    /// Writes them.
    ///
    /// # Errors
    /// When the chain or a candidate cannot be used, or a file cannot be written; the hops before it then have theirs.
    pub(in crate::cli) async fn run(&self) -> miette::Result<()> {
        let chain = crate::cli::replay::manifest_of(&self.chain)?;
        let valid = validate(&chain).into_diagnostic()?;
        for hop in 0..valid.hops().len() {
            let name = &valid.hops()[hop].name;
            let written = self.hop(&valid, hop).await.wrap_err_with(|| format!("hop {name}"))?;
            print(&format!("{name}: {written}\n"))?;
        }
        Ok(())
    }

    async fn hop(&self, chain: &ValidChain<'_>, hop: usize) -> miette::Result<String> {
        let name = &chain.hops()[hop].name;
        let directory = self.output.join(name);
        let raw = candidate(&self.candidates, name)?;
        let resolved = prepare(chain, hop, &raw, lookup::system, lookup::PATIENCE).await.into_diagnostic()?;
        let candidate = CandidateRef { name: raw.name, version: raw.version };
        let before = fs::read_to_string(directory.join(PLAN_FILE)).ok();
        let before = before.and_then(|text| serde_json::from_str::<HopPlan>(&text).ok());
        let revision = before.as_ref().filter(|before| before.candidate == candidate).map(|before| before.revision);
        let network = chain.plan.hops[hop].clone();
        let plan = HopPlan::new(network, &resolved, candidate, revision.unwrap_or(0)).into_diagnostic()?;
        if before.as_ref() == Some(&plan) && is_written(&directory, &resolved.files) {
            return Ok(format!("{} as before", plan.id()));
        }
        let plan = HopPlan { revision: revision.map_or(0, |revision| revision + 1), ..plan };
        swap(&directory, &plan, &resolved.files).into_diagnostic().wrap_err_with(|| {
            format!(
                "cannot write {}: may this user write there, and give files to group {}?",
                directory.display(),
                plan.uid
            )
        })?;
        Ok(plan.id())
    }
}

/// The hop's candidate; its version is what it holds.
fn candidate(directory: &Path, hop: &str) -> miette::Result<RawCandidate> {
    let found = ["ovpn", "conf"].map(|ending| directory.join(format!("{hop}.{ending}")));
    let [path] = found.iter().filter(|path| path.is_file()).collect::<Vec<_>>()[..] else {
        let [ovpn, conf] = found.map(|path| path.display().to_string());
        return Err(miette!("its candidate must be one file, {ovpn} or {conf}"));
    };
    let Some(Profile { name, text, credentials, .. }) = input::read(std::slice::from_ref(path), None, None)?.pop()
    else {
        return Err(miette!("{} holds no candidate", path.display()));
    };
    let client = client_of_text(&text);
    let account = if let Credentials::Own(account) = credentials { Some(account) } else { None };
    let fields = fields_of_text(client, clean(client, &text).text, account);
    let mut hash = Sha256::new();
    for (key, value) in &fields {
        for part in [key.as_str(), value.expose_secret()] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
    }
    let version = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Ok(RawCandidate { name, version, fields })
}

fn is_written(directory: &Path, files: &BTreeMap<String, SecretString>) -> bool {
    files.iter().all(|(name, text)| {
        fs::read(directory.join(name)).is_ok_and(|written| written == text.expose_secret().as_bytes())
    })
}

/// As the kubelet does it: a new directory, then one rename, so that no reader sees half of it. The plan is for all; what may hold
/// a secret is for root and the client's group.
fn swap(directory: &Path, plan: &HopPlan, files: &BTreeMap<String, SecretString>) -> std::io::Result<()> {
    const LINK: &str = "..data";
    fs::create_dir_all(directory)?;
    let before = fs::read_link(directory.join(LINK)).ok();
    let version = format!("..{}-{}", plan.candidate.version, plan.revision);
    let inside = directory.join(&version);
    if inside.exists() {
        fs::remove_dir_all(&inside)?;
    }
    fs::create_dir(&inside)?;
    fs::write(inside.join(PLAN_FILE), plan.to_json())?;
    fs::set_permissions(inside.join(PLAN_FILE), fs::Permissions::from_mode(0o644))?;
    for (name, text) in files {
        let path = inside.join(name);
        fs::write(&path, "")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640))?;
        chown(&path, None, Some(plan.uid))?;
        fs::write(&path, text.expose_secret())?;
    }
    let next = directory.join("..data_tmp");
    let _ = fs::remove_file(&next);
    symlink(&version, &next)?;
    fs::rename(&next, directory.join(LINK))?;
    for name in files.keys().map(String::as_str).chain([PLAN_FILE]) {
        let link = directory.join(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(LINK).join(name), link)?;
        }
    }
    match before {
        Some(before) if before != Path::new(&version) => fs::remove_dir_all(directory.join(before)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "client\nremote 203.0.113.7 1194 udp\nup /bin/x\nauth-user-pass\n<ca>\nx\n</ca>\n";
    const CONFIG: &str = "[Interface]\nPrivateKey = 2KwZ5RjfKSVAWiSeZXMlW0Nf/tlWHfJAJ5/BmNYUS08=\nAddress = 10.66.0.2/32\n[Peer]\n\
         PublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\nEndpoint = 203.0.113.8:51820\nAllowedIPs = 0.0.0.0/0\n";

    fn trial() -> (tempfile::TempDir, Files) {
        let directory = tempfile::tempdir().unwrap();
        let candidates = directory.path().join("candidates");
        fs::create_dir(&candidates).unwrap();
        for hop in ["client1", "client3"] {
            fs::write(candidates.join(format!("{hop}.ovpn")), PROFILE).unwrap();
            fs::write(candidates.join(format!("{hop}.auth")), "user\nCANARY\n").unwrap();
        }
        fs::write(candidates.join("client2.conf"), CONFIG).unwrap();
        let output = directory.path().join("hops");
        (directory, Files { chain: "compose/chain.yaml".into(), candidates, output })
    }

    /// Giving files to another group needs root, as whoever writes them has.
    fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    #[tokio::test]
    async fn hops_get_their_files_at_once_and_only_those_whose_candidate_changed() {
        if !is_root() {
            assert!(std::env::var_os("CI").is_none(), "this test needs root, and CI must not skip it");
            eprintln!("SKIPPED: this test needs root");
            return;
        }
        let (_directory, files) = trial();
        files.run().await.unwrap();
        let (one, two) = (files.output.join("client1"), files.output.join("client2"));
        let plan = |directory: &Path| fs::read_to_string(directory.join(PLAN_FILE)).unwrap();
        let read: HopPlan = serde_json::from_str(&plan(&one)).unwrap();
        assert_eq!((read.network.index, read.revision, read.endpoints.len()), (2, 0, 1));
        let config = fs::read_to_string(one.join("client.conf")).unwrap();
        assert!(config.contains("CANARY") && !config.contains("/bin/x"), "commands are never run");
        let mode = fs::metadata(one.join("client.conf")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "a secret is not for everybody");

        let before = (plan(&two), fs::read_link(one.join("..data")).unwrap());
        fs::write(files.candidates.join("client1.auth"), "user\nCANARY 2\n").unwrap();
        files.run().await.unwrap();
        assert_eq!(plan(&two), before.0, "the hop is left alone");
        assert_ne!(fs::read_link(one.join("..data")).unwrap(), before.1);
        assert!(!one.join(before.1).exists(), "no former secret is left");
        assert!(fs::read_to_string(one.join("client.conf")).unwrap().contains("CANARY 2"));
    }

    #[tokio::test]
    async fn a_hop_without_one_usable_candidate_is_named_with_the_remedy() {
        let (_directory, files) = trial();
        let told = |result: miette::Result<()>| {
            let error = result.unwrap_err();
            error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
        };
        fs::write(files.candidates.join("client3.conf"), CONFIG).unwrap();
        let said = told(files.run().await);
        assert!(said.starts_with("hop client3: its candidate must be one file"), "{said}");
        fs::remove_file(files.candidates.join("client3.ovpn")).unwrap();
        let said = told(files.run().await);
        assert!(said.starts_with("hop client3: ") && said.contains("profile"), "{said}");
    }
}
