//! A namespace with one chain in it, removed when the test ends.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use hopkeeper::crd::incident::IncidentPhase;
use hopkeeper::crd::{HopIncident, VpnChain, names};
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::lab::{self, Lane};
use crate::wait::{LIMIT, until};

/// The label of a namespace that says whose lane's servers its chain uses.
const LANE: &str = "hopkeeper-e2e/lane";

/// The test's corner of the cluster.
pub struct Chain {
    /// Kubernetes.
    pub client: Client,
    /// Whose servers it uses.
    pub lane: Lane,
    /// Its namespace.
    pub namespace: String,
}

/// The README's chain on a lane's servers, quick to act again. A step that works does so in seconds; the time to verify it
/// is for a machine that is busy with other scenarios.
pub fn berlin(lane: Lane) -> Value {
    let text = std::fs::read_to_string(lab::root().join("examples/berlin.yaml")).expect("the example should be there");
    let mut chain: Value = serde_saphyr::from_str(&text).expect("the example should be YAML");
    chain["spec"]["recovery"] =
        json!({"cooldown": "5s", "verifyWithin": "45s", "budget": {"actions": 100, "per": "15s"}});
    chain["spec"]["mtu"] = json!(1500);
    chain["spec"]["links"] = json!({"cidr": lane.links()});
    for (hop, name) in [(0, "entry"), (1, "middle")] {
        chain["spec"]["hops"][hop]["parameters"]["vault"]["path"] = json!(format!("vpn/{}", lane.name(name)));
    }
    chain
}

/// A client for the lab's cluster.
pub async fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let path = lab::dir().join("kubeconfig");
    let file = kube::config::Kubeconfig::read_from(path).expect("the lab's kubeconfig should be there: make lab-up");
    let config = kube::Config::from_custom_kubeconfig(file, &Default::default()).await.expect("it should be usable");
    Client::try_from(config).expect("a client should be made")
}

impl Chain {
    /// An empty namespace with the exit hop's pool.
    pub async fn namespace(lane: Lane, name: &str) -> Self {
        let chain = Self::vacant(lane, name).await;
        let object = Namespace {
            metadata: ObjectMeta { name: Some(chain.namespace.clone()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        let api = Api::<Namespace>::all(chain.client.clone());
        api.create(&PostParams::default(), &object).await.expect("the namespace should be made");
        chain.claim().await;
        chain.pool("exit-pool", "exit");
        chain
    }

    /// Says whose lane the namespace uses, which somebody has made.
    pub async fn claim(&self) {
        let patch = json!({"metadata": {"labels": {LANE: self.lane.number().to_string()}}});
        let api = Api::<Namespace>::all(self.client.clone());
        let claimed = api.patch(&self.namespace, &PatchParams::default(), &Patch::Merge(patch)).await;
        claimed.expect("the namespace should be there");
    }

    /// The name of a namespace that is not there yet, in a lane that nobody else uses.
    pub async fn vacant(lane: Lane, name: &str) -> Self {
        Self::vacant_namespace(lane, format!("e2e-{name}")).await
    }

    /// The same where somebody else has chosen the name.
    pub async fn vacant_namespace(lane: Lane, namespace: String) -> Self {
        static CRDS: OnceCell<()> = OnceCell::const_new();
        let client = client().await;
        CRDS.get_or_init(install_crds).await;
        let api = Api::<Namespace>::all(client.clone());
        // Chains of failed tests too: two clients with one candidate would throw each other out.
        until("the namespaces of earlier tests are gone", LIMIT, || async {
            let ours = ListParams::default().labels(&format!("{LANE}={}", lane.number()));
            let all = api.list_metadata(&ours).await.map_err(|e| e.to_string())?;
            for left in all.iter().filter(|n| n.metadata.deletion_timestamp.is_none()) {
                release(&left.name_any());
                let _ = api.delete(&left.name_any(), &DeleteParams::default()).await;
            }
            let mut old: Vec<_> = all.iter().map(ResourceExt::name_any).collect();
            // One that was killed before it could claim its lane.
            if api.get_metadata_opt(&namespace).await.map_err(|e| e.to_string())?.is_some() && !old.contains(&namespace)
            {
                release(&namespace);
                let _ = api.delete(&namespace, &DeleteParams::default()).await;
                old.push(namespace.clone());
            }
            if old.is_empty() { Ok(()) } else { Err(old.join(", ")) }
        })
        .await;
        Self { client, lane, namespace }
    }

    /// A Secret whose keys are the lab's candidates for a hop.
    pub fn pool(&self, secret: &str, hop: &str) {
        let (pool, files) = (format!("secret:{}/{secret}", self.namespace), self.lane.pool(hop));
        hopkeeper(&["pool", "add", &pool, files.to_str().expect("the path should be text")]);
    }

    /// An API of the namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// `kubectl apply`.
    pub async fn apply(&self, chain: &Value) -> Result<VpnChain, kube::Error> {
        let name = chain["metadata"]["name"].as_str().expect("it should have a name");
        let params = PatchParams::apply("e2e").force().validation_strict();
        self.api::<VpnChain>().patch(name, &params, &Patch::Apply(chain)).await
    }

    /// The chain.
    pub async fn get(&self) -> VpnChain {
        self.api::<VpnChain>().get("berlin").await.expect("the chain should be there")
    }

    /// Waits until every hop carries traffic.
    pub async fn until_up(&self, limit: Duration) {
        until("the chain is Up", limit, || async {
            let status =
                self.api::<VpnChain>().get("berlin").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
            let all_up = status.hops_up.as_deref() == Some("3/3");
            if all_up { Ok(()) } else { Err(format!("{:?} {:?}", status.hops_up, status.message)) }
        })
        .await;
    }

    /// The live pod of a hop.
    pub async fn pod(&self, hop: &str) -> Pod {
        until("the hop has one pod", LIMIT, || async {
            let list = ListParams::default().labels(&format!("{}={hop}", names::HOP));
            let pods = self.api::<Pod>().list(&list).await.map_err(|e| e.to_string())?.items;
            let mut live: Vec<_> = pods.into_iter().filter(|p| p.metadata.deletion_timestamp.is_none()).collect();
            if live.len() == 1 { Ok(live.remove(0)) } else { Err(format!("{} pods", live.len())) }
        })
        .await
    }

    /// The pod UIDs and candidates in use of all hops: what an action would change.
    pub async fn state(&self) -> BTreeMap<String, (String, String)> {
        let mut state = BTreeMap::new();
        for hop in ["entry", "middle", "exit"] {
            let uid = self.pod(hop).await.uid().unwrap_or_default();
            state.insert(hop.to_owned(), (uid, self.candidate(hop).await));
        }
        state
    }

    /// The candidate in use: `name@version#revision`.
    pub async fn candidate(&self, hop: &str) -> String {
        let secret = self.api::<Secret>().get(&format!("berlin-{hop}-parameters")).await.expect("it should be there");
        let label = |name: &str| secret.labels().get(name).cloned().unwrap_or_default();
        let revision = secret.annotations().get(names::REVISION).cloned().unwrap_or_default();
        format!("{}@{}#{revision}", label(names::CANDIDATE), label(names::VERSION))
    }

    /// The candidate's name only.
    pub async fn candidate_name(&self, hop: &str) -> String {
        let full = self.candidate(hop).await;
        full.split('@').next().unwrap_or_default().to_owned()
    }

    /// The bare name of the server that a hop's candidate in use is for: `a` and `b` are on the first, `c` and `d` on the second.
    pub async fn server(&self, hop: &str) -> String {
        let second = matches!(self.candidate_name(hop).await.as_str(), "c" | "d");
        if second { format!("{hop}2") } else { hop.to_owned() }
    }

    /// All incidents.
    pub async fn incidents(&self) -> Vec<HopIncident> {
        self.api::<HopIncident>().list(&ListParams::default()).await.expect("incidents should be listed").items
    }

    /// Fails if any incident led to a step.
    pub async fn assert_nothing_repaired(&self, why: &str) {
        let incidents = self.incidents().await;
        let steps: usize = incidents.iter().filter_map(|i| Some(i.status.as_ref()?.steps.len())).sum();
        assert_eq!(steps, 0, "{why}: {}", describe(&incidents));
    }

    /// Waits until the operator is done with every incident: a fault that comes before is repaired by an incident of an
    /// earlier one, if that is open still.
    pub async fn until_all_closed(&self, limit: Duration) {
        until("no incident is open", limit, || async {
            let mut open = self.incidents().await;
            open.retain(|incident| !phase(incident).is_closed());
            if open.is_empty() { Ok(()) } else { Err(describe(&open)) }
        })
        .await;
    }

    /// The first incident of a hop that satisfies `fits`.
    pub async fn until_incident(
        &self,
        hop: &str,
        what: &str,
        limit: Duration,
        fits: impl Fn(&HopIncident) -> bool,
    ) -> HopIncident {
        until(&format!("an incident of {hop} {what}"), limit, || async {
            let all = self.api::<HopIncident>().list(&ListParams::default()).await.map_err(|e| e.to_string())?.items;
            let found = all.iter().find(|i| i.spec.hop == hop && fits(i)).cloned();
            found.ok_or_else(|| describe(&all))
        })
        .await
    }
}

/// Runs `hopkeeper` on the lab's cluster; what it printed.
pub fn hopkeeper(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hopkeeper"));
    let output = command.args(arguments).env("KUBECONFIG", lab::dir().join("kubeconfig")).output();
    let output = output.expect("the program should start");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "hopkeeper {}: {}", arguments.join(" "), text(&output.stderr));
    text(&output.stdout)
}

/// Brings the cluster's CRDs to the ones of this tree.
async fn install_crds() {
    hopkeeper(&["crd", "--apply"]);
    let again = hopkeeper(&["crd", "--apply"]);
    assert_eq!(again, "vpnchains.hopkeeper.io: unchanged\nhopincidents.hopkeeper.io: unchanged\n");
}

/// The phase of an incident.
pub fn phase(incident: &HopIncident) -> IncidentPhase {
    incident.status.as_ref().map(|s| s.phase).unwrap_or_default()
}

/// Incidents in short, for failures.
pub fn describe(incidents: &[HopIncident]) -> String {
    let line = |i: &HopIncident| {
        let status = i.status.clone().unwrap_or_default();
        format!(
            "{} {} {:?} {:?} cause {:?} steps {}",
            i.spec.hop,
            i.spec.rule,
            status.phase,
            status.reason,
            status.cause,
            status.steps.len()
        )
    };
    incidents.iter().map(line).collect::<Vec<_>>().join("; ")
}

impl AsRef<Self> for Chain {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("HOPKEEPER_KEEP_FAILED").is_some() {
            return;
        }
        // The runtime may be going down: processes do it. The operator is gone, so nobody else takes the finalizer away.
        release(&self.namespace);
        kubectl(&["delete", "namespace", &self.namespace, "--wait=false", "--ignore-not-found"]);
    }
}

/// Deletes the namespace's chains where no operator is left to take their finalizers away.
fn release(namespace: &str) {
    let finalizer = r#"{"metadata":{"finalizers":null}}"#;
    kubectl(&["-n", namespace, "delete", "vpnchain", "--all", "--wait=false"]);
    for chain in kubectl(&["-n", namespace, "get", "vpnchain", "-o", "name"]).lines() {
        kubectl(&["-n", namespace, "patch", chain, "--type", "merge", "-p", finalizer]);
    }
}

/// Runs kubectl; its output is what it printed, also when it failed.
pub fn kubectl(arguments: &[&str]) -> String {
    let output = Command::new(lab::dir().join("bin/kubectl"))
        .arg("--kubeconfig")
        .arg(lab::dir().join("kubeconfig"))
        .args(arguments)
        .output()
        .expect("kubectl should run");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
