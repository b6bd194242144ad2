//! A wrong VpnChain is refused by the API server and by `hopkeeper validate` with the same sentence.

use std::process::Command;

use serde_json::{Value, json};

use crate::chain::{Chain, berlin};
use crate::lab::{self, LANES};
use crate::turn::{Need, turn};

fn validate(chain: &Value) -> (bool, String) {
    let file = tempfile::NamedTempFile::with_suffix(".yaml").expect("a file should be made");
    std::fs::write(file.path(), chain.to_string()).expect("it should be written");
    let output =
        Command::new(env!("CARGO_BIN_EXE_hopkeeper")).arg("validate").arg(file.path()).output().expect("it should run");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn a_wrong_chain_is_refused_everywhere_with_the_same_sentence() {
    let turn = turn("refusal", Need::Lane).await;
    let chain = Chain::namespace(turn.lane, "refusal").await;
    // As the README has it: nothing of it is ever started.
    let berlin = || berlin(LANES[0]);
    let duplicate = berlin()["spec"]["hops"][0].clone();
    let cases: [(&str, Value, &str); 5] = [
        ("/spec/hops", json!([]), "a chain needs at least one hop: list the entry hop first, the exit hop last"),
        ("/spec/hops/1", duplicate, "every hop needs a name of its own within the chain: two hops share one"),
        (
            "/spec/gateway/cidr",
            json!("198.18.0.0/16"),
            "gateway.cidr and links.cidr overlap: choose another range for one of them",
        ),
        ("/spec/hopz", json!([]), "unknown field \"spec.hopz\""),
        (
            "/spec/hops/0/client",
            json!("Tinc"),
            "spec.hops[0].client: Unsupported value: \"Tinc\": supported values: \"OpenVPN\", \"WireGuard\"",
        ),
    ];
    let (valid, said) = validate(&berlin());
    assert!(valid, "the chain of the README: {said}");
    for (pointer, value, sentence) in cases {
        let mut wrong = berlin();
        let (parent, key) = pointer.rsplit_once('/').expect("it should be a pointer");
        match wrong.pointer_mut(parent).expect("it should be there") {
            Value::Array(items) => items[key.parse::<usize>().expect("it should be an index")] = value,
            other => other[key] = value,
        }
        let server = kube_says(&chain, &wrong);
        let (valid, offline) = validate(&wrong);
        assert!(server.contains(sentence), "the API server says of {pointer}: {server}");
        assert!(!valid && offline.contains(sentence), "hopkeeper validate says of {pointer}: {offline}");
        println!("    {pointer}: {sentence}");
    }
}

/// What a person who types `kubectl apply` is told.
fn kube_says(chain: &Chain, manifest: &Value) -> String {
    let file = lab::dir().join("run/refused.json");
    std::fs::write(&file, manifest.to_string()).expect("it should be written");
    let path = file.to_str().expect("it should be text").to_owned();
    crate::chain::kubectl(&["-n", &chain.namespace, "apply", "--dry-run=server", "-f", &path])
}
