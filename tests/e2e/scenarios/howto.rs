//! The guides of docs/how-to that need a cluster, one after the other, as somebody follows them who has an operator and a chain of
//! two hops: to three hops, into a hold and out of it.

use std::fs;

use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::LIMIT;
use crate::app;
use crate::chain::{Chain, berlin};
use crate::document::{Document, REFUSED, Step};
use crate::lab::{Fault, Lane, bao};
use crate::leaks::{Leaker, Senders, outside};
use crate::operator::Start;
use crate::reader::Reader;
use crate::turn::{Need, turn};

const GUIDES: [&str; 3] = ["docs/how-to/add-a-pool.md", "docs/how-to/add-a-hop.md", "docs/how-to/debug-a-held-hop.md"];

/// Before this the provider does what the guide says.
const ACCOUNT_REFUSED: &str = "in the lab: the account is refused";

/// The files that the guides speak of, and the lab's candidates that they are.
const PROFILES: [(&str, &str, &str); 7] = [
    ("nl/nl-1", "entry", "a"),
    ("nl/nl-2", "entry", "c"),
    ("se/se-1", "middle", "a"),
    ("se/se-2", "middle", "b"),
    ("de/de-1", "exit", "a"),
    ("de/de-2", "exit", "b"),
    ("de/de-3", "exit", "c"),
];

/// The pool in Vault that the guides fill, apart from the lab's own; empty before and afterwards.
struct Pool;

impl Pool {
    fn new() -> Self {
        Self::empty();
        Self
    }

    fn empty() {
        for candidate in ["de-1", "de-2", "de-3"] {
            bao(&["kv", "metadata", "delete", "-mount=secret", &format!("vpn/de/{candidate}")]);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            Self::empty();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_lead_from_two_hops_to_three_and_out_of_a_hold() {
    let turn = turn("howto", Need::Lane).await;
    turn.lane.mend();
    let chain = Chain::namespace(turn.lane, "howto").await;
    let operator = Start::new(&chain.namespace).start().await;
    let _pool = Pool::new();
    let mut reader = Reader::new();
    provide(&mut reader, turn.lane);
    begin(&reader, &chain).await;

    let namespace = &chain.namespace;
    let here = vec![
        ("--namespace vpn", format!("--namespace {namespace}")),
        ("namespace: vpn", format!("namespace: {namespace}")),
        ("namespace=\"vpn\"", format!("namespace=\"{namespace}\"")),
        ("secret:vpn/", format!("secret:{namespace}/")),
        ("vpn/berlin", format!("{namespace}/berlin")),
        (
            "kubectl get --raw /api/v1/namespaces/hopkeeper/services/hopkeeper:http/proxy/metrics",
            format!("curl -s {}", operator.metrics()),
        ),
    ];
    let mut fault = None;
    for guide in GUIDES {
        let mut document = Document::open(guide, &mut reader, here.clone());
        for step in document.steps() {
            match step.note.as_deref() {
                None | Some(REFUSED) => {}
                Some(ACCOUNT_REFUSED) => fault = Some(Fault::new(turn.lane, &["revoke-password", "entry", "a"])),
                Some(other) => panic!("{guide}: nothing is known of {other:?}"),
            }
            if step.has("kubectl apply ") {
                add_a_hop(&mut document, &step, &chain).await;
            } else {
                document.follow(&step).await;
            }
        }
    }
    assert!(fault.is_some(), "a hop should have been held");
    app::until_page(&chain, Timestamp::now(), LIMIT).await;
}

/// The files, as providers give them: one with commands in it, one without its CA.
fn provide(reader: &mut Reader, lane: Lane) {
    reader.set("VAULT_ADDR", "http://127.0.0.1:8200");
    reader.set("VAULT_TOKEN", "root");
    for (file, hop, candidate) in PROFILES {
        reader.has(file, lane, hop, candidate);
    }
    let folder = reader.directory().join("de");
    let text = |name: &str| fs::read_to_string(folder.join(name)).expect("it should be readable");
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("it should be written");
    write("de-2.ovpn", &(text("de-2.ovpn") + "script-security 2\nup /etc/openvpn/update-resolv-conf\n"));
    let profile = text("de-3.ovpn");
    let (before, rest) = profile.split_once("<ca>\n").expect("it should have a CA");
    let (ca, after) = rest.split_once("</ca>\n").expect("its CA should end");
    write("ca.crt", ca);
    write("de-3.ovpn", &format!("{before}ca ca.crt\n{after}"));
}

/// What the reader has before the first guide: two hops, each with one candidate, and an application.
async fn begin(reader: &Reader, chain: &Chain) {
    reader.run(&format!("hopkeeper pool add secret:{}/entry-pool nl/nl-1.ovpn", chain.namespace));
    reader.run("hopkeeper pool add vault:secret/vpn/de de/de-1.ovpn");
    let mut manifest = berlin(chain.lane);
    manifest["spec"]["hops"] = json!([
        {"name": "entry", "client": "OpenVPN", "parameters": {"secretRef": {"name": "entry-pool"}}},
        {"name": "exit", "client": "OpenVPN", "parameters": {"vault": {"mount": "secret", "path": "vpn/de"}}},
    ]);
    let began = Timestamp::now();
    chain.apply(&manifest).await.expect("the chain should be accepted");
    reader.run(&format!("hopkeeper status berlin --namespace {} --check --timeout 4m", chain.namespace));
    app::start(chain).await;
    app::until_page(chain, began, LIMIT).await;
}

/// What docs/how-to/add-a-hop.md says of an edit: hops outside of the new one are left alone, and nothing leaves beside the tunnels.
async fn add_a_hop(document: &mut Document<'_>, step: &Step, chain: &Chain) {
    let state = async |hop: &str| (chain.pod(hop).await.uid(), chain.candidate(hop).await);
    let (entry, exit) = (state("entry").await, state("exit").await);
    let senders = Senders::of(chain);
    let capture = outside("leak-howto");
    let leaker = Leaker::start(chain.lane);
    let began = Timestamp::now();
    document.follow(step).await;
    let page = app::until_page(chain, Timestamp::now(), LIMIT).await;
    println!("    a page by the new hop after {:.1} s", super::seconds(began, page));
    drop(leaker);
    let (leaked, pods) = senders.of_theirs(capture.stop());
    assert!(leaked.is_empty(), "while a hop is added: {leaked:#?}");
    assert!(pods >= 5, "three hops, one of them twice, and the application: {pods}");
    assert_eq!(state("entry").await, entry, "outside of the new hop nothing is touched");
    let (pod, candidate) = state("exit").await;
    assert_ne!(pod, exit.0, "inside of the new hop is a new pod");
    assert_eq!(candidate, exit.1, "with the same candidate");
}
