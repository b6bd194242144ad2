//! docs/tutorial.md as somebody new follows it, in order: each `bash` block is run in the cluster, each `text` block after one is
//! what its last command must show, each `yaml` block is a file. What cannot be run here is listed here, and says so in the
//! document's source.

use std::fs;
use std::path::Path;
use std::time::Instant;

use regex::Regex;
use serde_json::{Value, json};

use crate::app::PAGE;
use crate::chain::Chain;
use crate::lab::{self, LANES, Lane};
use crate::markdown::{Block, blocks};
use crate::reader::Reader;
use crate::release::Release;
use crate::turn::{Need, turn};

/// The document's blocks that are not run, by what they say of it. Nothing else is left out.
const NOT_RUN: [&str; 6] = [
    "not run in the lab: it has a cluster of its own",
    "not run in the lab: it has a helm of its own",
    "not run in the lab: it has built its images before, by the commands of install-images.md",
    "not run in the lab: it reaches no other machine",
    "not run in the lab: Elastic's images are in no package registry",
    "not run in the lab: its other chains need them",
];

/// Rendered with the API server's help, and not installed.
const DRY_RUN: &str = "dry run in the lab: Elastic's images are in no package registry";

/// What the lab has other than the reader's machine: where, what the document says, and what is meant here.
const SUBSTITUTIONS: [(&str, &str, &str); 3] = [
    ("helm", "--values hopkeeper.yaml", "--values hopkeeper.yaml --values lab.json"),
    ("application.yaml", "docker.io/library/busybox:1.37", "lab.local/app:1"),
    ("application.yaml", "http://api.ipify.org", PAGE),
];

/// Commands that only look: what they show may be a moment away.
const LOOKS: [&str; 6] = [
    "kubectl get ",
    "kubectl --namespace vpn get ",
    "kubectl --namespace vpn logs ",
    "hopkeeper status ",
    "hopkeeper explain-incident ",
    "curl ",
];

/// The files that chapter 4 speaks of, and the lab's candidates that they are.
const PROFILES: [(&str, &str, &str); 6] = [
    ("entry", "a", "nl-1"),
    ("entry", "b", "nl-2"),
    ("middle", "a", "se-1"),
    ("middle", "b", "se-2"),
    ("exit", "a", "de-1"),
    ("exit", "b", "de-2"),
];

#[tokio::test]
async fn the_tutorial_leads_from_a_cluster_to_a_chain_that_heals_and_away_again() {
    // The operator's pod is on the network on which the scenario of the leaks listens.
    let turn = turn("tutorial", Need::ThisLane(LANES[0])).await;
    turn.lane.mend();
    let chain = Chain::vacant_namespace(turn.lane, "vpn".to_owned()).await;
    let release = Release::vacant("hopkeeper");
    let mut reader = Reader::new("docs/tutorial.md");
    prepare(reader.directory(), turn.lane);

    let (document, began) = (reader.text(), Instant::now());
    for (_, from, _) in SUBSTITUTIONS {
        assert!(document.contains(from), "docs/tutorial.md should have {from:?}");
    }
    let mut left_out = Vec::new();
    let mut blocks = blocks(&document).into_iter().peekable();
    while let Some(block) = blocks.next() {
        match (block.language, block.note) {
            ("yaml", None) => reader.write(&here(&block)),
            ("bash", None) => {
                let shown = blocks.next_if(|next| next.language == "text").map(|next| next.text);
                follow(&mut reader, &block, shown.as_deref()).await;
                if block.text.starts_with("helm install ") {
                    chain.claim().await;
                }
                println!("    line {} after {:.1} s", block.line, began.elapsed().as_secs_f64());
            }
            ("bash", Some(DRY_RUN)) => {
                reader.run(&format!("{} --dry-run=server", command(block.text.trim_end())));
            }
            ("bash", Some(note)) => left_out.push(note),
            other => panic!("docs/tutorial.md:{}: nothing is done with a block of {other:?}", block.line),
        }
    }
    assert_eq!(left_out, NOT_RUN, "blocks of docs/tutorial.md that are not run");
    drop(release);
}

/// A checkout with the profiles of chapter 4, and what the lab needs in values.
fn prepare(directory: &Path, lane: Lane) {
    std::os::unix::fs::symlink(lab::root().join("helm"), directory.join("helm")).expect("the chart should be linked");
    for (hop, candidate, name) in PROFILES {
        let file = lane.pool(hop).join(candidate).with_extension("json");
        let text = fs::read_to_string(file).expect("the lab should have its candidates");
        let fields: Value = serde_json::from_str(&text).expect("it should be JSON");
        let folder = directory.join("vpn").join(hop);
        fs::create_dir_all(&folder).expect("it should be made");
        let write = |ending: &str, text: &str| {
            fs::write(folder.join(name).with_extension(ending), text).expect("it should be written");
        };
        match (fields["profile"].as_str(), fields["config"].as_str()) {
            (Some(profile), _) => write("ovpn", profile),
            (_, Some(config)) => write("conf", config),
            _ => panic!("candidate {candidate} of {hop} is neither a profile nor a configuration"),
        }
        if let (Some(username), Some(password)) = (fields["username"].as_str(), fields["password"].as_str()) {
            write("auth", &format!("{username}\n{password}\n"));
        }
    }
    let image = |name: &str| format!("lab.local/{name}:1");
    let values = json!({
        "images": {
            "operator": image("hopkeeper"), "openvpn": image("openvpn"), "boringtun": image("boringtun"), "health": image("health"),
        },
        // Other scenarios' chains are not its business.
        "watchNamespace": "vpn",
        "operator": {"parametersPoll": "3s"},
        "tests": {"url": PAGE},
    });
    fs::write(directory.join("lab.json"), values.to_string()).expect("the values should be written");
}

/// A file as it is here.
fn here(block: &Block<'_>) -> String {
    let name = block.text.lines().next().and_then(|first| first.strip_prefix("# ")).unwrap_or_default();
    SUBSTITUTIONS
        .iter()
        .filter(|(place, ..)| *place == name)
        .fold(block.text.clone(), |text, (_, from, to)| text.replace(from, to))
}

/// A command as it is here.
fn command(text: &str) -> String {
    let (program, from, to) = SUBSTITUTIONS[0];
    if text.starts_with(program) { text.replace(from, to) } else { text.to_owned() }
}

/// Runs the commands of a block, a line each; the last one must show the text.
async fn follow(reader: &mut Reader, block: &Block<'_>, shown: Option<&str>) {
    let mut commands: Vec<String> = block.text.lines().map(command).collect();
    if block.text.contains(" port-forward ") {
        commands.iter().for_each(|command| reader.leave_running(command));
        return;
    }
    let last = commands.pop().expect("a block should have a command");
    for command in commands {
        reader.run(&command);
    }
    let Some(shown) = shown else {
        reader.run(&last);
        return;
    };
    let fits = pattern(shown);
    let said = if LOOKS.iter().any(|look| last.starts_with(look)) {
        reader.until_it(&last, shown, |said| fits.is_match(said)).await
    } else {
        reader.run(&last)
    };
    println!("$ {last}\n{said}");
    assert!(fits.is_match(&said), "docs/tutorial.md:{}: {last} should show\n{shown}", block.line);
}

/// A line's words, with one space between them.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What fits a text in which `…` stands for anything: for any lines where it stands alone. Columns may be wider or narrower.
fn pattern(shown: &str) -> Regex {
    let line = |line: &str| match line.trim() {
        "…" => "(?s:.*)".to_owned(),
        line => format!(" *{} *\n", regex::escape(&words(line)).replace('…', ".*").replace(' ', " +")),
    };
    let lines: String = shown.lines().map(line).collect();
    Regex::new(&format!("^{lines}$")).expect("it should be a pattern")
}
