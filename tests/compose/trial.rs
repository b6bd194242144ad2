//! The trial as a user has it: up, a page through all three tunnels, a server that dies, a client that dies, down.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use super::engine::{Engine, compose, container, missing, remove_control_groups};
use super::namespaces::{inside, until};

/// What takes seconds takes minutes where the processors are wanted ten times over.
const LIMIT: Duration = Duration::from_secs(240);
const PAGE: &str = "http://203.0.113.51/cgi-bin/address";
/// server1's address on the internet's side, which the web server sees.
const EXIT: &str = "203.0.113.50";

/// What the web server says of who asks, through the chain.
fn page(engine: &Engine) -> Option<String> {
    let fetch = format!("wget -q -O- {PAGE}");
    let output = Command::new("timeout")
        .args([
            "2",
            "nsenter",
            "-t",
            &engine.pid("app"),
            "-n",
            "-m",
            "-r",
            "-S",
            "65534",
            "-G",
            "65534",
            "sh",
            "-c",
            &fetch,
        ])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let address = text.trim().trim_matches(['[', ']']).trim_start_matches("::ffff:").to_owned();
    (output.status.success() && !address.is_empty()).then_some(address)
}

/// What of the lines on the entry's network is not between client3 and its own server.
fn others(lines: &[String]) -> Vec<&String> {
    let own = |line: &&String| {
        let (there, back) = ("203.0.113.2.", "203.0.113.3.1194");
        line.contains("UDP") && line.contains(there) && line.contains(back)
    };
    lines.iter().filter(|line| !own(line)).collect()
}

/// The hops that the operator has said `word` about, since `start` bytes of its log.
fn named(engine: &Engine, start: usize, word: &str) -> BTreeSet<String> {
    let log = engine.logs("operator");
    let hop = |line: &str| Some(line.split("  ").nth(1)?.to_owned());
    log.get(start..).unwrap_or_default().lines().filter(|line| line.contains(word)).filter_map(hop).collect()
}

fn story(engine: &Engine) {
    let output = compose(&["up", "--detach", "--no-build"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    until("page by server1", LIMIT, || page(engine).as_deref() == Some(EXIT));
    for service in ["client1-vpn", "client2-vpn", "client3-vpn", "client1-health", "app"] {
        let status = fs::read_to_string(format!("/proc/{}/status", engine.pid(service))).unwrap();
        for set in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
            assert!(status.contains(set), "{service} should have {set}");
        }
    }
    docker_is_not_asked(engine);

    let entry = engine.capture("wan", "ip or ip6");
    let start = engine.logs("operator").len();
    engine.docker(&["stop", "--time", "1", &container("server2")]);
    until("server2 stopped: client2 is named", LIMIT, || named(engine, start, "  rotate").contains("client2"));
    until("server2 stopped: client1 is its symptom", LIMIT, || {
        named(engine, start, "  hold for client2").contains("client1")
    });
    for action in ["  rotate", "  restart", "  alert"] {
        let hops = named(engine, start, action);
        assert!(hops.iter().all(|hop| hop == "client2"), "only client2 is at fault: {hops:?} {action}");
    }
    assert_eq!(page(engine), None, "without server2 nothing should reach the web");
    engine.docker(&["start", &container("server2")]);
    until("server2 back: page", LIMIT, || page(engine).as_deref() == Some(EXIT));

    let start = engine.logs("operator").len();
    engine.docker(&["kill", &container("client3-vpn")]);
    assert_eq!(page(engine), None, "without its entry's client nothing should leave");
    until("client3 killed: named", LIMIT, || named(engine, start, "  restart").contains("client3"));
    engine.docker(&["start", &container("client3-vpn")]);
    until("client3 started: page", LIMIT, || page(engine).as_deref() == Some(EXIT));
    let lines = entry.lines();
    assert!(lines.len() > 20, "the entry's packets should have been seen");
    assert_eq!(others(&lines), Vec::<&String>::new(), "only the entry's tunnel should leave");

    let output = compose(&["down", "--volumes", "--timeout", "5"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for what in [&["ps", "--all", "--quiet"][..], &["volume", "ls", "--quiet"]] {
        assert_eq!(engine.docker(what), "", "nothing should be left: {what:?}");
    }
}

/// Docker's resolver answers in a container's own namespace, and asks outside of the chain: a hop and the application are shut off.
fn docker_is_not_asked(engine: &Engine) {
    let answers = |service: &str, name: &str| {
        let pid = engine.pid(service);
        let ask = ["2", "nsenter", "-t", &pid, "-n", "busybox", "nslookup", name, "127.0.0.11"];
        Command::new("timeout").args(ask).output().is_ok_and(|output| output.status.success())
    };
    assert!(answers("operator", "operator"), "the resolver should answer where it may");
    assert!(
        !answers("app-pod", "client1-pod") && !answers("client2-pod", "client1-pod"),
        "the resolver should be shut off"
    );
}

#[test]
fn the_trial_runs_on_docker_and_names_the_hop_at_fault() {
    if !inside("trial::the_trial_runs_on_docker_and_names_the_hop_at_fault", missing) {
        remove_control_groups();
        return;
    }
    story(&Engine::start());
}
