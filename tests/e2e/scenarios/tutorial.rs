//! docs/tutorial.md as somebody new follows it. What cannot be run here is listed here, and says so in the document's source.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::app::PAGE;
use crate::chain::{self, Chain, kubectl};
use crate::document::Document;
use crate::lab::{self, LANES};
use crate::reader::Reader;
use crate::release::Release;
use crate::stand_in;
use crate::turn::{Need, turn};
use crate::wait::{LIMIT, until};

/// The document's one block that is not run, by what it says of it. Nothing else is left out.
const NOT_RUN: [&str; 1] = ["not run in the lab: tests/cluster runs it on a bare machine"];

/// Installed, and not waited for.
const NOT_AWAITED: &str = "not awaited in the lab: Elastic's images are in no package registry";

/// Refused, since there is no Kibana.
const NO_KIBANA: &str = "refused in the lab: Elastic's images are in no package registry";

/// Others' chains need what it takes away.
const LAST_OF_ALL: &str = "in the lab after all that others do";

/// What the lab has other than the reader's machine: what the document says, and what is meant here.
const HERE: [(&str, &str); 4] = [
    ("--values hopkeeper.yaml", "--values hopkeeper.yaml --values lab.json"),
    (" --wait --timeout 15m", ""),
    ("docker.io/library/busybox:1.37", "lab.local/app:1"),
    ("http://api.ipify.org", PAGE),
];

/// Where the document fetches files, and the folder that is served in its place.
const SERVERS: [&str; 2] = ["https://get.helm.sh", "https://raw.githubusercontent.com"];

/// The provider of volumes, as its project publishes it.
const STORAGE: &str = "raw.githubusercontent.com/rancher/local-path-provisioner/v0.0.37/deploy/local-path-storage.yaml";

/// The files that chapter 4 speaks of, and the lab's candidates that they are.
const PROFILES: [(&str, &str, &str); 6] = [
    ("vpn/entry/nl-1", "entry", "a"),
    ("vpn/entry/nl-2", "entry", "b"),
    ("vpn/middle/se-1", "middle", "a"),
    ("vpn/middle/se-2", "middle", "b"),
    ("vpn/exit/de-1", "exit", "a"),
    ("vpn/exit/de-2", "exit", "b"),
];

// What is served is asked for by programs, while this waits for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tutorial_leads_from_a_cluster_to_a_chain_that_heals_and_away_again() {
    // The operator's pod is on the network on which the scenario of the leaks listens.
    let turn = turn("tutorial", Need::ThisLane(LANES[0])).await;
    turn.lane.mend();
    let chain = Chain::vacant_namespace(turn.lane, "vpn".to_owned()).await;
    let release = Release::vacant("hopkeeper");
    let storage = Storage;
    let mut reader = Reader::new();
    let here = prepare(&reader).await;
    for (file, hop, candidate) in PROFILES {
        reader.has(file, turn.lane, hop, candidate);
    }

    let mut document = Document::open("docs/tutorial.md", &mut reader, here);
    let (mut left_out, mut last) = (Vec::new(), Vec::new());
    for step in document.steps() {
        match step.note.as_deref() {
            None => {
                let said = document.follow(&step).await;
                if step.has("helm install ") {
                    chain.claim().await;
                } else if step.has("kubectl --namespace hopkeeper get secret ") {
                    assert_eq!(said.trim().len(), 32, "Kibana's password");
                }
            }
            Some(NOT_AWAITED) => {
                let before = chain.state().await;
                document.follow(&step).await;
                the_stack_is_there(&release).await;
                assert_eq!(chain.state().await, before, "the chain runs on");
            }
            Some(NO_KIBANA) => {
                let said = document.refused(&step);
                assert!(said.contains("pod is not running"), "{said}");
            }
            Some(LAST_OF_ALL) => last.push(step),
            Some(note) => left_out.push(note.to_owned()),
        }
    }
    assert_eq!(left_out, NOT_RUN, "blocks of docs/tutorial.md that are not run");
    drop((release, chain, storage, turn));

    let _turn = crate::turn::turn("tutorial's end", Need::Lab).await;
    assert_eq!(last.len(), 1, "blocks of docs/tutorial.md that are for the end");
    let _crds = Crds;
    for step in last {
        document.follow(&step).await;
    }
    let left = kubectl(&["get", "crd", "-o", "name"]);
    assert!(!left.contains("hopkeeper.io"), "{left}");
}

/// A checkout, what the lab needs in values, and what its servers have; what is meant by the document's words.
async fn prepare(reader: &Reader) -> Vec<(&'static str, String)> {
    let directory = reader.directory();
    std::os::unix::fs::symlink(lab::root().join("helm"), directory.join("helm")).expect("the chart should be linked");
    // What an image is built from may be no link.
    run("cp", &["-r", &lab::root().join("nix").to_string_lossy(), &directory.join("nix").to_string_lossy()]);
    stand_in::programs(&reader.programs());
    // Other scenarios' chains are not its business. Nothing of the stack will run, nor needs room.
    let values = json!({
        "watchNamespace": "vpn",
        "operator": {"parametersPoll": "3s"},
        "tests": {"url": PAGE},
        "embedded": {"elasticsearch": {"resources": {"requests": {"memory": "64Mi"}}}},
    });
    fs::write(directory.join("lab.json"), values.to_string()).expect("the values should be written");

    let served = directory.join(".served");
    let helm = served.join("get.helm.sh");
    fs::create_dir_all(helm.join("linux-amd64")).expect("it should be made");
    fs::copy(lab::dir().join("bin/helm"), helm.join("linux-amd64/helm")).expect("the lab should have helm");
    let archive = helm.join("helm-v3.19.2-linux-amd64.tar.gz");
    let folder = helm.to_string_lossy();
    run("tar", &["-C", &folder, "-I", "gzip -1", "-cf", &archive.to_string_lossy(), "linux-amd64/helm"]);
    let storage = served.join(STORAGE);
    fs::create_dir_all(storage.parent().expect("it should have a folder")).expect("it should be made");
    fs::copy(lab::dir().join("local-path-storage.yaml"), storage).expect("run tests/lab/storage/build.sh");

    let address = stand_in::serve(served).await;
    let servers = SERVERS.map(|server| (server, server.replace("https:/", &address)));
    let programs = ("/usr/local/bin", reader.programs().to_string_lossy().into_owned());
    HERE.map(|(said, meant)| (said, meant.to_owned())).into_iter().chain(servers).chain([programs]).collect()
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().expect("it should start");
    assert!(status.success(), "{program} {arguments:?}");
}

/// Each object of the release is in the cluster, and Elasticsearch has its volume.
async fn the_stack_is_there(release: &Release) {
    let objects = release.objects();
    for kind in ["statefulset", "daemonset", "deployment", "job", "secret", "service", "networkpolicy"] {
        assert!(objects.lines().any(|object| object.starts_with(kind)), "a {kind} should be there: {objects}");
    }
    let claims = ["-n", &release.namespace, "get", "pvc", "-o", "jsonpath={.items[*].status.phase}"];
    until("Elasticsearch has its volume", LIMIT, || async {
        let phases = kubectl(&claims);
        if phases == "Bound" { Ok(()) } else { Err(phases) }
    })
    .await;
    println!("    {} objects of the stack, and its volume", objects.lines().count());
}

/// Takes the provider of volumes away, where the document has not come to that.
struct Storage;

impl Drop for Storage {
    fn drop(&mut self) {
        let file = lab::dir().join("local-path-storage.yaml");
        kubectl(&["delete", "--ignore-not-found", "--wait=false", "-f", &file.to_string_lossy()]);
    }
}

/// Brings the CRDs back that the document has deleted.
struct Crds;

impl Drop for Crds {
    fn drop(&mut self) {
        chain::hopkeeper(&["crd", "--apply"]);
    }
}
