//! On a fake Kibana: a small server that looks at the form and its headers as Kibana does, keeps what it takes, and answers
//! in Kibana's form. No real one has taken these objects here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::documents::Names;
use crate::elasticsearch::Credentials;

/// What the fake one holds, by space, type and id.
type Kept = Arc<Mutex<BTreeMap<(String, String, String), Value>>>;

/// A fake Kibana of some version, which takes no object whose id is `refused`.
struct Fake {
    server: MockServer,
    kept: Kept,
}

const KEY: &str = "ApiKey Q0FOQVJZ";

fn refusal(status: u16, message: &str) -> ResponseTemplate {
    let body = json!({ "statusCode": status, "error": "Error", "message": message });
    ResponseTemplate::new(status).set_body_json(body)
}

/// The space and the rest of a path.
fn place(path: &str) -> (String, String) {
    match path.strip_prefix("/base/s/").and_then(|rest| rest.split_once('/')) {
        Some((space, rest)) => (space.to_owned(), rest.to_owned()),
        None => ("default".to_owned(), path.trim_start_matches("/base/").to_owned()),
    }
}

/// The only file of a form, as far as Kibana's parser wants it.
fn file(request: &Request) -> Result<String, String> {
    let kind = request.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").ok_or("unsupported media type")?;
    let body = String::from_utf8(request.body.clone()).map_err(|error| error.to_string())?;
    let body = body.strip_prefix(&format!("--{boundary}\r\n")).ok_or("the form does not begin")?;
    let (part, rest) = body.split_once(&format!("\r\n--{boundary}--")).ok_or("the form does not end")?;
    let (head, file) = part.split_once("\r\n\r\n").ok_or("the part has no head")?;
    if rest != "\r\n" || file.contains(boundary) {
        return Err("more than one part".into());
    }
    if !head.contains("form-data; name=\"file\"") || !head.contains(".ndjson\"") {
        return Err(format!("Invalid file extension: {head}"));
    }
    Ok(file.to_owned())
}

impl Fake {
    async fn start(version: &'static str, refused: &'static str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (server, kept) = (MockServer::start().await, Kept::default());
        let status = Mock::given(method("GET")).and(path_regex("/api/status$"));
        let answer = |request: &Request, answer: ResponseTemplate| {
            let known = request.headers.get("authorization").is_some_and(|given| given == KEY);
            if known { answer } else { refusal(401, "Unauthorized") }
        };
        let told = move |request: &Request| {
            answer(request, ResponseTemplate::new(200).set_body_json(json!({ "version": { "number": version } })))
        };
        status.respond_with(told).mount(&server).await;
        let space = Mock::given(method("GET")).and(path_regex("/api/spaces/space/[^/]+$"));
        let told = move |request: &Request| match request.url.path().rsplit('/').next() {
            Some("vpn") => answer(request, ResponseTemplate::new(200).set_body_json(json!({ "id": "vpn" }))),
            _ => answer(request, refusal(404, "Not Found")),
        };
        space.respond_with(told).mount(&server).await;
        let import = Mock::given(method("POST")).and(path_regex("/api/saved_objects/_import$"));
        let keeps = Arc::clone(&kept);
        let taken = move |request: &Request| answer(request, import_answer(request, refused, &keeps));
        import.respond_with(taken).mount(&server).await;
        let (rules, keeps) = (Mock::given(path_regex("/api/alerting/rule/[^/]+$")), Arc::clone(&kept));
        let taken = move |request: &Request| answer(request, rule_answer(request, &keeps));
        rules.respond_with(taken).mount(&server).await;
        Self { server, kept }
    }

    fn connection(&self, space: Option<&str>) -> Connection {
        let url = format!("{}/base", self.server.uri());
        let credentials = Credentials::ApiKey("Q0FOQVJZ".to_owned().into());
        Connection { url, space: space.map(str::to_owned), credentials, ca: None }
    }

    fn kept(&self, space: &str) -> usize {
        self.kept.lock().unwrap().keys().filter(|(of, _, _)| of == space).count()
    }
}

fn import_answer(request: &Request, refused: &str, kept: &Kept) -> ResponseTemplate {
    if !request.headers.contains_key("kbn-xsrf") {
        return refusal(400, "Request must contain a kbn-xsrf header.");
    }
    let overwrite = request.url.query() == Some("overwrite=true");
    let lines = match file(request) {
        Ok(lines) => lines,
        Err(why) => return refusal(400, &why),
    };
    let (space, _) = place(request.url.path());
    let mut kept = kept.lock().unwrap();
    let key = |object: &Value| {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (space.clone(), word(&object["type"]), word(&object["id"]))
    };
    let objects: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let keys: Vec<_> = objects.iter().map(key).collect();
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    for (object, key) in objects.into_iter().zip(&keys) {
        let (type_, id) = (object["type"].clone(), object["id"].clone());
        let references = object["references"].as_array().unwrap().iter();
        // An object that is refused is missing to those that refer to it.
        let is_there = |to: &Value| to["id"] != refused && (keys.iter().any(|key| to["id"] == key.2));
        let missing: Vec<_> = references.filter(|to| !is_there(to)).cloned().collect();
        let error = match () {
            () if id == refused => json!({ "type": "unknown", "message": "it is refused", "statusCode": 400 }),
            () if !missing.is_empty() => json!({ "type": "missing_references", "references": missing }),
            () if kept.contains_key(key) && !overwrite => json!({ "type": "conflict" }),
            () => {
                let was_there = kept.insert(key.clone(), object).is_some();
                done.push(json!({ "type": type_, "id": id, "meta": {}, "overwrite": was_there }));
                continue;
            }
        };
        errors.push(json!({ "type": type_, "id": id, "meta": {}, "error": error }));
    }
    let mut answer = json!({ "success": errors.is_empty(), "successCount": done.len(), "successResults": done });
    if !errors.is_empty() {
        answer["errors"] = errors.into();
    }
    ResponseTemplate::new(200).set_body_json(answer)
}

/// A rule is told with more than was sent, and takes nothing that it does not know.
fn rule_answer(request: &Request, kept: &Kept) -> ResponseTemplate {
    let (space, path) = place(request.url.path());
    let id = path.rsplit('/').next().unwrap_or_default().to_owned();
    let key = (space, "alert".to_owned(), id.clone());
    let mut kept = kept.lock().unwrap();
    let there = kept.get(&key).cloned();
    if request.method.as_str() == "GET" {
        return there.map_or_else(
            || refusal(404, "Saved object not found"),
            |there| ResponseTemplate::new(200).set_body_json(there),
        );
    }
    if !request.headers.contains_key("kbn-xsrf") {
        return refusal(400, "Request must contain a kbn-xsrf header.");
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let known: &[&str] = match request.method.as_str() {
        "POST" => &["name", "tags", "schedule", "params", "actions", "rule_type_id", "consumer"],
        _ => &["name", "tags", "schedule", "params", "actions", "throttle", "notify_when"],
    };
    let strange = body.as_object().unwrap().keys().find(|name| !known.contains(&name.as_str()));
    let action = body["actions"].as_array().into_iter().flatten().find(|a| a.get("connector_type_id").is_some());
    match (request.method.as_str(), there, strange, action) {
        (_, _, Some(name), _) => {
            return refusal(400, &format!("[request body.{name}]: definition for this key is missing"));
        }
        (_, _, _, Some(_)) => return refusal(400, "[request body.actions.0.connector_type_id]: definition is missing"),
        ("POST", Some(_), ..) => return refusal(409, "the rule is there"),
        ("PUT", None, ..) => return refusal(404, "Saved object not found"),
        _ => {}
    }
    let mut rule = json!({ "id": id, "enabled": true, "actions": [], "throttle": null, "notify_when": null });
    rule.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    kept.insert(key, rule.clone());
    ResponseTemplate::new(200).set_body_json(rule)
}

fn wanted(space: Option<&str>) -> Wanted {
    let names = Names::new("default").unwrap();
    let installation = Installation { names, lines: "filebeat-*".into(), space: space.map(str::to_owned) };
    Wanted { installation, rules: false }
}

#[tokio::test]
async fn everything_is_imported_and_the_next_time_written_over() {
    let fake = Fake::start("9.1.0", "nothing").await;
    let first = run(fake.connection(None), &wanted(None), false).await.unwrap();
    assert!(first.len() > 30 && first.iter().all(|done| done.change == Change::Create), "{first:?}");
    assert_eq!(fake.kept("default"), first.len());
    let parts: std::collections::BTreeSet<_> = first.iter().map(|done| done.part).collect();
    assert_eq!(parts.into_iter().collect::<Vec<_>>(), ["chart", "dashboard", "data view", "discover session"]);
    let second = run(fake.connection(None), &wanted(None), false).await.unwrap();
    assert!(second.iter().all(|done| done.change == Change::Update), "{second:?}");
    assert_eq!(fake.kept("default"), first.len(), "the ids are the same");
}

#[tokio::test]
async fn a_dry_run_lists_and_changes_nothing() {
    let fake = Fake::start("8.0.0", "nothing").await;
    let would = run(fake.connection(None), &wanted(None), true).await.unwrap();
    assert!(would.iter().all(|done| done.change == Change::Import) && fake.kept("default") == 0);
    let chains = would.iter().find(|done| done.name == "[Hopkeeper] Chains").unwrap();
    assert_eq!((chains.part, &chains.body["type"]), ("dashboard", &json!("dashboard")));
}

#[tokio::test]
async fn a_space_has_objects_of_its_own() {
    let fake = Fake::start("8.19.0", "nothing").await;
    run(fake.connection(Some("vpn")), &wanted(Some("vpn")), false).await.unwrap();
    assert!(fake.kept("vpn") > 30 && fake.kept("default") == 0);
    run(fake.connection(None), &wanted(None), false).await.unwrap();
    assert_eq!(fake.kept("vpn"), fake.kept("default"));
}

#[tokio::test]
async fn each_object_that_is_refused_is_named_with_the_reason() {
    let fake = Fake::start("9.0.0", "hopkeeper-default-view-lines").await;
    let refused = run(fake.connection(None), &wanted(None), false).await.unwrap_err().to_string();
    assert!(refused.contains("index-pattern \"hopkeeper-default-view-lines\": it is refused"), "{refused}");
    let session = "search \"hopkeeper-default-session-lines\": missing_references";
    assert!(refused.contains(session) && refused.contains("(index-pattern hopkeeper-default-view-lines)"), "{refused}");
    assert!(fake.kept("default") > 20, "the others are there");
}

#[tokio::test]
async fn alert_rules_are_made_once_and_mended_without_touching_what_users_set() {
    let fake = Fake::start("9.0.0", "nothing").await;
    let wanted = Wanted { rules: true, ..wanted(None) };
    let rules = async |dry_run| {
        let done = run(fake.connection(None), &wanted, dry_run).await.unwrap();
        done.into_iter().filter(|done| done.part == "alert rule").map(|done| done.change).collect::<Vec<_>>()
    };
    let id = || {
        let kept = fake.kept.lock().unwrap();
        kept.iter().find(|(_, rule)| rule["name"] == "[Hopkeeper] A chain is down").map(|(key, _)| key.clone())
    };
    assert_eq!(rules(true).await, [Change::Create; 4]);
    assert!(id().is_none(), "a dry run made it");
    assert_eq!(rules(false).await, [Change::Create; 4]);
    assert_eq!(rules(false).await, [Change::None; 4]);
    let id = id().unwrap();
    let set = |field: &str, value: Value| fake.kept.lock().unwrap().get_mut(&id).unwrap()[field] = value;
    // Users say who is told, and switch it off; that is no difference.
    let action = json!({ "id": "mail", "group": "query matched", "params": {}, "connector_type_id": ".email" });
    set("actions", json!([action]));
    set("enabled", json!(false));
    assert_eq!(rules(false).await, [Change::None; 4]);
    set("schedule", json!({ "interval": "1d" }));
    set("notify_when", json!("onActiveAlert"));
    let changes = rules(false).await;
    assert_eq!(changes.iter().filter(|change| **change == Change::Update).count(), 1, "{changes:?}");
    let rule = fake.kept.lock().unwrap()[&id].clone();
    assert_eq!((&rule["schedule"]["interval"], &rule["notify_when"]), (&json!("1m"), &json!("onActiveAlert")));
    assert_eq!(rule["actions"][0]["id"], "mail");
}

#[tokio::test]
async fn what_cannot_be_used_is_told_with_the_remedy() {
    let fake = Fake::start("7.17.0", "nothing").await;
    let why = async |connection| run(connection, &wanted(None), true).await.unwrap_err().to_string();
    assert!(why(fake.connection(None)).await.contains("it must be 8.0 or later"));
    let stranger = Connection { credentials: Credentials::None, ..fake.connection(None) };
    assert!(why(stranger).await.contains("check the API key"));
    let fake = Fake::start("9.0.0", "nothing").await;
    assert!(why(fake.connection(Some("vnp"))).await.contains("does the space exist?"));
    let nowhere = Connection { url: "kibana:5601".into(), ..fake.connection(None) };
    assert!(why(nowhere).await.contains("https://kibana:5601"));
    let other = Connection { url: fake.server.uri() + "/other", ..fake.connection(None) };
    let page = Mock::given(path_regex("^/other")).respond_with(ResponseTemplate::new(200).set_body_string("<html>"));
    page.with_priority(1).mount(&fake.server).await;
    assert!(why(other).await.contains("is the URL right?"));
}
