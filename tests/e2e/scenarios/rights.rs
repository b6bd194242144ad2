//! What the operators of all scenarios asked of the API server is what the chart lets them ask, and nothing is left over.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::audit::{self, Right};
use crate::chain::kubectl;
use crate::lab;
use crate::turn::{self, Need, turn};
use crate::wait::{LIMIT, until};

#[tokio::test]
async fn the_rights_that_are_used_are_the_rights_that_are_granted() {
    // Last of all, alone: after every other scenario.
    let _turn = turn("rights", Need::Lab).await;
    let mut used = audit::used(turn::began());
    let granted = audit::granted();
    // The API server asks for this one by itself, when an object is created whose owner waits for it: no request is about it.
    owners_that_wait_need_a_right().await;
    used.rights.insert(Right::of_chains("update", "hopkeeper.io", "vpnchains/finalizers"));

    let difference = |a: &BTreeSet<Right>, b: &BTreeSet<Right>| -> Vec<String> {
        a.difference(b).map(ToString::to_string).collect()
    };
    let (missing, unused) = (difference(&used.rights, &granted), difference(&granted, &used.rights));
    println!(
        "    {} requests of operators; rights granted: {}, used: {}",
        used.requests,
        granted.len(),
        used.rights.len()
    );
    println!("    used and not granted: {missing:?}; granted and not used: {unused:?}; refused: {:?}", used.refused);
    assert!(used.refused.is_empty(), "operators asked for what they have no right to: {:?}", used.refused);
    assert!(missing.is_empty(), "operators have rights that the chart does not give: {missing:?}");
    let others = turn::not_passed("rights");
    if others.is_empty() {
        assert!(unused.is_empty(), "the chart gives rights that no scenario needs: {unused:?}");
    } else {
        println!("    what is not used is judged when every other scenario has passed; not yet: {}", others.join(", "));
    }
}

/// Who may create an object, and not update its owner's finalizers, may not have the owner wait for it.
async fn owners_that_wait_need_a_right() {
    let namespace = "e2e-rights";
    kubectl(&["delete", "namespace", namespace, "--ignore-not-found", "--wait"]);
    kubectl(&["create", "namespace", namespace]);
    kubectl(&["-n", namespace, "create", "role", "creator", "--verb=create", "--resource=configmaps"]);
    let binding = ["create", "rolebinding", "creator", "--role=creator", "--serviceaccount=e2e-rights:default"];
    kubectl(&[&["-n", namespace][..], &binding].concat());
    let owned = |waits: bool| {
        let owner = json!({"apiVersion": "hopkeeper.io/v1alpha1", "kind": "VpnChain", "name": "berlin", "uid": "1",
            "controller": true, "blockOwnerDeletion": waits});
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "owned", "namespace": namespace, "ownerReferences": [owner]}});
        create_as("system:serviceaccount:e2e-rights:default", &object.to_string())
    };
    until("the account may create", LIMIT, || async {
        let said = owned(false);
        if said.contains("created") { Ok(()) } else { Err(said) }
    })
    .await;
    let said = owned(true);
    assert!(said.contains("cannot set blockOwnerDeletion"), "the API server should ask for a right: {said}");
    kubectl(&["delete", "namespace", namespace, "--wait=false"]);
}

/// What kubectl says when `account` would create an object.
fn create_as(account: &str, object: &str) -> String {
    let file = lab::dir().join("run/owned.json");
    std::fs::write(&file, object).expect("it should be written");
    let output = Command::new(lab::dir().join("bin/kubectl"))
        .arg("--kubeconfig")
        .arg(lab::dir().join("kubeconfig"))
        .args(["--as", account, "create", "--dry-run=server", "-f"])
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .expect("kubectl should run");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
