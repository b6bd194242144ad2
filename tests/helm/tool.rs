//! Runs helm and its companions, and reads what they print.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

use crate::cluster_of_helm::{KNOWN_KINDS, KUBERNETES};
pub use crate::lab_dir::lab_dir as lab;
use crate::needs::pass_over;
pub use crate::yaml::documents;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The chart.
pub fn chart() -> PathBuf {
    root().join("helm/hopkeeper")
}

/// A program of `tools.sh`; none where it has not run, which under CI is a failure.
pub fn tool(name: &str) -> Option<PathBuf> {
    let program = lab().join("bin").join(name);
    if program.exists() {
        return Some(program);
    }
    pass_over(&format!("{}: run tests/helm/tools.sh", program.display()));
    None
}

/// `helm template` with the release `hk` in the namespace `hopkeeper`, on a cluster that knows ECK, Strimzi and Multus.
pub fn template(arguments: &[&str]) -> Option<Output> {
    let known = KNOWN_KINDS.iter().flat_map(|kind| ["--api-versions", kind]);
    bare_template(&known.chain(arguments.iter().copied()).collect::<Vec<_>>())
}

/// The same on a cluster that knows nothing but Kubernetes.
pub fn bare_template(arguments: &[&str]) -> Option<Output> {
    let mut helm = Command::new(tool("helm")?);
    helm.args(["template", "hk"]).arg(chart()).args(["-n", "hopkeeper", "--kube-version", KUBERNETES]).args(arguments);
    Some(helm.output().expect("helm should start"))
}

/// The objects that a chart renders to.
pub fn objects(arguments: &[&str]) -> Option<Vec<Value>> {
    let output = template(arguments)?;
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {problem}");
    Some(documents(&String::from_utf8(output.stdout).unwrap()))
}

/// What helm says of values that it refuses.
pub fn refusal(arguments: &[&str]) -> Option<String> {
    let output = bare_template(arguments)?;
    assert!(!output.status.success(), "{arguments:?} should be refused");
    Some(String::from_utf8(output.stderr).unwrap())
}

/// The one object of a kind and name.
pub fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    objects.iter().find(is).unwrap_or_else(|| panic!("there should be {kind} {name}"))
}

/// The paths of the example values.
pub fn examples() -> Vec<PathBuf> {
    let directory = std::fs::read_dir(chart().join("examples")).unwrap();
    let mut files: Vec<PathBuf> = directory.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 7, "every mode should have an example");
    files
}

/// An example's name, and what it renders to.
type Example = (String, Vec<Value>);

/// What every example renders to, with all of `helm test`; helm is asked once a test run.
pub fn rendered() -> Option<&'static [Example]> {
    static RENDERED: OnceLock<Option<Vec<Example>>> = OnceLock::new();
    let render = |example: PathBuf| {
        let name = example.file_name()?.to_string_lossy().into_owned();
        Some((name, objects(&["-f", example.to_str()?, "--set", "tests.url=http://192.0.2.1/"])?))
    };
    RENDERED.get_or_init(|| examples().into_iter().map(render).collect()).as_deref()
}
