//! The Grafana dashboard: its queries parse and ask for what the operator has, its panels lie side by side, and the chart brings it whole.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use regex::Regex;
use serde_json::{Value, json};

use super::promql;
use super::tool::{chart, find, objects, tool};

fn text() -> String {
    fs::read_to_string(chart().join("files/dashboard.json")).unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&text()).unwrap()
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().unwrap()
}

fn title(panel: &Value) -> &str {
    panel["title"].as_str().unwrap()
}

fn targets(panel: &Value) -> &[Value] {
    panel["targets"].as_array().map_or(&[], Vec::as_slice)
}

/// Every query: its panel's title and the query's own settings.
fn queries(dashboard: &Value) -> Vec<(&str, &Value)> {
    let of = |panel| targets(panel).iter().map(move |target| (title(panel), target));
    panels(dashboard).iter().flat_map(of).collect()
}

/// An expression as Grafana sends it.
fn sent(expression: &str) -> String {
    let variables = [("$__rate_interval", "5m"), ("$__range", "6h"), ("$namespace", ".*"), ("$chain", ".*")];
    let sent = variables.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value));
    assert!(!sent.contains('$'), "{sent}");
    sent
}

#[test]
fn every_query_parses_and_asks_for_metrics_that_there_are() {
    let dashboard = dashboard();
    let queries = queries(&dashboard);
    assert!(queries.len() > 40, "{}", queries.len());
    let mut rules = Vec::new();
    for (number, (title, target)) in queries.iter().enumerate() {
        let expression = target["expr"].as_str().unwrap();
        promql::check(expression, title);
        rules.push(json!({"record": format!("dashboard:query:{number}"), "expr": sent(expression)}));
    }
    let Some(promtool) = tool("promtool") else { return };
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    // JSON is YAML too.
    fs::write(file.path(), json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string()).unwrap();
    let output = Command::new(promtool).args(["check", "rules", "--lint=none"]).arg(file.path()).output().unwrap();
    let (told, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains(&format!("{} rules found", queries.len())), "{told}{failed}");
}

#[test]
fn a_legend_names_labels_that_its_query_keeps() {
    let (label, grouping) = (Regex::new(r"\{\{([a-z]+)\}\}").unwrap(), Regex::new(r"by \(([^)]*)\)").unwrap());
    let dashboard = dashboard();
    for (title, target) in queries(&dashboard) {
        let (expression, legend) =
            (target["expr"].as_str().unwrap(), target["legendFormat"].as_str().unwrap_or_default());
        let outermost = grouping.captures(expression).map_or("", |found| found.get(1).unwrap().as_str());
        let kept: BTreeSet<&str> = outermost.split(", ").collect();
        for found in label.captures_iter(legend) {
            assert!(kept.contains(&found[1]), "{title}: {legend} of {expression}");
        }
        assert!(target["format"] == "table" || target["instant"] == true || !legend.is_empty(), "{title}: no legend");
    }
}

#[test]
fn the_variables_are_labels_that_there_are() {
    let query = Regex::new(r"^label_values\((.*), ([a-z]+)\)$").unwrap();
    let dashboard = dashboard();
    let (mut names, mut asked) = (Vec::new(), 0);
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        names.push(format!("${{{}}}", variable["name"].as_str().unwrap()));
        if let Some(found) = query.captures(variable["query"].as_str().unwrap()) {
            promql::check(&format!("sum by ({}) ({})", &found[2], &found[1]), "a variable");
            asked += 1;
        }
    }
    assert_eq!(asked, 2);
    for panel in panels(&dashboard).iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"], json!({"type": "prometheus", "uid": "${datasource}"}), "{}", title(panel));
    }
    assert!(names.contains(&"${datasource}".to_owned()));
}

#[test]
fn panels_lie_side_by_side_and_each_says_what_it_shows() {
    let dashboard = dashboard();
    let (mut taken, mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for panel in panels(&dashboard) {
        let title = title(panel);
        let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(side("x") + side("w") <= 24 && side("w") > 0 && side("h") > 0, "{title} is beyond the grid");
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(taken.insert((x, y)), "{title} lies over another panel at {x}, {y}");
            }
        }
        assert!(ids.insert(panel["id"].as_u64().unwrap()) && titles.insert(title), "{title} is there twice");
        let description = panel["description"].as_str().unwrap_or_default();
        assert!(panel["type"] == "row" || description.ends_with('.'), "{title}: {description}");
    }
    assert_eq!(taken.len() as u64 % 24, 0, "a line of the grid has a gap");
}

#[test]
fn the_chart_brings_the_dashboard_whole_where_it_is_wanted() {
    let Some(without) = objects(&[]) else { return };
    assert!(without.iter().all(|object| object["metadata"]["name"] != "hk-hopkeeper-dashboard"));
    let with = objects(&["--set", "metrics.grafanaDashboard.enabled=true"]).unwrap();
    let map = find(&with, "ConfigMap", "hk-hopkeeper-dashboard");
    assert_eq!(
        (&map["metadata"]["labels"]["grafana_dashboard"], &map["metadata"]["namespace"]),
        (&json!("1"), &json!("hopkeeper"))
    );
    assert_eq!(map["data"]["hopkeeper.json"].as_str().unwrap().trim(), text().trim());
    let set = "metrics.grafanaDashboard.enabled=true,metrics.grafanaDashboard.namespace=grafana";
    let elsewhere =
        objects(&["--set", set, "--set-string", "metrics.grafanaDashboard.annotations.grafana_folder=VPN"]).unwrap();
    let map = find(&elsewhere, "ConfigMap", "hk-hopkeeper-dashboard");
    assert_eq!(
        (&map["metadata"]["namespace"], &map["metadata"]["annotations"]["grafana_folder"]),
        (&json!("grafana"), &json!("VPN"))
    );
}
