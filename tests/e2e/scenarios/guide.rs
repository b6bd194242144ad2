//! docs/writing-rules.md as a reader follows it: from a pasted line to a rule that fires in an operator that runs in the
//! cluster, then an edit, a broken one, and its mending. The commands are the document's own; here is only what must come of
//! them. (What the `console` blocks print is compared by `tests/docs.rs`.)

use std::path::PathBuf;
use std::time::Instant;

use super::LIMIT;
use crate::chain::{Chain, berlin, kubectl};
use crate::document::{Document, Step};
use crate::lab::{self, Fault, LANES};
use crate::reader::Reader;
use crate::turn::{Need, turn};

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

    /// The operator before its rights: what it asks for without them is refused.
    fn remove(&self) {
        let wait = ["--ignore-not-found", "--cascade=foreground", "--wait", "--timeout=60s"];
        kubectl(&[&["-n", "hopkeeper", "delete", "deployment", "hopkeeper"], &wait[..]].concat());
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

#[tokio::test]
async fn the_guide_leads_from_a_pasted_line_to_a_rule_that_fires_in_a_running_operator() {
    // The operator's pod is on the network on which the scenario of the leaks listens.
    let turn = turn("rules", Need::ThisLane(LANES[0])).await;
    turn.lane.mend();
    let chain = Chain::namespace(turn.lane, "rules").await;
    let installed = Installed::new(&chain.namespace);
    chain.apply(&berlin(turn.lane)).await.expect("the chain should be accepted");
    chain.until_up(LIMIT).await;

    let mut reader = Reader::new();
    let began = Instant::now();
    let mut guide = Document::open("docs/writing-rules.md", &mut reader, Vec::new())
        .chapter("From one pasted line to a rule that runs");
    let (in_cluster, before): (Vec<_>, Vec<_>) = guide.steps().into_iter().partition(Step::has_commands);
    for step in &before {
        guide.follow(step).await;
    }
    let [load, edit, broken, mended] = &in_cluster[..] else {
        panic!("the chapter has {} bash blocks", in_cluster.len())
    };
    println!("    written and tested after {:.1} s", began.elapsed().as_secs_f64());

    let (acts, looks) = load.parted();
    reader.run(&acts);
    println!("    loaded after {:.1} s", began.elapsed().as_secs_f64());
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
    let (acts, looks) = edit.parted();
    // The look at the start says so too.
    let loaded = |said: &str| said.matches("/etc/hopkeeper/rules").count();
    let before = loaded(&reader.run(looks[0]));
    reader.run(&acts);
    reader.until_it(looks[0], "one load more", |said| loaded(said) > before).await;
    println!("    an edit is in use after {:.1} s", edited.elapsed().as_secs_f64());

    let edited = Instant::now();
    let (acts, looks) = broken.parted();
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
    let (acts, looks) = mended.parted();
    reader.run(&acts);
    reader.until(looks[0], &["berlin", "\"status\":\"True\"", "rules are in use"]).await;
    println!("    the mended rules are in use after {:.1} s", edited.elapsed().as_secs_f64());
    drop(installed);
}
