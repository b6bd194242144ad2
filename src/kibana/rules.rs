//! Alert rules of Kibana (`.es-query`): counting documents that should, or should not, be there.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::objects::Installation;
use super::source::{Rule, Source};
use super::{fields, kql};

/// So many groups are told apart at most.
const MOST_GROUPS: u32 = 100;
/// So many documents are shown of an alert.
const SHOWN: u32 = 10;

/// One rule: its id, and what it is made of.
#[derive(Debug)]
pub struct AlertRule {
    /// The same at each set-up.
    pub id: String,
    /// Name, tags, schedule and parameters: what set-up holds to.
    pub body: Value,
}

/// All rules.
///
/// # Errors
/// When the source names something that is not there; what, is said.
pub fn rules(source: &Source, installation: &Installation) -> Result<Vec<AlertRule>, String> {
    let made = source.rules.iter().map(|(key, rule)| {
        let body = body(rule, installation).map_err(|why| format!("rule {key:?}: {why}"))?;
        Ok::<_, String>(AlertRule { id: uuid(&installation.id(&format!("rule-{key}"))), body })
    });
    made.collect()
}

fn body(rule: &Rule, installation: &Installation) -> Result<Value, String> {
    let (comparator, threshold) = match (rule.above, rule.below) {
        (Some(above), None) => (">", above),
        (None, Some(below)) => ("<", below),
        _ => return Err("needs either above or below".into()),
    };
    let unit = rule.over.strip_suffix(['s', 'm', 'h', 'd']).and_then(|size| size.parse::<u32>().ok());
    let size = unit.ok_or_else(|| format!("{:?} is no time such as 15m", rule.over))?;
    let index: Vec<_> = installation.index(rule.view).split(',').collect();
    let mut params = json!({
        "searchType": "esQuery",
        "index": index,
        "timeField": "@timestamp",
        "esQuery": json!({ "query": kql::to_query(&rule.filter)? }).to_string(),
        "size": SHOWN,
        "timeWindowSize": size,
        "timeWindowUnit": rule.over[rule.over.len() - 1..],
        "thresholdComparator": comparator,
        "threshold": [threshold],
        "aggType": "count",
        "groupBy": "all",
        // Or an alert would end while its documents are still there.
        "excludeHitsFromPreviousRun": false,
    });
    if let Some(field) = &rule.by {
        fields::kind(rule.view, field)?;
        (params["groupBy"], params["termField"], params["termSize"]) =
            ("top".into(), field.as_str().into(), MOST_GROUPS.into());
    }
    Ok(json!({
        "name": installation.title(&rule.title),
        "tags": ["hopkeeper"],
        "schedule": { "interval": rule.every },
        "params": params,
    }))
}

/// An id in the form that Kibana demands of rules.
fn uuid(text: &str) -> String {
    let mut bytes = <[u8; 16]>::try_from(&Sha256::digest(text)[..16]).expect("should have 32 bytes");
    // Version 4, variant 1: it looks at the form only.
    (bytes[6], bytes[8]) = (bytes[6] & 0x0f | 0x40, bytes[8] & 0x3f | 0x80);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_form_of_a_uuid_and_is_the_same_each_time() {
        let id = uuid("hopkeeper-default-rule-chain-down");
        assert_eq!(id, uuid("hopkeeper-default-rule-chain-down"));
        assert_ne!(id, uuid("hopkeeper-default-vpn-rule-chain-down"));
        let lengths: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!((lengths, &id[14..15]), (vec![8, 4, 4, 4, 12], "4"));
        assert!("89ab".contains(&id[19..20]), "{id}");
    }
}
