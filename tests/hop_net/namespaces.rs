//! Namespaces that a test runs itself again in, and what it does there: whatever happens to it, the kernel removes all of it with
//! the first process.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::needs::{is_root, pass_over};

const INSIDE: &str = "HOPKEEPER_TEST_INSIDE";

/// Whether this is the test in its namespaces. If not, it was run there, or passed over for what it misses.
pub(crate) fn inside(name: &str, missing: impl FnOnce() -> Option<String>) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    if let Some(missing) = if is_root() { missing() } else { Some("root".into()) } {
        pass_over(&missing);
        return false;
    }
    let namespaces = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"];
    let status = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare"])
        .args(namespaces)
        .arg(env::current_exe().expect("should know the test's own path"))
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .status()
        .expect("should start in namespaces");
    assert!(status.success(), "failed inside its namespaces");
    false
}

/// Runs a shell script; the test fails when it does.
pub(crate) fn sh(script: &str) -> String {
    let output = Command::new("bash").args(["-euc", script]).stdin(Stdio::null()).output().expect("should run bash");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "failed: {script}\n{error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Waits for something to become true, and says how long it took.
pub(crate) fn until(what: &str, within: Duration, mut check: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !check() {
        if start.elapsed() > within {
            for file in fs::read_dir("/run/log").expect("should have logs").flatten() {
                let text = fs::read_to_string(file.path()).unwrap_or_default();
                let tail: Vec<_> = text.lines().rev().take(60).collect();
                eprintln!("== {}", file.path().display());
                tail.iter().rev().for_each(|line| eprintln!("{line}"));
            }
            panic!("{what}: not within {within:?}");
        }
        sleep(Duration::from_millis(20));
    }
    let took = start.elapsed();
    eprintln!("{what}: {:.2} s", took.as_secs_f64());
    took
}

/// Packets that a capture sees on an interface of the test's own namespace.
pub(crate) struct Capture {
    dump: Child,
    file: PathBuf,
}

impl Capture {
    pub(crate) fn start(interface: &str, filter: &str) -> Self {
        let file = PathBuf::from(format!("/run/capture-{interface}"));
        let out = fs::File::create(&file).expect("should create");
        let dump = Command::new("tcpdump")
            .args(["-i", interface, "-nn", "-l", "--immediate-mode", "-Z", "root", filter])
            .stdout(out)
            .stderr(Stdio::null())
            .spawn()
            .expect("should start tcpdump");
        sleep(Duration::from_millis(700));
        Self { dump, file }
    }

    pub(crate) fn lines(mut self) -> Vec<String> {
        sleep(Duration::from_millis(200));
        end(&mut self.dump);
        let text = fs::read_to_string(&self.file).expect("should have been written");
        text.lines().map(ToOwned::to_owned).collect()
    }
}

/// Kills a process.
pub(crate) fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
