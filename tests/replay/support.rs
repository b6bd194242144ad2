//! The recordings in `tests/fixtures/logs` as chains and records, with what their timelines say was done.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use hopkeeper::controller::validate::policy;
use hopkeeper::domain::ruleset::RuleSet;
use hopkeeper::manifest;
use hopkeeper::replay::{Action, Chain, Decided, Hop, Record, Replayed, logs, replay};
use jiff::Timestamp;

pub(crate) static RULES: LazyLock<Arc<RuleSet>> = LazyLock::new(|| Arc::new(RuleSet::shipped()));

/// A recording.
#[derive(Clone)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) chain: Chain,
    pub(crate) records: Vec<Record>,
    /// The hop that was broken, by the directory's name; none in `ok-*`, and where several were.
    pub(crate) broken: Option<usize>,
    pub(crate) fault: Option<Timestamp>,
    pub(crate) repair: Option<Timestamp>,
}

impl Scenario {
    /// Whether any line of the broken hop tells of its fault at the time: a killed client says nothing.
    pub(crate) fn is_told(&self) -> bool {
        !self.name.contains("client-killed")
    }

    pub(crate) fn replay(&self) -> Replayed {
        replay(&self.chain, &RULES, &self.records, |_| {})
    }

    pub(crate) fn broken_name(&self) -> &str {
        &self.chain.hops[self.broken.expect("should have a broken hop")].name
    }

    /// Fails unless only the broken hop is acted on, and symptoms name it.
    pub(crate) fn assert_only_the_broken_hop_is_blamed(&self, variant: &str) {
        let broken = self.broken_name();
        for decided in self.replay().decisions {
            match decided.action {
                Action::Rotate | Action::Restart | Action::Alert => {
                    assert_eq!(decided.hop, broken, "{} {variant}: {decided:?}", self.name);
                }
                Action::Hold => assert!(
                    decided.cause.as_deref().is_none_or(|cause| cause == broken),
                    "{} {variant}: {decided:?}",
                    self.name
                ),
                Action::None => {}
            }
        }
    }
}

pub(crate) fn actions(decisions: &[Decided]) -> Vec<(String, Action)> {
    let acts = decisions.iter().filter(|d| d.action < Action::Hold);
    acts.map(|d| (d.hop.clone(), d.action)).collect()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/logs")
}

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(root()).expect("should list").map(|entry| entry.expect("should list").path()).collect();
    paths.retain(|path| path.is_dir());
    paths.sort();
    paths.into_iter().map(read).collect()
}

pub(crate) fn find(name: &str) -> Scenario {
    scenarios().into_iter().find(|scenario| scenario.name == name).unwrap_or_else(|| panic!("{name} is recorded"))
}

/// Those in which one hop was broken.
pub(crate) fn broken() -> Vec<Scenario> {
    scenarios().into_iter().filter(|scenario| scenario.broken.is_some()).collect()
}

fn read(path: PathBuf) -> Scenario {
    let name = path.file_name().expect("should have a name").to_string_lossy().into_owned();
    let mut chain = chain(&path.join("chain.yaml"));
    let logs = logs::read(&mut chain, &path).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(logs.warnings, Vec::<String>::new(), "{name}");
    let timeline = std::fs::read_to_string(path.join("timeline.txt")).expect("should have a timeline");
    let time_of = |word: &str| {
        let line = timeline.lines().find(|line| line.contains(word))?;
        Some(format!("{}Z", line[..23].replace(' ', "T")).parse().expect("should be a time"))
    };
    let (fault, repair) = (time_of(" FAULT "), time_of(" REPAIR "));
    let is_named = |hop: &Hop| name.split('-').any(|part| part == hop.name);
    let broken = chain.hops.iter().position(is_named).filter(|_| fault.is_some());
    Scenario { name, path, chain, records: logs.records, broken, fault, repair }
}

fn chain(path: &Path) -> Chain {
    let text = std::fs::read_to_string(path).expect("should have a manifest");
    let document: serde_json::Value = serde_saphyr::from_str(&text).expect("should be YAML");
    let valid = manifest::check(&document).unwrap_or_else(|problems| panic!("{}: {problems:?}", path.display()));
    hopkeeper::controller::validate::validate(&valid).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let hop = |hop: &hopkeeper::crd::chain::HopSpec| Hop {
        name: hop.name.clone(),
        implementation: hop.implementation(),
        has_log: false,
    };
    Chain {
        namespace: "default".into(),
        name: "lab".into(),
        policy: policy(&valid.spec.recovery).expect("should be a policy"),
        paused: false,
        hops: valid.spec.hops.iter().map(hop).collect(),
    }
}
