//! What operators asked of the API server, by its audit log, and what the chart lets them ask.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufRead, BufReader};

use jiff::Timestamp;
use serde_json::Value;

use crate::identity::{self, ACCOUNT};
use crate::lab;
use crate::operator::LogSource;
use crate::yaml::documents;

/// Something that a role lets its holder do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    role: Role,
    verb: String,
    group: String,
    /// With its subresource: `pods/log`.
    resource: String,
}

/// The roles of the chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// About chains, where they are.
    Chains,
    /// About the operator itself, in its own namespace.
    Leader,
}

impl Role {
    fn named(name: &str) -> Self {
        if name.ends_with("-leader") { Self::Leader } else { Self::Chains }
    }
}

impl Right {
    /// A right of the role about chains.
    pub fn of_chains(verb: &str, group: &str, resource: &str) -> Self {
        Self { role: Role::Chains, verb: verb.into(), group: group.into(), resource: resource.into() }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(f, "{:?}: {} {}{dot}{}", self.role, self.verb, self.resource, self.group)
    }
}

/// Every right that the chart gives to an operator that follows pods' logs; any other one has a right less.
pub fn granted() -> BTreeSet<Right> {
    let objects = documents(&identity::rights("vpn", "hopkeeper", LogSource::PodLogs));
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(|t| t.as_str().map(str::to_owned)).collect()
    };
    let mut granted = BTreeSet::new();
    for object in objects.iter().filter(|object| object["kind"] == "Role") {
        let role = Role::named(object["metadata"]["name"].as_str().unwrap_or_default());
        for rule in object["rules"].as_array().expect("a role should have rules") {
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    for verb in texts(&rule["verbs"]) {
                        let (group, resource) = (group.clone(), resource.clone());
                        granted.insert(Right { role, verb, group, resource });
                    }
                }
            }
        }
    }
    granted
}

/// What operators did with their rights.
#[derive(Default)]
pub struct Used {
    /// The rights that let them.
    pub rights: BTreeSet<Right>,
    /// What they were refused for want of a right.
    pub refused: Vec<String>,
    /// How many requests that was.
    pub requests: usize,
}

/// What the audit log has of all operators since a time.
pub fn used(since: Timestamp) -> Used {
    let file = std::fs::File::open(lab::dir().join("log/audit.log"))
        .expect("the API server should write an audit log: lab.sh down cluster, lab.sh up");
    let mut used = Used::default();
    // What an account is refused after everything that it was allowed came when its rights were taken away, by an uninstall or
    // with their namespace: before its pod is gone.
    let mut pending: BTreeMap<String, Vec<(Timestamp, String)>> = BTreeMap::new();
    let mut allowed: BTreeSet<String> = BTreeSet::new();
    for line in BufReader::new(file).lines() {
        let line = line.expect("it should be readable");
        // The last line may be half written.
        let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let received: Timestamp = text("/requestReceivedTimestamp").parse().expect("an event should have its time");
        let account = text("/user/username");
        if received < since || !is_operator(&account) || !event["objectRef"]["resource"].is_string() {
            continue;
        }
        used.requests += 1;
        let subresource = text("/objectRef/subresource");
        let slash = if subresource.is_empty() { "" } else { "/" };
        let resource = format!("{}{slash}{subresource}", text("/objectRef/resource"));
        let reason = event["annotations"]["authorization.k8s.io/reason"].as_str().unwrap_or_default();
        if event["annotations"]["authorization.k8s.io/decision"] == "allow" {
            let named = reason.split('"').nth(3);
            // Kubernetes' own role for who asks about tokens, which the chart binds where the status page asks: not the
            // chart's to make smaller.
            if named == Some("system:auth-delegator") {
                continue;
            }
            let role = named.map_or(Role::Chains, Role::named);
            allowed.insert(format!("{account}: {} {resource}", text("/verb")));
            let right =
                |verb: String| Right { role, verb, group: text("/objectRef/apiGroup"), resource: resource.clone() };
            // An apply that creates is authorized as both.
            if event["verb"] == "patch" && event["responseStatus"]["code"] == 201 {
                used.rights.insert(right("create".into()));
            }
            used.rights.insert(right(text("/verb")));
            // A watch's end is told long after its beginning: what counts is when it was asked for.
            let refused = pending.entry(account).or_default().extract_if(.., |(time, _)| *time < received);
            used.refused.extend(refused.map(|(_, what)| what));
        } else {
            let what = format!("{account}: {} {resource}", text("/verb"));
            pending.entry(account).or_default().push((received, what));
        }
    }
    // An API server that has just begun knows no roles yet, and refuses for a moment what it allows before and after.
    used.refused.retain(|what| !allowed.contains(what));
    used
}

fn is_operator(account: &str) -> bool {
    account
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'))
        .is_some_and(|(_, name)| name == ACCOUNT)
}
