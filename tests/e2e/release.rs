//! The chart, installed in the lab's cluster by helm as a person does it; gone when dropped.

use std::path::{Path, PathBuf};
use std::process::Command;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::chain::{Chain, berlin, kubectl};
use crate::{app, lab};

/// The release's name: also the operator's ServiceAccount, which is the one that the lab's OpenBao lets in.
const NAME: &str = "hopkeeper";

/// The lab's helm, for the lab's cluster.
pub fn helm() -> Command {
    let mut command = Command::new(lab::dir().join("bin/helm"));
    command.env("KUBECONFIG", lab::dir().join("kubeconfig")).envs(lab::helm_homes());
    command
}

/// A release in a namespace of its own, which holds pods to Pod Security's level restricted.
pub struct Release {
    /// Its namespace.
    pub namespace: String,
    values: PathBuf,
}

impl Release {
    /// The empty namespace.
    pub fn new(namespace: &str) -> Self {
        let release = Self::vacant(namespace);
        kubectl(&["create", "namespace", namespace]);
        kubectl(&["label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted"]);
        release
    }

    /// No namespace: somebody else installs the release, under the same name.
    pub fn vacant(namespace: &str) -> Self {
        let values = lab::dir().join("run").join(format!("{namespace}.json"));
        let release = Self { namespace: namespace.to_owned(), values };
        release.remove(true); // What an earlier run that was killed has left.
        release
    }

    /// What a verb of helm prints; it must succeed.
    fn helm(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("helm should run: lab.sh build helm");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "helm {}: {said}\n{}", arguments.join(" "), self.told());
        said
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = helm();
        command.args(arguments).args(["--namespace", &self.namespace]);
        command
    }

    /// `helm install --wait` of a chart; what it prints are the notes.
    pub fn install(&self, chart: &Path, values: &Value) -> String {
        self.with_values("install", chart, values)
    }

    /// `helm upgrade --wait` to this chart.
    pub fn upgrade(&self, values: &Value) -> String {
        self.with_values("upgrade", &chart(), values)
    }

    fn with_values(&self, verb: &str, chart: &Path, values: &Value) -> String {
        std::fs::write(&self.values, values.to_string()).expect("the values should be written");
        let (chart, values) = (chart.to_string_lossy(), self.values.to_string_lossy());
        self.helm(&[verb, NAME, &chart, "--values", &values, "--wait", "--timeout", "4m"])
    }

    /// `helm rollback --wait`, to the revision before.
    pub fn rollback(&self) -> String {
        self.helm(&["rollback", NAME, "--wait", "--timeout", "4m"])
    }

    /// `helm test`.
    pub fn test(&self) -> String {
        self.helm(&["test", NAME, "--timeout", "4m"])
    }

    /// `helm uninstall`.
    pub fn uninstall(&self) -> String {
        self.helm(&["uninstall", NAME, "--timeout", "4m"])
    }

    /// The names of all objects that the release has; each must be in the cluster.
    pub fn objects(&self) -> String {
        let file = tempfile::NamedTempFile::with_suffix(".yaml").expect("a file should be made");
        std::fs::write(file.path(), self.helm(&["get", "manifest", NAME])).expect("it should be written");
        let file = file.path().to_string_lossy();
        let said = kubectl(&["get", "-f", &file, "-o", "name"]);
        assert!(!said.contains("NotFound"), "{said}");
        said
    }

    /// The operator's one pod.
    pub async fn operator(&self, client: &Client) -> Pod {
        let operators = ListParams::default().labels("app.kubernetes.io/component=operator");
        let pods = Api::<Pod>::namespaced(client.clone(), &self.namespace);
        let mut pods = pods.list(&operators).await.expect("pods should be listed").items;
        pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
        assert_eq!(pods.len(), 1, "one operator");
        pods.remove(0)
    }

    /// What the operator has logged.
    pub fn log(&self) -> String {
        kubectl(&["-n", &self.namespace, "logs", &format!("deployment/{NAME}")])
    }

    /// What there is to say when something failed.
    fn told(&self) -> String {
        let namespace = ["-n", &self.namespace];
        let ask = |what: &[&str]| kubectl(&[&namespace, what].concat());
        ask(&["get", "pods,jobs"])
            + &ask(&["get", "events", "--sort-by=.lastTimestamp"])
            + &ask(&["logs", &format!("deployment/{NAME}"), "--tail=20"])
    }

    fn remove(&self, wait: bool) {
        // Without hooks: there may be no operator that could do its part. The chain's namespace is its own owner's business.
        let mut uninstall = self.command(&["uninstall", NAME, "--no-hooks", "--ignore-not-found"]);
        uninstall.output().expect("helm should run: lab.sh build helm");
        let wait = format!("--wait={wait}");
        kubectl(&["delete", "namespace", &self.namespace, "--ignore-not-found", &wait, "--timeout=120s"]);
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.told());
        }
        self.remove(false);
        let _ = std::fs::remove_file(&self.values);
    }
}

/// This chart.
pub fn chart() -> PathBuf {
    lab::root().join("helm/hopkeeper")
}

/// The same under an earlier version, to upgrade from: everything that an object says of its chart is another.
pub fn earlier_chart() -> TempDir {
    let copy = tempfile::tempdir().expect("a directory should be made");
    let copied = Command::new("cp").arg("-r").arg(chart().join(".")).arg(copy.path()).status().expect("cp should run");
    assert!(copied.success(), "the chart should be copied");
    let file = copy.path().join("Chart.yaml");
    let text = std::fs::read_to_string(&file).expect("the chart should have its file");
    let earlier = |line: &str| match line.split_once(": ") {
        Some((key @ ("version" | "appVersion"), _)) => format!("{key}: 0.0.9"),
        _ => line.to_owned(),
    };
    let lines: Vec<_> = text.lines().map(earlier).collect();
    std::fs::write(&file, lines.join("\n")).expect("it should be written");
    copy
}

/// Values for the lab: its images, and the README's chain with every pool a Secret. The operator sees the chain's namespace
/// alone, since other scenarios' chains are not its business.
pub fn values(chain: &Chain) -> Value {
    let mut spec = berlin(chain.lane)["spec"].clone();
    for hop in spec["hops"].as_array_mut().expect("it should have hops") {
        hop["parameters"] = json!({"secretRef": {"name": pool(hop["name"].as_str().unwrap_or_default())}});
    }
    let image = |name: &str| format!("lab.local/{name}:1");
    json!({
        "images": {
            "operator": image("hopkeeper"), "openvpn": image("openvpn"), "boringtun": image("boringtun"),
            "wireguardGo": image("wireguard-go"), "health": image("health"),
        },
        "watchNamespace": chain.namespace,
        "operator": {"log": "info,hopkeeper=debug", "leaseDuration": "5s", "parametersPoll": "3s"},
        "tests": {"url": app::PAGE},
        "chains": {"berlin": {"spec": spec}},
    })
}

/// The Secret with a hop's candidates.
pub fn pool(hop: &str) -> String {
    format!("{hop}-pool")
}
