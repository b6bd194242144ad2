//! The alerts: each fires on what it is for, is silent on what it is not, asks for metrics that there are, and is explained.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::promql;
use super::tool::{chart, root, tool};

type Texts = BTreeMap<String, String>;

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    alert: String,
    expr: String,
    labels: Texts,
    annotations: Texts,
}

/// What `tests/helm/alerts.yaml` has about one alert.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    alert: String,
    fires: Firing,
    silent: Scene,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Firing {
    at: String,
    series: Texts,
    /// The labels of what fires, without those of the rule.
    r#as: Vec<Texts>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scene {
    at: String,
    series: Texts,
}

fn rules() -> Vec<Rule> {
    let text = fs::read_to_string(chart().join("files/alerts.yaml")).unwrap();
    let rules: Rules = serde_saphyr::from_str(&text).unwrap();
    rules.groups.into_iter().flat_map(|group| group.rules).collect()
}

fn cases() -> Vec<Case> {
    serde_saphyr::from_str(&fs::read_to_string(root().join("tests/helm/alerts.yaml")).unwrap()).unwrap()
}

fn promtool(arguments: &[&str], files: &[&Path]) {
    let Some(promtool) = tool("promtool") else { return };
    let output = Command::new(promtool).args(arguments).args(files).output().unwrap();
    let (told, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}{failed}");
}

/// An annotation as it reads for an alert with these labels; a label that the alert has not is a failure.
fn rendered(text: &str, labels: &Texts) -> String {
    let variable = Regex::new(r"\{\{ \$labels\.([a-z]+) \}\}").unwrap();
    let value = |found: &regex::Captures| {
        labels.get(&found[1]).unwrap_or_else(|| panic!("{text:?} names the label {}, of {labels:?}", &found[1])).clone()
    };
    let text = variable.replace_all(text, value).into_owned();
    assert!(!text.contains("{{"), "{text}");
    text
}

fn test(rule: &Rule, at: &str, series: &Texts, firing: &[Texts]) -> Value {
    let expected = |labels: &Texts| {
        let all: Texts = labels.iter().chain(&rule.labels).map(|(k, v)| (k.clone(), v.clone())).collect();
        let texts: Texts = rule.annotations.iter().map(|(name, text)| (name.clone(), rendered(text, labels))).collect();
        json!({"exp_labels": all, "exp_annotations": texts})
    };
    let series: Vec<_> = series.iter().map(|(series, values)| json!({"series": series, "values": values})).collect();
    let expected: Vec<_> = firing.iter().map(expected).collect();
    let alert = json!({"eval_time": at, "alertname": rule.alert, "exp_alerts": expected});
    json!({"interval": step(at), "input_series": series, "alert_rule_test": [alert]})
}

/// How far apart samples and evaluations are: what takes a day need not be looked at by the minute.
fn step(at: &str) -> &'static str {
    if at.ends_with('h') { "1h" } else { "1m" }
}

#[test]
fn promtool_takes_the_rules() {
    promtool(&["check", "rules"], &[&chart().join("files/alerts.yaml")]);
}

#[test]
fn every_alert_fires_on_what_it_is_for_and_is_silent_otherwise() {
    let (rules, cases) = (rules(), cases());
    let names: Vec<_> = rules.iter().map(|rule| &rule.alert).collect();
    assert_eq!(cases.iter().map(|case| &case.alert).collect::<Vec<_>>(), names, "each alert has a case, in order");
    let mut tests: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (rule, case) in rules.iter().zip(&cases) {
        assert!(!case.fires.r#as.is_empty(), "{} should fire as something", rule.alert);
        let firing = test(rule, &case.fires.at, &case.fires.series, &case.fires.r#as);
        let silent = test(rule, &case.silent.at, &case.silent.series, &[]);
        for test in [firing, silent] {
            tests.entry(step(test["alert_rule_test"][0]["eval_time"].as_str().unwrap())).or_default().push(test);
        }
        for series in case.fires.series.keys().chain(case.silent.series.keys()) {
            promql::check(series, &rule.alert);
        }
    }
    for (step, tests) in tests {
        let rules = chart().join("files/alerts.yaml");
        let all = json!({"rule_files": [rules], "evaluation_interval": step, "tests": tests});
        let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
        // JSON is YAML too.
        fs::write(file.path(), all.to_string()).unwrap();
        promtool(&["test", "rules"], &[file.path()]);
    }
}

#[test]
fn every_alert_asks_for_metrics_that_there_are_and_says_what_it_is_about() {
    for Rule { alert, expr, labels, annotations } in rules() {
        promql::check(&expr, &alert);
        assert!(["critical", "warning"].contains(&labels["severity"].as_str()) && labels.len() == 1, "{alert}");
        let (summary, description) = (&annotations["summary"], &annotations["description"]);
        assert!(summary.len() < 140 && !summary.ends_with('.') && description.len() > 40, "{alert}: {summary}");
        assert_eq!(annotations["runbook"], format!("docs/alerts.md#{}", alert.to_lowercase()));
        assert_eq!(annotations.len(), 3, "{alert}");
    }
}

#[test]
fn every_alert_is_explained_in_the_order_of_the_file_and_no_other_is() {
    let page = fs::read_to_string(root().join("docs/alerts.md")).unwrap();
    let explained: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(explained, rules().iter().map(|rule| rule.alert.clone()).collect::<Vec<_>>());
    for part in page.split("\n### ").skip(1) {
        for word in ["**Means** ", "**Look** ", "**Do** "] {
            assert!(part.contains(word), "{}: {word}", part.lines().next().unwrap());
        }
    }
}
