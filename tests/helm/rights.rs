//! What the pods of the chart may do: no more than the code calls, and nothing on their nodes.

use serde_json::Value;

use super::tool::{documents, find, objects, rendered, root};

/// One rule of a role: groups, resources, verbs.
type Rule = (String, String, Vec<String>);

fn rules(role: &Value) -> Vec<Rule> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()).collect()
    };
    let rule = |r: &Value| (texts(&r["apiGroups"]).join(","), texts(&r["resources"]).join(","), texts(&r["verbs"]));
    let mut rules: Vec<Rule> = role["rules"].as_array().unwrap().iter().map(rule).collect();
    rules.sort();
    rules
}

/// The rules about pod logs, and the others.
fn split(rules: Vec<Rule>) -> (Vec<Rule>, Vec<Rule>) {
    rules.into_iter().partition(|(_, resource, _)| resource == "pods/log")
}

#[test]
fn the_operator_has_the_rights_of_the_plain_manifest_and_reads_pod_logs_only_where_it_must() {
    let plain = documents(&std::fs::read_to_string(root().join("k8s/operator.yaml")).unwrap());
    let (_, wanted) = split(rules(find(&plain, "ClusterRole", "hopkeeper")));
    let logs: Rule = (String::new(), "pods/log".into(), vec!["get".into()]);
    let of = |values: &str| {
        let objects = objects(&["--set", values])?;
        Some(split(rules(find(&objects, "ClusterRole", "hopkeeper-hk-hopkeeper"))))
    };
    const EXTERNAL: &str = "stack.mode=external,kafka.brokers={k:9092}";
    let Some(external) = of(EXTERNAL) else { return };
    assert_eq!(external, (vec![logs.clone()], wanted.clone()), "to fall back on when the stream is silent");
    let without = of(&format!("{EXTERNAL},operator.podLogFallback=false"));
    assert_eq!(without.unwrap(), (vec![], wanted.clone()));
    assert_eq!(of("operator.podLogFallback=false").unwrap(), (vec![logs], wanted), "they are the stream");
    let none = objects(&[]).unwrap();
    let leader = rules(find(&plain, "Role", "hopkeeper-leader"));
    assert_eq!(rules(find(&none, "Role", "hk-hopkeeper-leader")), leader);
}

#[test]
fn with_one_namespace_nothing_holds_for_the_cluster() {
    let Some(rendered) = objects(&["--set", "watchNamespace=vpn"]) else { return };
    // The CRDs are the cluster's own: a hook that upgrades them may change those two and nothing else.
    let hook = |object: &&Value| object["metadata"]["annotations"].get("helm.sh/hook").is_none();
    let cluster: Vec<_> =
        rendered.iter().filter(hook).filter(|o| o["kind"].as_str().unwrap().starts_with("ClusterRole")).collect();
    assert!(cluster.is_empty(), "{cluster:?}");
    assert_eq!(find(&rendered, "Role", "hk-hopkeeper")["metadata"]["namespace"], "vpn");
    assert_eq!(find(&rendered, "RoleBinding", "hk-hopkeeper")["subjects"][0]["namespace"], "hopkeeper");
    let operator = find(&rendered, "Deployment", "hk-hopkeeper")["spec"]["template"]["spec"].to_string();
    assert!(operator.contains(r#""name":"HOPKEEPER_NAMESPACE","value":"vpn""#), "{operator}");
}

/// Pod Security's level restricted, spelled out.
fn restricted(pod: &Value, name: &Value) {
    for shared in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod.get(shared).is_none(), "{name}: {shared}");
    }
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{name}");
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        let allowed = ["configMap", "emptyDir", "secret", "projected", "persistentVolumeClaim"];
        assert!(volume.as_object().unwrap().keys().any(|key| allowed.contains(&key.as_str())), "{name}: {volume}");
    }
    let lists = ["containers", "initContainers"].map(|key| pod[key].as_array().cloned().unwrap_or_default());
    for container in lists.iter().flatten() {
        let rights = &container["securityContext"];
        assert_eq!(rights["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(rights["capabilities"]["drop"][0], "ALL", "{name}");
        assert!(rights["capabilities"].get("add").is_none(), "{name}");
        assert!(rights.get("privileged").is_none() && rights.get("runAsUser").is_none_or(|uid| *uid != 0), "{name}");
        for probe in container["ports"].as_array().into_iter().flatten() {
            assert!(probe.get("hostPort").is_none(), "{name}");
        }
    }
}

#[test]
fn every_pod_but_filebeats_passes_pod_securitys_level_restricted() {
    for (example, rendered) in rendered().into_iter().flatten() {
        let mut seen = 0;
        for object in rendered {
            let name = &object["metadata"]["name"];
            match object["kind"].as_str().unwrap() {
                "Pod" => restricted(&object["spec"], name),
                "Deployment" | "StatefulSet" | "Job" => restricted(&object["spec"]["template"]["spec"], name),
                "DaemonSet" => assert_eq!(name, "hk-hopkeeper-filebeat"),
                _ => continue,
            }
            seen += 1;
        }
        assert!(seen >= 2, "{}: {seen} pods", example);
    }
}

#[test]
fn filebeat_reads_the_nodes_logs_and_may_do_nothing_else_there() {
    let Some(rendered) = objects(&["--set", "stack.mode=embedded"]) else { return };
    let pod = &find(&rendered, "DaemonSet", "hk-hopkeeper-filebeat")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(
        container["securityContext"]["capabilities"],
        serde_json::json!({"drop": ["ALL"], "add": ["DAC_READ_SEARCH"]})
    );
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    let writable = |mount: &&Value| mount.get("readOnly").is_none();
    let writable: Vec<_> =
        container["volumeMounts"].as_array().unwrap().iter().filter(writable).map(|m| &m["name"]).collect();
    assert_eq!(writable, ["data", "logs"]);
    let role = find(&rendered, "ClusterRole", "hopkeeper-hk-hopkeeper-filebeat");
    assert_eq!(rules(role), [(String::new(), "pods".into(), vec!["get".into(), "list".into(), "watch".into()])]);
}
