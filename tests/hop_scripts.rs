//! The health scripts by busybox's shell, as in a hop's `health` container; needs `busybox`.

#[path = "shared/needs.rs"]
mod needs;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn has_busybox() -> bool {
    let found = Command::new("busybox").arg("true").status().is_ok_and(|status| status.success());
    if !found {
        needs::pass_over("busybox");
    }
    found
}

fn script(name: &str, directory: &Path) -> Command {
    let mut command = Command::new("busybox");
    command
        .args(["sh", &format!("{}/src/hop/{name}", env!("CARGO_MANIFEST_DIR"))])
        .env("HOPKEEPER_STATE", directory.join("state"))
        .env("HOPKEEPER_PLAN", directory.join("hop.json"));
    command
}

fn write_state(directory: &Path, state: &str, applied: &str, age_seconds: i64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("should be after 1970");
    let written_at = i64::try_from(now.as_secs()).expect("should fit") - age_seconds;
    let text = format!(
        "applied={applied}\napplied_since=2026-11-22T16:00:00.123Z\nstate={state}\ncarrier=1\nrx_bytes=10\ntx_bytes=20\nrx_age_seconds=3\n\
         handshake_age_seconds=-1\nprobe=answered\nunix_seconds={written_at}\n"
    );
    fs::write(directory.join("new"), text).expect("should write");
    fs::rename(directory.join("new"), directory.join("state")).expect("should swap");
}

#[test]
fn a_hop_is_ready_only_with_what_is_mounted_up_and_fresh() {
    if !has_busybox() {
        return;
    }
    let directory = tempfile::tempdir().expect("should make a directory");
    let path = directory.path();
    let ready = || script("ready.sh", path).status().expect("should run").success();
    assert!(!ready(), "nothing is there yet");
    fs::write(path.join("hop.json"), "{\n  \"id\": \"a%20b@3#7\",\n  \"other\": \"x\"\n}").expect("should write");
    write_state(path, "up", "a%20b@3#7", 0);
    assert!(ready());
    for state in ["connecting", "stalled", "down", ""] {
        write_state(path, state, "a%20b@3#7", 0);
        assert!(!ready(), "{state}");
    }
    write_state(path, "up", "a%20b@3#6", 0);
    assert!(!ready(), "other parameters are mounted");
    write_state(path, "up", "a%20b@3#7", 30);
    assert!(!ready(), "the state is old");
    write_state(path, "up", "a%20b@3#7", -3600);
    assert!(!ready(), "the clock was set back, and nobody writes the state any more");
    fs::write(path.join("hop.json"), "{}").expect("should write");
    write_state(path, "up", "", 0);
    assert!(!ready(), "no id is no match");
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn health_lines_go_on_when_the_clock_is_set_back() {
    if !has_busybox() {
        return;
    }
    let directory = tempfile::tempdir().expect("should make a directory");
    let path = directory.path();
    fs::write(path.join("hop.json"), "{\n  \"id\": \"a@1#0\"\n}\n").expect("should write");
    let set = |now: u32| {
        fs::write(path.join("new-now"), now.to_string()).expect("should write");
        fs::rename(path.join("new-now"), path.join("now")).expect("should swap");
    };
    set(7200);
    // A clock of the test's own: busybox's shell prefers its own programs to those on the way, and a function to both.
    let mut health = Command::new("busybox");
    health
        .args(["sh", "-c", "date() { cat \"$NOW\"; }; . \"$SCRIPT\""])
        .env("NOW", path.join("now"))
        .env("SCRIPT", format!("{}/src/hop/health.sh", env!("CARGO_MANIFEST_DIR")))
        .env("HOPKEEPER_STATE", path.join("state"))
        .env("HOPKEEPER_PLAN", path.join("hop.json"))
        .stdout(Stdio::piped());
    let mut health = Killed(health.spawn().expect("should run"));
    let output = BufReader::new(health.0.stdout.take().expect("should be piped"));
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let next = || lines.recv_timeout(Duration::from_secs(20)).expect("should have a line");
    let first = next();
    assert!(first.contains(r#""state":"down""#), "{first}");
    set(3600);
    assert_eq!(next(), first, "an hour would be long to wait");
}

#[test]
fn health_lines_come_at_each_change_and_every_five_seconds_and_end_at_once() {
    if !has_busybox() {
        return;
    }
    let directory = tempfile::tempdir().expect("should make a directory");
    let path = directory.path();
    let mount = |id: &str| {
        let plan = format!("{{\n  \"id\": \"{id}\",\n  \"network\": {{\n    \"id\": \"other\"\n  }}\n}}\n");
        fs::write(path.join("plan"), plan).expect("should write");
        fs::rename(path.join("plan"), path.join("hop.json")).expect("should swap");
    };
    mount("a%20b@1#0");
    write_state(path, "connecting", "a%20b@1#0", 0);
    let start = Instant::now();
    let mut health = Killed(script("health.sh", path).stdout(Stdio::piped()).spawn().expect("should run"));
    let mut lines = BufReader::new(health.0.stdout.take().expect("should be piped")).lines();
    let mut next = || -> serde_json::Value {
        let line = lines.next().expect("should have a line").expect("should read");
        serde_json::from_str(&line).expect("should be JSON")
    };
    let first = next();
    assert_eq!(
        first,
        serde_json::json!({"hopkeeper": "health", "state": "connecting", "mounted": "a%20b@1#0", "applied": "a%20b@1#0",
            "applied_since": "2026-11-22T16:00:00.123Z", "carrier": 1, "rx_bytes": 10, "tx_bytes": 20, "rx_age_seconds": 3, "handshake_age_seconds": -1, "probe": "answered"})
    );
    mount("c@1#1");
    let other = next();
    assert_eq!((&other["mounted"], &other["applied"]), (&"c@1#1".into(), &"a%20b@1#0".into()), "not in use yet");
    assert!(start.elapsed() < Duration::from_secs(2), "what is mounted should show at once");
    // Fresh for nine seconds, so that the line of every five seconds comes before the state is too old.
    write_state(path, "up", "c@1#1", -4);
    assert_eq!(next()["state"], "up");
    assert!(start.elapsed() < Duration::from_secs(2), "a change should show at once");
    assert_eq!(next()["state"], "up");
    assert!(start.elapsed() > Duration::from_secs(4));
    // Nobody writes the state any more.
    write_state(path, "up", "c@1#1", 30);
    assert_eq!(next()["state"], "down");

    let end = Instant::now();
    Command::new("kill").arg(health.0.id().to_string()).status().expect("should signal");
    assert!(health.0.wait().expect("should end").success());
    assert!(end.elapsed() < Duration::from_millis(300), "it should leave at once");
}
