//! The trial as a user has it, by the commands of compose/README.md: up, a page through all three tunnels, a server that dies, a
//! client that dies, down.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command};
use std::time::Duration;

use super::engine::{Engine, prepare, remove_control_groups, root};
use super::markdown::blocks;
use super::namespaces::{Capture, end, inside, until};
use super::shown::pattern;

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
    let address = text.trim().to_owned();
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

/// What is shown on a terminal that was left open.
struct Terminal(Child);

impl Terminal {
    const FILE: &str = "/run/terminal";

    fn open(engine: &Engine, command: &str) -> Self {
        let file = fs::File::create(Self::FILE).unwrap();
        Self(engine.shell(&format!("exec {command}")).stdout(file).spawn().unwrap())
    }

    fn lines() -> Vec<String> {
        fs::read_to_string(Self::FILE).unwrap_or_default().lines().map(|line| format!("{line}\n")).collect()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

/// The hops that lines of the operator say `word` about.
fn named(lines: &[String], word: &str) -> BTreeSet<String> {
    let hop = |line: &String| Some(line.split("  ").nth(1)?.to_owned());
    lines.iter().filter(|line| line.contains(word)).filter_map(hop).collect()
}

/// The commands of compose/README.md, in order, each with what it shows, or makes the other terminal show.
fn commands(readme: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for block in blocks(readme).into_iter().filter(|block| block.note.is_none()) {
        match block.language {
            "bash" => commands.extend(block.text.lines().map(|line| (line.to_owned(), String::new()))),
            "text" => commands.last_mut().expect("a command should come first").1 = block.text,
            "" => {} // A drawing.
            other => panic!("compose/README.md:{}: nothing is done with a block of {other:?}", block.line),
        }
    }
    commands
}

/// What must come of each command besides.
fn story(engine: &Engine) {
    let readme = fs::read_to_string(root().join("compose/README.md")).unwrap();
    let (mut terminal, mut entry) = (None, None);
    for (command, shown) in commands(&readme) {
        if command.contains(" logs --follow ") {
            terminal = Some(Terminal::open(engine, &command));
            entry = Some(engine.capture("wan", "ip or ip6"));
            continue;
        }
        if command.contains(" down ") {
            entry.take().into_iter().for_each(nothing_left);
        }
        let before = Terminal::lines().len();
        let output = engine.shell(&command).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{command}: {said}");
        let since = || Terminal::lines().split_off(before);
        let all_shown = || shown.lines().map(pattern).all(|fits| since().iter().any(|line| fits.is_match(line)));
        match command.trim_start_matches("docker compose ") {
            "up --detach" => {
                until("page by server1", LIMIT, || page(engine).as_deref() == Some(EXIT));
                nobody_has_rights(engine);
                docker_is_not_asked(engine);
            }
            "stop server2" => {
                until("server2 stopped: client2 is named, client1 its symptom", LIMIT, all_shown);
                for action in ["  rotate", "  restart", "  alert"] {
                    let hops = named(&since(), action);
                    assert!(hops.iter().all(|hop| hop == "client2"), "only client2 is at fault: {hops:?} {action}");
                }
                assert_eq!(page(engine), None, "without server2 nothing should reach the web");
            }
            "kill client3-vpn" => {
                assert_eq!(page(engine), None, "without its entry's client nothing should leave");
                until("client3 killed: named", LIMIT, all_shown);
            }
            "start server2" | "start client3-vpn" => {
                until("started again: page", LIMIT, || page(engine).as_deref() == Some(EXIT));
            }
            "down --volumes" => {
                for what in [&["ps", "--all", "--quiet"][..], &["volume", "ls", "--quiet"]] {
                    assert_eq!(engine.docker(what), "", "nothing should be left: {what:?}");
                }
            }
            "exec app wget -q -O- http://203.0.113.51/cgi-bin/address" => assert_eq!(said, shown, "{command}"),
            other => panic!("compose/README.md: nothing is known of {other:?}"),
        }
    }
    assert!(terminal.is_some() && entry.is_none(), "the operator should be followed, and all be taken away");
}

/// Ends the capture.
fn nothing_left(entry: Capture) {
    let lines = entry.lines();
    assert!(lines.len() > 20, "the entry's packets should have been seen");
    assert_eq!(others(&lines), Vec::<&String>::new(), "only the entry's tunnel should leave");
}

fn nobody_has_rights(engine: &Engine) {
    for service in ["client1-vpn", "client2-vpn", "client3-vpn", "client1-health", "app"] {
        let status = fs::read_to_string(format!("/proc/{}/status", engine.pid(service))).unwrap();
        for set in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
            assert!(status.contains(set), "{service} should have {set}");
        }
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
    if !inside("trial::the_trial_runs_on_docker_and_names_the_hop_at_fault", prepare) {
        remove_control_groups();
        return;
    }
    story(&Engine::start());
}
