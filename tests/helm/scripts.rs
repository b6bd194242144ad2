//! The checks of the images and of the cluster's scripts, which are shell as what they check; and the workflows of releases.

use std::process::Command;

use super::schemas;
use super::tool::{lab, root, tool};

fn passes(script: &str) {
    let output = Command::new(root().join(script)).env("LAB_DIR", lab()).output().expect("should start");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    eprint!("{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_nix_expressions_parse_and_evaluate() {
    passes("nix/tests/run.sh");
}

#[test]
fn kubeadm_takes_the_configurations_and_openbao_the_policies() {
    passes("k8s/tests/run.sh");
}

#[test]
fn the_manifests_of_devices_and_vxlan_fit_their_schemas_strictly() {
    let Some(kubeconform) = tool("kubeconform") else { return };
    let location = format!("{}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json", schemas::directory().display());
    let manifests = ["devices.yaml", "vxlan.yaml"].map(|name| root().join("k8s").join(name));
    let mut check = Command::new(kubeconform);
    let output = check.args(["-strict", "-summary", "-schema-location", &location]).args(manifests).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("Summary: 5 resources"), "{said}");
}

#[test]
fn the_workflows_are_valid_and_take_no_action_that_can_change_under_them() {
    let mut pinned = 0;
    for file in std::fs::read_dir(root().join(".github/workflows")).unwrap().map(|entry| entry.unwrap().path()) {
        let text = std::fs::read_to_string(&file).unwrap();
        for action in text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: ")) {
            let revision = action.split_once('@').map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
            let is_commit = |r: &str| r.len() == 40 && r.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(revision.is_some_and(is_commit), "{}: {action} is not pinned to a commit", file.display());
            pinned += 1;
        }
    }
    assert!(pinned > 0);
    let Some(actionlint) = tool("actionlint") else { return };
    let output = Command::new(actionlint).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
