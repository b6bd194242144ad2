//! docs/writing-rules.md as a reader follows it: from a pasted line to a rule that fires in an operator that runs in the
//! cluster, then an edit, a broken one, and its mending. The commands are the document's own; here is only what must come of
//! them. (What the `console` blocks print is compared by `tests/docs.rs`.)

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::LIMIT;
use crate::chain::{Chain, berlin, kubectl};
use crate::lab::{self, Fault, LANES};
use crate::turn::{Need, turn};
use crate::wait::until_every;

/// The operator as k8s/operator.yaml installs it, with the lab's values where it says EDIT; gone when dropped.
struct Installed(PathBuf);

impl Installed {
    fn new(namespace: &str) -> Self {
        let mut text = std::fs::read_to_string(lab::root().join("k8s/operator.yaml")).expect("it should be readable");
        for image in ["hopkeeper", "openvpn", "boringtun", "wireguard-go", "health"] {
            text = text.replace(&format!("hopkeeper/{image}:latest"), &format!("lab.local/{image}:1"));
        }
        for (from, to) in [
            ("kafka.kafka:9092", "10.200.0.1:9094"),
            ("https://vault.vault:8200", "http://10.200.0.1:8200"),
            // Other scenarios' chains are not its business.
            (
                "# - { name: HOPKEEPER_NAMESPACE, value: vpn }",
                &format!("- {{ name: HOPKEEPER_NAMESPACE, value: {namespace} }}"),
            ),
        ] {
            assert!(text.contains(from), "k8s/operator.yaml should have {from:?} to edit");
            text = text.replace(from, to);
        }
        let installed = Self(lab::dir().join("run/operator.yaml"));
        std::fs::write(&installed.0, text).expect("it should be written");
        installed.remove(); // What an earlier run that was killed has left.
        let said = kubectl(&["apply", "-f", installed.file()]);
        assert!(said.contains("deployment.apps/hopkeeper created"), "the operator should be installed: {said}");
        installed
    }

    fn file(&self) -> &str {
        self.0.to_str().expect("the path should be text")
    }

    fn remove(&self) {
        kubectl(&["delete", "-f", self.file(), "--ignore-not-found", "--wait", "--timeout=60s"]);
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", kubectl(&["-n", "hopkeeper", "logs", "deployment/hopkeeper", "--tail=40"]));
        }
        self.remove();
    }
}

/// The reader's directory and shell.
struct Reader {
    directory: tempfile::TempDir,
    path: String,
}

impl Reader {
    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(self.directory.path()).env("PATH", &self.path);
        command.env("KUBECONFIG", lab::dir().join("kubeconfig")).env("NO_COLOR", "1");
        command
    }

    /// What a script prints; it must succeed.
    fn run(&self, script: &str) -> String {
        let output = self.command(script).output().expect("bash should run");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docs/writing-rules.md: {script}\n{said}");
        said
    }

    /// Asks again and again until the answer has it all.
    async fn until(&self, question: &str, answer: &[&str]) {
        self.until_it(question, &format!("{answer:?}"), |said| answer.iter().all(|part| said.contains(part))).await;
    }

    async fn until_it(&self, question: &str, what: &str, fits: impl Fn(&str) -> bool) {
        until_every(Duration::from_secs(1), &format!("{question} shows {what}"), LIMIT, || async {
            let output = self.command(question).output().expect("bash should run");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            if fits(&said) { Ok(()) } else { Err(said) }
        })
        .await;
    }

    /// Follows a command that does not end until it shows the text; the line with it.
    fn watch(&self, command: &str, text: &str) -> String {
        // Ended from outside when it shows nothing, and then the reading ends too.
        let mut command = self.command(&format!("timeout {} {command}", LIMIT.as_secs()));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it should run");
        let lines = BufReader::new(child.stdout.take().expect("it should be there")).lines();
        let found = lines.map_while(Result::ok).find(|line| line.contains(text));
        // `timeout` passes the signal on.
        let _ = Command::new("kill").arg(child.id().to_string()).status();
        let _ = child.wait();
        found.unwrap_or_else(|| panic!("the watch should show {text}"))
    }
}

/// A `bash` block's commands that change something, as one script, and those that look at the outcome.
fn parted(block: &str) -> (String, Vec<&str>) {
    let questions = ["kubectl get ", "kubectl -n hopkeeper get ", "kubectl -n hopkeeper logs "];
    let looks = |line: &&str| questions.iter().any(|question| line.starts_with(question));
    let (looks, acts): (Vec<_>, Vec<_>) = block.lines().partition(looks);
    (acts.join("\n"), looks)
}

/// The blocks of the chapter: language and text.
fn chapter(guide: &str) -> Vec<(&str, &str)> {
    let from = guide.split("## From one pasted line to a rule that runs").nth(1).expect("the chapter should be there");
    let chapter = from.split("\n## ").next().expect("it should have an end");
    chapter.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n')).collect()
}

/// Writes a file that the guide shows under the name in its first line.
fn write(directory: &Path, text: &str) {
    let name = text.lines().next().and_then(|first| first.strip_prefix("# ")).expect("it should begin with its name");
    let file = directory.join(name);
    std::fs::create_dir_all(file.parent().expect("it should have a directory")).expect("it should be made");
    std::fs::write(file, text.to_owned() + "\n").expect("it should be written");
}

#[tokio::test]
async fn the_guide_leads_from_a_pasted_line_to_a_rule_that_fires_in_a_running_operator() {
    // The operator's pod is on the network on which the scenario of the leaks listens.
    let turn = turn("rules", Need::ThisLane(LANES[0])).await;
    turn.lane.mend();
    let chain = Chain::namespace(turn.lane, "rules").await;
    let installed = Installed::new(&chain.namespace);
    chain.apply(&berlin(turn.lane)).await.expect("the chain should be accepted");
    chain.until_up(LIMIT).await;

    let programs = [
        Path::new(env!("CARGO_BIN_EXE_hopkeeper")).parent().expect("it should be in a directory"),
        &lab::dir().join("bin"),
    ];
    let path = programs.map(|p| p.display().to_string()).join(":") + ":" + &std::env::var("PATH").unwrap_or_default();
    let reader = Reader { directory: tempfile::tempdir().expect("a directory should be made"), path };
    let guide = std::fs::read_to_string(lab::root().join("docs/writing-rules.md")).expect("it should be readable");
    let mut in_cluster = Vec::new();
    let began = Instant::now();
    for (language, text) in chapter(&guide) {
        match language {
            "yaml" => write(reader.directory.path(), text),
            "console" => {
                for command in text.lines().filter_map(|line| line.strip_prefix("$ ")) {
                    reader.run(command);
                }
            }
            _ => in_cluster.push(text),
        }
    }
    let [load, edit, broken, mended] = in_cluster[..] else {
        panic!("the chapter has {} bash blocks", in_cluster.len())
    };
    println!("    written and tested after {:.1} s", began.elapsed().as_secs_f64());

    let (acts, looks) = parted(load);
    reader.run(&acts);
    println!("    loaded after {:.1} s", began.elapsed().as_secs_f64());
    chain.until_settled(LIMIT).await; // A reader's chain is no new one.
    let said = Instant::now();
    drop(Fault::new(turn.lane, &["say", "entry", "a", "plan expired"]));
    let shown = reader.watch(looks[0], "provider-plan-expired");
    assert!(shown.contains("entry"), "the incident is the entry's: {shown}");
    println!(
        "    fired {:.1} s after the server's message; all of it took {:.1} s",
        said.elapsed().as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
    chain
        .until_incident("entry", "is escalated by the new rule", LIMIT, |incident| {
            incident.spec.rule == "provider-plan-expired"
                && crate::chain::phase(incident) == hopkeeper::crd::incident::IncidentPhase::Escalated
        })
        .await;

    let edited = Instant::now();
    let (acts, looks) = parted(edit);
    // The look at the start says so too.
    let loaded = |said: &str| said.matches("/etc/hopkeeper/rules").count();
    let before = loaded(&reader.run(looks[0]));
    reader.run(&acts);
    reader.until_it(looks[0], "one load more", |said| loaded(said) > before).await;
    println!("    an edit is in use after {:.1} s", edited.elapsed().as_secs_f64());

    let edited = Instant::now();
    let (acts, looks) = parted(broken);
    reader.run(&acts);
    let place = "provider.yaml:10:14";
    reader.until(looks[0], &["RulesReloadFailed", place]).await;
    reader.until(looks[1], &["berlin", "\"status\":\"False\"", "ReloadFailed", place]).await;
    reader.until(looks[2], &["hopkeeper_rules_last_reload_success 0", "hopkeeper_rules_reload_errors_total 1"]).await;
    println!("    a broken edit is told by Event, condition and metric after {:.1} s", edited.elapsed().as_secs_f64());

    // The last good set is the edited one: its new words fire.
    drop(Fault::new(turn.lane, &["say", "exit", "a", "quota used up"]));
    chain
        .until_incident("exit", "was created by the last good rules", LIMIT, |i| i.spec.rule == "provider-plan-expired")
        .await;

    let edited = Instant::now();
    let (acts, looks) = parted(mended);
    reader.run(&acts);
    reader.until(looks[0], &["berlin", "\"status\":\"True\"", "rules are in use"]).await;
    println!("    the mended rules are in use after {:.1} s", edited.elapsed().as_secs_f64());
    drop(installed);
}
