//! docs/tutorial.md as somebody new follows it. What cannot be run here is listed here, and says so in the document's source.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::app::PAGE;
use crate::chain::Chain;
use crate::document::Document;
use crate::lab::{self, LANES};
use crate::reader::Reader;
use crate::release::Release;
use crate::turn::{Need, turn};

/// The document's blocks that are not run, by what they say of it. Nothing else is left out.
const NOT_RUN: [&str; 6] = [
    "not run in the lab: tests/cluster runs it on a bare machine",
    "not run in the lab: tests/cluster runs that too",
    "not run in the lab: it has built its images before, by the commands of install-images.md",
    "not run in the lab: it reaches no other machine",
    "not run in the lab: Elastic's images are in no package registry",
    "not run in the lab: its other chains need them",
];

/// Rendered with the API server's help, and not installed.
const DRY_RUN: &str = "dry run in the lab: Elastic's images are in no package registry";

/// What the lab has other than the reader's machine: what the document says, and what is meant here.
const HERE: [(&str, &str); 3] = [
    ("--values hopkeeper.yaml", "--values hopkeeper.yaml --values lab.json"),
    ("docker.io/library/busybox:1.37", "lab.local/app:1"),
    ("http://api.ipify.org", PAGE),
];

/// The files that chapter 4 speaks of, and the lab's candidates that they are.
const PROFILES: [(&str, &str, &str); 6] = [
    ("vpn/entry/nl-1", "entry", "a"),
    ("vpn/entry/nl-2", "entry", "b"),
    ("vpn/middle/se-1", "middle", "a"),
    ("vpn/middle/se-2", "middle", "b"),
    ("vpn/exit/de-1", "exit", "a"),
    ("vpn/exit/de-2", "exit", "b"),
];

#[tokio::test]
async fn the_tutorial_leads_from_a_cluster_to_a_chain_that_heals_and_away_again() {
    // The operator's pod is on the network on which the scenario of the leaks listens.
    let turn = turn("tutorial", Need::ThisLane(LANES[0])).await;
    turn.lane.mend();
    let chain = Chain::vacant_namespace(turn.lane, "vpn".to_owned()).await;
    let release = Release::vacant("hopkeeper");
    let mut reader = Reader::new();
    prepare(reader.directory());
    for (file, hop, candidate) in PROFILES {
        reader.has(file, turn.lane, hop, candidate);
    }

    let here = HERE.map(|(said, meant)| (said, meant.to_owned())).to_vec();
    let mut document = Document::open("docs/tutorial.md", &mut reader, here);
    let mut left_out = Vec::new();
    for step in document.steps() {
        match step.note.as_deref() {
            None => document.follow(&step).await,
            Some(DRY_RUN) => document.follow_with(&step, " --dry-run=server").await,
            Some(note) => left_out.push(note.to_owned()),
        }
        if step.note.is_none() && step.has("helm install ") {
            chain.claim().await;
        }
    }
    assert_eq!(left_out, NOT_RUN, "blocks of docs/tutorial.md that are not run");
    drop(release);
}

/// A checkout, and what the lab needs in values.
fn prepare(directory: &Path) {
    std::os::unix::fs::symlink(lab::root().join("helm"), directory.join("helm")).expect("the chart should be linked");
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
