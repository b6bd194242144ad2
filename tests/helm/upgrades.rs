//! What an upgrade asks of the API server: nothing that it does not let change. And the time that an uninstall has.

use std::collections::HashMap;

use serde_json::Value;

use super::tool::objects;

/// The Job whose name begins so.
fn job<'a>(objects: &'a [Value], begins: &str) -> &'a Value {
    let is = |o: &&Value| o["kind"] == "Job" && o["metadata"]["name"].as_str().is_some_and(|n| n.starts_with(begins));
    objects.iter().find(is).unwrap_or_else(|| panic!("there should be a Job {begins}…"))
}

#[test]
fn a_job_of_another_pod_has_another_name() {
    for (job_begins, base, changes) in [
        (
            "hk-hopkeeper-kafka-setup-",
            "stack.mode=embedded",
            &[
                "images.pullPolicy=Always",
                "images.pullSecrets[0].name=registry",
                "images.kafka=docker.io/apache/kafka:4.1.1",
                "embedded.credentialsSecret=mine",
                "embedded.kafka.partitions=6",
                "kafka.topic=lines",
                "kafka.group=readers",
            ][..],
        ),
        (
            "hk-hopkeeper-setup-",
            "stack.mode=embedded,stack.transport=elasticsearch,documents.enabled=true,documents.setup.enabled=true",
            &["images.pullPolicy=Always", "images.pullSecrets[0].name=registry", "documents.setup.keep=7d"][..],
        ),
    ] {
        let mut pods = HashMap::new();
        for change in ["images.tag=", "metrics.service.enabled=false"].iter().chain(changes) {
            let Some(rendered) = objects(&["--set", &format!("{base},{change}")]) else { return };
            let job = job(&rendered, job_begins);
            let (name, pod) = (job["metadata"]["name"].to_string(), &job["spec"]["template"]);
            let before = pods.entry(name.clone()).or_insert_with(|| pod.clone());
            assert_eq!(before, pod, "{change}: {name} would be changed, which no Job can be");
        }
        assert_eq!(pods.len(), changes.len() + 1, "what changes nothing is not run again");
    }
}

#[test]
fn the_job_that_takes_chains_down_has_all_the_time_of_the_values() {
    let chain = r#"chains={"berlin":{"namespace":"vpn","spec":{"hops":[{"name":"entry","client":"OpenVPN","parameters":{"secretRef":{"name":"pool"}}}],"gateway":{"cidr":"10.200.7.0/24"}}}}"#;
    for (timeout, seconds) in
        [("1500ms", 2), ("180s", 180), ("10m", 600), ("900s", 900), ("1h30m", 5400), ("1h1m1s1ms", 3662)]
    {
        let values = format!("cleanup.timeout={timeout}");
        let Some(rendered) = objects(&["--set-json", chain, "--set", &values]) else { return };
        let spec = &job(&rendered, "hk-hopkeeper-chains")["spec"];
        let arguments = &spec["template"]["spec"]["containers"][0]["args"];
        assert!(arguments.as_array().unwrap().contains(&format!("--timeout={timeout}").into()), "{arguments}");
        let deadline = spec["activeDeadlineSeconds"].as_i64().unwrap();
        assert!(deadline >= 600 && deadline > seconds, "{timeout}: the Job is ended after {deadline} s");
        assert!(deadline == 600 || deadline == seconds + 180, "{timeout}: the Job is ended after {deadline} s");
    }
}
