//! Every example of the chart: valid for the API server, and understood by the operator.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::schemas;
use super::tool::{bare_template, chart, documents, examples, find, rendered, tool};
use crate::cluster_of_helm::{KUBERNETES, OLDER_KINDS};

#[test]
fn helm_lint_is_content_with_every_example() {
    let Some(helm) = tool("helm") else { return };
    for example in examples() {
        let mut lint = Command::new(&helm);
        let output =
            lint.args(["lint", "--strict", "--kube-version", KUBERNETES]).arg(chart()).arg("-f").arg(&example).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}: {}", example.display(), String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn every_object_of_every_example_fits_its_schema_strictly() {
    let Some(kubeconform) = tool("kubeconform") else { return };
    let location = format!("{}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json", schemas::directory().display());
    let older = older_strimzi();
    for (example, rendered) in rendered().into_iter().flatten().chain(&older) {
        let stream: Vec<String> = rendered.iter().map(Value::to_string).collect();
        let mut check = Command::new(&kubeconform);
        check.args(["-strict", "-summary", "-schema-location", &location]);
        let mut check = check.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        check.stdin.take().unwrap().write_all(stream.join("\n---\n").as_bytes()).unwrap();
        let output = check.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{example}: {said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(&format!("Summary: {} resources", stream.len())), "{example}: {said}");
    }
}

/// What the example for Strimzi renders to where there is an older one.
fn older_strimzi() -> Option<(String, Vec<Value>)> {
    let example = chart().join("examples/eck-kafka.yaml");
    let mut arguments = vec!["-f", example.to_str()?];
    arguments.extend(OLDER_KINDS.iter().flat_map(|kind| ["--api-versions", kind]));
    let output = bare_template(&arguments)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(("older Strimzi".into(), documents(&String::from_utf8(output.stdout).unwrap())))
}

#[test]
fn the_operator_knows_every_setting_that_the_chart_gives_it() {
    let help = Command::new(env!("CARGO_BIN_EXE_hopkeeper")).args(["run", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for (example, rendered) in rendered().into_iter().flatten() {
        let operator = &find(rendered, "Deployment", "hk-hopkeeper")["spec"]["template"]["spec"]["containers"][0];
        for variable in operator["env"].as_array().unwrap() {
            let name = variable["name"].as_str().unwrap();
            assert!(help.contains(&format!("[env: {name}=")), "{example}: the operator knows no {name}");
        }
        for argument in operator["args"].as_array().unwrap().iter().skip(1) {
            let flag = argument.as_str().unwrap().split('=').next().unwrap();
            assert!(help.contains(&format!("{flag} ")), "{example}: the operator knows no {flag}");
        }
    }
}

#[test]
fn setup_knows_every_setting_that_the_chart_gives_it() {
    let help = Command::new(env!("CARGO_BIN_EXE_hopkeeper")).args(["setup", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    // A password and a key are named in words, as they are no flags.
    let knows = |name: &str| help.contains(&format!("[env: {name}=")) || help.contains(&format!("or set {name}"));
    let mut seen = 0;
    for (example, rendered) in rendered().into_iter().flatten() {
        let jobs = rendered.iter().filter(|object| object["kind"] == "Job");
        for setup in jobs.filter_map(|job| job.pointer("/spec/template/spec/containers/0")) {
            if setup["args"][0] != "setup" {
                continue;
            }
            for variable in setup["env"].as_array().unwrap() {
                let name = variable["name"].as_str().unwrap();
                assert!(knows(name), "{example}: setup knows no {name}");
            }
            seen += 1;
        }
    }
    assert!(seen > 0, "no example sets up");
}

#[test]
fn every_mount_has_its_volume_and_every_volume_its_mount() {
    for (example, rendered) in rendered().into_iter().flatten() {
        for object in rendered {
            let pod = match object["kind"].as_str().unwrap() {
                "Pod" => &object["spec"],
                "Deployment" | "DaemonSet" | "StatefulSet" | "Job" => &object["spec"]["template"]["spec"],
                _ => continue,
            };
            let names = |list: &Value| -> Vec<String> {
                list.as_array().into_iter().flatten().map(|v| v["name"].as_str().unwrap().to_owned()).collect()
            };
            let containers =
                ["containers", "initContainers"].map(|key| pod[key].as_array().cloned().unwrap_or_default());
            let mut mounted: Vec<String> =
                containers.iter().flatten().flat_map(|c| names(&c["volumeMounts"])).collect();
            let mut volumes = names(&pod["volumes"]);
            let claims = object["spec"]["volumeClaimTemplates"].as_array();
            volumes.extend(claims.into_iter().flatten().map(|c| c["metadata"]["name"].as_str().unwrap().to_owned()));
            for list in [&mut mounted, &mut volumes] {
                list.sort();
                list.dedup();
            }
            assert_eq!(mounted, volumes, "{} in {}", object["metadata"]["name"], example);
        }
    }
}

#[test]
fn an_upgrade_changes_no_selector() {
    for (example, rendered) in rendered().into_iter().flatten() {
        for object in rendered {
            for (label, _) in object["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten() {
                let kept = ["app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"];
                assert!(
                    kept.contains(&label.as_str()),
                    "{example}: {}: {label} changes with the version",
                    object["metadata"]["name"]
                );
            }
        }
    }
}

#[test]
fn the_suites_of_helm_unittest_pass() {
    let Some(unittest) = tool("helm-unittest") else { return };
    let output = Command::new(unittest).args(["--strict", "-f", "tests/*_test.yaml"]).arg(chart()).output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn helm_test_asks_the_operator_and_every_chain() {
    for (example, rendered) in rendered().into_iter().flatten() {
        let is_test =
            |object: &&Value| object["metadata"]["annotations"]["helm.sh/hook"] == "test" && object["kind"] == "Pod";
        let mut names: Vec<_> =
            rendered.iter().filter(is_test).map(|o| o["metadata"]["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        let chain = ["hk-hopkeeper-test-berlin-page", "hk-hopkeeper-test-berlin-up", "hk-hopkeeper-test-operator"];
        let has_chain = rendered.iter().any(|object| object["kind"] == "VpnChain");
        assert_eq!(names, if has_chain { &chain[..] } else { &chain[2..] }, "{example}");
    }
}
