//! A Docker Engine of the test's own, in its namespaces: data in memory, nothing of the machine's own Docker is touched.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use super::images;
use super::lab_dir::lab_dir;
use super::namespaces::{Capture, end, sh, until};
use super::programs::which;

/// Below this its containers are accounted for; empty when they are gone.
const CGROUP: &str = "hopkeeper-compose-test";
const SOCKET: &str = "unix:///run/docker.sock";
const CONFIG: &str = "/run/docker-config";
const PLUGINS: &str = "/run/docker-config/cli-plugins";

/// What the trial's file names.
const IMAGES: [&str; 5] = ["hopkeeper", "openvpn", "boringtun", "health", "trial"];

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program that `tools.sh` puts into `LAB_DIR`.
fn tool(name: &str) -> PathBuf {
    lab_dir().join("docker").join(name)
}

/// Where programs are looked for: Docker's first.
fn path() -> String {
    format!("{}:{}", tool("").display(), env::var("PATH").unwrap_or_default())
}

/// What is not here of what the engine needs. If nothing is, its images are built: from its own network there is no way to what
/// they are made of.
pub(crate) fn prepare() -> Option<String> {
    let programs = ["containerd", "runc", "iptables", "tcpdump", "busybox"];
    let program = programs.iter().find(|program| which(program).is_none()).map(|program| (*program).to_owned());
    program.or_else(missing_compose).or_else(|| images::build(false).err())
}

/// What is not here of what reads a compose file.
pub(crate) fn missing_compose() -> Option<String> {
    let is_there = ["docker", "dockerd", "docker-compose"].iter().all(|name| tool(name).is_file());
    (!is_there).then(|| "Docker and docker compose (tests/compose/tools.sh)".to_owned())
}

/// `docker compose` on the trial's file.
pub(crate) fn compose(arguments: &[&str]) -> Output {
    Command::new(tool("docker-compose"))
        .args(["--progress", "quiet", "--file"])
        .arg(root().join("compose/compose.yaml"))
        .args(arguments)
        .env("DOCKER_HOST", SOCKET)
        .env("DOCKER_CONFIG", CONFIG)
        .stdin(Stdio::null())
        .output()
        .expect("should start docker compose")
}

pub(crate) struct Engine(Child);

impl Engine {
    /// Starts it with the trial's images.
    pub(crate) fn start() -> Self {
        // /dev/net/tun is for everybody, as udev makes it.
        sh("mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/lock /run/log /run/data && ip link set lo up
            mkdir -p /dev/net && mount -t tmpfs tmpfs /dev/net && mknod /dev/net/tun c 10 200 && chmod 666 /dev/net/tun");
        let log = fs::File::create("/run/log/dockerd").expect("should log");
        // As a package installs it.
        fs::create_dir_all(PLUGINS).expect("should make the directory");
        symlink(tool("docker-compose"), format!("{PLUGINS}/docker-compose")).expect("should link the plugin");
        let daemon = Command::new(tool("dockerd"))
            .args([
                "--data-root",
                "/run/data",
                "--exec-root",
                "/run/docker",
                "--pidfile",
                "/run/docker.pid",
                "--host",
                SOCKET,
            ])
            .args(["--log-level", "warn", "--cgroup-parent", &format!("/{CGROUP}")])
            .env("PATH", path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("should clone"))
            .stderr(log)
            .spawn()
            .expect("should start dockerd");
        let engine = Self(daemon);
        until("Docker Engine answers", Duration::from_secs(60), || engine.try_docker(&["version"]).status.success());
        for image in IMAGES {
            engine.docker(&[
                "load",
                "--quiet",
                "--input",
                lab_dir().join(format!("podman/{image}.tar")).to_str().unwrap(),
            ]);
        }
        engine
    }

    /// A shell that has been given a command, where the trial's file is.
    pub(crate) fn shell(&self, command: &str) -> Command {
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("exec 2>&1\n{command}")]).current_dir(root().join("compose")).stdin(Stdio::null());
        shell.env("PATH", path()).env("DOCKER_HOST", SOCKET).env("DOCKER_CONFIG", CONFIG);
        shell
    }

    fn try_docker(&self, arguments: &[&str]) -> Output {
        Command::new(tool("docker"))
            .args(arguments)
            .env("DOCKER_HOST", SOCKET)
            .env("DOCKER_CONFIG", CONFIG)
            .stdin(Stdio::null())
            .output()
            .expect("should start docker")
    }

    /// `docker …`; the test fails when it does.
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        let output = self.try_docker(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The process of a service's container, by its number here.
    pub(crate) fn pid(&self, service: &str) -> String {
        self.docker(&["inspect", "--format", "{{.State.Pid}}", &container(service)])
    }

    /// Packets on one of the trial's networks.
    pub(crate) fn capture(&self, network: &str, filter: &str) -> Capture {
        let id = self.docker(&["network", "inspect", "--format", "{{.Id}}", &format!("hopkeeper-trial_{network}")]);
        Capture::start(&format!("br-{}", &id[..12]), filter)
    }
}

/// A service's container.
fn container(service: &str) -> String {
    format!("hopkeeper-trial-{service}-1")
}

impl Drop for Engine {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

/// Removes the empty control groups that the engine leaves in the machine's tree. It has gone by then.
pub(crate) fn remove_control_groups() {
    let all = format!(
        "find /sys/fs/cgroup -type d -path '*/{CGROUP}*' 2>/dev/null | sort -r | xargs -r rmdir 2>/dev/null || true"
    );
    sh(&all);
}
