//! Brings everything into Kibana: `hopkeeper setup --kibana`. May be run at any time, and again after an update.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::client::{Body, Connection, Kibana};
use super::error::KibanaError;
use super::rules::{AlertRule, rules};
use super::{Installation, Source, objects};
use crate::documents::setup::{Change, Done, holds};

/// What of a rule is its users', and must be sent along or is lost.
const OF_USERS: [&str; 4] = ["throttle", "notify_when", "alert_delay", "flapping"];

/// What is to be brought.
pub struct Wanted {
    /// Whose, and where to.
    pub installation: Installation,
    /// Whether alert rules too.
    pub rules: bool,
}

/// Imports all saved objects and makes the alert rules, or with `dry_run` only says which.
///
/// # Errors
/// When Kibana does not answer or refuses: what it took stays, and running it again is harmless.
pub async fn run(connection: Connection, wanted: &Wanted, dry_run: bool) -> Result<Vec<Done>, KibanaError> {
    let kibana = Kibana::new(connection)?;
    kibana.check().await?;
    let (source, installation) = (Source::shipped(), &wanted.installation);
    let mut done = import(&kibana, &source, installation, dry_run).await?;
    if wanted.rules {
        for rule in rules(&source, installation).expect("should be makeable: a test makes them") {
            done.push(keep(&kibana, rule, dry_run).await?);
        }
    }
    Ok(done)
}

async fn import(
    kibana: &Kibana,
    source: &Source,
    installation: &Installation,
    dry_run: bool,
) -> Result<Vec<Done>, KibanaError> {
    let objects = objects(source, installation).expect("should be makeable: a test makes them");
    let imported = if dry_run { Vec::new() } else { kibana.import(&objects).await? };
    let change = |object: &Value| {
        let is_it = |done: &&super::client::Done| object["type"] == done.type_ && object["id"] == done.id;
        match imported.iter().find(is_it) {
            Some(done) if done.overwrite => Change::Update,
            Some(_) => Change::Create,
            None => Change::Import,
        }
    };
    let done = |object: Value| Done {
        part: part(&object),
        name: name(&object),
        change: change(&object),
        request: "POST /api/saved_objects/_import".to_owned(),
        body: object,
    };
    Ok(objects.into_iter().map(done).collect())
}

/// Makes an alert rule that is missing, and mends one that differs; its actions and whether it is switched on are its users'.
async fn keep(kibana: &Kibana, rule: AlertRule, dry_run: bool) -> Result<Done, KibanaError> {
    let path = ["api", "alerting", "rule", &rule.id];
    let there = match kibana.send("look at an alert rule", Method::GET, &path, &[], Body::None).await {
        Ok(there) => Some(there),
        Err(error) if error.status() == Some(404) => None,
        Err(error) => return Err(error),
    };
    let (change, method, body) = match &there {
        None => (
            Change::Create,
            Method::POST,
            with(&rule.body, json!({ "rule_type_id": ".es-query", "consumer": "stackAlerts" })),
        ),
        Some(there) if holds(there, &rule.body) => (Change::None, Method::GET, rule.body.clone()),
        Some(there) => (Change::Update, Method::PUT, with(&rule.body, of_users(there))),
    };
    let request = format!("{method} /{}", path.join("/"));
    if change != Change::None && !dry_run {
        kibana.send("write an alert rule", method, &path, &[], Body::Json(body.clone())).await?;
    }
    let name = rule.body["name"].as_str().unwrap_or_default().to_owned();
    Ok(Done { part: "alert rule", name, change, request, body })
}

fn with(body: &Value, more: Value) -> Value {
    let mut body = body.clone();
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

/// What users have set of a rule, in the form in which it is sent.
fn of_users(there: &Value) -> Value {
    let mut kept: Map<_, _> = OF_USERS
        .iter()
        .filter_map(|name| {
            there.get(*name).filter(|value| !value.is_null()).map(|value| ((*name).to_owned(), value.clone()))
        })
        .collect();
    let mut actions = there["actions"].clone();
    for action in actions.as_array_mut().into_iter().flatten() {
        // It is told, but not taken.
        action.as_object_mut().map(|action| action.remove("connector_type_id"));
    }
    kept.insert("actions".into(), if actions.is_null() { json!([]) } else { actions });
    Value::Object(kept)
}

/// Kibana's word for a kind of object.
fn part(object: &Value) -> &'static str {
    match object["type"].as_str() {
        Some("index-pattern") => "data view",
        Some("search") => "discover session",
        Some("lens") => "chart",
        _ => "dashboard",
    }
}

fn name(object: &Value) -> String {
    let attributes = &object["attributes"];
    attributes["name"].as_str().or_else(|| attributes["title"].as_str()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
