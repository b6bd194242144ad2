//! What the committed dashboards show of a real run: each panel's question is taken from kibana/hopkeeper.ndjson, asked of
//! the real Elasticsearch in Kibana's stead, and must be answered. The pictures in docs/images are drawn from the answers.

#[path = "kibana/panel.rs"]
mod panel;
#[path = "kibana/picture.rs"]
mod picture;
#[path = "kibana/recording.rs"]
mod recording;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hopkeeper::kibana::kql;

use serde_json::{Value, json};

use panel::{Answer, Panel};
use recording::Recording;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The committed saved objects by type and id.
struct Objects(BTreeMap<(String, String), Value>);

impl Objects {
    fn committed() -> Self {
        let text = std::fs::read_to_string(root().join("kibana/hopkeeper.ndjson")).expect("should be readable");
        let objects = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("should be JSON"));
        Self(objects.map(|object| ((word(&object["type"]), word(&object["id"])), object)).collect())
    }

    fn of_type<'a>(&'a self, type_: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |((of, _), _)| of == type_).map(|(_, object)| object)
    }

    fn get(&self, type_: &str, id: &str) -> &Value {
        &self.0[&(type_.to_owned(), id.to_owned())]
    }

    /// What an object refers to by a name.
    fn referred(&self, object: &Value, name: &str) -> &Value {
        let references = object["references"].as_array().expect("should be a list");
        let reference = references.iter().find(|r| r["name"] == name).expect("should be referred to");
        self.get(&word(&reference["type"]), &word(&reference["id"]))
    }

    /// The data view that a chart or a session looks at.
    fn view(&self, object: &Value) -> &Value {
        let references = object["references"].as_array().expect("should be a list");
        let last = references.last().expect("should refer to a data view");
        self.get("index-pattern", &word(&last["id"]))
    }

    /// Its index pattern.
    fn index(&self, object: &Value) -> String {
        word(&self.view(object)["attributes"]["title"])
    }
}

fn word(value: &Value) -> String {
    value.as_str().expect("should be a text").to_owned()
}

/// A text attribute that holds JSON.
fn inner(value: &Value) -> Value {
    serde_json::from_str(value.as_str().expect("should be a text")).expect("the text should be JSON")
}

/// What the search bar holds in a dashboard that a link leads to, and else nothing: of the hops of one chain, that chain.
fn search(objects: &Objects, dashboard: &Value) -> String {
    let view = objects.get("index-pattern", "hopkeeper-default-view-state");
    let link = word(&inner(&view["attributes"]["fieldFormatMap"])["hopkeeper.chain.id"]["params"]["urlTemplate"]);
    let (path, ending) = link.split_once('?').expect("should have parameters");
    if !path.ends_with(&format!("/{}", word(&dashboard["id"]))) {
        return String::new();
    }
    let query = ending.strip_prefix("_a=(query:(language:kuery,query:'").and_then(|rest| rest.strip_suffix("'))"));
    query.expect("should be a query").replace("{{value}}", "e2e-rotation/berlin")
}

/// Every panel of a dashboard, with the answer to its question when that stands in the search bar.
async fn answered(objects: &Objects, dashboard: &Value, recording: &Recording, search: &str) -> Vec<(Panel, Answer)> {
    let panels = inner(&dashboard["attributes"]["panelsJSON"]);
    let mut all = Vec::new();
    for panel in panels.as_array().expect("should be a list") {
        let name = format!("{}:{}", word(&panel["panelIndex"]), word(&panel["panelRefName"]));
        let object = objects.referred(dashboard, &name);
        let panel = Panel::new(panel, object, objects.view(object));
        let index = recording.index(&objects.index(object));
        let question = panel.question(search, recording.from, recording.to);
        let answer = recording.cluster.search(&index, question.clone()).await;
        println!("{}: {question}", panel.title);
        all.push((panel.clone(), panel.read(&answer)));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_has_something_to_show_of_a_real_run() {
    let Some(recording) = Recording::play("panels").await else { return };
    let objects = Objects::committed();
    let mut panels = 0;
    for dashboard in objects.of_type("dashboard") {
        let title = word(&dashboard["attributes"]["title"]);
        for (panel, answer) in &answered(&objects, dashboard, &recording, "").await {
            assert!(!answer.rows.is_empty(), "{title}, {:?} shows nothing", panel.title);
            for (index, column) in answer.columns.iter().enumerate() {
                let shown = answer.rows.iter().any(|row| !row[index].is_null() && row[index] != 0);
                assert!(shown, "{title}, {:?}: column {column:?} is empty", panel.title);
            }
            panels += 1;
        }
        let answered = answered(&objects, dashboard, &recording, &search(&objects, dashboard)).await;
        let id = word(&dashboard["id"]);
        let key = id.rsplit('-').next().expect("should have a name");
        committed(&root().join(format!("docs/images/kibana-{key}.svg")), &picture::draw(&title, &answered));
    }
    assert!(panels > 25, "{panels}");
    recording.stop().await;
}

/// `HOPKEEPER_GENERATE=1` writes the picture instead.
fn committed(path: &Path, is: &str) {
    if std::env::var_os("HOPKEEPER_GENERATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("should be in a directory")).expect("should make a directory");
        std::fs::write(path, is).expect("should be writable");
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(there == is, "{} is old: HOPKEEPER_GENERATE=1 cargo test --test elasticsearch kibana", path.display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboards_show_what_happened() {
    let Some(recording) = Recording::play("shown").await else { return };
    let objects = Objects::committed();
    let mut shown: BTreeMap<(String, String), Answer> = BTreeMap::new();
    for dashboard in objects.of_type("dashboard") {
        let id = word(&dashboard["id"]);
        for (panel, answer) in answered(&objects, dashboard, &recording, &search(&objects, dashboard)).await {
            shown.insert((id.clone(), panel.title), answer);
        }
    }
    let at = |dashboard: &str, panel: &str| &shown[&(format!("hopkeeper-default-{dashboard}"), panel.to_owned())];
    let number = |dashboard: &str, panel: &str| at(dashboard, panel).rows[0][0].as_f64();
    // Three chains: one came back, one is held since its budget is used up, and of one, which is up, a hop fell silent.
    assert_eq!(number("chains", "Chains up"), Some(2.0));
    assert_eq!(number("chains", "Chains not up"), Some(1.0));
    assert_eq!(number("chains", "Hops that are silent"), Some(1.0));
    assert_eq!(number("pipeline", "Hops that are silent"), Some(1.0));
    let chains = at("chains", "Each chain");
    let outage = chains.row("e2e-outage/berlin");
    assert_eq!(outage[chains.column("Path")], json!("entry → middle → exit"));
    assert_eq!(outage[chains.column("State")], json!("Up"));
    assert_eq!(outage[chains.column("Exit address")], json!("198.51.100.213"));
    assert!(outage[chains.column("Uptime")].as_f64() >= Some(1.0));
    assert!(chains.row("e2e-budget/berlin")[chains.column("Uptime")].is_null());
    let hops = at("hops", "Each hop now");
    assert_eq!(hops.rows.len(), 3, "of one chain");
    assert_eq!(hops.rows[2][hops.column("State")], "Unknown");
    let rules = at("rules", "Each rule");
    let refused = rules.row("openvpn-auth-failed");
    let counts = ["Detected", "Repaired", "Given to a person", "Nothing to do"];
    assert_eq!(counts.map(|title| refused[rules.column(title)].as_u64().unwrap_or(0)), [3, 1, 1, 1]);
    assert!((refused[rules.column("Precision")].as_f64().unwrap_or_default() - 2.0 / 3.0).abs() < 0.01);
    recording.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_leads_to_the_raw_lines_that_made_it() {
    let Some(recording) = Recording::play("link").await else { return };
    let objects = Objects::committed();
    let view = objects.get("index-pattern", "hopkeeper-default-view-transitions");
    let template =
        word(&inner(&view["attributes"]["fieldFormatMap"])["hopkeeper.incident.discover"]["params"]["urlTemplate"]);
    let (path, ending) = template.split_once('?').expect("should have parameters");
    assert_eq!(ending, "{{rawValue}}");
    let session = path.strip_prefix("../app/discover#/view/").expect("should lead to Discover");
    let session = objects.get("search", session);
    let lines = recording.index(&objects.index(session));

    let detected = json!({ "size": 100, "query": { "bool": { "filter": [
        { "term": { "event.action": "incident-detected" } }, { "term": { "orchestrator.namespace": "e2e-rotation" } },
    ] } } });
    let detected = recording.cluster.search(&recording.cluster.names().transitions, detected).await;
    let incidents = detected["hits"]["hits"].as_array().expect("should be a list");
    assert_eq!(incidents.len(), 4);
    for incident in incidents {
        let incident = &incident["_source"]["hopkeeper"]["incident"];
        let address = word(&incident["discover"]);
        let between = |begin: &str, end: &str| {
            let (_, rest) = address.split_once(begin).expect("should begin");
            rest.split_once(end).expect("should end").0.to_owned()
        };
        let query = kql::to_query(&between("query:'", "'))")).expect("should be KQL");
        let time = json!({ "gte": between("from:'", "'"), "lte": between("to:'", "'") });
        let found =
            json!({ "size": 1000, "query": { "bool": { "filter": [query, { "range": { "@timestamp": time } }] } } });
        let found = recording.cluster.search(&lines, found).await;
        let hits = found["hits"]["hits"].as_array().expect("should be a list");
        let line = word(&incident["line"]);
        let begins: String = line.chars().take(40).collect();
        let is_there = |hit: &&Value| hit["_source"]["message"].as_str().is_some_and(|text| text.contains(&begins));
        assert!(hits.iter().any(|hit| is_there(&hit)), "{line:?} is not among {} lines of {address}", hits.len());
        assert!(hits.len() < recording.lines, "all lines are shown, not those of one pod");
    }
    recording.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_alert_rule_finds_what_it_is_for() {
    let Some(recording) = Recording::play("rules").await else { return };
    let rules = std::fs::read_to_string(root().join("kibana/rules.json")).expect("should be readable");
    let rules: BTreeMap<String, Value> = serde_json::from_str(&rules).expect("should be JSON");
    let mut alerts = BTreeMap::new();
    for rule in rules.values() {
        let params = &rule["params"];
        let index = recording.index(params["index"][0].as_str().expect("should be a text"));
        let time = json!({ "gte": recording.from.to_string(), "lte": recording.to.to_string() });
        let filter = json!([inner(&params["esQuery"])["query"], { "range": { "@timestamp": time } }]);
        let mut question = json!({ "size": 0, "track_total_hits": true, "query": { "bool": { "filter": filter } } });
        if params["groupBy"] == "top" {
            question["aggs"] =
                json!({ "groups": { "terms": { "field": params["termField"], "size": params["termSize"] } } });
        }
        let answer = recording.cluster.search(&index, question).await;
        let counts: Vec<u64> = match answer["aggregations"]["groups"]["buckets"].as_array() {
            Some(groups) => groups.iter().filter_map(|group| group["doc_count"].as_u64()).collect(),
            None => answer["hits"]["total"]["value"].as_u64().into_iter().collect(),
        };
        let threshold = params["threshold"][0].as_u64().expect("should be a number");
        let is_met = |count: &u64| match params["thresholdComparator"].as_str() {
            Some(">") => *count > threshold,
            _ => *count < threshold,
        };
        alerts.insert(word(&rule["name"]), counts.iter().filter(|count| is_met(count)).count());
    }
    // The operator was there all the time.
    let expected = [
        ("[Hopkeeper] A chain is down", 1),
        ("[Hopkeeper] A hop has used up its budget of repairs", 1),
        ("[Hopkeeper] Hops are silent", 1),
        ("[Hopkeeper] The operator is silent", 0),
    ];
    assert_eq!(alerts, expected.map(|(name, count)| (name.to_owned(), count)).into());
    recording.stop().await;
}
