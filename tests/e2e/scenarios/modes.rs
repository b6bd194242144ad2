//! Every example of the chart's values, by a dry run of the API server: with its defaults, admission and each CRD's rules.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::chain::{Chain, kubectl};
use crate::cluster_of_helm::{KNOWN_KINDS, KUBERNETES, OLDER_KINDS};
use crate::lab;
use crate::release::{chart, helm};
use crate::turn::{Need, turn};
use crate::yaml::documents;

/// Others' kinds that the examples make.
const PUBLISHED: [&str; 5] =
    ["eck.yaml", "strimzi.yaml", "servicemonitors.yaml", "podmonitors.yaml", "prometheusrules.yaml"];

#[tokio::test]
async fn the_api_server_takes_every_example_of_the_chart() {
    let turn = turn("modes", Need::Lane).await;
    let chain = Chain::namespace(turn.lane, "modes").await;
    let _published = Published::install();
    let examples = examples();
    assert!(examples.len() >= 4, "one for each mode at least: {examples:?}");
    for example in examples {
        let asked = rendered(&example, KNOWN_KINDS);
        taken(&chain, &example, &asked);
        if asked.iter().any(|object| object["kind"] == "Kafka") {
            taken(&chain, &example, &rendered(&example, OLDER_KINDS));
        }
    }
}

/// All of these objects must be.
fn taken(chain: &Chain, example: &Path, objects: &[Value]) {
    let objects: Vec<Value> = objects.iter().map(|object| moved(object.clone(), &chain.namespace)).collect();
    // A dry run makes none, and admission looks for those of pods.
    let accounts: Vec<&Value> = objects.iter().filter(|object| object["kind"] == "ServiceAccount").collect();
    apply(&chain.namespace, &accounts, &[]);
    let said = apply(&chain.namespace, &objects.iter().collect::<Vec<_>>(), &["--dry-run=server"]);
    let taken = said.lines().filter(|line| line.ends_with("serverside-applied (server dry run)")).count();
    let name = example.file_name().unwrap_or_default().to_string_lossy();
    assert_eq!(taken, objects.len(), "{name}: {said}");
    println!("    {name}: {taken} objects taken");
}

/// What kubectl says of objects that somebody applies.
fn apply(namespace: &str, objects: &[&Value], how: &[&str]) -> String {
    let file = tempfile::NamedTempFile::with_suffix(".json").expect("a file should be made");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    std::fs::write(file.path(), list.to_string()).expect("it should be written");
    let file = file.path().to_string_lossy();
    kubectl(&[&["apply", "--server-side", "--force-conflicts", "-n", namespace, "-f", &*file], how].concat())
}

fn examples() -> Vec<PathBuf> {
    let files = std::fs::read_dir(chart().join("examples")).expect("the chart should have examples");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("it should be readable").path()).collect();
    files.sort();
    files
}

/// What helm makes of an example on a cluster that knows these kinds.
fn rendered(example: &Path, kinds: [&str; 4]) -> Vec<Value> {
    let mut command = helm();
    command.args(["template", "modes", "--kube-version", KUBERNETES]).arg(chart()).arg("--values").arg(example);
    let output =
        command.args(kinds.iter().flat_map(|kind| ["--api-versions", kind])).output().expect("helm should run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", example.display());
    documents(&String::from_utf8(output.stdout).expect("helm should print text"))
}

/// In a namespace that exists: a dry run makes none.
fn moved(mut object: Value, namespace: &str) -> Value {
    if let Some(place) = object.pointer_mut("/metadata/namespace") {
        *place = namespace.into();
    }
    object
}

/// The CRDs of others, in the cluster until it is dropped.
struct Published;

impl Published {
    fn install() -> Self {
        let said = Self::each(&["apply", "--server-side", "--force-conflicts"]);
        assert!(
            !said.contains("rror"),
            "the CRDs of ECK, Strimzi and the Prometheus operator: {said}; run tests/helm/tools.sh"
        );
        let said = Self::each(&["wait", "--for=condition=Established", "--timeout=60s"]);
        assert!(!said.contains("rror"), "{said}");
        Self
    }

    fn each(verb: &[&str]) -> String {
        let files = PUBLISHED.map(|file| lab::dir().join("schemas").join(file));
        files.iter().map(|file| kubectl(&[verb, &["-f", &file.to_string_lossy()]].concat())).collect()
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        Self::each(&["delete", "--ignore-not-found", "--wait=false"]);
    }
}
