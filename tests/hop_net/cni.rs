//! A network plugin's calls as Multus makes them: what a pod's annotation asks for, on its node, by the real CNI plugins.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hopkeeper::controller::build::deployment::hop_deployment;
use hopkeeper::controller::build::network_attachment::network_attachments;
use hopkeeper::controller::build::{Images, PodSettings, TunDevice};
use hopkeeper::controller::validate::{ValidChain, validate};
use hopkeeper::crd::{VpnChain, names};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::lab::Place;
use super::lab_dir::lab_dir;

/// Where the lab has them, of the version in `tests/lab/cni/go.mod`.
pub(crate) fn plugins() -> PathBuf {
    lab_dir().join("bin/cni")
}

/// The README's chain with other links, as the API server would give it.
pub(crate) fn berlin(links: Value) -> VpnChain {
    let mut manifest: Value =
        serde_saphyr::from_str(include_str!("../../examples/berlin.yaml")).expect("should be YAML");
    manifest["metadata"]["namespace"] = "demo".into();
    manifest["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555".into();
    let placement = if links["type"] == "bridge" { "SameNode" } else { "Spread" };
    manifest["spec"]["placement"] = placement.into();
    manifest["spec"]["links"] = links;
    hopkeeper::manifest::check(&manifest).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The same, planned.
pub(crate) fn planned(chain: &VpnChain) -> ValidChain<'_> {
    validate(chain).unwrap_or_else(|why| panic!("{why}"))
}

/// One network that a pod asks for.
#[derive(Clone)]
pub(crate) struct Attachment {
    node: Place,
    pod: Place,
    interface: String,
    request: Value,
    config: Value,
}

/// The links that the pod of a hop asks for; its gateway network is left out.
pub(crate) fn links(chain: &ValidChain<'_>, hop: usize, node: Place, pod: Place) -> Vec<Attachment> {
    of_hop(chain, hop, node, pod).into_iter().filter(|attachment| attachment.name().contains("-link-")).collect()
}

/// What the pod of the exit hop asks for beside its link, and an application's.
pub(crate) fn gateway(
    chain: &ValidChain<'_>,
    node: Place,
    exit: Place,
    application: Place,
) -> (Vec<Attachment>, Attachment) {
    let of_exit = of_hop(chain, chain.plan.hops.len() - 1, node, exit).into_iter();
    let request = json!({"name": "berlin-gateway", "interface": "vpn0"});
    let of_application = attachment(&network_attachments(chain), node, application, request);
    (of_exit.filter(|attachment| !attachment.name().contains("-link-")).collect(), of_application)
}

fn of_hop(chain: &ValidChain<'_>, hop: usize, node: Place, pod: Place) -> Vec<Attachment> {
    let image = || "example/image:1".to_owned();
    let images =
        Images { hopkeeper: image(), openvpn: image(), boringtun: image(), wireguard_go: image(), health: image() };
    let pods = PodSettings { images, tun: TunDevice::HostPath };
    let template = hop_deployment(chain, &chain.plan.hops[hop], 0, &pods).spec.expect("should have a spec").template;
    let annotations = template.metadata.and_then(|metadata| metadata.annotations).expect("should be annotated");
    let requests: Vec<Value> = serde_json::from_str(&annotations[names::NETWORKS]).expect("should be JSON");
    let definitions = network_attachments(chain);
    requests.into_iter().map(|request| attachment(&definitions, node, pod, request)).collect()
}

fn attachment(definitions: &[DynamicObject], node: Place, pod: Place, request: Value) -> Attachment {
    let name = request["name"].as_str().expect("should name a network");
    let definition = definitions.iter().find(|definition| definition.metadata.name.as_deref() == Some(name));
    let config = definition.and_then(|definition| definition.data["spec"]["config"].as_str());
    let config = serde_json::from_str(config.expect("should be defined")).expect("should be JSON");
    let interface = request["interface"].as_str().expect("should name an interface").to_owned();
    Attachment { node, pod, interface, request, config }
}

impl Attachment {
    fn name(&self) -> &str {
        self.request["name"].as_str().unwrap_or_default()
    }

    /// Its name in the pod.
    pub(crate) fn interface(&self) -> &str {
        &self.interface
    }

    /// Runs the definition's plugins one after the other.
    pub(crate) fn add(&self) -> Result<(), String> {
        let mut previous = Value::Null;
        for plugin in self.plugins() {
            previous = self.call("ADD", plugin, &previous)?;
        }
        Ok(())
    }

    /// Takes it away again.
    pub(crate) fn delete(&self) -> Result<(), String> {
        self.plugins().rev().try_for_each(|plugin| self.call("DEL", plugin, &Value::Null).map(drop))
    }

    fn plugins(&self) -> impl DoubleEndedIterator<Item = &Value> {
        self.config["plugins"].as_array().expect("should have plugins").iter()
    }

    fn call(&self, verb: &str, plugin: &Value, previous: &Value) -> Result<Value, String> {
        let mut config = plugin.clone();
        for key in ["name", "cniVersion"] {
            config[key] = self.config[key].clone();
        }
        // Only what the plugin says that it can take.
        for key in ["ips", "mac"] {
            if plugin["capabilities"][key] == json!(true) && !self.request[key].is_null() {
                config["runtimeConfig"][key] = self.request[key].clone();
            }
        }
        if !previous.is_null() {
            config["prevResult"] = previous.clone();
        }
        let kind = plugin["type"].as_str().expect("should name its program");
        let mut command = Command::new("nsenter")
            .args(["-t", &self.node.pid().to_string(), "-n", &plugins().join(kind).to_string_lossy()])
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", format!("pod{}", self.pod.pid()))
            .env("CNI_NETNS", format!("/proc/{}/ns/net", self.pod.pid()))
            .env("CNI_IFNAME", &self.interface)
            .env("CNI_PATH", plugins())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("should start");
        command.stdin.take().expect("is piped").write_all(config.to_string().as_bytes()).expect("should be read");
        let output = command.wait_with_output().expect("should end");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            return Err(format!("{verb} {kind}: {said}{}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(serde_json::from_str(&said).unwrap_or_default())
    }
}
