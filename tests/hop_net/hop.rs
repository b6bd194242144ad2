//! The hop under test: its plan, `net`, and the client without any right.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use hopkeeper::domain::candidate::{RawCandidate, parse};
use hopkeeper::domain::plan::{ChainInput, ChainPlan, HopInput, HopNetwork, HopPlan, client_process};
use hopkeeper::domain::types::{CandidateRef, Implementation, Transport};
use secrecy::{ExposeSecret, SecretString};

use super::lab::{Lab, Place, write_secret};
use super::namespaces::{end, until};

pub(crate) const HOPKEEPER: &str = env!("CARGO_BIN_EXE_hopkeeper");
/// As Kubernetes gives `net` its rights: root without any capability but this one.
pub(crate) const NET_RIGHTS: &str = "setpriv --bounding-set=-all,+net_admin --inh-caps=-all --no-new-privs";

pub(crate) struct Hop {
    place: Place,
    network: HopNetwork,
    plan: HopPlan,
    net: Option<Child>,
    pub(crate) client: Option<Child>,
}

impl Hop {
    /// Builds the hop with a first candidate and starts `net`.
    pub(crate) fn start(lab: &Lab, implementation: Implementation, name: &str, fields: &[(&str, String)]) -> Self {
        let network = chain(&[implementation]).hops.swap_remove(0);
        Self::start_in(lab.hop.at, network, name, fields)
    }

    /// The same for one hop of a chain.
    pub(crate) fn start_in(place: Place, network: HopNetwork, name: &str, fields: &[(&str, String)]) -> Self {
        let plan = mount(place, &network, name, fields, 0);
        let init = init();
        place.sh(&init);
        // Harmless to run again, as after a restart of the pod's sandbox.
        place.sh(&init);
        let mut hop = Self { place, network, plan, net: None, client: None };
        hop.start_net();
        hop
    }

    pub(crate) fn start_net(&mut self) {
        if let Some(net) = &mut self.net {
            end(net);
        }
        self.net = Some(self.place.spawn(&self.log("net"), &format!("{NET_RIGHTS} {HOPKEEPER} hop net run")));
    }

    /// Tells `net` to end, and says how long it took.
    pub(crate) fn terminate_net(&mut self) -> Duration {
        let net = self.net.as_mut().expect("should run");
        let start = Instant::now();
        Command::new("kill").arg(net.id().to_string()).status().expect("should signal");
        assert!(net.wait().expect("should end").success());
        start.elapsed()
    }

    /// Starts the client as its container would.
    pub(crate) fn start_client(&mut self) {
        if let Some(client) = &mut self.client {
            end(client);
        }
        let process = client_process(self.plan.network.implementation).expect("should have a client");
        let rights = if process.net_admin {
            NET_RIGHTS.to_owned()
        } else {
            format!(
                "setpriv --reuid {0} --regid {0} --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs",
                process.uid
            )
        };
        let env: Vec<_> = process.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let command: Vec<_> = process.command.iter().map(|word| format!("'{word}'")).collect();
        let script = format!("env PATH=/run/bin:$PATH {} {rights} {}", env.join(" "), command.join(" "));
        self.client = Some(self.place.spawn(&self.log("vpn"), &script));
    }

    /// Mounts another candidate, as the kubelet would.
    pub(crate) fn rotate(&mut self, name: &str, fields: &[(&str, String)]) {
        self.plan = mount(self.place, &self.network, name, fields, self.plan.revision + 1);
    }

    pub(crate) fn client_pid(&self) -> u32 {
        self.client.as_ref().expect("should run").id()
    }

    pub(crate) fn kill_client(&mut self) {
        end(self.client.as_mut().expect("should run"));
    }

    /// The log of one of its containers, in `/run/log`.
    fn log(&self, container: &str) -> String {
        let suffix = if self.network.index == 0 { String::new() } else { self.network.index.to_string() };
        format!("{container}{suffix}")
    }

    /// One value of the state file.
    pub(crate) fn value(&self, key: &str) -> String {
        let text = fs::read_to_string(self.place.root().join("run/hopkeeper/state")).unwrap_or_default();
        let of = |line: &str| line.strip_prefix(key)?.strip_prefix('=').map(ToOwned::to_owned);
        text.lines().find_map(of).unwrap_or_default()
    }

    /// What the pod's readiness probe says.
    pub(crate) fn is_ready(&self) -> bool {
        Command::new("busybox")
            .args(["sh", "src/hop/ready.sh"])
            .env("HOPKEEPER_STATE", self.place.root().join("run/hopkeeper/state"))
            .env("HOPKEEPER_PLAN", self.place.root().join("etc/hopkeeper/hop/hop.json"))
            .status()
            .is_ok_and(|status| status.success())
    }

    pub(crate) fn until_ready(&self, what: &str, within: u64) -> Duration {
        until(what, Duration::from_secs(within), || self.is_ready())
    }

    pub(crate) fn until_state(&self, what: &str, state: &str, within: u64) -> Duration {
        until(what, Duration::from_secs(within), || self.value("state") == state)
    }

    pub(crate) fn until_fetched(&self, lab: &Lab, what: &str, from: &str, within: u64) -> Duration {
        until(what, Duration::from_secs(within), || lab.fetch().as_deref() == Some(from))
    }
}

impl Drop for Hop {
    fn drop(&mut self) {
        [&mut self.client, &mut self.net].into_iter().flatten().for_each(end);
    }
}

/// How a pod's init container builds its network.
fn init() -> String {
    format!("{NET_RIGHTS} {HOPKEEPER} hop net init")
}

/// What `net init` says to a pod that cannot work.
pub(crate) fn refusal(lab: &Lab, implementation: Implementation, fields: &[(&str, String)]) -> String {
    refusal_in(lab.hop.at, &chain(&[implementation]).hops[0], fields)
}

/// The same for one hop of a chain.
pub(crate) fn refusal_in(place: Place, network: &HopNetwork, fields: &[(&str, String)]) -> String {
    mount(place, network, "a", fields, 0);
    // Errors are wrapped to the width of a terminal.
    place.sh(&format!("{} 2>&1 && exit 1 || :", init())).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A chain of these hops, planned by the code that the operator uses.
pub(crate) fn chain(implementations: &[Implementation]) -> ChainPlan {
    let hop = |(index, implementation): (usize, &Implementation)| HopInput {
        name: format!("hop{index}"),
        implementation: *implementation,
        transport: Transport::Any,
    };
    let net = |text: &str| text.parse().expect("should be a network");
    let (gateway, links) = (net("10.200.7.0/24"), net("198.18.255.0/24"));
    let hops = implementations.iter().enumerate().map(hop).collect();
    ChainPlan::new(&ChainInput { hops, gateway, links, mtu: 1450 }).expect("should plan")
}

/// Renders a candidate by the code that the operator uses, and mounts it.
fn mount(place: Place, network: &HopNetwork, name: &str, fields: &[(&str, String)], revision: u64) -> HopPlan {
    let fields = fields.iter().map(|(key, text)| ((*key).to_owned(), SecretString::from(text.as_str()))).collect();
    let raw = RawCandidate { name: name.into(), version: "1".into(), fields };
    let resolved = parse(network.implementation, Transport::Any, &raw)
        .and_then(|parameters| parameters.resolve(&BTreeMap::new()))
        .unwrap_or_else(|error| panic!("{error}"));
    let candidate = CandidateRef { name: raw.name, version: raw.version };
    let plan = HopPlan::new(network.clone(), &resolved, candidate, revision).expect("should plan");
    let mut files = vec![("hop.json".to_owned(), plan.to_json())];
    files.extend(resolved.files.iter().map(|(name, text)| (name.clone(), text.expose_secret().to_owned())));
    write_secret(place, &files);
    plan
}
