//! What a person does in a terminal, through `kubectl hopkeeper`: looks at a chain, reads an incident's story, rotates a hop,
//! pauses and resumes.

use std::os::unix::fs::symlink;
use std::process::{Command, Output};

use hopkeeper::crd::VpnChain;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{LIMIT, World, refuse, until_repaired};
use crate::chain::kubectl;
use crate::identity::ACCOUNT;
use crate::lab;
use crate::operator::{LogSource, Start};
use crate::wait::until;

/// A shell in which kubectl has the plugin.
struct Shell {
    plugins: tempfile::TempDir,
    namespace: String,
}

impl Shell {
    fn new(namespace: &str) -> Self {
        let plugins = tempfile::tempdir().expect("a directory should be made");
        let link = plugins.path().join("kubectl-hopkeeper");
        symlink(env!("CARGO_BIN_EXE_hopkeeper"), link).expect("the plugin should be linked");
        Self { plugins, namespace: namespace.to_owned() }
    }

    /// `kubectl hopkeeper …` in the chain's namespace.
    fn run(&self, arguments: &[&str]) -> Output {
        let paths = [self.plugins.path().display().to_string(), std::env::var("PATH").unwrap_or_default()];
        Command::new(lab::dir().join("bin/kubectl"))
            .arg("hopkeeper")
            .args(arguments)
            .args(["-n", &self.namespace])
            .env("PATH", paths.join(":"))
            .env("KUBECONFIG", lab::dir().join("kubeconfig"))
            .output()
            .expect("kubectl should run")
    }

    /// What it prints; it must succeed.
    fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["-o", "json"]].concat();
        serde_json::from_str(&self.said(&arguments)).expect("it should be JSON")
    }
}

#[tokio::test]
async fn a_person_looks_at_a_chain_reads_a_story_rotates_pauses_and_resumes() {
    let world = World::up("terminal", |_| ()).await;
    let shell = Shell::new(&world.chain.namespace);

    let chain = until("the pools' candidates are counted", LIMIT, || async {
        let chain = shell.json(&["status", "berlin"]);
        let hops = chain["hops"].as_array().cloned().unwrap_or_default();
        let counted = hops.iter().all(|hop| hop["candidatesLeft"].as_u64().is_some_and(|left| left > 0));
        if counted { Ok(chain) } else { Err(chain["hops"].to_string()) }
    })
    .await;
    assert_eq!((&chain["hopsUp"], &chain["hops"][0]["name"]), (&json!(3), &json!("entry")));
    let text = shell.said(&["status", "berlin", "--check"]);
    assert!(text.contains("application → exit → middle → entry → internet"), "{text}");
    print!("{text}");

    let (fault, began) = refuse(&world, "entry").await;
    let incident = until_repaired(&world, "entry", began).await;
    let hash = incident.name_any().rsplit('-').next().expect("it should have a hash").to_owned();
    let story = shell.json(&["explain-incident", &hash]);
    assert_eq!((&story["id"], &story["phase"]), (&json!(incident.name_any()), &json!("Recovered")));
    assert_eq!((&story["attribution"]["hop"], story["steps"].as_array().map(Vec::len)), (&json!("entry"), Some(1)));
    assert!(story["times"]["toRecoverSeconds"].as_f64() >= story["times"]["toActSeconds"].as_f64(), "{story}");
    let text = shell.said(&["explain-incident", &hash]);
    assert!(text.contains(&incident.spec.line), "{text}");
    print!("{text}");
    drop(fault);
    world.chain.until_up(LIMIT).await;

    let before = world.chain.state().await;
    let left = before["middle"].1.split('#').next().expect("it should be a candidate").to_owned();
    print!("{}", shell.said(&["rotate", "berlin/middle", "--wait", "--timeout", "120s"]));
    let rotated = world.chain.state().await;
    assert_ne!(rotated["middle"].1, before["middle"].1, "the middle has another candidate");
    assert_eq!(rotated["middle"].0, before["middle"].0, "its pod is the same");
    assert_eq!((&rotated["entry"], &rotated["exit"]), (&before["entry"], &before["exit"]), "the others are left alone");
    // Once more the same order, too late: it is answered, and nothing is done.
    let again = json!({"metadata": {"annotations": {"rotate.hopkeeper.io/middle": left}}});
    let chains = world.chain.api::<VpnChain>();
    chains.patch("berlin", &PatchParams::default(), &Patch::Merge(again)).await.expect("it should be ordered");
    until("the late order is answered", LIMIT, || async {
        let chain = chains.get("berlin").await.map_err(|e| e.to_string())?;
        let order = chain.annotations().get("rotate.hopkeeper.io/middle");
        order.map_or(Ok(()), |leave| Err(format!("still to leave {leave}")))
    })
    .await;
    assert_eq!(world.chain.state().await["middle"], rotated["middle"], "the same order rotates once");
    let steps = |hop: &str, all: &[hopkeeper::crd::HopIncident]| {
        all.iter().filter(|i| i.spec.hop == hop).map(|i| i.status.as_ref().map_or(0, |s| s.steps.len())).sum::<usize>()
    };
    assert_eq!(steps("middle", &world.chain.incidents().await), 0, "an order is no incident");
    let events = world.chain.api::<k8s_openapi::api::events::v1::Event>().list(&ListParams::default()).await;
    let obeyed = events
        .expect("events should be listed")
        .items
        .into_iter()
        .filter_map(|e| e.note.filter(|n| n.contains("as ordered")));
    assert!(obeyed.count() > 0, "an Event says that the order was obeyed");
    world.chain.until_up(LIMIT).await;

    assert!(shell.said(&["pause", "berlin"]).contains("is paused"));
    let (_fault, began) = refuse(&world, "entry").await;
    until("the entry's repair is held by the pause", LIMIT, || async {
        let chain = shell.json(&["status", "berlin"]);
        let held = chain["phase"] == "Paused" && chain["hops"][0]["held"]["reason"] == "Paused";
        let down = chain["hops"][0]["state"] != "Up";
        if held && down { Ok(()) } else { Err(chain["hops"][0].to_string()) }
    })
    .await;
    assert_eq!(shell.run(&["status", "berlin", "--check"]).status.code(), Some(3));
    assert!(shell.said(&["resume", "berlin"]).contains("is resumed"));
    until_repaired(&world, "entry", began).await;
    world.chain.until_up(LIMIT).await;
    assert_eq!(shell.run(&["status", "oslo"]).status.code(), Some(1));
    kubernetes_says_who_sees_the_page(&world).await;
}

/// A second operator, which stands by, lets only those see its page whom Kubernetes lets, and shows them who leads.
async fn kubernetes_says_who_sees_the_page(world: &World) {
    let start = Start { status_auth: "kubernetes", source: LogSource::PodLogs, ..world.start.clone() };
    let namespace = world.chain.namespace.as_str();
    // As the chart does where its page asks Kubernetes.
    let asking = OfCluster(format!("{namespace}-status"));
    let operator = format!("{}:{ACCOUNT}", start.lease_namespace);
    let (role, account) = ("--clusterrole=system:auth-delegator", format!("--serviceaccount={operator}"));
    kubectl(&["create", "clusterrolebinding", &asking.0, role, &account]);
    until("the operator may ask whose a token is", LIMIT, || async {
        let operator = format!("system:serviceaccount:{operator}");
        let may = ["tokenreviews.authentication.k8s.io", "subjectaccessreviews.authorization.k8s.io"]
            .map(|what| kubectl(&["auth", "can-i", "create", what, "--as", &operator]));
        if may.iter().all(|said| said.starts_with("yes")) { Ok(()) } else { Err(may.concat()) }
    })
    .await;
    let follower = start.start().await;
    kubectl(&["-n", namespace, "create", "serviceaccount", "viewer"]);
    let token = kubectl(&["-n", namespace, "create", "token", "viewer"]);
    let asked = async |token: &str| follower.status_page("/api/v1/operator", token.trim()).await.expect("an answer");
    for (token, code) in [("", 401), ("made-up", 401), (token.as_str(), 403)] {
        assert_eq!(asked(token).await.0, code);
    }
    // Roles about paths belong to the cluster, not to the namespace that goes with the scenario.
    let role = OfCluster(format!("{namespace}-viewer"));
    kubectl(&["create", "clusterrole", &role.0, "--verb=get", "--non-resource-url=/hopkeeper/status"]);
    let account = format!("--serviceaccount={namespace}:viewer");
    kubectl(&["create", "clusterrolebinding", &role.0, &format!("--clusterrole={}", role.0), &account]);
    until("the viewer sees the page, and who leads", LIMIT, || async {
        let (code, text) = asked(&token).await;
        let operator: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        let leader = operator["leader"].as_str().filter(|leader| operator["identity"] != **leader);
        if code == 200 && leader.is_some() { Ok(()) } else { Err(text) }
    })
    .await;
}

/// A ClusterRole, a binding, or both, of this name; removed when dropped.
struct OfCluster(String);

impl Drop for OfCluster {
    fn drop(&mut self) {
        kubectl(&["delete", "clusterrole,clusterrolebinding", &self.0, "--ignore-not-found"]);
    }
}
