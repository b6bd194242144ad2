//! An OpenBao of a test's own on a free port, set up by its own command line; it ends with the test, also with one that panics.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::lab_dir::lab_program;
use crate::needs::pass_over;

const ROOT_TOKEN: &str = "root-CANARY-token";
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server in development mode: in memory, unsealed, KV version 2 at `secret`.
pub(crate) struct Bao {
    child: Child,
    binary: PathBuf,
    /// Its URL.
    pub(crate) address: String,
    directory: TempDir,
}

impl Drop for Bao {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bao {
    /// None without the program; under CI that is a failure.
    pub(crate) fn start() -> Option<Self> {
        static TLS: OnceLock<()> = OnceLock::new();
        TLS.get_or_init(|| {
            rustls::crypto::ring::default_provider().install_default().expect("should be the first");
        });
        let binary = lab_program("HOPKEEPER_TEST_BAO", "bao");
        if !binary.exists() {
            pass_over(&format!("OpenBao at {} (HOPKEEPER_TEST_BAO=FILE, or make lab-up)", binary.display()));
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("should find a free port");
        let directory = tempfile::tempdir().expect("should make a directory");
        let log = std::fs::File::create(directory.path().join("log")).expect("should create the log");
        // Drop ends it, and where nothing is dropped, as after a kill -9 of the tests, the kernel does.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(&binary)
            .args(["server", "-dev", "-dev-no-store-token", &format!("-dev-root-token-id={ROOT_TOKEN}")])
            .arg(format!("-dev-listen-address={free}"))
            .env_clear()
            .env("HOME", directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("should clone"))
            .stderr(log)
            .spawn()
            .expect("should start OpenBao");
        let bao = Self { child, binary, address: format!("http://{free}"), directory };
        let deadline = Instant::now() + PATIENCE;
        // The listener answers before the mounts are there; the banner comes last.
        while !bao.log().contains("Unseal Key: ") || bao.try_run(&["secrets", "list"]).is_err() {
            assert!(Instant::now() < deadline, "OpenBao did not start:\n{}", bao.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(bao)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Runs a command as root; what it said.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.try_run(arguments).unwrap_or_else(|said| panic!("bao {arguments:?}: {said}"))
    }

    fn try_run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.binary);
        command.args(arguments).env_clear().env("BAO_ADDR", &self.address).env("BAO_TOKEN", ROOT_TOKEN);
        let done = command.env("HOME", self.directory.path()).stdin(Stdio::null()).output().expect("should run bao");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
    }

    /// Writes a candidate with one field.
    pub(crate) fn put(&self, path: &str, field: &str) {
        self.run(&["kv", "put", "-mount=secret", path, field]);
    }

    /// A policy that allows what docs/parameters.md says the operator needs.
    pub(crate) fn allow(&self, policy: &str) {
        let file = self.file(
            "policy.hcl",
            "path \"secret/metadata/vpn/*\" { capabilities = [\"list\"] }\n\
             path \"secret/data/vpn/*\" { capabilities = [\"read\"] }\n",
        );
        self.run(&["policy", "write", policy, &file.to_string_lossy()]);
    }

    /// A token with a policy.
    pub(crate) fn token(&self, policy: &str) -> String {
        self.run(&["token", "create", "-field=token", &format!("-policy={policy}")])
    }

    pub(crate) fn seal(&self) {
        self.run(&["operator", "seal"]);
    }

    pub(crate) fn unseal(&self) {
        let log = self.log();
        let key = log.lines().find_map(|line| line.strip_prefix("Unseal Key: ")).expect("should print its key");
        self.run(&["operator", "unseal", key]);
        // Unsealing answers before the mounts are back.
        let deadline = Instant::now() + PATIENCE;
        while self.try_run(&["secrets", "list"]).is_err() {
            assert!(Instant::now() < deadline, "OpenBao did not come back");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Writes a file that lives as long as the server.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).expect("should write");
        path
    }

    /// The server's directory, for what no file is at.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}
