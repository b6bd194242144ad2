//! `hopkeeper rules test`: every rule on its own samples, then whole logs through windows and attribution.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{IntoDiagnostic, WrapErr, miette};

use super::{count, load, told};
use crate::cli::output::{note, print};
use crate::cli::replay::{chain, policy};
use crate::domain::rule::{Client, Rule};
use crate::domain::ruleset::RuleSet;
use crate::domain::ruleset::pack::Base;
use crate::domain::types::Implementation;
use crate::replay::{self, Chain, Hop, expected, logs};
use crate::rule_files::{self, Loaded};

/// What a case must decide.
const EXPECTED: &str = "expected.yaml";
/// The chain of a case with one log for each hop.
const CHAIN: &str = "chain.yaml";
/// The log of a case with one hop.
const INPUT: &str = "input.log";

pub(super) fn test(path: &Path, base: Base) -> miette::Result<()> {
    let mut cases = Vec::new();
    find_cases(path, &mut cases)?;
    let loaded = loaded(path, base, !cases.is_empty())?;
    // The user's own rules, among all that take part.
    let tried: Vec<&Rule> = match loaded.files.is_empty() {
        true => loaded.rules.rules().iter().collect(),
        false => loaded.users().collect(),
    };
    let wrong = loaded.rules.check_samples_of(|rule| tried.iter().any(|tried| tried.id == rule.id));
    for sample in &wrong {
        note(&sample.to_string());
    }
    let samples: usize = tried.iter().map(|r| r.samples.fires.len() + r.samples.silent.len()).sum();
    let (untried, number) = (tried.iter().filter(|r| r.samples.fires.is_empty()).count(), tried.len());
    let rules = Arc::new(loaded.rules);
    let mut failed = 0_usize;
    for case in &cases {
        failed += usize::from(!run(&rules, case)?);
    }
    if !wrong.is_empty() || failed > 0 {
        let of_cases = if cases.is_empty() { String::new() } else { format!(", {failed} of {} logs", cases.len()) };
        return Err(miette!("{} of {samples} samples{of_cases} came out wrong", wrong.len()));
    }
    let logs = if cases.is_empty() { String::new() } else { format!(", {}", count(cases.len(), "log")) };
    let none = if untried > 0 { format!("; {untried} without one that fires") } else { String::new() };
    let (rules, samples) = (count(number, "rule"), count(samples, "sample"));
    print(&format!("{rules}, {samples}{logs}: all as their authors say{none}\n"))
}

/// The directory's own rules over the base; the base alone where it holds nothing but logs.
fn loaded(path: &Path, base: Base, has_cases: bool) -> miette::Result<Loaded> {
    if !has_cases {
        return load(path, base);
    }
    let mut files =
        rule_files::paths(path).into_diagnostic().wrap_err_with(|| format!("cannot read {}", path.display()))?;
    // The directory may be a case itself, with its rules beside.
    files.retain(|file| ![EXPECTED, CHAIN].iter().any(|name| file.ends_with(name)));
    if files.is_empty() { Ok(Loaded::without_files(base)) } else { told(rule_files::load_files(&files, base)) }
}

/// The directory itself and all below it that have an `expected.yaml`.
fn find_cases(path: &Path, cases: &mut Vec<PathBuf>) -> miette::Result<()> {
    if !path.is_dir() {
        return Ok(());
    }
    if path.join(EXPECTED).is_file() {
        cases.push(path.to_owned());
    }
    let entries =
        std::fs::read_dir(path).into_diagnostic().wrap_err_with(|| format!("cannot read {}", path.display()))?;
    let mut below: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    below.sort();
    below.iter().filter(|path| !path.is_symlink()).try_for_each(|path| find_cases(path, cases))
}

/// Whether a case comes out as expected; tells the differences.
fn run(rules: &Arc<RuleSet>, case: &Path) -> miette::Result<bool> {
    let file = case.join(EXPECTED);
    let file = file.display();
    let text = std::fs::read_to_string(case.join(EXPECTED))
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot read {file}"))?;
    let expected = expected::parse(&text).map_err(|error| miette!("{file}:{error}"))?;
    let (chain, logs) = if case.join(INPUT).is_file() {
        let client =
            expected.client.ok_or_else(|| miette!("{file}:1: say whose log {INPUT} is: \"client: openvpn\""))?;
        let chain = one_hop(client).ok_or_else(|| miette!("{file}:1: client {client} is no single program"))?;
        let logs = logs::read_file(&chain, &case.join(INPUT), client == Client::Health).into_diagnostic()?;
        (chain, logs)
    } else if case.join(CHAIN).is_file() {
        let mut chain = chain(&case.join(CHAIN))?;
        let logs = logs::read(&mut chain, case).into_diagnostic()?;
        (chain, logs)
    } else {
        return Err(miette!("{file}: beside it must be {INPUT}, or {CHAIN} with <hop>.<client>.log of each hop"));
    };
    let replayed = replay::replay(&chain, rules, &logs.records, |_| {});
    let differences = expected.differences(&replayed.decisions);
    for difference in &differences {
        note(&format!("{file}:{}: {difference}", difference.line));
    }
    Ok(differences.is_empty())
}

fn one_hop(client: Client) -> Option<Chain> {
    let implementation = match client {
        // Health lines are the same whatever the program.
        Client::Openvpn | Client::Health => Implementation::OpenVpn,
        Client::WireguardGo => Implementation::WireGuardGo,
        Client::Boringtun => Implementation::BoringTun,
        Client::Wireguard => Implementation::Kernel,
        Client::Any => return None,
    };
    Some(Chain {
        namespace: "default".into(),
        name: "test".into(),
        policy: policy(&crate::crd::chain::Recovery::default()).ok()?,
        paused: false,
        hops: vec![Hop { name: "hop".into(), implementation, has_log: true }],
    })
}
