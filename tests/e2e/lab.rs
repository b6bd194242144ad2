//! The lab's verbs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use crate::lab_dir::lab_dir as dir;

/// The repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Where programs are looked for: in these folders, in the lab's, then as usual.
pub fn search_path(first: &[&Path]) -> OsString {
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let first = first.iter().map(|folder| folder.to_path_buf());
    let all = first.chain([dir().join("bin")]).chain(std::env::split_paths(&usual));
    std::env::join_paths(all).expect("no folder should have a colon in its name")
}

/// Variables with which helm reads and writes nothing of the person who runs the tests.
pub fn helm_homes() -> impl Iterator<Item = (String, PathBuf)> {
    ["CACHE", "CONFIG", "DATA"].into_iter().map(|kind| (format!("HELM_{kind}_HOME"), dir().join("run/helm")))
}

/// VPN servers, and candidates for them, that a scenario has to itself. In lane 2 the server `entry` is `lane2-entry`, its
/// pool `vpn/lane2-entry`, its address 100 higher (`tests/lab/lib/internet.sh`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane(u8);

/// All there are.
pub const LANES: [Lane; 3] = [Lane(1), Lane(2), Lane(3)];

impl Lane {
    /// From 1.
    pub fn number(self) -> u8 {
        self.0
    }

    /// What the lane calls a server or a pool.
    pub fn name(self, bare: &str) -> String {
        if self.0 == 1 { bare.to_owned() } else { format!("lane{}-{bare}", self.0) }
    }

    /// The address of the server that ends in `last` in the first lane.
    pub fn address(self, last: u8) -> String {
        format!("198.51.100.{}", last + (self.0 - 1) * 100)
    }

    /// The files with a hop's candidates.
    pub fn pool(self, hop: &str) -> PathBuf {
        dir().join("pools").join(self.name(hop))
    }

    /// The chains' links; another range in every lane tells whose network namespace is whose.
    pub fn links(self) -> String {
        format!("{}0/24", self.link_prefix())
    }

    /// What the addresses on the lane's links begin with.
    pub fn link_prefix(self) -> String {
        format!("198.18.{}.", 250 + self.0)
    }

    /// Mends the lane's servers.
    pub fn mend(self) {
        lab(&["faults", "clear", &self.0.to_string()]);
    }
}

/// Runs a verb of the lab; its output is what it printed.
pub fn lab(arguments: &[&str]) -> String {
    let script = root().join("tests/lab/lab.sh");
    let output = Command::new(script).args(arguments).output().expect("the lab's script should run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "lab.sh {}: {}{}",
        arguments.join(" "),
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Breaks a lane's server, and mends everything in the lane when dropped.
pub struct Fault(Lane);

impl Fault {
    /// `lab.sh fault VERB SERVER [ARGUMENT]`, the server by its bare name.
    pub fn new(lane: Lane, arguments: &[&str]) -> Self {
        let server = lane.name(arguments[1]);
        let said = lab(&[&["fault", arguments[0], &server], &arguments[2..]].concat());
        println!("    fault: {}", said.trim());
        Self(lane)
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        self.0.mend();
    }
}

/// A packet capture that ends when dropped.
pub struct Capture {
    name: String,
    file: PathBuf,
}

impl Capture {
    /// Captures on `interface` of the node (or `internet`) what the filter lets through.
    pub fn start(name: &str, interface: &str, filter: &str) -> Self {
        let file = dir().join("run").join(format!("{name}.pcap"));
        let path = file.to_str().expect("the path should be text").to_owned();
        let mut arguments = vec!["capture", "start", name, interface, &path];
        arguments.extend(filter.split_whitespace());
        lab(&arguments);
        Self { name: name.to_owned(), file }
    }

    /// Ends the capture: one line a packet.
    pub fn stop(self) -> Vec<String> {
        lab(&["capture", "stop", &self.name]);
        self.so_far()
    }

    /// What was captured so far: one line a packet.
    pub fn so_far(&self) -> Vec<String> {
        let output = Command::new("tcpdump").args(["-nn", "-r"]).arg(&self.file).output().expect("tcpdump should run");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // Already stopped is fine: a failing test must not leave it running.
        let script = root().join("tests/lab/lab.sh");
        let _ = Command::new(script).args(["capture", "stop", &self.name]).output();
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Runs the Vault-compatible server's client as root; its output is what it printed.
pub fn bao(arguments: &[&str]) -> String {
    let output = bao_command().args(arguments).output().expect("bao should run");
    assert!(output.status.success(), "bao {}: {}", arguments[0], String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn bao_command() -> Command {
    let mut command = Command::new(dir().join("bin/bao"));
    command.env("BAO_ADDR", "http://127.0.0.1:8200").env("BAO_TOKEN", "root").env("HOME", dir().join("run"));
    command
}

/// Writes a new version of a secret below the mount `secret`.
pub fn bao_put(path: &str, fields: &serde_json::Value) {
    let file = dir().join("run").join(format!("put-{}.json", path.replace('/', "-")));
    std::fs::write(&file, fields.to_string()).expect("it should be written");
    let from = format!("@{}", file.display());
    bao(&["kv", "put", "-mount=secret", path, &from]);
    std::fs::remove_file(&file).expect("it should be removed");
}

/// Seals the server.
pub fn bao_seal() {
    bao(&["operator", "seal"]);
}

/// Unseals it with the key that its development mode printed at the start.
pub fn bao_unseal() {
    let log = std::fs::read_to_string(dir().join("log/bao.log")).expect("its log should be there");
    let key = log.lines().find_map(|l| l.strip_prefix("Unseal Key: ")).expect("the key should be in it");
    bao(&["operator", "unseal", key.trim()]);
}
