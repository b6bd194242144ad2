//! Who an operator outside of the cluster is: the ServiceAccount of a pod, with the rights that the chart gives it and no more.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::chain::kubectl;
use crate::lab;
use crate::operator::LogSource;
use crate::wait::{LIMIT, until};

/// The operators' ServiceAccount, in whichever namespace their Lease is.
pub const ACCOUNT: &str = "hopkeeper";

/// The namespaces of chains and Lease, and the source.
type For = (String, String, LogSource);

/// The kubeconfigs that were made before: rights are made once.
static MADE: Mutex<BTreeMap<For, PathBuf>> = Mutex::new(BTreeMap::new());

/// The chart's objects about rights, as YAML, for an operator of one namespace.
pub fn rights(namespace: &str, lease_namespace: &str, source: LogSource) -> String {
    let stack = match source {
        LogSource::Kafka => "stack.mode=external,kafka.brokers={kafka:9092}",
        LogSource::Elasticsearch => {
            "stack.mode=external,stack.transport=elasticsearch,elasticsearch.urls={http://elasticsearch:9200}"
        }
        LogSource::PodLogs => "stack.mode=none",
    };
    // Operators with different Leases in one namespace have their own roles there.
    let names = format!("fullnameOverride={ACCOUNT}-{lease_namespace},serviceAccount.name={ACCOUNT}");
    let output = Command::new(lab::dir().join("bin/helm"))
        .args(["template", ACCOUNT])
        .arg(lab::root().join("helm/hopkeeper"))
        .args(["--namespace", lease_namespace, "--kube-version", "1.34.2", "--set", stack, "--set", &names])
        .args(["--set", &format!("watchNamespace={namespace}")])
        .args(["--show-only", "templates/operator/rbac.yaml", "--show-only", "templates/operator/serviceaccount.yaml"])
        .output()
        .expect("helm should run: lab.sh build helm");
    assert!(output.status.success(), "helm template: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it should be text")
}

/// A kubeconfig for such an operator; its account and rights are there when this returns.
pub async fn kubeconfig(namespace: &str, lease_namespace: &str, source: LogSource) -> PathBuf {
    let key = (namespace.to_owned(), lease_namespace.to_owned(), source);
    let known = MADE.lock().expect("nobody should panic here").get(&key).cloned();
    if let Some(path) = known {
        return path;
    }
    apply(&rights(namespace, lease_namespace, source));
    let account = format!("system:serviceaccount:{lease_namespace}:{ACCOUNT}");
    // The API server's own view of roles follows them within a moment.
    for (verb, resource, place) in [("patch", "leases", lease_namespace), ("watch", "vpnchains", namespace)] {
        until(&format!("{account} may {verb} {resource}"), LIMIT, || async {
            let said = kubectl(&["auth", "can-i", verb, resource, "-n", place, "--as", &account]);
            if said.trim() == "yes" { Ok(()) } else { Err(said) }
        })
        .await;
    }
    let token = kubectl(&["create", "token", ACCOUNT, "-n", lease_namespace, "--duration=2h"]);
    let path = lab::dir().join("run").join(format!("operator-{namespace}-{lease_namespace}.kubeconfig"));
    write(&path, token.trim());
    MADE.lock().expect("nobody should panic here").insert(key, path.clone());
    path
}

fn apply(objects: &str) {
    let mut kubectl = Command::new(lab::dir().join("bin/kubectl"))
        .arg("--kubeconfig")
        .arg(lab::dir().join("kubeconfig"))
        .args(["apply", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("kubectl should run");
    kubectl.stdin.take().expect("it should be there").write_all(objects.as_bytes()).expect("it should be read");
    assert!(kubectl.wait().expect("kubectl should end").success(), "the operator's rights should be made");
}

/// The lab's cluster, seen with a token.
fn write(path: &Path, token: &str) {
    let admin = std::fs::read_to_string(lab::dir().join("kubeconfig")).expect("the lab's kubeconfig should be there");
    let mut config: Value = serde_json::from_str(&admin).expect("the lab writes it as JSON");
    config["users"][0]["user"] = json!({"token": token});
    let _ = std::fs::remove_file(path);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.as_mut().expect("the kubeconfig should be made");
    file.write_all(config.to_string().as_bytes()).expect("it should be written");
}
